"""SIMD kernel of 3x3 convolutions by exact Winograd F(4x4, 3x3): the weights, packed as int8, are transformed anew in each call, for eight
outputs at a time.  That costs little where a call makes many tiles, no flash, and no RAM but scratch."""

from __future__ import annotations

import numpy as np

from edgec.ir.program import Site
from edgec.ir.reach import Window
from edgec.kernels import _simd
from edgec.kernels._packing import pad_to
from edgec.kernels._winograd import F4
from edgec.kernels.base import Cost, Kernel, Packed

TILES = 16
"""Tiles a call from which on transforming the weights is less than a tenth of the work; the transformed inputs of more would only need RAM."""
APART = 32
"""Elements that keep the points of one channel out of each other's cache lines."""


def usable(site: Site) -> bool:
    """Whole vectors of four outputs, and what F(4x4, 3x3) needs."""
    return len(site.const("weight")) % 4 == 0 and F4.usable(site)


def padded(site: Site) -> tuple[int, int]:
    """(channels, outputs) as they are computed: eights.  The weights of those that are not there are zero."""
    return 8 * -(-site.int("channels") // 8), 8 * -(-len(site.const("weight")) // 8)


def rows(site: Site, alone: bool, several: bool) -> int:
    """Rows a call: TILES tiles; fewer rows are another kernel's.  Images of a batch are not made together."""
    reach, across = site.step.reach[0], -(-site.ints("out")[1] // 4)
    wanted = 4 * -(-TILES // across)
    image = reach.out_height if isinstance(reach, Window) else 0
    return wanted if image == site.output.rows or image % wanted == 0 else 4


def tiles(site: Site) -> tuple[int, list[int]]:
    """(tiles of a row, tiles of each call)."""
    high, group, across = site.output.rows, site.step.group or site.output.rows, -(-site.ints("out")[1] // 4)
    return across, [-(-min(group, high - y) // 4) * across for y in range(0, high, group)]


def pack(site: Site) -> Packed:
    """weight: [O/8][C/2][2][9 taps][4 outputs][2 channels] int8, padded; the numbers for 576 times the accumulators."""
    channels, outputs = padded(site)
    weight = pad_to(pad_to(site.const("weight"), 0, 8), 3, 8)
    blocks = weight.reshape(outputs // 8, 2, 4, 9, channels // 2, 2).transpose(0, 4, 1, 3, 2, 5)
    before, inner, _ = _simd.columns(site).values()
    shape = {"out_w": site.ints("out")[1], "channels": site.int("channels"), "outputs": len(site.const("weight"))}
    numbers = {"before": before, "inner": inner, "zx": site.int("zx"), "zero": site.int("zy")}
    limits = {"shift": -site.int("shift") - F4.bits, "lo": site.int("lo"), "hi": site.int("hi")}
    doubled = (2 * (site.const("mult") // F4.odd)).astype(np.int32)
    arrays = {"weight": np.ascontiguousarray(blocks).reshape(-1), "bias": F4.bias(site), "doubled": doubled}
    return Packed({**shape, **numbers, **limits, **arrays})


def scratch(site: Site) -> int:
    """Transformed inputs; transformed weights of eight outputs and their products of four tiles, or six lines of input (and what may be
    loaded behind them) before those."""
    across, calls = tiles(site)
    channels = padded(site)[0]
    inputs, weights = -(-max(calls) // 4) * 4 * channels + APART, 8 * channels + APART
    return 2 * F4.points * inputs + max(
        F4.points * (2 * weights + 4 * 32), 6 * (4 * across + 2) * site.int("channels") + 8
    )


def cost(site: Site) -> Cost:
    """In the unit of simd_conv2d.cost, from times: WebAssembly's vectors take about 4.5 operations where a dot product of bytes takes one."""
    calls, (channels, outputs) = tiles(site)[1], padded(site)
    made, fours = sum(calls), sum(-(-n // 4) for n in calls)
    products = fours * F4.points * outputs / 8 * (4.9 * channels / 2 + 4.5)
    work = (
        products
        + made * (80.0 * channels / 8 + 95.0 * outputs / 4)
        + len(calls) * (34.0 * outputs * channels / 8 + 2000.0)
    )
    return Cost(work, work, (9 * channels + 8) * outputs)


KERNELS = [
    Kernel(
        "conv2d_s8_simd_winograd",
        "conv2d",
        "simd_winograd",
        pack,
        needs=frozenset({"simd", "simd128"}),
        when=usable,
        access=("taps_null",),
        units=lambda site: 1,
        group=rows,
        scratch=scratch,
        variant=lambda site: {"apart": APART},
        headers=lambda site: ("simd_halves", "simd_winograd"),
        large=True,
        block=lambda site: {"outputs": 8, "rows": 4, "pixels": 4},
        cost=cost,
        priority=_simd.PRIORITY,
    )
]
