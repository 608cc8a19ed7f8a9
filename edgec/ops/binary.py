"""Add, Sub, Mul, Div, Min, Max, Pow, PRelu: two operands, numpy broadcasting, constants folded into the step.

int8 formulas (q: stored integers, z: zero points, R: requantize of arithmetic.py, round half up once):
    add       clamp(z + ((ma*(qa-za) + mb*(qb-zb) + 2^(k-1)) >> k))        a subtraction has a negative m
    add_table clamp(z + ((ma*qa + c[j]) >> k))      constant real values b[j]: c = rint(b/s_y * 2^k) - ma*za + 2^(k-1)
    mul       R((qa-za)*(qb-zb), sa*sb/s_y)
    mul_table R(qa-za, M[j])                        M = sa*b[j]/s_y; a division by constants: M = sa/(b[j]*s_y)
    div       R(qa-za, M[qb])                       M[q] = sa/(sb*(q-zb)*s_y); x/0 saturates, 0/0 gives z
    min, max  of the two operands' requantized values, each a table of 256
    prelu     qa >= za ? R(qa-za, sa/s_y) : R((qa-za)*(qb-zb), sa*sb/s_y)
    prelu_table  R(qa-za, qa >= za ? sa/s_y : sa*b[j]/s_y)
Where an operand or the result is int16, R is `rescale` of int16x8.v1 (add, mul, their tables and prelu; sums in 64 bits,
table entries of add_table are int64); scalar constants are tables of one entry; div, min, max, pow of two go to float32.
Factors above 512 are cut to 512: any product of at least 1 saturates at either.  Scalar constants become one unary
table.  The table of div resolves 2^-21, so before its one rounding a result is within 2^-13 of the exact quotient.
Anything else (Pow of two activations: a power has no bounded factor to put into a table, and no exported network was seen
to need it; float constants that stretch the other operand) is computed in float32 and quantized.

attrs: kind, mode, and the formula's numbers; mode says where operand b comes from:
    same     another buffer of the same shape             const    consts `b` or `table`, repeated with their length
    gate     [N,1,..,1,C] or [C] beside [N,..,C]          strided  any broadcasting: attrs dims, strides_a, strides_b
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from edgec.ir.program import Array, Attr, Site, default_rows
from edgec.ir.reach import All, Run
from edgec.ops.base import Lowering, Op, Tensor, Unit
from edgec.ops.binary_formulas import CONST_FORMULAS, FORMULAS, WIDE, NoFormula, compute
from edgec.ops.elementwise import (
    align,
    as_float,
    float_limits,
    is_integer,
    is_integer16,
    output_perm,
    real_values,
    rows_of,
    spread,
)
from edgec.ops.unary import lower_table

Real = Callable[[Array, Array], Array]
REAL: dict[str, Real] = {
    "Add": np.add,
    "Sum": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Max": np.maximum,
    "Min": np.minimum,
    "Pow": np.power,
    "PRelu": lambda x, slope: np.where(x < 0, x * slope, x),
}
FLOAT_KIND = {
    "Add": "add",
    "Sum": "add",
    "Sub": "sub",
    "Mul": "mul",
    "Div": "div",
    "Max": "max",
    "Min": "min",
    "Pow": "pow",
    "PRelu": "prelu",
}


def squeeze_strides(shape: Sequence[int], a: Sequence[int], b: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
    """Output axes and the element strides of both operands (0 where an operand is broadcast), neighbours merged where
    both allow it."""

    def strides(of: Sequence[int]) -> list[int]:
        return [0 if n == 1 else math.prod(of[i + 1 :]) for i, n in enumerate(of)]

    dims: list[int] = []
    sa: list[int] = []
    sb: list[int] = []
    for n, x, y in zip(shape, strides(a), strides(b), strict=True):
        if n == 1:
            continue
        if dims and sa[-1] == n * x and sb[-1] == n * y:
            dims[-1], sa[-1], sb[-1] = dims[-1] * n, x, y
        else:
            dims, sa, sb = [*dims, n], [*sa, x], [*sb, y]
    return dims or [1], sa or [0], sb or [0]


def placement(out: tuple[int, ...], a: tuple[int, ...], b: tuple[int, ...], rows_match: bool) -> dict[str, Attr]:
    """mode and its attrs for two activations of these physical shapes (same rank).  rows_match: operands are cut into
    rows as the output."""
    if a == b == out and rows_match:
        return {"mode": "same"}
    middle = all(n == 1 for n in b[1:-1]) and b[-1] == out[-1] and (b[0] in (1, out[0]))
    if a == out and middle and len(out) >= 2:
        images = b[0]
        return {"mode": "gate", "pixels": math.prod(out[:-1]) // images, "channels": out[-1]}
    dims, sa, sb = squeeze_strides(out, a, b)
    return {"mode": "strided", "dims": tuple(dims), "strides_a": tuple(sa), "strides_b": tuple(sb)}


def source_index(site: Site, side: int, y0: int, y1: int) -> Array:
    """Element numbers of operand `side` (0: a, 1: b or its constant) for the elements of output rows y0..y1-1."""
    attrs: Any = site.step.attrs
    size = site.output.row_elements
    at = np.arange(y0 * size, y1 * size, dtype=np.int64)
    if attrs["mode"] == "strided":
        parts = np.unravel_index(at, attrs["dims"])
        strides = attrs["strides_a" if side == 0 else "strides_b"]
        return np.asarray(sum(p * s for p, s in zip(parts, strides, strict=True)))
    if side == 0 or attrs["mode"] == "same":
        return at
    if attrs["mode"] == "gate":
        pixel, channel = np.divmod(at, attrs["channels"])
        return np.asarray(pixel // attrs["pixels"] * attrs["channels"] + channel)
    return np.asarray(at % site.const("b" if "b" in site.step.consts else "table").size)


class Binary(Op):
    """Base of the pages; they differ in the ONNX names they take and in the name of the step."""

    name: ClassVar[str] = ""
    sixteen = True

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        operands = [t for t in unit.inputs if t is not None]
        if len(operands) != 2:
            raise ctx.unsupported(
                unit, f"{unit.op_type} of {len(operands)} operands; split it into {unit.op_type}s of two"
            )
        a, b = operands
        if a.is_const and b.is_const:
            a = ctx.stored(a)
        activations = [t for t in (a, b) if not t.is_const]
        real = REAL[unit.op_type]
        if is_integer(unit, activations):
            if not a.is_const and not b.is_const and a.buffer == b.buffer and a.perm == b.perm and a.shape == b.shape:
                return lower_table(unit, ctx, a, f"{unit.op_type}Self", lambda v: real(v, v))
            if b.is_const and math.prod(b.shape) == 1:
                value = real_values(b).reshape(-1)
                return lower_table(unit, ctx, a, f"{unit.op_type}Const", lambda v: real(v, value))
            if a.is_const and math.prod(a.shape) == 1:
                value = real_values(a).reshape(-1)
                return lower_table(unit, ctx, b, f"{unit.op_type}OfConst", lambda v: real(value, v))
        if a.is_const or b.is_const:
            return self._with_const(unit, ctx, a, b)
        try:
            if is_integer(unit, activations) or self._is_wide(unit, activations):
                kind, attrs, consts = FORMULAS[self.name](unit, a, b)
                return self._two(unit, ctx, a, b, kind, attrs, consts)
        except NoFormula:
            pass
        a, b = as_float(unit, ctx, a), as_float(unit, ctx, b)
        return self._two(unit, ctx, a, b, FLOAT_KIND[unit.op_type], float_limits(unit), {}, like=a)

    def _is_wide(self, unit: Unit, activations: Sequence[Tensor]) -> bool:
        """Whether the unit has an int16 formula."""
        return self.name in WIDE and is_integer16(unit, activations)

    def _two(
        self,
        unit: Unit,
        ctx: Lowering,
        a: Tensor,
        b: Tensor,
        kind: str,
        attrs: dict[str, Attr],
        consts: dict[str, Array],
        like: Tensor | None = None,
    ) -> Tensor:
        """Two buffers.  The larger comes first where the formula can be turned round."""
        perm = output_perm(len(unit.out_shape), [a, b])
        a, shape_a = align(ctx, a, perm)
        b, shape_b = align(ctx, b, perm)
        out = tuple(unit.out_shape[p] for p in perm)
        if "reciprocals" not in consts and math.prod(shape_a) < math.prod(shape_b):
            a, b, shape_a, shape_b, kind, attrs, consts = (
                b,
                a,
                shape_b,
                shape_a,
                TURNED[kind],
                turned(attrs),
                turned(consts),
            )
        rows = default_rows(out)
        match = rows_of(a) == rows and rows_of(b) == rows
        where = placement(out, shape_a, shape_b, match)
        if where["mode"] == "gate" and rows_of(a) != rows:
            dims, sa, sb = squeeze_strides(out, shape_a, shape_b)
            where = {"mode": "strided", "dims": tuple(dims), "strides_a": tuple(sa), "strides_b": tuple(sb)}
        reach_a = All(rows_of(a)) if where["mode"] == "strided" else Run(rows)
        reach_b = Run(rows) if where["mode"] == "same" else All(rows_of(b))
        return ctx.emit(
            unit, self.name, [a, b], perm, rows, [reach_a, reach_b], {"kind": kind, **where, **attrs}, consts, like
        )

    def _with_const(self, unit: Unit, ctx: Lowering, a: Tensor, b: Tensor) -> Tensor:
        """One buffer and a constant that repeats along it; a constant that stretches the buffer is stored as a buffer
        itself."""
        x, const = (b, a) if a.is_const else (a, b)
        fits = math.prod(x.shape) == math.prod(unit.out_shape)
        perm = output_perm(len(unit.out_shape), [x])
        rows = rows_of(x)
        like = None
        try:
            if not fits or not (is_integer(unit, [x]) or self._is_wide(unit, [x])):
                raise NoFormula
            kind, attrs, consts = CONST_FORMULAS[self.name](
                unit, x, const, lambda v: spread(v, unit.out_shape, perm), not a.is_const
            )
        except NoFormula:
            if not fits and per_tensor(const) and (is_integer(unit, [x]) or self._is_wide(unit, [x])):
                pair = [ctx.stored(const), x] if a.is_const else [x, ctx.stored(const)]
                return self.lower(Rewired(unit, pair), ctx)
            x, const = as_float(unit, ctx, x), as_float(unit, ctx, const)
            kind = FLOAT_KIND[unit.op_type]
            if not fits:
                pair = [ctx.stored(const), x] if a.is_const else [x, ctx.stored(const)]
                return self._two(unit, ctx, pair[0], pair[1], kind, float_limits(unit), {}, like=x)
            kind = TURNED[kind] if a.is_const else kind
            values = real_values(const).astype(np.float32)
            attrs, consts, like = float_limits(unit), {"b": spread(values, unit.out_shape, perm)}, x
        return ctx.emit(
            unit, self.name, [x], perm, rows, [Run(rows)], {"kind": kind, "mode": "const", **attrs}, consts, like
        )

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        a = rows[0].reshape(-1)[source_index(site, 0, y0, y1)]
        if site.step.attrs["mode"] == "const":
            b = site.const("b" if "b" in site.step.consts else "table")[source_index(site, 1, y0, y1)]
        else:
            b = rows[1].reshape(-1)[source_index(site, 1, y0, y1)]
        return compute(site, a, b).reshape(y1 - y0, -1)


TURNED = {
    "add": "add",
    "sub": "rsub",
    "mul": "mul",
    "div": "rdiv",
    "max": "max",
    "min": "min",
    "pow": "rpow",
    "prelu": "rprelu",
}
_PAIRS = {"ma": "mb", "mb": "ma", "za": "zb", "zb": "za", "table_a": "table_b", "table_b": "table_a"}


def turned(numbers: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a formula with its operands exchanged."""
    return {_PAIRS.get(key, key): value for key, value in numbers.items()}


def per_tensor(const: Tensor) -> bool:
    return const.is_quantized and (const.scales is None or const.scales.size == 1)


class Rewired:
    """A unit with other operands."""

    def __init__(self, unit: Unit, inputs: Sequence[Tensor]) -> None:
        self._unit = unit
        self.inputs = inputs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unit, name)


class Add(Binary):
    name = "add"
    onnx = ("Add", "Sub", "Sum")


class Mul(Binary):
    name = "mul"
    onnx = ("Mul",)


class Div(Binary):
    name = "div"
    onnx = ("Div",)


class Max(Binary):
    name = "max"
    onnx = ("Max",)


class Min(Binary):
    name = "min"
    onnx = ("Min",)


class Pow(Binary):
    name = "pow"
    onnx = ("Pow",)


class PRelu(Binary):
    name = "prelu"
    onnx = ("PRelu",)


OPS = (Add(), Mul(), Div(), Max(), Min(), Pow(), PRelu())
