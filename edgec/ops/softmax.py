"""Softmax and LogSoftmax over one axis, which lowering stores last.

int8 Softmax, integers only, one division a row of `depth` values with d = max - q:
    e[d]  = rint(2^30 * exp(-s*d))                      table of 256, uint32
    S     = sum of e over the row                       64 bits, at least 2^30
    S'    = the top 32 bits of S:  S' in [2^31, 2^32), S ~ S' * 2^up, up = bits(S) - 32 (-1 or more)
    inv   = floor(factor * 2^32 / S')                   1/s_y = factor * 2^-exponent, factor in [2^30, 2^31)
    y     = clamp(z + ((e[d] * inv + 2^(X-1)) >> X)),   X = 32 + exponent + up; X above 62 gives z
Every part is within 2^-28 relative, so y is the exact real softmax rounded half up, but for values that close to a tie.
Beyond 1/s_y = 2^20 the factor is cut (such a result saturates except for probabilities under 2^-12).
int8 LogSoftmax, integers only, e, S, S' and up as above (ln S is that of S / 2^30, in Q(24)):
    i = (S' >> 23) & 255, j = S' & (2^23 - 1)           L[i] = rint(2^24 * ln(1 + i / 256)), 257 entries
    ln S  = (up + 1) * rint(2^24 * ln 2) + L[i] + (((L[i+1] - L[i]) * j + 2^22) >> 23)
    y     = clamp(z + ((2^19 - d * m - ((ln S * factor) >> (exponent + 4))) >> 20)),  m = rint(2^20 * s/s_y), at most 2^30
Interpolation is within 2^-18 of the logarithm, so y is the exact real value rounded, but for values that close to a tie.
An exponent above 58 (s_y above 2^28) leaves nothing: factor is 0 then.
attrs: depth, log; int8: factor, exponent, zy, lo, hi, consts table; m and const logs of LogSoftmax; float32: lo, hi where given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgec.ir.program import Array, Attr, Site
from edgec.ir.reach import Run
from edgec.ops.base import Lowering, Op, Tensor, Unit
from edgec.ops.elementwise import as_float, bounds, float_limits, is_integer, limited, rows_of

ONE = 1 << 30
SMALLEST_SCALE = 2.0**-20
LAST_EXPONENT = 58
LOG_ONE = 1 << 24
LOG_TWO = 11629080  # rint(2^24 * ln 2)


def exponentials(scale: float) -> Array:
    """uint32[256]: 2^30 * exp(-scale * d)."""
    return np.asarray(np.rint(ONE * np.exp(-float(scale) * np.arange(256))), np.uint32)


def output_factor(scale: float) -> tuple[int, int]:
    """1/scale = factor * 2^-exponent with factor in [2^30, 2^31)."""
    mantissa, power = math.frexp(1.0 / max(float(scale), SMALLEST_SCALE))
    factor = round(mantissa * 2.0**31)
    return (factor, 31 - power) if factor < 2**31 else (ONE, 30 - power)


def logarithms() -> Array:
    """int32[257]: 2^24 * ln(1 + i / 256)."""
    return np.asarray(np.rint(LOG_ONE * np.log1p(np.arange(257) / 256.0)), np.int32)


def summed(q: Array, table: Array) -> tuple[Array, Array, Array, Array]:
    """Of int8 [groups, depth]: d, e, S' and up of the page."""
    d = q.max(axis=1, keepdims=True).astype(np.int64) - q
    e = table[d].astype(np.uint64)
    total = e.sum(axis=1, dtype=np.uint64)
    up = np.array([int(s).bit_length() - 32 for s in total], np.int64)
    normal = np.where(
        up >= 0, total >> np.maximum(up, 0).astype(np.uint64), total << np.maximum(-up, 0).astype(np.uint64)
    )
    return d, e, normal, up


def integer_log_softmax(
    q: Array, table: Array, logs: Array, m: int, factor: int, exponent: int, zero: int, lo: int, hi: int
) -> Array:
    """int8 [groups, depth] -> int8, as the formula above says."""
    d, _, normal, up = summed(q, table)
    wide = normal.astype(np.int64)
    i, j = (wide >> 23) & 255, wide & ((1 << 23) - 1)
    step = logs[i + 1].astype(np.int64) - logs[i]
    log = (up + 1) * LOG_TWO + logs[i] + ((step * j + (1 << 22)) >> 23)
    y = ((1 << 19) - d * m - ((log * factor) >> (exponent + 4))[:, None]) >> 20
    return np.asarray(np.clip(zero + y, lo, hi), np.int8)


def integer_softmax(q: Array, table: Array, factor: int, exponent: int, zero: int, lo: int, hi: int) -> Array:
    """int8 [groups, depth] -> int8, as the formula above says."""
    _, e, normal, up = summed(q, table)
    inverse = (np.uint64(factor << 32) // normal)[:, None]
    shift = (32 + exponent + up)[:, None]
    usable = np.clip(shift, 1, 62).astype(np.uint64)
    y = ((e * inverse + (np.uint64(1) << (usable - np.uint64(1)))) >> usable).astype(np.int64)
    return np.asarray(np.clip(zero + np.where(shift > 62, 0, y), lo, hi), np.int8)


class Softmax(Op):
    """Softmax page; the axis follows opset 13 (one axis, -1 by default)."""

    name = "softmax"
    onnx = ("Softmax", "LogSoftmax")

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        x = unit.inputs[0]
        assert x is not None
        x = ctx.stored(x)
        integer, log = is_integer(unit, [x]), unit.op_type == "LogSoftmax"
        x = x if integer else as_float(unit, ctx, x)
        rank = len(x.shape)
        axis = int(unit.attrs.get("axis", -1)) % rank
        if x.perm[-1] != axis:
            x = ctx.physical(x, (*(p for p in x.perm if p != axis), axis))
        rows = rows_of(x)
        attrs: dict[str, Attr] = {"depth": x.shape[axis], "log": int(log)}
        if not integer:
            attrs.update(float_limits(unit))
            return ctx.emit(unit, self.name, [x], x.perm, rows, [Run(rows)], attrs, like=x)
        assert unit.quant is not None and x.quant is not None
        factor, exponent = output_factor(unit.quant.scale)
        lo, hi = bounds(unit, unit.quant)
        attrs.update({"factor": factor, "exponent": exponent, "zy": unit.quant.zero_point, "lo": lo, "hi": hi})
        consts = {"table": exponentials(x.quant.scale)}
        if log:
            attrs["m"] = min(round(2.0**20 * x.quant.scale / max(unit.quant.scale, SMALLEST_SCALE)), ONE)
            if exponent > LAST_EXPONENT:
                attrs |= {"factor": 0, "exponent": LAST_EXPONENT}
            consts["logs"] = logarithms()
        return ctx.emit(unit, self.name, [x], x.perm, rows, [Run(rows)], attrs, consts)

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        x = rows[0][y0:y1].reshape(-1, site.int("depth"))
        attrs: Any = site.step.attrs
        if site.output.dtype == "int8":
            numbers = (site.int("factor"), site.int("exponent"), site.int("zy"), site.int("lo"), site.int("hi"))
            if attrs["log"]:
                made = integer_log_softmax(x, site.const("table"), site.const("logs"), site.int("m"), *numbers)
                return made.reshape(y1 - y0, -1)
            return integer_softmax(x, site.const("table"), *numbers).reshape(y1 - y0, -1)
        shifted = x.astype(np.float64) - x.max(axis=1, keepdims=True)
        total = np.exp(shifted).sum(axis=1, keepdims=True)
        y = shifted - np.log(total) if attrs["log"] else np.exp(shifted) / total
        return limited(y, attrs).reshape(y1 - y0, -1)


OPS = (Softmax(),)
