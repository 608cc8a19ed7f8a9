"""The arithmetic of quantized averages: average pools and ReduceMean/ReduceSum.  edgec.int8.v1.

y = clamp(zy + round_half_even(sum * s_x / (s_y * n)), lo, hi), sum of (q - zx) over the n counted elements (padding
counts as zero).
* s_x / s_y = num/den exactly, both small (equal scales, powers of two): the exact quotient sum*num / (den*n).
* otherwise one multiplier for each n: round_half_even(sum * m / 2^k) in 64 bits, m = round_half_even(s_x/(s_y*n) *
  2^k) in [2^29, 2^30), k <= 62.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgec.arithmetic import divide_half_even, quantize
from edgec.ir.program import Array, Attr, Quant, Site

LIMIT = 2**31 - 1


def averaging(x: Quant, y: Quant, counts: Sequence[int], elements: int) -> tuple[dict[str, Attr], dict[str, Array]]:
    """Attributes and constants for averages over counts[i] elements, at most `elements` of them present at a time.

    Errors: ValueError if the sum or the factor leaves its range.
    """
    span = x.highest - x.lowest
    if span * elements > LIMIT:
        raise ValueError(f"the sum of {elements} elements does not fit 32 bits")
    attrs: dict[str, Attr] = {"zx": x.zero_point, "zy": y.zero_point}
    ratio = x.scale / y.scale
    num, den = ratio.as_integer_ratio()
    if num * span * elements <= LIMIT and den * max(counts) <= LIMIT // 2:
        return {**attrs, "exact": True, "num": num}, {"den": np.array([den * n for n in counts], np.int32)}
    mults, shifts = [], []
    for n in counts:
        real = ratio / n
        if not 0 < real < 2.0**15 or span * elements * real >= LIMIT:
            raise ValueError(f"the factor {real:g} between the scales is out of range")
        k = min(29 - math.floor(math.log2(real)), 62)
        m = round(math.ldexp(real, k))  # Python rounds half to even
        if m >= 2**30:
            m, k = round(math.ldexp(real, k - 1)), k - 1
        mults.append(m)
        shifts.append(k)
    return {**attrs, "exact": False}, {"mult": np.array(mults, np.int32), "shift": np.array(shifts, np.int32)}


def clamp_bounds(quant: Quant, lo: float, hi: float) -> tuple[int, int]:
    """A real clamp as bounds of the integers of a value quantized by `quant`."""
    low, high = (
        end
        if not math.isfinite(limit)
        else int(quantize(np.array(limit, np.float32), quant.scale, quant.zero_point, quant.dtype))
        for end, limit in ((quant.lowest, lo), (quant.highest, hi))
    )
    return low, high


def average(site: Site, sums: Array, index: Array | int = 0) -> Array:
    """int64 sums of (q - zx) -> the output's integers, with the constants of element count `index`."""
    sums = np.asarray(sums, np.int64)
    if site.step.attrs["exact"]:
        mean = divide_half_even(sums * site.int("num"), site.const("den").astype(np.int64)[index])
    else:
        wide = sums * site.const("mult").astype(np.int64)[index]
        k = site.const("shift").astype(np.int64)[index]
        mean = (wide + (np.int64(1) << (k - 1)) - 1 + ((wide >> k) & 1)) >> k
    clipped: Array = np.clip(site.int("zy") + mean, site.int("lo"), site.int("hi")).astype(site.output.dtype)
    return clipped
