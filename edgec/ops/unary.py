"""Functions of one value.  int8: y = table[q + 128], made at compile time (256 entries of the output's type), round half
up of f(real)/s + z in float64, then clamped.

int16: straight lines between knots at every 2^(16-b) integers, T[j] = round(f/s * 2^F), F = 3 (int8 results: 11):
    j = (q + 32768) >> (16-b), r = (q + 32768) mod 2^(16-b)
    y = clamp(z + ((T[j] * 2^(16-b) + (T[j+1] - T[j]) * r + half) >> (16 - b + F)), lo, hi)          round half up, once
b in 6..12 is the smallest for which every one of the 65536 results is within 1 of the exact one rounded; where there
is none (kinks, poles) the function is computed in float32 between a dequantize and a quantize step.  Relu and Clip are
requantize steps with limits.

float32: the C expression of the function's line in kernels/functions.py.  A function whose result the model leaves
unquantized (Relu, Clip on int8) keeps its input's scale.  Where f is not a number the table holds the zero point;
infinities saturate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgec.arithmetic import round_half_up
from edgec.ir.program import Array, Attr, Quant, Site
from edgec.ir.reach import Run
from edgec.kernels.functions import FLOAT_MAX, FUNCTIONS, evaluate
from edgec.ops._average import clamp_bounds
from edgec.ops.base import Lowering, Op, Tensor, Unit
from edgec.ops.borders import rescaling
from edgec.ops.elementwise import (
    as_float,
    bounds,
    float_limits,
    is_integer,
    is_integer16,
    limited,
    real_values,
    rows_of,
)

KEEPS_SCALE = frozenset({"Relu", "Clip"})
DELEGATED = frozenset({"Pow", "GeluTanh", "Square"})  # made by other pages, or spellings of our own


KNOT_BITS = range(6, 13)


def scaled_values(real: Callable[[Array], Array], source: Quant, target: Quant, q: Array) -> Array:
    """f(s*(q - z)) / s_y, float64, within +-1e6; NaN gives 0."""
    x = (q - source.zero_point) * float(source.scale)
    with np.errstate(all="ignore"):
        y = np.asarray(real(x), np.float64) / float(target.scale)
    return np.clip(np.nan_to_num(y, nan=0.0, posinf=1e6, neginf=-1e6), -1e6, 1e6)


def lookup_table(real: Callable[[Array], Array], source: Quant, target: Quant, lo: int = -128, hi: int = 127) -> Array:
    """[256] of the target's type: entry q + 128 is clamp(round_half_up(f(s*(q - z)) / s_y) + z_y, lo, hi); NaN gives z_y."""
    y = scaled_values(real, source, target, np.arange(-128, 128))
    return np.asarray(np.clip(round_half_up(y) + target.zero_point, lo, hi), target.dtype)


def interpolate(q: Array, knots: Array, step: int, fraction: int, zy: int, lo: int, hi: int) -> Array:
    """The int16 formula above, int64.  step: 16 - b; fraction: F."""
    j, r = np.divmod(q.astype(np.int64) + 32768, 1 << step)
    t = knots.astype(np.int64)
    y = (t[j] << step) + (t[j + 1] - t[j]) * r + (1 << (step + fraction - 1))
    return np.asarray(np.clip(zy + (y >> (step + fraction)), lo, hi))


def knot_table(
    real: Callable[[Array], Array], source: Quant, target: Quant, lo: int, hi: int
) -> tuple[dict[str, Attr], Array] | None:
    """attrs and knots (int32 [2^b + 1]) of an interpolated table; None where no table is close enough."""
    q = np.arange(-32768, 32768)
    edge = 1 << target.bits  # beyond it every result saturates: cut, so that the products fit int32
    y = scaled_values(real, source, target, np.append(q, 32768))
    want = np.clip(round_half_up(y[:-1]) + target.zero_point, lo, hi)
    fraction = 19 - target.bits
    for b in KNOT_BITS:
        knots = np.rint(np.clip(y[:: 1 << (16 - b)], -edge, edge) * 2.0**fraction).astype(np.int32)
        attrs: dict[str, Attr] = {"step": 16 - b, "fraction": fraction, "zy": target.zero_point, "lo": lo, "hi": hi}
        if np.abs(interpolate(q, knots, 16 - b, fraction, target.zero_point, lo, hi) - want).max() <= 1:
            return attrs, knots
    return None


def lower_table(
    unit: Unit, ctx: Lowering, x: Tensor, name: str, real: Callable[[Array], Array], like: Tensor | None = None
) -> Tensor:
    """Emits a table lookup for any real function of one int8 tensor into int8 or int16.  like: keep that tensor's quantization (the
    model states none)."""
    target = like.quant if like is not None else unit.quant
    assert x.quant is not None and target is not None
    table = lookup_table(real, x.quant, target, *bounds(unit, target))
    more = len(unit.out_shape) - len(x.shape)
    perm = (*range(more), *(p + more for p in x.perm))
    rows = rows_of(x)
    return ctx.emit(unit, "unary", [x], perm, rows, [Run(rows)], {"function": name}, {"table": table}, like)


def parameters(unit: Unit) -> dict[str, float]:
    """The function's parameters: defaults, then attributes, then (Clip) constant inputs."""
    values = dict(FUNCTIONS[unit.op_type].params)
    values.update({k: float(v) for k, v in unit.attrs.items() if k in values})
    if unit.op_type == "Clip":
        for key, limit in zip(("min", "max"), unit.inputs[1:], strict=False):
            if limit is not None and limit.is_const:
                values[key] = float(np.clip(real_values(limit).reshape(-1)[0], -FLOAT_MAX, FLOAT_MAX))
    return values


class Unary(Op):
    """Every function of kernels/functions.py.  attrs: function, float parameters, lo, hi (float32); consts (int8):
    table int8[256]."""

    name = "unary"
    onnx = tuple(sorted(FUNCTIONS.keys() - DELEGATED))
    sixteen = True

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        x = unit.inputs[0]
        assert x is not None
        if x.is_const:
            x = ctx.stored(x)
        if unit.op_type == "Clip" and any(t is not None and not t.is_const for t in unit.inputs[1:]):
            raise ctx.unsupported(unit, "Clip with limits that are computed at run time")
        params = parameters(unit)
        name = "GeluTanh" if unit.op_type == "Gelu" and _text(unit.attrs.get("approximate")) == "tanh" else unit.op_type
        if is_integer(unit, [x]):
            return lower_table(unit, ctx, x, name, lambda v: evaluate(name, v, params))
        if is_integer16(unit, [x]) and (made := self._wide(unit, ctx, x, name, params)) is not None:
            return made
        if x.quant is not None and unit.quant is None and name in KEEPS_SCALE:
            if x.dtype == "int16":
                return self._limited(unit, ctx, x, x.quant, name, params, like=x)
            return lower_table(unit, ctx, x, name, lambda v: evaluate(name, v, params), like=x)
        x = as_float(unit, ctx, x)
        attrs: dict[str, Attr] = {"function": name, **params, **float_limits(unit)}
        rows = rows_of(x)
        return ctx.emit(unit, "unary", [x], x.perm, rows, [Run(rows)], attrs, like=x)

    def _wide(self, unit: Unit, ctx: Lowering, x: Tensor, name: str, params: Mapping[str, float]) -> Tensor | None:
        """int16 on either side; None where only float32 is close enough."""
        assert x.quant is not None and unit.quant is not None
        if x.quant.bits == 8:
            return lower_table(unit, ctx, x, name, lambda v: evaluate(name, v, params))
        if name in KEEPS_SCALE:
            return self._limited(unit, ctx, x, unit.quant, name, params)
        found = knot_table(lambda v: evaluate(name, v, params), x.quant, unit.quant, *bounds(unit, unit.quant))
        if found is None:
            return None
        attrs, rows = {"function": name, **found[0]}, rows_of(x)
        return ctx.emit(unit, "unary", [x], x.perm, rows, [Run(rows)], attrs, {"knots": found[1]})

    def _limited(
        self,
        unit: Unit,
        ctx: Lowering,
        x: Tensor,
        target: Quant,
        name: str,
        params: Mapping[str, float],
        like: Tensor | None = None,
    ) -> Tensor:
        """Relu or Clip of an int16 tensor."""
        assert x.quant is not None
        ends = (0.0, FLOAT_MAX) if name == "Relu" else (params["min"], params["max"])
        low, high = (math.inf if abs(v) >= FLOAT_MAX else v for v in ends)
        lo, hi = clamp_bounds(target, low, high)
        rows = rows_of(x)
        attrs = rescaling(x.quant, target, lo, hi)
        return ctx.emit(unit, "requantize", [x], x.perm, rows, [Run(rows)], attrs, like=like)

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        x = rows[0][y0:y1]
        if "knots" in site.step.consts:
            numbers = [site.int(n) for n in ("step", "fraction", "zy", "lo", "hi")]
            return interpolate(x, site.const("knots"), *numbers).astype(site.output.dtype)
        if "table" in site.step.consts:
            return np.asarray(site.const("table")[x.astype(np.int16) + 128])
        attrs: Mapping[str, Any] = site.step.attrs
        y = evaluate(str(attrs["function"]), x, attrs)
        return limited(y, attrs)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


OPS = (Unary(),)
