"""SIMD kernel of conv2d: windows as runs of bytes, times a packed matrix."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgec.ir.program import Array, Site
from edgec.kernels import _simd
from edgec.kernels._packing import factors, folded_bias
from edgec.kernels.base import Cost, Kernel, Packed, Scalar
from edgec.kernels.conv2d import AXES, by_group, geometry


def each(site: Site) -> int:
    """Output channels of a group."""
    return int(site.const("weight").shape[0]) // site.int("groups")


def is_split(site: Site) -> bool:
    """Whether every tap is a run of its own: taps of an input row do not lie side by side, or not all their channels are wanted."""
    return site.int("groups") > 1 or (site.ints("kernel")[1] > 1 and site.ints("dilation")[1] > 1)


def runs(site: Site) -> tuple[int, int]:
    """(runs of a window, bytes of a run)."""
    _, kernel_h, kernel_w, part = (int(n) for n in site.const("weight").shape)
    return (kernel_h * kernel_w, part) if is_split(site) else (kernel_h, kernel_w * part)


def variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    _, kernel_h, kernel_w, _ = (int(n) for n in site.const("weight").shape)
    shape: dict[str, Scalar | str | bool] = {
        "kernel_h": kernel_h,
        "kernel_w": kernel_w if is_split(site) else 1,
        "split": is_split(site),
    }
    return {**shape, "staged": _simd.is_staged(site), **_simd.variant(site, each(site))}


def pack(site: Site) -> Packed:
    """A weight stream for each group."""
    count, run = runs(site)
    bias, mult = folded_bias(site, AXES), factors(site)[0]
    streams = []
    for index, weight in enumerate(by_group(site, each(site))):
        here = slice(index * each(site), (index + 1) * each(site))
        streams.append(_simd.stream(weight.reshape(each(site), count, run), bias[here], mult[here]))
    numbers = {**geometry(site), "groups": site.int("groups"), "zx": site.int("zx"), **_simd.columns(site)}
    words: dict[str, Scalar | Array] = {"group_words": int(streams[0].size), "stream": np.concatenate(streams)}
    return Packed({**numbers, **_simd.fields(site, count, run), **words})


def cost(site: Site) -> Cost:
    """Instructions of the dot product form: as for dense, and the rows that are copied."""
    count, run = runs(site)
    fours, blocks = count * -(-run // 4), site.int("groups") * -(-each(site) // 4) / 4
    high, ones, calls = _simd.tiles(site, site.output.row_elements // int(site.const("weight").shape[0]))
    work = blocks * (
        high * (fours * 20.0 + 110.0 + 12.0 * count) + ones * (fours * 8.0 + 45.0 + 9.0 * count) + calls * 50.0
    )
    work += site.output.rows * (60.0 + site.ints("kernel")[0] * (20.0 + sum(_simd.columns(site).values()) / 10.0))
    return Cost(
        work, work, 64 * fours * -(-each(site) // 16) * site.int("groups") + 8 * int(site.const("weight").shape[0])
    )


KERNELS = [
    Kernel(
        "conv2d_s8_simd",
        "conv2d",
        "simd_conv2d",
        pack,
        needs=_simd.SIMD,
        when=_simd.is_int8,
        access=("taps_null",),
        scratch=_simd.scratch,
        variant=variant,
        headers=lambda site: _simd.headers(site, each(site)),
        block=lambda site: {"outputs": 4, "run": 4, "pixels": 4},
        cost=cost,
        priority=_simd.PRIORITY,
        behind=_simd.BEHIND,
    )
]
