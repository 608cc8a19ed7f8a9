"""The numbers of the int8 and int16 formulas of binary.py, and the formulas themselves in numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgec.arithmetic import addition, multipliers, quantize, requantize, rescale, wide_multipliers
from edgec.ir.program import Array, Attr, Quant, Site
from edgec.ops.base import Tensor, Unit
from edgec.ops.elementwise import bounds, limited, per_tensor_int8, real_values
from edgec.ops.unary import lookup_table

Formula = tuple[str, dict[str, Attr], dict[str, Array]]
Spread = Callable[[Array], Array]
WIDE = frozenset({"add", "mul", "div", "prelu"})  # pages with int16 formulas
WIDE_FACTOR = 30  # bits
LARGEST = 512.0  # a factor above it saturates for every product of at least 1, whatever the zero point


class NoFormula(Exception):
    """The operands have no int8 formula; compute in float32."""


def _output(unit: Unit) -> tuple[Quant, dict[str, Attr]]:
    assert unit.quant is not None
    lo, hi = bounds(unit, unit.quant)
    return unit.quant, {"zy": unit.quant.zero_point, "lo": lo, "hi": hi}


def _quant(tensor: Tensor) -> Quant:
    assert tensor.quant is not None
    return tensor.quant


def wide(unit: Unit, *quants: Quant) -> bool:
    """Whether a result or an operand has 16 bits."""
    return 16 in (unit.quant.bits if unit.quant is not None else 8, *(q.bits for q in quants))


def span(quant: Quant) -> int:
    """Largest magnitude of q - z."""
    return max(quant.highest - quant.zero_point, quant.zero_point - quant.lowest)


def _factors(real: Array, bound: int = 0) -> tuple[Array, dict[str, Attr]]:
    """Signed fixed-point factors with one shift: (int32 m, {"shift", "left"}).

    bound: of what they multiply, where the rule of int16x8.v1 holds: (int32 m, {"k"}).
    """
    largest = LARGEST if not bound else LARGEST * 256
    real = np.clip(
        np.nan_to_num(np.asarray(real, np.float64), nan=0.0, posinf=largest, neginf=-largest), -largest, largest
    )
    if bound:
        m, k = wide_multipliers(real.reshape(-1), bound)
        return m, {"k": k}
    fixed = multipliers(np.abs(real).reshape(-1))
    return (fixed.m * np.sign(real).reshape(-1)).astype(np.int32), {"shift": fixed.shift, "left": fixed.left}


def _addition(a: float, b: float, y: float, bits: int = 22) -> tuple[int, int, int]:
    try:
        return addition(a, b, y, bits)
    except ValueError as error:
        raise NoFormula from error


def _add(unit: Unit, qa: Quant, qb: Quant, sign_a: int = 1, sign_b: int = 1) -> dict[str, Attr]:
    y, out = _output(unit)
    ma, mb, k = _addition(sign_a * qa.scale, sign_b * qb.scale, y.scale, WIDE_FACTOR if wide(unit, qa, qb) else 22)
    return {**out, "ma": ma, "mb": mb, "k": k, "za": qa.zero_point, "zb": qb.zero_point}


def add(unit: Unit, a: Tensor, b: Tensor) -> Formula:
    return "add", _add(unit, _quant(a), _quant(b), 1, -1 if unit.op_type == "Sub" else 1), {}


def add_const(unit: Unit, x: Tensor, const: Tensor, spread: Spread, const_last: bool) -> Formula:
    negative = unit.op_type == "Sub"
    sign_x, sign_b = (1, -1 if negative else 1) if const_last else (-1 if negative else 1, 1)
    stored = per_tensor_int8(const)
    if wide(unit, _quant(x)):
        return _add_table(unit, _quant(x), sign_x, sign_b * spread(real_values(const)))
    if stored is not None:
        return "add", _add(unit, _quant(x), stored[1], sign_x, sign_b), {"b": spread(stored[0])}
    y, out = _output(unit)
    values = saturated(sign_b * spread(real_values(const)), _quant(x), y, sign_x)
    largest = float(np.abs(values).max(initial=0.0))
    ma, _, k = _addition(
        sign_x * _quant(x).scale, largest / 127, y.scale
    )  # as if the constants were int8: the sums stay in int32
    table = np.rint(values / y.scale * 2.0**k).astype(np.int64) - ma * _quant(x).zero_point + (1 << (k - 1))
    return "add_table", {**out, "ma": ma, "k": k, "za": 0}, {"table": table.astype(np.int32)}


def saturated(values: Array, x: Quant, y: Quant, sign: int) -> Array:
    """Summands, those cut to which nothing can be added that would bring the sum back into y's range (masks of -1e9)."""
    ends = [sign * x.scale * (q - x.zero_point) for q in (x.lowest, x.highest)]
    lo, hi = (y.scale * (q - y.zero_point) for q in (y.lowest - 1, y.highest + 1))
    return np.asarray(np.clip(values, lo - max(ends), hi - min(ends)))


def _add_table(unit: Unit, x: Quant, sign_x: int, values: Array) -> Formula:
    """add_table of int16: 30-bit factor, int64 entries."""
    y, out = _output(unit)
    ma, _, k = _addition(sign_x * x.scale, x.scale, y.scale, WIDE_FACTOR)
    table = np.rint(saturated(values, x, y, sign_x) / y.scale * 2.0**k).astype(np.int64)
    return "add_table", {**out, "ma": ma, "k": k, "za": 0}, {"table": table - ma * x.zero_point + (1 << (k - 1))}


def mul(unit: Unit, a: Tensor, b: Tensor) -> Formula:
    y, out = _output(unit)
    m, shifts = _factors(np.array(_quant(a).scale * _quant(b).scale / y.scale), _product(unit, a, b))
    return "mul", {**out, "m": int(m[0]), **shifts, "za": _quant(a).zero_point, "zb": _quant(b).zero_point}, {}


def mul_const(unit: Unit, x: Tensor, const: Tensor, spread: Spread, const_last: bool) -> Formula:
    y, out = _output(unit)
    stored = per_tensor_int8(const)
    if stored is not None and not wide(unit, _quant(x)):
        m, shifts = _factors(np.array(_quant(x).scale * stored[1].scale / y.scale))
        zeros: dict[str, Attr] = {"za": _quant(x).zero_point, "zb": stored[1].zero_point}
        return "mul", {**out, "m": int(m[0]), **shifts, **zeros}, {"b": spread(stored[0])}
    m, shifts = _factors(_quant(x).scale * spread(real_values(const)) / y.scale, _bound(unit, x))
    return "mul_table", {**out, **shifts, "za": _quant(x).zero_point}, {"table": m}


def _product(unit: Unit, a: Tensor, b: Tensor) -> int:
    """The bound of (qa - za) * (qb - zb); 0 where everything has 8 bits."""
    return span(_quant(a)) * span(_quant(b)) if wide(unit, _quant(a), _quant(b)) else 0


def _bound(unit: Unit, x: Tensor) -> int:
    """Of q - z of the one operand that is computed; 0 where everything has 8 bits."""
    return span(_quant(x)) if wide(unit, _quant(x)) else 0


def div(unit: Unit, a: Tensor, b: Tensor) -> Formula:
    if wide(unit, _quant(a), _quant(b)):
        raise NoFormula
    y, out = _output(unit)
    under = (np.arange(-128, 128) - _quant(b).zero_point) * _quant(b).scale * y.scale
    with np.errstate(divide="ignore"):
        m, shifts = _factors(_quant(a).scale / under)
    return "div", {**out, **shifts, "za": _quant(a).zero_point}, {"reciprocals": m}


def div_const(unit: Unit, x: Tensor, const: Tensor, spread: Spread, const_last: bool) -> Formula:
    if not const_last:
        raise NoFormula
    y, out = _output(unit)
    with np.errstate(divide="ignore"):
        m, shifts = _factors(_quant(x).scale / spread(real_values(const)) / y.scale, _bound(unit, x))
    return "mul_table", {**out, **shifts, "za": _quant(x).zero_point}, {"table": m}


def choose(unit: Unit, a: Tensor, b: Tensor) -> Formula:
    y, out = _output(unit)
    tables = {name: lookup_table(lambda v: v, _quant(t), y) for name, t in (("table_a", a), ("table_b", b))}
    return unit.op_type.lower(), out, tables


def choose_const(unit: Unit, x: Tensor, const: Tensor, spread: Spread, const_last: bool) -> Formula:
    y, out = _output(unit)
    values = quantize(spread(real_values(const)), y.scale, y.zero_point)
    tables = {"table_a": lookup_table(lambda v: v, _quant(x), y), "table_b": np.arange(-128, 128).astype(np.int8)}
    return unit.op_type.lower(), out, {**tables, "b": values}


def prelu_const(unit: Unit, x: Tensor, const: Tensor, spread: Spread, const_last: bool) -> Formula:
    if not const_last:
        raise NoFormula
    y, out = _output(unit)
    slope = spread(real_values(const))
    m, shifts = _factors(_quant(x).scale / y.scale * np.append(slope, 1.0), _bound(unit, x))
    return "prelu_table", {**out, **shifts, "m": int(m[-1]), "za": _quant(x).zero_point}, {"table": m[:-1]}


def prelu(unit: Unit, a: Tensor, b: Tensor) -> Formula:
    y, out = _output(unit)
    m, shifts = _factors(_quant(a).scale / y.scale * np.array([1.0, _quant(b).scale]), _product(unit, a, b))
    zeros: dict[str, Attr] = {"za": _quant(a).zero_point, "zb": _quant(b).zero_point}
    return "prelu", {**out, **shifts, **zeros, "m": int(m[0]), "mb": int(m[1])}, {}


def none(unit: Unit, *rest: Any) -> Formula:
    raise NoFormula


FORMULAS: dict[str, Callable[[Unit, Tensor, Tensor], Formula]] = {
    "add": add,
    "mul": mul,
    "div": div,
    "max": choose,
    "min": choose,
    "pow": none,
    "prelu": prelu,
}
CONST_FORMULAS: dict[str, Callable[[Unit, Tensor, Tensor, Spread, bool], Formula]] = {
    "add": add_const,
    "mul": mul_const,
    "div": div_const,
    "max": choose_const,
    "min": choose_const,
    "pow": none,
    "prelu": prelu_const,
}

FLOAT: dict[str, Callable[[Array, Array], Array]] = {
    "add": np.add,
    "sub": np.subtract,
    "rsub": lambda a, b: b - a,
    "mul": np.multiply,
    "div": np.divide,
    "rdiv": lambda a, b: b / a,
    "max": np.maximum,
    "min": np.minimum,
    "pow": np.power,
    "rpow": lambda a, b: np.power(b, a),
    "prelu": lambda a, b: np.where(a < 0, a * b, a),
    "rprelu": lambda a, b: np.where(b < 0, a * b, b),
}


def compute(site: Site, a: Array, b: Array) -> Array:
    """The formula on equally long vectors of operand a and of operand b (or the constant that stands for it)."""
    attrs: Any = site.step.attrs
    kind = attrs["kind"]
    if site.output.dtype == "float32":
        with np.errstate(all="ignore"):
            y = np.asarray(FLOAT[kind](a, b), np.float32)
        return limited(y, attrs)
    a, b = a.astype(np.int64), b.astype(np.int64)
    zy, lo, hi = attrs["zy"], attrs["lo"], attrs["hi"]
    if kind in ("max", "min"):
        choice = np.maximum if kind == "max" else np.minimum
        y = choice(site.const("table_a")[a + 128], site.const("table_b")[b + 128])
        return np.asarray(np.clip(y, lo, hi), np.int8)
    a = a - attrs["za"]
    dtype = site.output.dtype
    if kind == "add_table":
        return np.asarray(np.clip(zy + ((attrs["ma"] * a + b) >> attrs["k"]), lo, hi), dtype)
    if kind == "div":
        m = site.const("reciprocals")[b + 128]
    elif kind == "mul_table":
        m = b
    elif kind == "prelu_table":
        m = np.where(a >= 0, attrs["m"], b)
    else:
        b = b - attrs["zb"]
        if kind == "add":
            total = attrs["ma"] * a + attrs["mb"] * b + (1 << (attrs["k"] - 1))
            return np.asarray(np.clip(zy + (total >> attrs["k"]), lo, hi), dtype)
        if kind == "prelu":
            a, m = np.where(a >= 0, a, a * b), np.where(a >= 0, attrs["m"], attrs["mb"])
        else:
            a, m = a * b, np.array(attrs["m"])
    if "k" in attrs:
        return rescale(a, m, attrs["k"], zy, lo, hi).astype(dtype)
    return requantize(a, m, attrs["shift"], attrs["left"], zy, lo, hi)
