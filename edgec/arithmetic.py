"""edgec.int8.v1: the integer contract, in numpy.  Every target reproduces these functions bit for bit.

real = scale * (q - zero_point); activations int8, accumulators int32, one rounding (half up) per requantization.

int16x8.v1, wherever an operand or the result of a step is int16 (zero point 0, weights stay int8): exact sums, in int64
where int32 is not proven to hold them, then one multiplier with one shift a layer and one rounding, half up (`rescale`).
Source: the design note on integer arithmetic in ARCHITECTURE.md; Jacob et al. 2018 for the affine scheme.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
MAX_SHIFT = 23
WIDE_BITS = 62  # of |sum * m| in `rescale`: the half that is added still fits int64
MULTIPLIER_BITS = 30


@dataclass(frozen=True)
class Multipliers:
    """Fixed-point multipliers of one layer: real M[c] = m[c] / 2^(31 + shift) * 2^left.

    m: int32 [channels], the largest in [2^29, 2^30) unless shift is at its limit; shift: 0..23; left: pre-shift of the accumulator.
    """

    m: Array
    shift: int
    left: int


def multipliers(real: Array, multiple: int = 1) -> Multipliers:
    """Multipliers for the real factors of a layer (float64 [channels], > 0).  m is rounded half even to a multiple of `multiple`.

    Errors: ValueError for a factor that is not finite or not positive, or too large (>= 2^15).
    """
    real = np.atleast_1d(np.asarray(real, np.float64))
    if not np.all(np.isfinite(real)) or np.any(real < 0):
        raise ValueError("requantization factors must be finite and not negative")
    top = float(real.max()) if real.size else 0.0
    if top >= 2.0**15:
        raise ValueError(f"requantization factor {top:g} is too large")
    shift, left = 0, 0
    while top / 2.0**left >= 0.5:
        left += 1
    while shift < MAX_SHIFT and np.rint(top / 2.0**left * 2.0 ** (31 + shift)) < 2**29:
        shift += 1
    m = (np.rint(real / 2.0**left * 2.0 ** (31 + shift) / multiple) * multiple).astype(np.int64)
    if m.max(initial=0) >= 2**30:  # rounding carried the largest over the edge: 2^30 - 1 is the nearest that still fits
        m = np.minimum(m, (2**30 - 1) // multiple * multiple)
    return Multipliers(m.astype(np.int32), shift, left)


def requantize(acc: Array, m: Array, shift: int, left: int, zero_point: int, lo: int, hi: int) -> Array:
    """int32 accumulators [..., channels] -> int8: clamp(z + floor((2*m*(acc << left) + 2^(31+n)) / 2^(32+n)), lo, hi).  Round half up, once."""
    wide = (np.asarray(acc, np.int64) << left) * (2 * np.asarray(m, np.int64)) + (1 << (31 + shift))
    made: Array = np.clip(zero_point + (wide >> (32 + shift)), lo, hi).astype(np.int8)
    return made


def wide_multipliers(real: Array, bound: int) -> tuple[Array, int]:
    """(m, k) for the real factors of a layer (float64, any sign): real = m / 2^k, one k in 1..62 for all.

    bound: the largest magnitude of what is multiplied; |m| < 2^30 and |m| * bound < 2^62.  m: int32, rounded half even.
    Errors: ValueError for factors that are not finite, or a bound that leaves less than 20 bits for m.
    """
    real = np.atleast_1d(np.asarray(real, np.float64))
    bits = min(MULTIPLIER_BITS, WIDE_BITS - int(bound).bit_length())
    top = float(np.abs(real).max(initial=0.0))
    if not np.isfinite(top):
        raise ValueError("rescaling factors must be finite")
    if bits < 20 or top >= 2.0 ** (bits - 2):
        raise ValueError(f"a factor of {top:g} for sums up to {bound} does not fit 64 bits")
    k = min(WIDE_BITS, bits - int(np.frexp(top)[1])) if top else 1
    m = np.rint(real * 2.0**k).astype(np.int64)
    limit = (1 << bits) - 1  # rounding may carry the largest over the edge
    return np.clip(m, -limit, limit).astype(np.int32), k


def rescale(acc: Array, m: Array | int, k: int, zero_point: int, lo: int, hi: int) -> Array:
    """Exact sums [..., channels] -> clamp(z + floor((acc*m + 2^(k-1)) / 2^k), lo, hi), int64.  Round half up, once."""
    wide = np.asarray(acc, np.int64) * np.asarray(m, np.int64) + (1 << (k - 1))
    made: Array = np.clip(zero_point + (wide >> k), lo, hi)
    return made


def quantize(real: Array, scale: float, zero_point: int, dtype: str = "int8") -> Array:
    """float32 -> int8, uint8 or int16 as ONNX QuantizeLinear: round half even of real / scale in float32, then the zero point, then saturation."""
    info = np.iinfo(dtype)
    with np.errstate(over="ignore"):  # masks of -3e38
        q = np.rint(np.asarray(real, np.float32) / np.float32(scale)) + np.float32(zero_point)
    return np.asarray(np.clip(q, info.min, info.max), dtype)


def dequantize(q: Array, scale: float, zero_point: int) -> Array:
    """int8, uint8 or int16 -> float32 as ONNX DequantizeLinear: (q - zero_point) * scale in float32."""
    return ((np.asarray(q, np.int32) - zero_point).astype(np.float32) * np.float32(scale)).astype(np.float32)


def round_half_up(x: Array) -> Array:
    """Nearest integer, ties upwards (float64 in, int64 out): the rule of lookup tables."""
    return np.floor(np.asarray(x, np.float64) + 0.5).astype(np.int64)


def divide_half_even(num: Array, den: Array | int) -> Array:
    """Exact integer num / den rounded half to even (int64; den > 0): the rule of average pools."""
    num = np.asarray(num, np.int64)
    quotient = num // den
    twice = 2 * (num - quotient * den)
    rounded: Array = quotient + ((twice > den) | ((twice == den) & (quotient % 2 != 0)))
    return rounded


def shift_half_even(x: Array, k: int) -> Array:
    """x / 2^k rounded half to even (int64)."""
    if k == 0:
        return np.asarray(x, np.int64)
    return divide_half_even(x, 1 << k)


def addition(scale_a: float, scale_b: float, scale_y: float, bits: int = 22) -> tuple[int, int, int]:
    """(ma, mb, k) for y = z + ((ma*(qa-za) + mb*(qb-zb) + 2^(k-1)) >> k): one shared k, the larger m of `bits` bits.

    bits: 22 where everything is int8, 30 where anything is int16 (the sum then has 64 bits).
    A negative scale_b subtracts.  Errors: ValueError if the factors cannot be represented.
    """
    a, b = scale_a / scale_y, scale_b / scale_y
    top = max(abs(a), abs(b))
    if not np.isfinite(top) or top <= 0 or top >= 2.0**21:
        raise ValueError(f"cannot add at scales {scale_a:g}, {scale_b:g} into {scale_y:g}")
    k = 1
    while k < bits + 8 and np.rint(top * 2.0**k) < 2 ** (bits - 1):
        k += 1
    return int(np.rint(a * 2.0**k)), int(np.rint(b * 2.0**k)), k
