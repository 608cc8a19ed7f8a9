"""From what was observed of a value to scale and zero point: four ways to choose the range, each with its expected error.

real = scale * (q - zero_point), q in [-128, 127].  Every range contains 0, so that padding and ReLU are exact.

    minmax      all that was seen                       percentile  the given share of it
    mse         least mean squared error (rounding + clipping)      entropy     least Kullback-Leibler divergence
Source: Jacob et al. 2018 (affine scheme); Migacz 2017 (entropy).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgec.graph.view import Array
from edgec.quant.options import QuantOptions

LEVELS = 255
HEADROOM = 1.25  # int16 values may grow so much beyond what was seen: a third of a bit
SMALLEST = 2.0**-40  # a scale below it would come from a value that is 0 throughout
STEPS = 48  # shrink factors tried from the whole range down


@dataclass(frozen=True)
class Params:
    """Scale (a float32 value) and zero point of an int8 value, or of an int16 one (bits 16, zero point 0)."""

    scale: float
    zero_point: int
    bits: int = 8

    @property
    def lo(self) -> float:
        return self.scale * (-(1 << (self.bits - 1)) - self.zero_point)

    @property
    def hi(self) -> float:
        return self.scale * ((1 << (self.bits - 1)) - 1 - self.zero_point)

    @property
    def dtype(self) -> str:
        """Of the stored integers."""
        return f"int{self.bits}"

    def times(self, factor: float) -> Params:
        """Params of the same integers meaning `factor` times as much."""
        return Params(float(np.float32(self.scale * factor)), self.zero_point, self.bits)


@dataclass
class Histogram:
    """counts: [bins] of values in lo..hi, but for the exact zeros, which are rounded without error."""

    lo: float
    hi: float
    counts: Array
    zeros: int = 0

    @property
    def width(self) -> float:
        return (self.hi - self.lo) / len(self.counts)

    @property
    def centers(self) -> Array:
        found: Array = self.lo + (np.arange(len(self.counts)) + 0.5) * self.width
        return found

    def add(self, values: Array) -> None:
        """Counts values that lie in lo..hi."""
        flat = values.reshape(-1)
        zeros = int(flat.size - np.count_nonzero(flat))
        if self.hi > self.lo:
            at = ((flat - np.float32(self.lo)) * np.float32(1.0 / self.width)).astype(np.int32)
            np.clip(at, 0, len(self.counts) - 1, out=at)
            self.counts += np.bincount(at, minlength=len(self.counts))
            if zeros and self.lo <= 0 <= self.hi:
                self.counts[min(int(-self.lo / self.width), len(self.counts) - 1)] -= zeros
        self.zeros += zeros

    @property
    def power(self) -> float:
        """Mean square."""
        total = int(self.counts.sum()) + self.zeros
        return float((self.counts * self.centers**2).sum() / max(total, 1))

    def error(self, params: Params) -> float:
        """Expected mean squared error: uniform rounding inside, distance to the end outside."""
        x, lo, hi = self.centers, params.lo, params.hi
        outside = np.where(x < lo, (x - lo) ** 2, np.where(x > hi, (x - hi) ** 2, params.scale**2 / 12))
        return float((self.counts * outside).sum() / max(int(self.counts.sum()) + self.zeros, 1))


def params_for(lo: float, hi: float, symmetric: bool = False) -> Params:
    """Scale and zero point that cover lo..hi and 0; 0 is an integer's exact value."""
    lo, hi = min(float(lo), 0.0), max(float(hi), 0.0)
    if symmetric:
        return Params(max(float(np.float32(max(-lo, hi) / 127)), SMALLEST), 0)
    scale = max(float(np.float32((hi - lo) / LEVELS)), SMALLEST)
    return Params(scale, int(np.clip(np.rint(-128 - lo / scale), -128, 127)))


def params16(peak: float) -> Params:
    """int16 params for values of at most that magnitude, with headroom."""
    return Params(max(float(np.float32(peak * HEADROOM / 32767)), SMALLEST), 0, 16)


def candidates(seen: Histogram, options: QuantOptions) -> dict[str, Params]:
    """Params by method (only the wanted one, all four for auto)."""
    wanted = ("minmax", "percentile", "mse", "entropy") if options.method == "auto" else (options.method,)
    ways = {"minmax": _minmax, "percentile": _percentile, "mse": _mse, "entropy": _entropy}
    if not seen.counts.sum():
        return {name: params_for(seen.lo, seen.hi, options.symmetric) for name in wanted}
    return {name: ways[name](seen, options) for name in wanted}


def _minmax(seen: Histogram, options: QuantOptions) -> Params:
    return params_for(seen.lo, seen.hi, options.symmetric)


def _percentile(seen: Histogram, options: QuantOptions) -> Params:
    share = np.cumsum(seen.counts) / seen.counts.sum()
    tail = (1.0 - options.percentile / 100.0) / (2.0 if seen.lo < 0 < seen.hi else 1.0)
    low = int(np.searchsorted(share, tail, side="right")) if seen.lo < 0 else 0
    high = int(np.searchsorted(share, 1.0 - tail)) if seen.hi > 0 else len(share) - 1
    edges = seen.lo + np.array([low, min(high, len(share) - 1) + 1]) * seen.width
    return params_for(edges[0], edges[1], options.symmetric)


def _mse(seen: Histogram, options: QuantOptions) -> Params:
    shrink = np.linspace(1.0, 0.05, STEPS)
    best = _minmax(seen, options)
    least = seen.error(best)
    low, high = 1.0, 1.0
    for _ in range(2):  # the two ends in turn: nearly separable
        for end in ("both", "low", "high"):
            for s in shrink:
                a = s if end in ("both", "low") else low
                b = s if end in ("both", "high") else high
                made = params_for(seen.lo * a, seen.hi * b, options.symmetric)
                error = seen.error(made)
                if error < least:
                    least, best, low, high = error, made, a, b
    return best


def _entropy(seen: Histogram, options: QuantOptions) -> Params:
    best, least = _minmax(seen, options), np.inf
    for s in np.linspace(1.0, 0.1, STEPS):
        made = params_for(seen.lo * s, seen.hi * s, options.symmetric)
        divergence = _divergence(seen, made)
        if divergence < least - 1e-12:
            best, least = made, divergence
    return best


def _divergence(seen: Histogram, params: Params) -> float:
    """KL divergence between what lies in the range (the rest piled on its ends) and the same at 256 levels."""
    level = np.clip(np.rint(seen.centers / params.scale) + params.zero_point, -128, 127).astype(int) + 128
    inside = (seen.centers >= params.lo - params.scale / 2) & (seen.centers <= params.hi + params.scale / 2)
    p = np.where(inside, seen.counts, 0).astype(np.float64)
    if not p.any():
        return float("inf")
    first, last = np.flatnonzero(inside)[[0, -1]]
    reference = p.copy()
    reference[first] += seen.counts[:first].sum()
    reference[last] += seen.counts[last + 1 :].sum()
    used = inside & (seen.counts > 0)
    mass = np.bincount(level[inside], p[inside], 256)
    members = np.bincount(level[used], minlength=256)
    q = np.where(used, (mass / np.maximum(members, 1))[level], 0.0)
    reference, q = reference / reference.sum(), q / q.sum()
    kept = (reference > 0) & (q > 0)
    missing = float(reference[(reference > 0) & (q == 0)].sum())
    return float((reference[kept] * np.log(reference[kept] / q[kept])).sum() + 10.0 * missing)
