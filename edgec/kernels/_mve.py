"""What the Helium kernels of Cortex-M55 share: requantization numbers and the packed matrix of edgec_mve_dot."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from edgec.ir.program import Array, Site
from edgec.kernels._counting import tiles
from edgec.kernels._packing import factors, pad_to, rounding
from edgec.kernels.base import Scalar

MVE = frozenset({"mve"})
PRIORITY = 10
MOST_WRITTEN_OUT = 9
"""Vectors of a pixel up to which the inner loop is written out: 144 bytes, 3x3 windows of 16 channels."""
MOST_DEPTH = 32000
"""Bytes of a pixel that the matrix kernels can count."""


def is_int8(site: Site) -> bool:
    """int8 in, int8 out, int8 weights."""
    return site.output.dtype == site.input.dtype == "int8" and site.const("weight").dtype == np.int8


def requantize_fields(site: Site) -> dict[str, Scalar | Array]:
    """Fields round, shift (negative: to the right), left, lo, hi."""
    shift = factors(site)[1]
    numbers: dict[str, Scalar | Array] = {"round": rounding(site.int("zy"), shift), "shift": -shift}
    return {**numbers, "left": site.int("left"), "lo": site.int("lo"), "hi": site.int("hi")}


@lru_cache(maxsize=2)
def _stream(data: bytes, shape: tuple[int, int], bias: bytes, mult: bytes) -> Array:
    weight = pad_to(pad_to(np.frombuffer(data, np.int8).reshape(shape), 1, 16), 0, 4)
    groups, vectors = weight.shape[0] // 4, weight.shape[1] // 16
    split = weight.reshape(groups, 2, 2, vectors, 16).transpose(0, 2, 3, 1, 4)  # group, pass, vector, which of it, 16 k
    words = np.ascontiguousarray(split).view(np.int32).reshape(groups, -1)
    ends = [pad_to(np.frombuffer(a, np.int32), 0, 4).reshape(groups, 4) for a in (bias, mult)]
    return np.concatenate([words, *ends], axis=1).astype(np.int32)


def stream(weight: Array, bias: Array, mult: Array) -> Array:
    """The matrix as edgec_mve_dot reads it, int32 [groups of 4 channels, words].  weight: [O, K] int8; bias, mult: int32 [O]."""
    shape = (int(weight.shape[0]), int(weight.shape[1]))
    return _stream(
        *(np.ascontiguousarray(weight).tobytes(), shape), np.ascontiguousarray(bias).tobytes(), mult.tobytes()
    )


class Dot:
    """Which forms of edgec_mve_dot a step needs.  depth: bytes of a pixel; spare: bytes behind the last pixel may be read."""

    def __init__(self, depth: int, outputs: int, left: bool, pixels: Iterable[int], spare: bool) -> None:
        self.vectors = -(-depth // 16)
        self.tail = 0 if spare else depth % 16
        self.left, self.rest = left, outputs % 4 != 0
        counts = set(pixels)
        # The last five pixels are made as three and two: that is faster than four and one.
        rests = {5 if n > 4 and n % 4 == 1 else n % 4 for n in counts}
        self.fours = any(n >= 4 and n != 5 for n in counts)
        self.rests = sorted(rests - {0})
        self.shapes = sorted(
            {p for rest in self.rests for p in ((3, 2) if rest == 5 else (rest,))} | ({4} if self.fours else set())
        )

    @property
    def ahead(self) -> int:
        """How far d->x stands ahead of the pixel, so that byte offsets reach nine vectors."""
        return 112 if self.vectors == MOST_WRITTEN_OUT else 0

    @property
    def written_out(self) -> int:
        """Vectors in the function's name and code; 0 where it loops."""
        return self.vectors if self.vectors <= MOST_WRITTEN_OUT else 0

    def fields(self) -> dict[str, Scalar | Array]:
        """Fields more and pass: whole vectors behind the first, bytes of two channels."""
        return {"more": self.vectors - (self.tail > 0) - 1, "pass": 32 * self.vectors}

    def headers(self) -> tuple[str, ...]:
        flags = f"vectors={self.written_out} tail={int(self.tail > 0)} left={int(self.left)} rest={int(self.rest)}"
        return tuple(f"mve_dot pixels={p} {flags}" for p in self.shapes)

    def instructions(self, outputs: int, runs: list[int]) -> float:
        """Of edgec_mve_dot for runs of so many pixels, calls and blocks included."""
        total = 0.0
        for pixels, blocks in tiles(runs).items():
            if pixels > 2:  # two channels at a time
                group = 2 * self.vectors * (2 + 3 * pixels) + 8 * pixels + 7 + 2 * (self.tail > 0) * -(-pixels // 2)
            else:
                group = self.vectors * (4 + 5 * pixels) + 8 * pixels + 9 + (self.tail > 0)
            looped = 0 if self.written_out else (2 if pixels > 2 else 1) * (self.vectors + 5) + 2
            group += looped + self.left * (1 + pixels) + 2 * self.rest
            total += blocks * (-(-outputs // 4) * group + 22)
        return total + 45.0 * len(runs)

    def variant(self) -> dict[str, Scalar | str | bool]:
        """Template variables: the name behind edgec_mve_dot<pixels>_, and which pixel counts occur."""
        form = f"{self.written_out or 'n'}{'t' * (self.tail > 0)}{'l' * self.left}{'r' * self.rest}"
        return {"form": form, "fours": self.fours, "rests": " ".join(map(str, self.rests)), "ahead": self.ahead}
