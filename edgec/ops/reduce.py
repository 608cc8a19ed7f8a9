"""Reductions over any axes: ReduceMean, ReduceSum, ReduceMax, ReduceMin and the global pools.

Stored order makes every reduction [outer, count, inner] -> [outer, inner]: y[o,i] = f over r of x[o,r,i].  Axes that
do not lie together
are brought together by ctx.physical first.
* reduce_mean (also the sum: n = 1): int8, int16 as in _average.py; float32 adds in order of r, then divides by n.
* reduce_max, reduce_min: int8, int16 or float32; scale and zero point stay.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from edgec.ir.program import Array, Attr, Site, default_rows
from edgec.ir.reach import All, Reach, Run
from edgec.ops._average import average, averaging, clamp_bounds
from edgec.ops._layout import first_operand, order_of, refuse_clamp, setting, settle, spread
from edgec.ops.base import Lowering, Op, Tensor, Unit


def reduced_axes(unit: Unit, x: Tensor, ctx: Lowering) -> tuple[int, ...]:
    """Logical axes that go away (or become 1), ascending."""
    rank = len(x.shape)
    if unit.op_type.startswith("Global"):
        return tuple(range(2, rank))
    axes = setting(unit, ctx, 1, "axes")
    if not axes:
        return () if unit.attrs.get("noop_with_empty_axes", 0) else tuple(range(rank))
    return tuple(sorted({int(a) % rank for a in axes}))


def together(shape: tuple[int, ...], perm: tuple[int, ...], axes: tuple[int, ...]) -> bool:
    """Whether the axes longer than 1 among `axes` are neighbours in memory."""
    marks = [a in axes for a in order_of(shape, perm)]
    return True not in marks or all(marks[marks.index(True) : len(marks) - marks[::-1].index(True)])


def output_perm(x: Tensor, axes: tuple[int, ...], out_shape: tuple[int, ...]) -> tuple[int, ...]:
    """The kept axes stay in their stored order."""
    kept = [a for a in range(len(x.shape)) if a not in axes]
    renamed = {a: a if len(out_shape) == len(x.shape) else kept.index(a) for a in kept}
    return settle(out_shape, tuple(renamed[a] for a in order_of(x.shape, x.perm) if a not in axes))


class Reduce(Op):
    """Common part: layout, rows, [outer, count, inner]."""

    means: ClassVar[bool] = False
    sixteen = True

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        x = ctx.stored(first_operand(unit))
        quantized = unit.quant is not None and x.quant is not None  # (axes may be a constant input)
        if self.means and not quantized:
            x = ctx.as_float(x)
            if x.dtype != "float32":
                raise ctx.unsupported(unit, f"a mean or sum of {x.dtype} values")
        axes = reduced_axes(unit, x, ctx)
        if not together(x.shape, x.perm, axes):
            x = ctx.physical(x, (*(a for a in x.perm if a not in axes), *(a for a in x.perm if a in axes)))
        perm = output_perm(x, axes, unit.out_shape)
        gone = [i for i, a in enumerate(x.perm) if a in axes and x.shape[a] != 1]
        count = math.prod(x.shape[a] for a in axes)
        inner = math.prod(x.physical[gone[-1] + 1 :]) if gone else 1
        attrs: dict[str, Attr] = {"count": count, "inner": inner}
        rows = default_rows(spread(unit.out_shape, perm))
        height = default_rows(x.physical)
        aligned = rows == height and math.prod(unit.out_shape) // rows % inner == 0
        reach: Reach = Run(height) if aligned else All(height)
        if not self.means:
            refuse_clamp(unit, ctx)
            return ctx.emit(unit, self.name, [x], perm, rows, [reach], attrs, like=x)
        consts: dict[str, Array] = {}
        n = 1 if unit.op_type == "ReduceSum" else count
        if quantized and x.quant is not None and unit.quant is not None:
            try:
                more, consts = averaging(x.quant, unit.quant, [n], count)
            except ValueError as error:
                raise ctx.unsupported(unit, str(error)) from None
            lo, hi = clamp_bounds(unit.quant, unit.lo, unit.hi)
            attrs |= more | {"lo": lo, "hi": hi}
        else:
            refuse_clamp(unit, ctx)
            attrs["divisor"] = float(n)
        return ctx.emit(unit, self.name, [x], perm, rows, [reach], attrs, consts)

    def gathered(self, site: Site, y0: int, y1: int, x: Array) -> Array:
        """The elements of output rows y0..y1-1 as [elements, count]."""
        count, inner, size = site.int("count"), site.int("inner"), site.output.row_elements
        element = np.arange(y0 * size, y1 * size)
        start = element // inner * count * inner + element % inner
        picked: Array = x.reshape(-1)[start[:, None] + np.arange(count)[None, :] * inner]
        return picked


class ReduceMean(Reduce):
    """Mean (divisor n) or sum (divisor 1)."""

    name = "reduce_mean"
    onnx = ("ReduceMean", "ReduceSum", "GlobalAveragePool")
    means = True

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        x = self.gathered(site, y0, y1, rows[0])
        if x.dtype == np.float32:
            made = np.cumsum(x, axis=1, dtype=np.float32)[:, -1] / np.float32(site.float("divisor"))
        else:
            made = average(site, x.astype(np.int64).sum(axis=1) - site.int("zx") * x.shape[1])
        return made.reshape(y1 - y0, -1)


class ReduceMax(Reduce):
    """Largest element."""

    name = "reduce_max"
    onnx = ("ReduceMax", "GlobalMaxPool")

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        made: Array = self.gathered(site, y0, y1, rows[0]).max(axis=1)
        return made.reshape(y1 - y0, -1)


class ReduceMin(Reduce):
    """Smallest element."""

    name = "reduce_min"
    onnx = ("ReduceMin",)

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        made: Array = self.gathered(site, y0, y1, rows[0]).min(axis=1)
        return made.reshape(y1 - y0, -1)


OPS = (ReduceMean(), ReduceMax(), ReduceMin())
