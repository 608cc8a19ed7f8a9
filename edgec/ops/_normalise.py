"""Integer normalisation: y = gamma * (x - mean) / sqrt(variance + eps) + beta of int8 values, without division or root.

For a group of D stored values q with S = sum q and Q = sum q^2 (root mean square: e = q - z instead of q - mean):
    centred   d[i] = D*q[i] - S    V = D*Q - S^2     E = eps*D^2/s^2     norm[i] = d[i] / sqrt(V + E)
    rms       d[i] = q[i] - z      V = sum d^2       E = eps*D/s^2       norm[i] = sqrt(D) * d[i] / sqrt(V + E)
Exact integers but for E; the root D goes into gamma.  Then, to the bit:
    T  = max((V * 2^up) + e, 1)                  e = rint(E * 2^up), V shifted right (floor) for a negative `up`; T < 2^63
    T' = T * 4^j in [2^62, 2^64),  a = floor(T' / 2^32)
    r  = C0 - floor(C1*a / 2^32)                 1/sqrt(a / 2^32) in units of 2^-30, then four times
    r  = floor(r * (3*2^28 - floor(floor(r*r / 2^32) * a / 2^32)) / 2^29),   at last min(r, 2^31 - 1)
    c  = base + j;   c < 0: r = floor(r / 2^min(-c, 31)), c = 0;   c > 31: c = 31
    n  = floor(d[i] * 2^c * r / 2^32)            norm in units of 2^-bits, |n| < 2^29
    y  = clamp(floor((floor(n * mult[i] / 2^32) + add[i]) / 2^shift), lo, hi)
mult = rint(gamma/s_y * 2^(shift + 32 - bits)), add = rint((beta/s_y + z_y) * 2^shift) + 2^(shift-1).
The root is within 2^-27 relative, so y is the exact real result rounded half up, but for values within about 2^-14 of a tie.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgec.ir.program import Array, Attr, Quant

START, SLOPE = round(2.1327 * 2**30), round(1.2187 * 2**30)  # best straight line to u^(-1/2) on [1/4, 1]: 8.6 % off
MOST_ELEMENTS = 2**23  # D * 255 < 2^31
LEAST_SHIFT, MOST_SHIFT = 4, 22


@dataclass(frozen=True)
class Normaliser:
    """The numbers of one layer.  attrs: up, base, shift; consts: epsilon int64[1], mult and add int32[channels]."""

    attrs: dict[str, Attr]
    consts: dict[str, Array]


def normaliser(
    depth: int, x: Quant, y: Quant, epsilon: float, gamma: Array, beta: Array, rms: bool = False
) -> Normaliser:
    """Numbers for groups of `depth` values.  gamma, beta: float64 of one shape.  ValueError if the factors do not fit 32 bits."""
    if depth > MOST_ELEMENTS:
        raise ValueError(f"groups of {depth} elements; at most {MOST_ELEMENTS} are normalised in integers")
    largest = float(depth) * (max(127 - x.zero_point, x.zero_point + 128) ** 2 if rms else depth * 127.5**2)
    floor = epsilon * float(depth) ** (1 if rms else 2) / float(x.scale) ** 2
    up = 40
    while up > -40 and (largest + floor) * 2.0**up >= 2.0**62:
        up -= 2
    fixed = int(min(np.rint(floor * 2.0**up), 2.0**62))
    grow = 0 if rms else math.ceil(math.log2(depth) / 2)
    bits = 28 - grow
    factor = np.asarray(gamma, np.float64) / y.scale * (math.sqrt(depth) if rms else 1.0)
    offset = np.asarray(beta, np.float64) / y.scale + y.zero_point
    top = float(np.abs(factor).max(initial=0.0))
    most = top * 2.0**grow + float(np.abs(offset).max(initial=0.0)) + 1
    shift = MOST_SHIFT
    while shift >= LEAST_SHIFT and (most * 2.0**shift >= 2.0**30 or top * 2.0 ** (shift + 32 - bits) >= 2.0**31 - 1):
        shift -= 1
    if shift < LEAST_SHIFT or not math.isfinite(most):
        raise ValueError(f"factors up to {top:g} output steps leave 32 bits")
    mult = np.rint(factor * 2.0 ** (shift + 32 - bits)).astype(np.int32)
    add = (np.rint(offset * 2.0**shift) + 2 ** (shift - 1)).astype(np.int32)
    attrs: dict[str, Attr] = {"up": up, "base": bits + up // 2 - 30, "shift": shift}
    return Normaliser(attrs, {"epsilon": np.array([fixed], np.int64), "mult": mult, "add": add})


def inverse_root(variance: Array, up: int, epsilon: int, base: int) -> tuple[Array, Array]:
    """V [groups] -> (r, c), int64: norm = d * 2^c * r / 2^32."""
    total = np.maximum((variance << up if up >= 0 else variance >> -up) + epsilon, 1)
    j = np.array([(64 - int(t).bit_length()) // 2 for t in total.reshape(-1)], np.int64).reshape(total.shape)
    word = np.uint64(32)
    a = (total.astype(np.uint64) << (2 * j).astype(np.uint64)) >> word
    r = np.uint64(START) - ((np.uint64(SLOPE) * a) >> word)
    for _ in range(4):
        r = (r * (np.uint64(3 << 28) - ((((r * r) >> word) * a) >> word))) >> np.uint64(29)
    root, c = np.minimum(r.astype(np.int64), 2**31 - 1), base + j
    return root >> np.clip(-c, 0, 31), np.clip(c, 0, 31)


def normalise(d: Array, variance: Array, attrs: dict[str, int], mult: Array, add: Array, epsilon: int) -> Array:
    """d [groups, elements], V [groups, 1] int64; mult, add broadcast to d -> int8."""
    r, c = inverse_root(variance, attrs["up"], epsilon, attrs["base"])
    n = ((d << c) * r) >> 32
    y = (((n * mult.astype(np.int64)) >> 32) + add) >> attrs["shift"]
    return np.asarray(np.clip(y, attrs["lo"], attrs["hi"]), np.int8)


def centred(q: Array) -> tuple[Array, Array]:
    """d and V of groups [groups, elements] int8."""
    q = q.astype(np.int64)
    total = q.sum(axis=1, keepdims=True)
    return q.shape[1] * q - total, q.shape[1] * (q * q).sum(axis=1, keepdims=True) - total * total
