"""SIMD kernels in float32: the layouts of the int8 ones, weights side by side for sixteen channels (depthwise: four)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgec.ir.program import Array, Site
from edgec.kernels import _simd, simd_conv2d
from edgec.kernels._packing import pad_to
from edgec.kernels.base import Cost, Kernel, Packed, Scalar
from edgec.kernels.conv2d import by_group, geometry
from edgec.kernels.dense import depth, is_float, outputs, pixels, rows_by_four
from edgec.kernels.depthwise import geometry as depthwise_geometry

MOST_TAPS = 25
"""Taps up to which a depthwise window is written out."""
ROLLING = 3
"""Columns of a window up to which its taps are kept in registers from pixel to pixel."""


def usable(site: Site) -> bool:
    return is_float(site) and site.const("weight").dtype == np.float32


def pack_dense(site: Site) -> Packed:
    words = _simd.float_stream(site.const("weight")[:, None, :], site.const("bias"))
    shape = {"depth": depth(site), "outputs": outputs(site)}
    return Packed({**shape, **_simd.float_fields(site, 1, depth(site)), "stream": words})


def pack_conv(site: Site) -> Packed:
    count, run = simd_conv2d.runs(site)
    each, bias = simd_conv2d.each(site), site.const("bias")
    streams = [
        _simd.float_stream(weight.reshape(each, count, run), bias[index * each : (index + 1) * each])
        for index, weight in enumerate(by_group(site, each))
    ]
    numbers = {**geometry(site), "groups": site.int("groups"), **_simd.columns(site)}
    words: dict[str, Scalar | Array] = {"group_words": int(streams[0].size), "stream": np.concatenate(streams)}
    return Packed({**numbers, **_simd.float_fields(site, count, run), **words})


def is_depthwise(site: Site) -> bool:
    kernel_h, kernel_w, made = site.const("weight").shape
    return usable(site) and made == site.int("channels") and kernel_h * kernel_w <= MOST_TAPS


def pack_depthwise(site: Site) -> Packed:
    weight, bias = site.const("weight"), site.const("bias")
    channels, taps = int(weight.shape[2]), weight.reshape(-1, weight.shape[2])
    words = []
    for first in (max(0, min(c, channels - 4)) for c in range(0, channels, 4)):
        here = slice(first, first + 4)
        words += [pad_to(bias[here], 0, 4), pad_to(taps[:, here], 1, 4).reshape(-1)]
    clamp = {"lo": site.float("lo"), "hi": site.float("hi"), "dilated": site.ints("dilation")[1] * channels}
    numbers = {**depthwise_geometry(site), **_simd.columns(site), **clamp}
    return Packed({**numbers, "stream": np.concatenate(words).astype(np.float32)})


def depthwise_variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    kernel_h, kernel_w = site.ints("kernel")
    shape: dict[str, Scalar | str | bool] = {"kernel_h": kernel_h, "kernel_w": kernel_w}
    rolling = kernel_w <= ROLLING >= kernel_h and site.ints("dilation")[1] == 1
    shape |= {"stride": site.ints("stride")[1], "rolling": rolling}
    return {**shape, "narrow": site.int("channels") < 4, "staged": _simd.is_staged(site)}


def cost(site: Site, inputs: int, channels: int) -> Cost:
    """Instructions: a tile of 4 pixels by 16 channels takes 23 for an input and 80 to finish, of one 7 and 35."""
    fours, ones, calls = _simd.tiles(site, site.output.row_elements // channels)
    each = fours * (inputs * 23.0 + 80.0) + ones * (inputs * 7.0 + 35.0) + calls * 50.0
    work = -(-channels // 16) * each + calls * 30.0
    return Cost(work, work, int(site.const("weight").nbytes) + 4 * channels)


def conv_cost(site: Site) -> Cost:
    return cost(site, int(np.prod(site.const("weight").shape[1:])), int(site.const("weight").shape[0]))


def depthwise_cost(site: Site) -> Cost:
    """Instructions of 4 channels of a pixel: 1.6 a tap, 8 to finish."""
    kernel_h, kernel_w, channels = (int(n) for n in site.const("weight").shape)
    work = site.output.elements / channels * -(-channels // 4) * (1.6 * kernel_h * kernel_w + 8.0)
    return Cost(work, work, int(site.const("weight").nbytes) + 4 * channels)


KERNELS = [
    Kernel(
        "dense_f32_simd",
        "dense",
        "simd_dense",
        pack_dense,
        needs=_simd.SIMD,
        when=lambda site: usable(site) and depth(site) >= 1,
        units=pixels,
        group=rows_by_four,
        variant=lambda site: _simd.variant(site, outputs(site)),
        headers=lambda site: _simd.headers(site, outputs(site)),
        cost=lambda site: cost(site, depth(site), outputs(site)),
        priority=_simd.PRIORITY,
        behind=_simd.BEHIND,
    ),
    Kernel(
        "conv2d_f32_simd",
        "conv2d",
        "simd_conv2d",
        pack_conv,
        needs=_simd.SIMD,
        when=usable,
        access=("taps_null",),
        scratch=_simd.scratch,
        variant=simd_conv2d.variant,
        headers=lambda site: _simd.headers(site, simd_conv2d.each(site)),
        cost=conv_cost,
        priority=_simd.PRIORITY,
        behind=_simd.BEHIND,
    ),
    Kernel(
        "depthwise_f32_simd",
        "depthwise",
        "simd_depthwise_f32",
        pack_depthwise,
        needs=_simd.SIMD,
        when=is_depthwise,
        access=("taps_null",),
        scratch=_simd.scratch,
        variant=depthwise_variant,
        cost=depthwise_cost,
        priority=_simd.PRIORITY,
        behind=_simd.BEHIND,
    ),
]
