"""Depthwise kernels for CPUs without DSP instructions: rows are staged four channels at a time, then every channel runs on its own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgec.ir.program import Site
from edgec.kernels._packing import doubled_shift, dsp_fields, extremes, folded_bias
from edgec.kernels._plain_layers import NEEDS, SUFFIX, is_int8
from edgec.kernels.base import Cost, Kernel, Packed, Scalar

AXES = (0, 1)


def usable(site: Site, small: bool) -> bool:
    """One output channel each, windows of neighbouring pixels that are worth unrolling, accumulators below 2^30."""
    weight = site.const("weight")
    kernel_h, kernel_w, outputs = (int(n) for n in weight.shape)
    simple = outputs == site.int("channels") and site.ints("dilation")[1] == 1 and site.ints("stride")[1] <= 4
    numbers = doubled_shift(site, AXES) if is_int8(site) and weight.dtype == np.int8 else None
    if not simple or numbers is None or kernel_h * kernel_w > (25 if small else 49):
        return False
    return (int(extremes(site, AXES).max(initial=0)) + 128 * 49 * 128) << numbers[1] < 2**30


def pack(site: Site, small: bool) -> Packed:
    """small: inputs are 128 more, which the bias takes off again."""
    weight = site.const("weight")
    widths = {f"{name}_w": site.ints(name)[1] for name in ("size", "out", "pad")}
    bias = folded_bias(site, AXES) - 128 * small * weight.astype(np.int32).sum(axis=AXES)
    numbers = dsp_fields(site, AXES)
    numbers.pop("left")
    arrays = {"weight": np.ascontiguousarray(weight.transpose(2, 0, 1)), "bias": bias.astype(np.int32)}
    fields = {**widths, "channels": site.int("channels"), "zx": site.int("zx")}
    return Packed({**fields, **numbers, **arrays, "mult": site.const("mult")})


def variant(site: Site, small: bool) -> Mapping[str, Scalar | str | bool]:
    kernel_h, kernel_w = site.ints("kernel")
    found = doubled_shift(site, AXES)
    assert found is not None
    return {
        "kernel_h": kernel_h,
        "kernel_w": kernel_w,
        "stride": site.ints("stride")[1],
        "left": found[1],
        "small": small,
    }


def columns(site: Site) -> int:
    """Pixels of the windows of a row."""
    return (site.ints("out")[1] - 1) * site.ints("stride")[1] + site.ints("kernel")[1]


def cost(site: Site, small: bool) -> Cost:
    """Instructions of four outputs and of one, of a channel, of a staged pixel of four channels."""
    (kernel_h, kernel_w), stride, out = site.ints("kernel"), site.ints("stride")[1], site.ints("out")[1]
    rows, channels = site.output.rows, site.int("channels")
    loads = min(4 * kernel_w, 3 * stride + kernel_w)
    if small:
        four = kernel_h * (2 * kernel_w + 12 * kernel_w + 3) + 4 * 25 + 30
        one, lane = kernel_h * (5 * kernel_w + 3) + 55, 75
    else:
        four = kernel_h * (kernel_w + loads + 4 * kernel_w + 1) + 33
        one, lane = kernel_h * (3 * kernel_w + 1) + 20, 45
    again = out > 4 and out % 4 > 1
    count = channels * (out // 4 * four + (four + lane if again else out % 4 * one) + lane)
    count += -(-channels // 4) * kernel_h * (7 * columns(site) + 40)
    return Cost(rows * count, 1.4 * rows * count, (kernel_h * kernel_w + 8) * channels)


def depthwise_kernel(small: bool) -> Kernel:
    return Kernel(
        f"depthwise_s8_{SUFFIX[small]}",
        "depthwise",
        "depthwise_s8_plain",
        lambda site: pack(site, small),
        needs=NEEDS[small],
        when=lambda site: usable(site, small),
        access=("taps_null",),
        variant=lambda site: variant(site, small),
        scratch=lambda site: 4 * site.ints("kernel")[0] * columns(site),
        headers=lambda site: ("plain", f"plain_lane small={int(small)}"),
        block=lambda site: {"channels": 4, "pixels": 4},
        cost=lambda site: cost(site, small),
    )


DEPTHWISE = [depthwise_kernel(small=False), depthwise_kernel(small=True)]
