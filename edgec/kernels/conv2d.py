"""Kernels of conv2d: one output row from the rows of its window."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgec.ir.program import Array, Site
from edgec.kernels import _costs, _winograd
from edgec.kernels._packing import (
    can_pair,
    dot_headers,
    dot_variant,
    doubled_shift,
    dsp_fields,
    folded_bias,
    pad_to,
    pair_stream,
    requantize_fields,
)
from edgec.kernels.base import Cost, Kernel, Packed, Scalar
from edgec.kernels.dense import is_float, is_int8, is_int16, variant

AXES = (1, 2, 3)


def geometry(site: Site) -> dict[str, Scalar]:
    """Fields that describe the loop nest."""
    outputs, kernel_h, kernel_w, part = (int(n) for n in site.const("weight").shape)
    widths = {f"{name}_w": site.ints(name)[1] for name in ("size", "out", "stride", "dilation", "pad")}
    shape = {
        "kernel_h": kernel_h,
        "kernel_w": kernel_w,
        "channels": site.int("channels"),
        "part": part,
        "outputs": outputs,
    }
    return {**widths, **shape, "each": outputs // site.int("groups")}


def pack(site: Site) -> Packed:
    weight = site.const("weight")
    if is_float(site):
        clamp = {"lo": site.float("lo"), "hi": site.float("hi")}
        return Packed({**geometry(site), **clamp, "weight": weight, "bias": site.const("bias")})
    fields = {**geometry(site), "zx": site.int("zx"), **requantize_fields(site)}
    return Packed({**fields, "weight": weight, "bias": folded_bias(site, AXES)})


def is_dsp(site: Site) -> bool:
    """Whether the pair-packed stream can hold this layer.  Channels of different groups never share a pair."""
    each = int(site.const("weight").shape[0]) // site.int("groups") if "groups" in site.step.attrs else 0
    return is_int8(site) and doubled_shift(site, AXES) is not None and all(can_pair(w) for w in by_group(site, each))


def by_group(site: Site, each: int) -> list[Array]:
    """Weights of each group of channels."""
    weight = site.const("weight")
    return [weight[first : first + each] for first in range(0, len(weight), each)]


def form(site: Site) -> str:
    """How windows are brought together.  staged: input rows are copied with their padding, short runs then copied from there;
    near: short runs are copied from where they lie, those at the borders byte by byte;
    direct: long kernel rows are widened where they lie; gathered: byte by byte (dilation, groups).
    """
    _, _, kernel_w, part = (int(n) for n in site.const("weight").shape)
    plain = site.int("groups") == 1 and site.ints("dilation")[1] == 1
    if plain and kernel_w * part >= 4 and (kernel_w * part % 4 or kernel_w * part <= 12):
        return "staged" if site.ints("out")[1] < 40 else "near"
    return "direct" if kernel_w * part % 4 == 0 else "gathered"


def pack_dsp(site: Site) -> Packed:
    """A weight stream for each group, windows padded to words with zeros."""
    fields = geometry(site)
    each = int(fields["each"])
    bias, mult = folded_bias(site, AXES), site.const("mult")
    safe = bool(dot_variant(site, AXES)["safe"])
    streams = []
    for index, weight in enumerate(by_group(site, each)):
        here = slice(index * each, (index + 1) * each)
        streams.append(pair_stream(pad_to(weight.reshape(each, -1), 1, 4), bias[here], mult[here], 4, safe))
    numbers = dsp_fields(site, AXES)
    kept = {name: numbers[name] for name in ("round", "lo", "hi")}
    fields |= {"groups": site.int("groups"), "zx": site.int("zx"), **kept, "group_words": int(streams[0].shape[1])}  # type: ignore[dict-item]
    return Packed({**fields, "stream": np.concatenate([s.reshape(-1) for s in streams])})


def scratch_dsp(site: Site) -> int:
    """Two widened windows, and one kernel row (or the window) of each as bytes."""
    _, kernel_h, kernel_w, part = (int(n) for n in site.const("weight").shape)
    fours = -(-kernel_h * kernel_w * part // 4)
    pitch = ((site.ints("out")[1] - 1) * site.ints("stride")[1] + kernel_w) * part
    behind = {
        "staged": fours * 8 + kernel_h * pitch,
        "direct": 2 * kernel_w * part,
        "near": fours * 8,
        "gathered": fours * 8,
    }
    return fours * 16 + behind[form(site)]


def variant_dsp(site: Site) -> Mapping[str, Scalar | str | bool]:
    """Shifts, and for short runs the kernel's shape."""
    _, kernel_h, kernel_w, part = (int(n) for n in site.const("weight").shape)
    found = {"form": form(site), "odd": site.ints("out")[1] % 2 == 1, **dot_variant(site, AXES)}
    return found | ({"kernel_h": kernel_h, "run": kernel_w * part} if form(site) in ("staged", "near") else {})


def predicted(site: Site, per_mac: float, per_output: float, per_window_byte: float = 0.0) -> Cost:
    """Instructions: so many a multiply-accumulate, an output, a byte of every window."""
    weight = site.const("weight")
    window = int(np.prod(weight.shape[1:]))
    pixels = site.output.elements // int(weight.shape[0])
    work = (
        site.output.elements * (window * per_mac + per_output) + pixels * window * site.int("groups") * per_window_byte
    )
    return Cost(work, 0.0, int(weight.nbytes) + 8 * int(weight.shape[0]))


KERNELS = [
    Kernel(
        "conv2d_s8_winograd",
        "conv2d",
        "conv2d_s8_winograd",
        _winograd.pack,
        needs=frozenset({"dsp"}),
        when=_winograd.usable,
        access=("taps_null",),
        units=lambda site: 1,
        group=lambda site, alone, several: 4,
        scratch=_winograd.scratch,
        variant=lambda site: {"shift": site.int("shift") + 6},
        headers=lambda site: ("dsp_winograd", f"dsp_winograd_output shift={site.int('shift') + 6}"),
        large=True,
        cost=_costs.winograd,
    ),
    Kernel(
        "conv2d_s8_dsp",
        "conv2d",
        "conv2d_s8_dsp",
        pack_dsp,
        needs=frozenset({"dsp"}),
        when=is_dsp,
        access=("taps_null",),
        scratch=scratch_dsp,
        variant=variant_dsp,
        headers=lambda site: dot_headers(site, AXES, "2x4"),
        cost=lambda site: _costs.conv_2x4(site, form(site)),
    ),
    Kernel(
        "conv2d_s8_c",
        "conv2d",
        "conv2d_c",
        pack,
        when=is_int8,
        access=("taps_null",),
        variant=variant,
        cost=lambda site: predicted(site, 4.5, 20.0),
    ),
    Kernel(
        "conv2d_s16_c",
        "conv2d",
        "conv2d_c",
        pack,
        when=is_int16,
        access=("taps_null",),
        variant=variant,
        headers=lambda site: ("rescale",),
        cost=lambda site: predicted(site, 5.0, 30.0),
    ),
    Kernel(
        "conv2d_f32_c",
        "conv2d",
        "conv2d_c",
        pack,
        when=is_float,
        access=("taps_null",),
        variant=variant,
        cost=lambda site: predicted(site, 4.5, 10.0),
    ),
]
