"""Gather with indices that are known at run time only (an embedding): y[o, c, i] = table[o, index[c], i].

The table is a constant, or an activation that is read whole.  A negative index counts from the end; what lies outside is clamped to the
table, so that no input can read other memory.  Any element type; scale and zero point stay (a constant table is quantized for the output).
attrs: size (of the gathered axis), inner, count (of indices); consts table (stored order) unless it is the second input.
slice.py takes the node and comes here when the indices are no constant.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgec.ir.program import Array, Attr, Site, default_rows
from edgec.ir.reach import All, Reach
from edgec.ops.base import Lowering, Op, Tensor, Unit
from edgec.ops.elementwise import rows_of

INDEX_TYPES = ("int64", "int32")


def lower_gather(unit: Unit, ctx: Lowering, x: Tensor, index: Tensor) -> Tensor:
    """Emits the step of a Gather whose `index` is an activation."""
    if index.dtype not in INDEX_TYPES:
        raise ctx.unsupported(unit, f"indices of type {index.dtype}; int64 and int32 are there")
    axis = int(unit.attrs.get("axis", 0)) % len(x.shape)
    index = ctx.physical(index, tuple(range(len(index.shape))))
    perm = tuple(range(len(unit.out_shape)))
    rows = default_rows(unit.out_shape)
    attrs: dict[str, Attr] = {
        "size": x.shape[axis],
        "inner": math.prod(x.shape[axis + 1 :]),
        "count": math.prod(index.shape),
    }
    height = rows_of(index)
    if x.is_const:
        if unit.quant is not None:
            x = ctx.requantized(x, unit.quant)
        elif x.is_quantized:
            x = ctx.as_float(x)
        assert x.const is not None
        values: dict[str, Array] = {"table": np.ascontiguousarray(x.const).reshape(-1)}
        return ctx.emit_raw(
            unit.out_name,
            "take",
            [index],
            unit.out_shape,
            str(x.const.dtype),
            unit.quant,
            perm,
            rows,
            [All(height)],
            attrs,
            values,
        )
    x = ctx.physical(x, tuple(range(len(x.shape))))
    reach: list[Reach] = [All(height), All(rows_of(x))]
    return ctx.emit(unit, "take", [index, x], perm, rows, reach, attrs, like=x)


class Take(Op):
    """Program operator `take`."""

    name = "take"

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        size, inner, count = (site.int(name) for name in ("size", "inner", "count"))
        table = site.const("table") if "table" in site.step.consts else rows[1].reshape(-1)
        index = rows[0].reshape(-1).astype(np.int64)
        index = np.clip(np.where(index < 0, index + size, index), 0, size - 1)
        each = site.output.row_elements
        at = np.arange(y0 * each, y1 * each)
        run, inside = np.divmod(at, inner)
        outer, which = np.divmod(run, count)
        found: Array = table[(outer * size + index[which]) * inner + inside]
        return found.reshape(y1 - y0, each)


OPS = (Take(),)
