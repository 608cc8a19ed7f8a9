"""Exact Winograd F(4x4, 3x3) and F(2x2, 3x3): when a convolution can be computed that way, and its transformed weights.

Source: Lavin and Gray 2015; the filter transforms are scaled to integers, so that the result is exactly 576 (or 4) times the
accumulator.  The power of two of it goes into the shift, the 9 of 576 into the multiplier, which lowering has rounded to a multiple of 9.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from edgec.ir.program import Array, Site
from edgec.ir.reach import Window
from edgec.kernels._packing import extremes, pad_to, pair_order, rounding
from edgec.kernels.base import Packed, Scalar

AXES = (1, 2, 3)
SHORT = 8
"""Channel pairs up to which one turn of the product loop is enough."""


@dataclass(frozen=True)
class Winograd:
    """F(tile x tile, 3x3).  filter: the scaled filter transform; odd: the odd part of its factor, bits: the power of two;
    work: words in which the columns of two tiles are transformed."""

    tile: int
    filter: Array = field(repr=False)
    odd: int
    bits: int
    work: int

    @property
    def factor(self) -> int:
        return self.odd << self.bits

    @property
    def points(self) -> int:
        return (self.tile + 2) ** 2

    def usable(self, site: Site) -> bool:
        """3x3, stride 1, one group, whole words of channels, factor * |accumulator| within int32."""
        reach, weight = site.step.reach[0], site.const("weight")
        square = weight.shape[1:3] == (3, 3) and site.ints("stride") == site.ints("dilation") == (1, 1)
        if not square or site.int("groups") != 1 or site.int("channels") % 4 or weight.dtype != np.int8:
            return False
        numbers = site.output.dtype == site.input.dtype == "int8" and site.int("left") == 0
        numbers = numbers and site.int("shift") + self.bits <= 23 and not (site.const("mult") % self.odd).any()
        together = isinstance(reach, Window) and (
            reach.out_height % self.tile == 0 or reach.out_height == site.output.rows
        )
        return numbers and together and int(extremes(site, AXES).max(initial=0)) * self.factor < 2**31

    def transformed(self, weight: Array) -> Array:
        """[O, 3, 3, C] int8 -> [O/4, points, C/2, 4] pairs of int16 as int32 words, channels in the order of SXTB16."""
        wide = np.einsum("ia,oabc,jb->oijc", self.filter, weight.astype(np.int64), self.filter)
        made = wide.reshape(len(weight), self.points, -1)
        halves = np.ascontiguousarray(made[:, :, pair_order(made.shape[2])].astype(np.int16))
        words = pad_to(halves.view(np.int32), 0, 4)
        return np.ascontiguousarray(words.reshape(-1, 4, self.points, words.shape[2]).transpose(0, 2, 3, 1))

    def bias(self, site: Site, raised: int = 0) -> Array:
        """factor times what the accumulators of inputs plus `raised` start from, modulo 2^32.  int32 [O]"""
        sums = site.const("weight").astype(np.int64).sum(axis=AXES)
        start = self.factor * (site.const("bias").astype(np.int64) - (raised + site.int("zx")) * sums)
        return np.asarray(start.astype(np.uint64).astype(np.uint32)).view(np.int32)

    def pack(self, site: Site) -> Packed:
        weight = site.const("weight")
        bias = self.bias(site, 128 if self.tile == 4 else 0)  # F(4x4) takes inputs as unsigned bytes
        numbers = np.stack([bias, 2 * (site.const("mult") // self.odd)], axis=1).astype(np.int32)
        widths = {f"{name}_w": site.ints(name)[1] for name in ("size", "out", "pad")}
        fields = {**widths, "channels": site.int("channels"), "outputs": len(weight), "zx": site.int("zx")}
        limits = {
            "lo": site.int("lo"),
            "hi": site.int("hi"),
            "round": rounding(site.int("zy"), site.int("shift") + self.bits),
        }
        return Packed({**fields, **limits, "weight": self.transformed(weight).reshape(-1), "bias": numbers.reshape(-1)})

    def scratch(self, site: Site) -> int:
        """Transformed inputs of two tiles, products of four channels, the columns of four channels, a row of padding."""
        words = self.points * site.int("channels") + 8 * self.points + self.work
        return 4 * words + site.ints("size")[1] * site.int("channels")

    def variant(self, site: Site) -> Mapping[str, Scalar | str | bool]:
        product = "short" if site.int("channels") // 2 <= SHORT else "long"
        return {"tile": self.tile, "work": self.work, "product": product, "shift": site.int("shift") + self.bits}

    def headers(self, site: Site) -> tuple[str, ...]:
        output = f"dsp_winograd{self.tile}_output shift={site.int('shift') + self.bits}"
        return "dsp_winograd", f"dsp_winograd{self.tile}", output


F4 = Winograd(
    4, np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 12]], np.int64), 9, 6, 120
)
F2 = Winograd(2, np.array([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]], np.int64), 1, 2, 48)
