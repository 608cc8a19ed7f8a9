"""Einsum of one operand (a transpose) or two (batched products): no step of its own.

    labels in both operands and the result: batch;  in both, not in the result: summed;  in one operand and the result: rows or columns

Before: bnd,dhe->bnhe   x [b,n,d], w [d,h,e]
After:  Transpose and Reshape to [b*n, d] and [d, h*e], MatMul, Reshape to [b,n,h,e]
Diagonals (a label twice in one operand), sums over one operand alone, ellipses and three operands are refused.
"""

from __future__ import annotations

import math

from edgec.ops._layout import first_operand, refuse_clamp
from edgec.ops._parts import Part
from edgec.ops.base import Lowering, Op, Tensor, Unit
from edgec.ops.movement import transposed
from edgec.ops.registry import by_onnx


def parse(equation: str) -> tuple[list[str], str]:
    """(labels of each operand, labels of the result).  ValueError for what is not there."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    operands = left.split(",")
    if "." in equation or any(len(set(o)) != len(o) for o in (*operands, right)) or len(operands) > 2:
        raise ValueError(
            "ellipses, diagonals and more than two operands are not there; write it with Transpose, MatMul and ReduceSum"
        )
    everything = "".join(operands)
    return operands, right if arrow else "".join(sorted(c for c in everything if everything.count(c) == 1))


def arranged(ctx: Lowering, x: Tensor, labels: str, groups: list[str], shape: tuple[int, ...], name: str) -> Tensor:
    """x with its axes in the order of `groups`, each group one axis."""
    if x.scales is not None and x.scales.size > 1:
        x = ctx.as_float(x)  # scales along an axis do not survive a reshape
    order = tuple(labels.index(c) for c in "".join(groups))
    return ctx.view(transposed(x, order, name), shape, name)


class Einsum(Op):
    """ONNX Einsum."""

    name = "einsum"
    onnx = ("Einsum",)

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        equation = unit.attrs["equation"]
        try:
            operands, result = parse(equation.decode() if isinstance(equation, bytes) else str(equation))
        except ValueError as error:
            raise ctx.unsupported(unit, str(error)) from None
        a = first_operand(unit)
        if len(operands) == 1:
            refuse_clamp(unit, ctx)
            if sorted(operands[0]) != sorted(result):
                raise ctx.unsupported(unit, "a sum over one operand; use ReduceSum")
            return transposed(ctx.stored(a), tuple(operands[0].index(c) for c in result), unit.out_name)
        b = unit.inputs[1]
        assert b is not None
        la, lb = operands
        if a.is_const and not b.is_const:
            a, b, la, lb = b, a, lb, la
        if any(c not in result and (c not in la or c not in lb) for c in la + lb):
            raise ctx.unsupported(unit, "a sum over one operand alone; use ReduceSum before it")
        size = {**dict(zip(la, a.shape, strict=True)), **dict(zip(lb, b.shape, strict=True))}
        batch, rows, columns = (
            "".join(c for c in result if (c in la, c in lb) == where)
            for where in ((True, True), (True, False), (False, True))
        )
        summed = "".join(c for c in la if c in lb and c not in result)
        n, m, k, j = (math.prod(size[c] for c in group) for group in (batch, rows, summed, columns))
        lead = (n,) if batch else ()
        left = arranged(ctx, a, la, [batch, rows, summed], (*lead, m, k), f"{unit.out_name}_left")
        right = arranged(ctx, b, lb, [batch, summed, columns], (*lead, k, j), f"{unit.out_name}_right")
        product = Part(
            unit.node_name,
            "MatMul",
            [left, right],
            f"{unit.out_name}_product",
            (*lead, m, j),
            {},
            unit.quant,
            None,
            unit.lo,
            unit.hi,
        )
        made = by_onnx()["MatMul"].lower(product, ctx)
        order = batch + rows + columns
        spread = ctx.view(made, tuple(size[c] for c in order), f"{unit.out_name}_axes")
        return transposed(spread, tuple(order.index(c) for c in result), unit.out_name)


OPS = (Einsum(),)
