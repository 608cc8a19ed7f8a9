"""Kernels of conv2d: one output row from the rows of its window."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgec.ir.program import Array, Site
from edgec.ir.reach import Window
from edgec.kernels import _costs, _int16, _plain_layers, _winograd
from edgec.kernels._int16 import is_int16
from edgec.kernels._packing import (
    can_pair,
    dot_headers,
    dot_variant,
    doubled_shift,
    dsp_fields,
    folded_bias,
    pair_stream,
    requantize_fields,
)
from edgec.kernels.base import Cost, Kernel, Packed, Scalar
from edgec.kernels.dense import is_float, is_int8, variant

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
    return is_int8(site) and doubled_shift(site, AXES) is not None and all(can_pair(w, 4) for w in by_group(site, each))


def by_group(site: Site, each: int) -> list[Array]:
    """Weights of each group of channels."""
    weight = site.const("weight")
    return [weight[first : first + each] for first in range(0, len(weight), each)]


MOST_STAGED = 1024
"""Bytes of scratch that copies of the input rows may take."""
WORTH = 0.02
"""Part of a layer's instructions that they must save."""


def form(site: Site) -> str:
    """How windows are brought together.  columns: windows slide over columns that are widened once, whole words each; where a column is no
    whole words, the kernel rows of a window are taken word by word: staged: from copies of the input rows with their padding, near: from
    where they lie, those at the borders from a copy.
    """
    plain = site.int("groups") == 1 and site.ints("dilation")[1] == 1
    if not plain or site.const("weight").shape[3] % 4 == 0:
        return "columns"
    staged, near = (cost_dsp(site, form).instructions for form in ("staged", "near"))
    return "staged" if staged_bytes(site) <= MOST_STAGED and staged < (1 - WORTH) * near else "near"


def cost_dsp(site: Site, form: str) -> Cost:
    """What the DSP kernel takes in one of its forms."""
    words, rest = row_words(site)
    return _costs.conv_2x4(site, form, len(window_order(site, form)), 4 * words + rest, staged_bytes(site))


def staged_bytes(site: Site) -> int:
    """Copies of the input rows, with their padding, that a call reads."""
    _, kernel_h, _, part = (int(n) for n in site.const("weight").shape)
    words, rest = row_words(site)
    pitch = (site.ints("out")[1] - 1) * site.ints("stride")[1] * part + 4 * words + rest
    return (kernel_h + (below(site) if site.step.group != 1 else 0)) * pitch


def row_words(site: Site) -> tuple[int, int]:
    """(words, bytes left over) that a kernel row is taken as.  Nothing is left over where whole words, with what lies behind the kernel
    row and counts nothing, hold the window in as few."""
    _, kernel_h, kernel_w, part = (int(n) for n in site.const("weight").shape)
    run = kernel_w * part
    if kernel_h * -(-run // 4) == -(-kernel_h * run // 4):
        return -(-run // 4), 0
    return run // 4, run % 4


def window_order(site: Site, form: str) -> Array:
    """Which of the inputs of a window, flat [kernel_h, kernel_w, part], the kernel multiplies one after another; -1: a zero."""
    _, kernel_h, kernel_w, part = (int(n) for n in site.const("weight").shape)
    index = np.arange(kernel_h * kernel_w * part).reshape(kernel_h, kernel_w, part)
    if form == "columns":
        columns = index.transpose(1, 0, 2).reshape(kernel_w, -1)
        return np.pad(columns, ((0, 0), (0, -columns.shape[1] % 4)), constant_values=-1).reshape(-1)
    words, rest = row_words(site)
    lines = index.reshape(kernel_h, -1)
    lines = np.pad(lines, ((0, 0), (0, 4 * words + rest - lines.shape[1])), constant_values=-1)
    order = np.concatenate([lines[:, : 4 * words].reshape(-1), lines[:, 4 * words :].reshape(-1)])
    return np.pad(order, (0, -len(order) % 4), constant_values=-1)


def below(site: Site) -> int:
    """Row pointers from an output row to the next, 0 where a call cannot make two."""
    reach = site.step.reach[0]
    stride, dilation = site.ints("stride")[0], site.ints("dilation")[0]
    together = isinstance(reach, Window) and (reach.out_height % 2 == 0 or reach.out_height == site.output.rows)
    return stride // dilation if together and stride % dilation == 0 else 0


def rows_dsp(site: Site, alone: bool, several: bool) -> int:
    """Two rows where their width is odd: no pixel is left without a neighbour."""
    return 2 if (alone or several) and site.ints("out")[1] % 2 and site.output.rows > 1 and below(site) else 1


MOVED = 0.02
"""Part of a layer's instructions from which moving the columns that windows share is worth scratch."""


def slack(site: Site) -> int:
    """Columns behind a window, so that those that the next one shares are moved every fourth time only: where a column is small, and
    what is done with it not much more than a move."""
    outputs, kernel_h, kernel_w, part = (int(n) for n in site.const("weight").shape)
    stride, column = site.ints("stride")[1], -(-kernel_h * part // 4) * 4
    moved = 10 + 0.75 * (kernel_w - stride) * column
    done = -(-outputs // site.int("groups") // 4) * (6 * kernel_w * column + 41)
    return 3 * stride if kernel_h * part <= 64 and moved > MOVED * done else 0


def pack_dsp(site: Site) -> Packed:
    """A weight stream for each group, inputs in the order of window_order."""
    fields = geometry(site)
    each, order = int(fields["each"]), window_order(site, form(site))
    bias, mult = folded_bias(site, AXES), site.const("mult")
    lanes = dot_variant(site, AXES, 4)
    streams = []
    for index, weight in enumerate(by_group(site, each)):
        here = slice(index * each, (index + 1) * each)
        ordered = np.where(order >= 0, weight.reshape(each, -1)[:, order], 0).astype(np.int8)
        streams.append(pair_stream(ordered, bias[here], mult[here], 4, lanes))
    numbers = dsp_fields(site, AXES)
    kept = {name: numbers[name] for name in ("round", "lo", "hi")}
    fields |= {"groups": site.int("groups"), "zx": site.int("zx")}
    words = {"group_words": streams[0].size // -(-each // 4), "down": below(site), "slack": slack(site)}
    struct = "edgec_conv_t" if form(site) == "columns" else ""
    return Packed({**fields, **kept, **words, "stream": np.concatenate(streams)}, struct)


def pack_dsp16(site: Site) -> Packed:
    """Each group's channels padded to fours."""
    shape = geometry(site)
    groups = site.int("groups")
    return Packed({**shape, "groups": groups, "padded": -(-int(shape["each"]) // 4) * 4, **_int16.fields(site)})


def scratch_dsp(site: Site) -> int:
    """Two widened windows, and behind them what is widened from copies."""
    _, kernel_h, kernel_w, _ = (int(n) for n in site.const("weight").shape)
    which = form(site)
    window = 4 * len(window_order(site, which))
    if which == "columns":
        column = window // kernel_w
        return window + slack(site) * column + column // 2
    words, rest = row_words(site)
    return window + (2 * kernel_h * (4 * words + rest) if which == "near" else staged_bytes(site))


def variant_dsp(site: Site) -> Mapping[str, Scalar | str | bool]:
    """Shifts, and for kernel rows taken word by word their shape."""
    found = {"form": form(site), **dot_variant(site, AXES, 4)}
    if form(site) == "columns":
        return found
    words, rest = row_words(site)
    shape = {"kernel_h": int(site.const("weight").shape[1]), "words": words, "rest": rest}
    return found | shape | {"below": below(site) if site.step.group != 1 else 0}


def predicted(site: Site, per_mac: float, per_output: float, per_window_byte: float = 0.0) -> Cost:
    """Instructions: so many a multiply-accumulate, an output, a byte of every window."""
    weight = site.const("weight")
    window = int(np.prod(weight.shape[1:]))
    pixels = site.output.elements // int(weight.shape[0])
    work = (
        site.output.elements * (window * per_mac + per_output) + pixels * window * site.int("groups") * per_window_byte
    )
    return Cost(work, 0.0, int(weight.nbytes) + 8 * int(weight.shape[0]))


def winograd(name: str, form: _winograd.Winograd) -> Kernel:
    """A Winograd kernel; it spends flash and scratch for speed."""
    return Kernel(
        name,
        "conv2d",
        "conv2d_s8_winograd",
        form.pack,
        needs=frozenset({"dsp"}),
        when=form.usable,
        access=("taps_null",),
        units=lambda site: 1,
        group=lambda site, alone, several: form.tile,
        scratch=form.scratch,
        variant=form.variant,
        headers=form.headers,
        large=True,
        block=lambda site: {"outputs": 4, "rows": form.tile, "pixels": 2 * form.tile},
        cost=lambda site: _costs.winograd(site, form.tile),
    )


KERNELS = [
    winograd("conv2d_s8_winograd", _winograd.F4),
    winograd("conv2d_s8_winograd2", _winograd.F2),
    Kernel(
        "conv2d_s8_dsp",
        "conv2d",
        "conv2d_s8_dsp",
        pack_dsp,
        needs=frozenset({"dsp"}),
        when=is_dsp,
        access=("taps_null",),
        units=lambda site: 1,
        group=rows_dsp,
        scratch=scratch_dsp,
        variant=variant_dsp,
        headers=lambda site: (*dot_headers(site, AXES, 4), "dsp_conv"),
        block=lambda site: {"outputs": 4, "inputs": 4, "pixels": 1 if site.step.group == 2 else 2},
        cost=lambda site: cost_dsp(site, form(site)),
    ),
    *_plain_layers.CONV,
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
        "conv2d_s16_dsp",
        "conv2d",
        "conv2d_s16_dsp",
        pack_dsp16,
        needs=frozenset({"dsp"}),
        when=lambda site: _int16.usable(site),
        access=("taps_null",),
        scratch=_int16.scratch,
        variant=_int16.types,
        headers=lambda site: _int16.HEADERS,
        cost=lambda site: _int16.cost(site, 10.0),
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
        cost=lambda site: predicted(site, 5.0 + 11.0 / site.const("weight").shape[3], 45.0),
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
