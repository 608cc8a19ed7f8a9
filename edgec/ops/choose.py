"""Choosing by condition: comparisons and logic that make bool, Where, with numpy broadcasting of any operand; Cast.

    compare  equal, greater, less, greater_or_equal, less_or_equal of two values of one type (int8 at one scale: the stored integers);
             and, or, xor of bool; not; table: int8 against one real constant, bool[256] made at compile time
    where    c ? a : b; int8 a and b are brought to the output's scale first (constants at compile time)
    cast     float32 -> integer truncates and saturates, NaN gives 0; -> bool is x != 0; integers wrap as in ONNX
attrs of compare and where: kind, dims (the output's axes, neighbours merged), sources (for each operand r: stored like the output, a: read whole,
c: constant) and strides_<i> in elements for a and c.  consts: c<i> of constant operands, table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgec.ir.program import Array, Attr, Quant, Site, default_rows
from edgec.ir.reach import All, Reach, Run
from edgec.ops._layout import first_operand, refuse_clamp
from edgec.ops.base import Lowering, Op, Tensor, Unit
from edgec.ops.elementwise import align, as_float, output_perm, real_values, rows_of

KINDS = {
    "Equal": "equal", "Greater": "greater", "Less": "less", "GreaterOrEqual": "greater_or_equal", "LessOrEqual": "less_or_equal",
    "And": "and", "Or": "or", "Xor": "xor", "Not": "not",
}  # fmt: skip
COMPUTE: dict[str, Any] = {
    "equal": np.equal, "greater": np.greater, "less": np.less, "greater_or_equal": np.greater_equal, "less_or_equal": np.less_equal,
    "and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor, "not": np.logical_not, "where": np.where,
}  # fmt: skip


def merged(shape: Sequence[int], operands: Sequence[Sequence[int]]) -> tuple[list[int], list[list[int]]]:
    """Output axes and the element strides of every operand (0 where it is broadcast), neighbours merged where all allow it."""
    strides = [[0 if n == 1 else math.prod(of[i + 1 :]) for i, n in enumerate(of)] for of in operands]
    dims: list[int] = []
    kept: list[list[int]] = [[] for _ in operands]
    for axis, n in enumerate(shape):
        if n == 1:
            continue
        here = [s[axis] for s in strides]
        if dims and all(k[-1] == n * s for k, s in zip(kept, here, strict=True)):
            dims[-1] *= n
            for k, s in zip(kept, here, strict=True):
                k[-1] = s
        else:
            dims.append(n)
            for k, s in zip(kept, here, strict=True):
                k.append(s)
    return (dims, kept) if dims else ([1], [[0] for _ in operands])


def emit_nary(
    unit: Unit,
    ctx: Lowering,
    op: str,
    operands: Sequence[Tensor],
    dtype: str,
    quant: Quant | None,
    kind: str,
    consts: dict[str, Array],
) -> Tensor:
    """A step of several broadcast operands, some of them constants."""
    operands = [ctx.stored(operands[0]), *operands[1:]] if all(t.is_const for t in operands) else list(operands)
    active = [t for t in operands if not t.is_const]
    perm = output_perm(len(unit.out_shape), active)
    out = tuple(unit.out_shape[p] for p in perm)
    rows = default_rows(out)
    inputs: list[Tensor] = []
    reach: list[Reach] = []
    shapes, sources = [], ""
    for i, t in enumerate(operands):
        if t.const is not None:
            whole = np.transpose(t.const.reshape((1,) * (len(perm) - t.const.ndim) + t.const.shape), perm)
            shapes.append(whole.shape)
            consts[f"c{i}"] = np.ascontiguousarray(whole).reshape(-1)
            sources += "c"
            continue
        stored, shape = align(ctx, t, perm)
        alike = shape == out and rows_of(stored) == rows
        inputs.append(stored)
        shapes.append(shape)
        reach.append(Run(rows) if alike else All(rows_of(stored)))
        sources += "r" if alike else "a"
    dims, strides = merged(out, shapes)
    attrs: dict[str, Attr] = {"kind": kind, "dims": tuple(dims), "sources": sources}
    attrs |= {f"strides_{i}": tuple(s) for i, s in enumerate(strides) if sources[i] != "r"}
    return ctx.emit_raw(unit.out_name, op, inputs, unit.out_shape, dtype, quant, perm, rows, reach, attrs, consts)


def alike(unit: Unit, ctx: Lowering, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Two operands as elements of one type: int8 of one scale, float32, or the integers they are."""
    if a.is_quantized or b.is_quantized:
        if a.quant is not None and a.quant == b.quant:
            return a, b
        return as_float(unit, ctx, a), as_float(unit, ctx, b)
    if a.dtype != b.dtype:
        raise ctx.unsupported(unit, f"operands of types {a.dtype} and {b.dtype}")
    return a, b


class Compare(Op):
    """Comparisons and logic."""

    name = "compare"
    onnx = tuple(KINDS)

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        kind = KINDS[unit.op_type]
        if kind == "not":
            return emit_nary(unit, ctx, self.name, [first_operand(unit)], "bool", None, kind, {})
        a, b = unit.inputs[0], unit.inputs[1]
        assert a is not None and b is not None
        for x, c, turned in ((a, b, False), (b, a, True)):
            if x.quant is not None and x.dtype == "int8" and c.is_const and math.prod(c.shape) == 1:
                values = (
                    (np.arange(-128, 128) - x.quant.zero_point).astype(np.float32) * np.float32(x.quant.scale)
                ).astype(np.float64)
                limit = real_values(c).reshape(-1)[0]
                table = COMPUTE[kind](limit, values) if turned else COMPUTE[kind](values, limit)
                return emit_nary(
                    unit, ctx, self.name, [x], "bool", None, "table", {"table": np.asarray(table, np.bool_)}
                )
        a, b = alike(unit, ctx, a, b)
        return emit_nary(unit, ctx, self.name, [a, b], "bool", None, kind, {})

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        values = fetched(site, y0, y1, rows)
        if site.step.attrs["kind"] == "table":
            found: Array = site.const("table")[values[0].astype(np.int64) + 128]
        else:
            found = np.asarray(COMPUTE[str(site.step.attrs["kind"])](*values))
        return found.reshape(y1 - y0, -1)


class Where(Op):
    """ONNX Where."""

    name = "where"
    onnx = ("Where",)

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        refuse_clamp(unit, ctx)
        condition, a, b = unit.inputs
        assert condition is not None and a is not None and b is not None
        quant = unit.quant
        if quant is not None and any(t.is_quantized and not t.is_const for t in (a, b)):
            a, b = ctx.requantized(a, quant), ctx.requantized(b, quant)
        else:
            a, b = alike(unit, ctx, a, b)
            quant = a.quant if not a.is_const else b.quant
        dtype = str(a.const.dtype) if a.const is not None else a.dtype
        return emit_nary(unit, ctx, self.name, [condition, a, b], dtype, quant, "where", {})

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        return np.where(*fetched(site, y0, y1, rows)).reshape(y1 - y0, -1)


class Cast(Op):
    """ONNX Cast between stored types."""

    name = "cast"
    onnx = ("Cast",)

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        refuse_clamp(unit, ctx)
        x = ctx.stored(first_operand(unit))
        if x.shifted and x.quant is None:
            raise ctx.unsupported(unit, "a cast of uint8 values")
        target = unit.out_dtype
        if x.dtype == target or (x.is_quantized and target == "float32"):
            return ctx.view(x, unit.out_shape, unit.out_name)
        x = ctx.as_float(x) if x.is_quantized else x
        rows = rows_of(x)
        return ctx.emit_raw(unit.out_name, self.name, [x], x.shape, target, None, x.perm, rows, [Run(rows)])

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        x, target = rows[0][y0:y1], site.output.dtype
        if x.dtype != np.float32 or target in ("bool", "float32"):
            return x.astype(target)
        info = np.iinfo(target)
        with np.errstate(all="ignore"):
            inside = np.nan_to_num(np.trunc(x), nan=0.0, posinf=0.0, neginf=0.0)
            made = np.where((x < float(info.max)) & (x > float(info.min)), inside, 0).astype(target)
        return np.where(x >= float(info.max), info.max, np.where(x <= float(info.min), info.min, made)).astype(target)


def fetched(site: Site, y0: int, y1: int, rows: Sequence[Array]) -> list[Array]:
    """The elements of every operand that output rows y0..y1-1 are made from, flat."""
    attrs: Any = site.step.attrs
    each = site.output.row_elements
    at = np.arange(y0 * each, y1 * each)
    parts = np.unravel_index(at, attrs["dims"])
    values, waiting = [], list(rows)
    for i, source in enumerate(attrs["sources"]):
        flat = site.const(f"c{i}") if source == "c" else waiting.pop(0).reshape(-1)
        where = at if source == "r" else sum(p * s for p, s in zip(parts, attrs[f"strides_{i}"], strict=True))
        values.append(flat[where])
    return values


OPS = (Compare(), Where(), Cast())
