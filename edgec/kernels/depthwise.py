"""Kernels of depthwise: one output row from the rows of its window, every channel on its own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgec.ir.program import Array, Site
from edgec.kernels import _costs, _depthwise3, _plain_depthwise
from edgec.kernels._int16 import is_int16
from edgec.kernels._packing import doubled_shift, dsp_fields, folded_bias, requantize_fields
from edgec.kernels.base import Cost, Kernel, Packed, Scalar
from edgec.kernels.dense import is_float, is_int8, variant

AXES = (0, 1)


def geometry(site: Site) -> dict[str, Scalar]:
    """Fields that describe the loop nest."""
    kernel_h, kernel_w, outputs = (int(n) for n in site.const("weight").shape)
    channels = site.int("channels")
    widths = {f"{name}_w": site.ints(name)[1] for name in ("size", "out", "stride", "dilation", "pad")}
    return {
        **widths,
        "kernel_h": kernel_h,
        "kernel_w": kernel_w,
        "channels": channels,
        "multiplier": outputs // channels,
    }


def pack(site: Site) -> Packed:
    weight = site.const("weight")
    if is_float(site):
        clamp = {"lo": site.float("lo"), "hi": site.float("hi")}
        return Packed({**geometry(site), **clamp, "weight": weight, "bias": site.const("bias")})
    fields = {**geometry(site), "zx": site.int("zx"), **requantize_fields(site)}
    return Packed({**fields, "weight": weight, "bias": folded_bias(site, AXES)})


def is_dsp(site: Site) -> bool:
    """Whether the four-channel kernel can compute this layer: no multiplier, columns side by side, worth unrolling."""
    kernel_h, kernel_w, outputs = site.const("weight").shape
    simple = outputs == site.int("channels") >= 4 and site.ints("dilation")[1] == 1 and max(kernel_h, kernel_w) <= 7
    pairs = (kernel_h + 1) // 2
    simple = simple and (kernel_w - 1 + 3 * site.ints("stride")[1]) * 16 * pairs + 4 * pairs <= 1024  # offsets of LDRD
    return is_int8(site) and simple and site.const("weight").dtype == np.int8 and doubled_shift(site, AXES) is not None


def pack16(site: Site) -> Packed:
    """The zero point is subtracted from every input, not folded."""
    fields = {**geometry(site), "zx": site.int("zx"), **requantize_fields(site)}
    return Packed({**fields, "weight": site.const("weight"), "bias": site.const("bias")})


def is_simple16(site: Site) -> bool:
    """int16 in or out, one output for each channel."""
    return is_int16(site) and site.const("weight").shape[2] == site.int("channels")


def column_pairs(weight: Array) -> Array:
    """[kh, kw, C] int8 -> [C, bytes]: column by column the pairs of rows; pairs (a, b), (c, d) as bytes a c b d."""
    channels = weight.shape[2]
    padded: Array = np.pad(weight, ((0, weight.shape[0] % 2), (0, 0), (0, 0)))
    words: Array = padded.transpose(2, 1, 0).reshape(channels, -1, 2)
    words = np.pad(words, ((0, 0), (0, words.shape[1] % 2), (0, 0))).reshape(channels, -1, 2, 2)
    return np.ascontiguousarray(words.transpose(0, 1, 3, 2)).reshape(channels, -1)


def pack_dsp(site: Site) -> Packed:
    numbers = {**geometry(site), "zx": site.int("zx"), **dsp_fields(site, AXES)}
    arrays = {
        "bias": folded_bias(site, AXES),
        "mult": 2 * site.const("mult"),
        "weight": column_pairs(site.const("weight")),
    }
    return Packed({**numbers, **arrays})


def variant_dsp(site: Site) -> Mapping[str, Scalar | str | bool]:
    """The row pairs are unrolled."""
    kernel_h, kernel_w = site.ints("kernel")
    found = doubled_shift(site, AXES)
    left = found is not None and found[1] > 0
    return {
        "kernel_h": kernel_h,
        "kernel_w": kernel_w,
        "stride": site.ints("stride")[1],
        "left": left,
    }


def scratch_dsp(site: Site) -> int:
    """Weights of four channels, and their row pairs over all columns of the windows of a row."""
    kernel_h, kernel_w = site.ints("kernel")
    pairs = (kernel_h + 1) // 2
    span = (site.ints("out")[1] - 1) * site.ints("stride")[1] + kernel_w
    return 16 * ((kernel_w * pairs + 1) // 2 * 2 + span * pairs)


def predicted(site: Site, per_mac: float, per_output: float) -> Cost:
    """Instructions: so many a multiply-accumulate, so many an output."""
    kernel_h, kernel_w, outputs = site.const("weight").shape
    work = site.output.elements * (int(kernel_h * kernel_w) * per_mac + per_output)
    return Cost(work, 0.0, int(site.const("weight").nbytes) + 8 * int(outputs))


KERNELS = [
    Kernel(
        "depthwise3_s8_dsp",
        "depthwise",
        "depthwise3_s8_dsp",
        _depthwise3.pack,
        needs=frozenset({"dsp"}),
        when=_depthwise3.usable,
        access=("taps_null",),
        units=lambda site: 1,
        group=_depthwise3.rows,
        scratch=_depthwise3.scratch,
        variant=_depthwise3.variant,
        headers=lambda site: ("dsp_depthwise",),
        block=lambda site: {"channels": 4, "pixels": 2 if site.step.group == 2 else 4},
        cost=_depthwise3.cost,
    ),
    Kernel(
        "depthwise3_s8_dsp4",
        "depthwise",
        "depthwise3_s8_dsp",
        _depthwise3.pack,
        needs=frozenset({"dsp"}),
        when=_depthwise3.usable_four,
        access=("taps_null",),
        units=lambda site: 1,
        group=_depthwise3.rows_four,
        scratch=_depthwise3.scratch_four,
        variant=_depthwise3.variant_four,
        large=True,
        headers=lambda site: ("dsp_depthwise", "dsp_depthwise_four"),
        cost=_depthwise3.cost_four,
    ),
    Kernel(
        "depthwise_s8_dsp",
        "depthwise",
        "depthwise_s8_dsp",
        pack_dsp,
        needs=frozenset({"dsp"}),
        when=is_dsp,
        access=("taps_null",),
        scratch=scratch_dsp,
        variant=variant_dsp,
        headers=lambda site: ("dsp_dot", "dsp_depthwise_any"),
        block=lambda site: {"channels": 4, "pixels": 4},
        cost=_costs.depthwise_any,
    ),
    *_plain_depthwise.DEPTHWISE,
    Kernel(
        "depthwise_s8_c",
        "depthwise",
        "depthwise_c",
        pack,
        when=is_int8,
        access=("taps_null",),
        variant=variant,
        cost=lambda site: predicted(site, 12.0, 25.0),
    ),
    Kernel(
        "depthwise_s16_4",
        "depthwise",
        "depthwise16_c",
        pack16,
        when=is_simple16,
        access=("taps_null",),
        variant=variant,
        headers=lambda site: ("rescale",),
        cost=lambda site: predicted(site, 4.5, 42.0),
    ),
    Kernel(
        "depthwise_s16_c",
        "depthwise",
        "depthwise_c",
        pack,
        when=is_int16,
        access=("taps_null",),
        variant=variant,
        headers=lambda site: ("rescale",),
        cost=lambda site: predicted(site, 31.0, 40.0),
    ),
    Kernel(
        "depthwise_f32_c",
        "depthwise",
        "depthwise_c",
        pack,
        when=is_float,
        access=("taps_null",),
        variant=variant,
        cost=lambda site: predicted(site, 12.0, 15.0),
    ),
]
