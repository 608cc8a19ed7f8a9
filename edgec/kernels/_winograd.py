"""Exact Winograd F(4x4, 3x3): when a convolution can be computed that way, and its transformed weights.

Source: Lavin and Gray 2015; the filter transform is scaled to integers, so that the result is exactly 576 times the accumulator.
The 64 of it goes into the shift, the 9 into the multiplier, which lowering has rounded to a multiple of 9.
"""

from __future__ import annotations

import numpy as np

from edgec.ir.program import Array, Site
from edgec.ir.reach import Window
from edgec.kernels._packing import extremes, pad_to, pair_order, rounding
from edgec.kernels.base import Packed

AXES = (1, 2, 3)
FILTER = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 12]], np.int64)
FACTOR = 576


def usable(site: Site) -> bool:
    """3x3, stride 1, one group, whole words of channels, 576 * |accumulator| within int32."""
    reach, weight = site.step.reach[0], site.const("weight")
    square = weight.shape[1:3] == (3, 3) and site.ints("stride") == site.ints("dilation") == (1, 1)
    if not square or site.int("groups") != 1 or site.int("channels") % 4 or weight.dtype != np.int8:
        return False
    numbers = site.output.dtype == site.input.dtype == "int8" and site.int("left") == 0 and site.int("shift") <= 17
    together = isinstance(reach, Window) and (reach.out_height % 4 == 0 or reach.out_height == site.output.rows)
    fits = int(extremes(site, AXES).max(initial=0)) * FACTOR < 2**31
    return numbers and together and fits and not (site.const("mult") % 9).any()


def transformed(weight: Array) -> Array:
    """[O, 3, 3, C] int8 -> [O/4, 36, C/2, 4] pairs of int16 as int32 words, channels in the order of UXTB16."""
    made = np.einsum("ia,oabc,jb->oijc", FILTER, weight.astype(np.int64), FILTER).reshape(len(weight), 36, -1)
    halves = np.ascontiguousarray(made[:, :, pair_order(made.shape[2])].astype(np.int16))
    words = pad_to(halves.view(np.int32), 0, 4)
    return np.ascontiguousarray(words.reshape(-1, 4, 36, words.shape[2]).transpose(0, 2, 3, 1))


def pack(site: Site) -> Packed:
    weight = site.const("weight")
    sums = weight.astype(np.int64).sum(axis=AXES)
    bias = FACTOR * (site.const("bias").astype(np.int64) - (128 + site.int("zx")) * sums)
    wrapped = bias.astype(np.uint64).astype(np.uint32).view(np.int32)
    numbers = np.stack([wrapped, 2 * (site.const("mult") // 9)], axis=1).astype(np.int32)
    shift = site.int("shift") + 6
    widths = {f"{name}_w": site.ints(name)[1] for name in ("size", "out", "pad")}
    fields = {**widths, "channels": site.int("channels"), "outputs": len(weight), "zx": site.int("zx")}
    limits = {"lo": site.int("lo"), "hi": site.int("hi"), "round": rounding(site.int("zy"), shift)}
    return Packed({**fields, **limits, "weight": transformed(weight).reshape(-1), "bias": numbers.reshape(-1)})


def scratch(site: Site) -> int:
    """Transformed inputs of two tiles, products of four channels, one tile of two channel pairs, a row of padding."""
    return 4 * (36 * site.int("channels") + 288 + 72) + site.ints("size")[1] * site.int("channels")
