"""What the Helium kernels of Cortex-M55 share: requantization numbers and the packed matrix of edgec_mve_dot."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from edgec.ir.program import Array, Site
from edgec.kernels._counting import tiles, up
from edgec.kernels._packing import factors, pad_to, rounding
from edgec.kernels.base import Scalar

MVE = frozenset({"mve"})
PRIORITY = 10
MOST_WRITTEN_OUT = 9
"""Vectors of a pixel up to which the inner loop is written out: 144 bytes, 3x3 windows of 16 channels."""
ENTRY, RUN = 15, 30
"""Instructions around a call of edgec_mve_dot, and around the calls of a run."""
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


def few(outputs: int) -> int:
    """Channels behind the groups of four that are made by themselves; three are a group with one that is not stored."""
    return outputs % 4 if outputs % 4 < 3 else 0


def _grouped(weight: Array, bias: Array, mult: Array) -> Array:
    """The part of the stream with groups of four channels."""
    weight = pad_to(weight, 0, 4)
    groups, vectors = weight.shape[0] // 4, weight.shape[1] // 16
    split = weight.reshape(groups, 2, 2, vectors, 16).transpose(0, 2, 3, 1, 4)  # group, pass, vector, which of it, 16 k
    words = np.ascontiguousarray(split).view(np.int32).reshape(groups, vectors * 16)
    ends = [pad_to(a, 0, 4).reshape(groups, 4) for a in (bias, mult)]
    return np.concatenate([words, *ends], axis=1).reshape(-1)


@lru_cache(maxsize=2)
def _stream(data: bytes, shape: tuple[int, int], bias: bytes, mult: bytes) -> Array:
    weight = pad_to(np.frombuffer(data, np.int8).reshape(shape), 1, 16)
    ends = [np.frombuffer(a, np.int32) for a in (bias, mult)]
    whole = len(weight) - few(len(weight))
    last = np.ascontiguousarray(weight[whole:].reshape(-1, weight.shape[1] // 16, 16).transpose(1, 0, 2))
    grouped = _grouped(weight[:whole], *(a[:whole] for a in ends))
    pairs = np.stack([a[whole:] for a in ends], axis=1)
    return np.concatenate([grouped, last.reshape(-1).view(np.int32), pairs.reshape(-1)]).astype(np.int32)


def stream(weight: Array, bias: Array, mult: Array) -> Array:
    """The matrix as edgec_mve_dot reads it, int32 words: groups of 4 channels, then `few`.  weight: [O, K] int8; bias, mult: int32 [O]."""
    shape = (int(weight.shape[0]), int(weight.shape[1]))
    return _stream(
        *(np.ascontiguousarray(weight).tobytes(), shape), np.ascontiguousarray(bias).tobytes(), mult.tobytes()
    )


class Dot:
    """Which forms of edgec_mve_dot a step needs.  depth: bytes of a pixel; spare: bytes behind the last pixel may be read."""

    def __init__(self, depth: int, outputs: int, left: bool, pixels: Iterable[int], spare: bool) -> None:
        self.vectors = -(-depth // 16)
        self.tail = 0 if spare else depth % 16
        self.outputs, self.left, self.rest, self.few = outputs, left, outputs % 4, few(outputs)
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
        flags = f"vectors={self.written_out} tail={int(self.tail > 0)} left={int(self.left)} rest={self.rest}"
        return tuple(f"mve_dot pixels={p} {flags}" for p in self.shapes)

    @property
    def bytes(self) -> int:
        """Of the stream."""
        return 16 * self.vectors * (up(self.outputs - self.few, 4) * 4 + self.few) + 8 * self.outputs

    def instructions(self, runs: list[int]) -> float:
        """Of edgec_mve_dot for runs of so many pixels, as its template has them; the calls that run() makes of it included."""
        total = 0.0
        for pixels, blocks in tiles(runs).items():
            groups = up(self.outputs - self.few, 4)
            total += blocks * (self._block(pixels) + groups * self._group(pixels) + self._last(pixels))
        return total + sum(RUN + (ENTRY + 2 * (self.tail > 0) + 2 * self.looped) * self._calls(n) for n in runs)

    @property
    def looped(self) -> bool:
        return self.written_out == 0

    @staticmethod
    def _calls(pixels: int) -> int:
        """Functions that a run calls."""
        return sum(count > 0 for count in tiles([pixels]).values())

    def _block(self, pixels: int) -> int:
        """Around the channels of a block of pixels."""
        looped = (2 + (pixels > 2)) * self.looped
        return {4: 19, 3: 18, 2: 17, 1: 15}[pixels] + looped + 2 * (self.few > 0)

    def _pass(self, pixels: int, channels: int) -> int:
        """All vectors of a block of pixels times those of some channels."""
        one = channels + pixels * (1 + channels)
        tail = (up(pixels, 2) if channels < 4 else 1) * (self.tail > 0)
        turns = up(self.vectors - (self.tail > 0) - 1, 2)
        return self.vectors * one + tail + (3 + 2 * turns + (pixels > 2) + 1) * self.looped

    def _group(self, pixels: int) -> int:
        """Four channels of a block of pixels."""
        made = 2 * self._pass(pixels, 2) if pixels > 2 else self._pass(pixels, 4) + 2
        stored = (2 + 3 * (self.tail > 0)) * (self.rest == 3)
        return made + 8 * pixels + 7 + (1 + pixels) * self.left + stored + 2 * self.looped

    def _last(self, pixels: int) -> int:
        """The channels behind the groups, of a block of pixels."""
        if self.few == 0:
            return 0
        pairs, ones = {4: (2, 0), 3: (1, 1), 2: (0, 2), 1: (0, 1)}[pixels]
        made = self._pass(pixels, self.few) - (1 + (pixels > 2)) * self.looped
        return made + 2 + self.left + self.few * (7 + self.left + 4 * pairs + 3 * ones)

    def variant(self) -> dict[str, Scalar | str | bool]:
        """Template variables: the name behind edgec_mve_dot<pixels>_, and which pixel counts occur."""
        rest = f"r{self.rest}" if self.rest else ""
        form = f"{self.written_out or 'n'}{'t' * (self.tail > 0)}{'l' * self.left}{rest}"
        return {"form": form, "fours": self.fours, "rests": " ".join(map(str, self.rests)), "ahead": self.ahead}
