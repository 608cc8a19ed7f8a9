"""Functions of one value.  int8: y = table[q + 128], 256 bytes made at compile time, round half up of f(real)/s + z
in float64, then clamped.

float32: the C expression of the function's line in kernels/functions.py.  A function whose result the model leaves
unquantized (Relu, Clip on int8) keeps its input's scale.  Where f is not a number the table holds the zero point;
infinities saturate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgec.arithmetic import round_half_up
from edgec.ir.program import Array, Attr, Quant, Site
from edgec.ir.reach import Run
from edgec.kernels.functions import FLOAT_MAX, FUNCTIONS, evaluate
from edgec.ops.base import Lowering, Op, Tensor, Unit
from edgec.ops.elementwise import as_float, bounds, float_limits, is_integer, limited, real_values, rows_of

KEEPS_SCALE = frozenset({"Relu", "Clip"})
DELEGATED = frozenset({"Pow", "GeluTanh", "Square"})  # made by other pages, or spellings of our own


def lookup_table(real: Callable[[Array], Array], source: Quant, target: Quant, lo: int = -128, hi: int = 127) -> Array:
    """int8[256]: entry q + 128 is clamp(round_half_up(f(s*(q - z)) / s_y) + z_y, lo, hi); NaN gives z_y."""
    x = (np.arange(-128, 128) - source.zero_point) * float(source.scale)
    with np.errstate(all="ignore"):
        y = np.asarray(real(x), np.float64) / float(target.scale)
    y = np.clip(np.nan_to_num(y, nan=0.0, posinf=1e6, neginf=-1e6), -1e6, 1e6)
    return np.asarray(np.clip(round_half_up(y) + target.zero_point, lo, hi), np.int8)


def lower_table(
    unit: Unit, ctx: Lowering, x: Tensor, name: str, real: Callable[[Array], Array], like: Tensor | None = None
) -> Tensor:
    """Emits a table lookup for any real function of one int8 tensor.  like: keep that tensor's quantization (the
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
        if x.quant is not None and x.dtype == "int8" and unit.quant is None and name in KEEPS_SCALE:
            return lower_table(unit, ctx, x, name, lambda v: evaluate(name, v, params), like=x)
        x = as_float(unit, ctx, x)
        attrs: dict[str, Attr] = {"function": name, **params, **float_limits(unit)}
        rows = rows_of(x)
        return ctx.emit(unit, "unary", [x], x.perm, rows, [Run(rows)], attrs, like=x)

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        x = rows[0][y0:y1]
        if site.output.dtype == "int8":
            return np.asarray(site.const("table")[x.astype(np.int16) + 128])
        attrs: Mapping[str, Any] = site.step.attrs
        y = evaluate(str(attrs["function"]), x, attrs)
        return limited(y, attrs)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


OPS = (Unary(),)
