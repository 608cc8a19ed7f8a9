"""SIMD kernel of depthwise: sixteen channels side by side, taps two at a time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgec.ir.program import Array, Site
from edgec.kernels import _simd
from edgec.kernels._packing import factors, folded_bias, pad_to
from edgec.kernels.base import Cost, Kernel, Packed, Scalar
from edgec.kernels.depthwise import AXES, geometry

MOST_TAPS = 49
"""Taps up to which a window is written out."""


def usable(site: Site) -> bool:
    kernel_h, kernel_w, outputs = site.const("weight").shape
    return _simd.is_int8(site) and outputs == site.int("channels") and kernel_h * kernel_w <= MOST_TAPS


def blocks(channels: int) -> list[int]:
    """First channel of each block; the last ends with the last channel."""
    return [max(0, min(first, channels - 16)) for first in range(0, channels, 16)]


def stream(weight: Array, bias: Array, mult: Array) -> Array:
    """int32 words of all blocks: bias[16], mult[16], 16 bytes for each tap.  weight: [taps, C] int8."""
    words = []
    for first in blocks(weight.shape[1]):
        here = slice(first, first + 16)
        words += [pad_to(end[here], 0, 16).astype(np.int32) for end in (bias, mult)]
        words.append(np.ascontiguousarray(pad_to(weight[:, here], 1, 16)).view(np.int32).reshape(-1))
    return np.concatenate(words)


def variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    kernel_h, kernel_w = site.ints("kernel")
    found: dict[str, Scalar | str | bool] = {
        "kernel_h": kernel_h,
        "kernel_w": kernel_w,
        "stride": site.ints("stride")[1],
    }
    found |= {"narrow": site.int("channels") < 16, "left": "left_" if site.int("left") else ""}
    # Columns of four rows stay in registers where the instruction set has dot products and a window has three of them at most.
    columns = kernel_h <= 4 and kernel_w <= 3 and site.ints("dilation")[1] == 1
    return {**found, "staged": _simd.is_staged(site), "columns": columns}


def pack(site: Site) -> Packed:
    weight = site.const("weight")
    words = stream(weight.reshape(-1, weight.shape[2]), folded_bias(site, AXES), factors(site)[0])
    numbers = {**geometry(site), "zx": site.int("zx"), **_simd.columns(site), **_simd.requantize(site)}
    return Packed({**numbers, "dilated": site.ints("dilation")[1] * site.int("channels"), "stream": words})


def cost(site: Site) -> Cost:
    """Instructions of 16 channels: 5.5 a tap, 28 to finish a pixel; and the rows that are copied."""
    kernel_h, kernel_w, channels = (int(n) for n in site.const("weight").shape)
    taps, count = kernel_h * kernel_w, len(blocks(channels))
    each = count * (site.ints("out")[1] * (5.5 * taps + 28.0) + taps + 20.0)
    work = site.output.rows * (each + 60.0 + kernel_h * (20.0 + sum(_simd.columns(site).values()) / 10.0))
    return Cost(work, work, count * (16 * taps + 128))


KERNELS = [
    Kernel(
        "depthwise_s8_simd",
        "depthwise",
        "simd_depthwise_s8",
        pack,
        needs=_simd.SIMD,
        when=usable,
        access=("taps_null",),
        scratch=_simd.scratch,
        variant=variant,
        block=lambda site: {"channels": 16},
        cost=cost,
        priority=_simd.PRIORITY,
        behind=_simd.BEHIND,
    )
]
