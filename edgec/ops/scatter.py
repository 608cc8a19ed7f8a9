"""ScatterND and ScatterElements with constant indices: a copy of the data into which the updates are written, the last one wins.

int8: data and updates are brought to the output's scale first.  Any element type; no reduction.
attrs: length (elements of an update that lie together), size (of the data); consts starts int32: where each of them goes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgec.ir.program import Array, Site
from edgec.ir.reach import All
from edgec.ops._layout import first_operand, identity, operand, refuse_clamp
from edgec.ops.base import Lowering, Op, Tensor, Unit
from edgec.ops.choose import alike
from edgec.ops.elementwise import rows_of


def slices(shape: tuple[int, ...], index: Array) -> tuple[int, Array]:
    """ScatterND: length of a slice and where each one starts.  index: [..., k] into the first k axes."""
    depth = index.shape[-1]
    sizes = np.array(shape[:depth], np.int64)
    flat = index.reshape(-1, depth).astype(np.int64)
    flat = np.where(flat < 0, flat + sizes, flat)
    if (flat < 0).any() or (flat >= sizes).any():
        raise ValueError(f"an index lies outside a tensor of shape {shape}")
    length = math.prod(shape[depth:])
    return length, np.asarray(np.ravel_multi_index(tuple(flat.T), shape[:depth])) * length


def elements(shape: tuple[int, ...], index: Array, axis: int) -> tuple[int, Array]:
    """ScatterElements: one element each."""
    where: list[Array] = [np.asarray(w) for w in np.indices(index.shape)]
    where[axis] = np.where(index < 0, index + shape[axis], index)
    return 1, np.asarray(np.ravel_multi_index(tuple(w.reshape(-1) for w in where), shape))


class Scatter(Op):
    """Writes slices into a copy."""

    name = "scatter"
    onnx = ("ScatterND", "ScatterElements")

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        refuse_clamp(unit, ctx)
        data, index, updates = first_operand(unit), operand(unit, 1), operand(unit, 2)
        assert index is not None and updates is not None
        if index.const is None:
            raise ctx.unsupported(unit, "indices that are computed at run time; make them a constant of the model")
        if unit.attrs.get("reduction", "none") not in ("none", b"none"):
            raise ctx.unsupported(unit, f"reduction {unit.attrs['reduction']!r}; only plain overwriting is there")
        try:
            if unit.op_type == "ScatterND":
                length, starts = slices(data.shape, index.const)
            else:
                length, starts = elements(data.shape, index.const, int(unit.attrs.get("axis", 0)) % len(data.shape))
        except ValueError as error:
            raise ctx.unsupported(unit, str(error)) from None
        if unit.quant is not None and (data.is_quantized or updates.is_quantized):
            data, updates = ctx.requantized(data, unit.quant), ctx.requantized(updates, unit.quant)
        else:
            data, updates = alike(unit, ctx, data, updates)
        data, updates = (ctx.physical(ctx.stored(t), identity(len(t.shape))) for t in (data, updates))
        rows = rows_of(data)
        attrs = {"length": length, "size": math.prod(data.shape)}
        values = {"starts": starts.astype(np.int32)}
        reach = [All(rows), All(rows_of(updates))]
        return ctx.emit(unit, self.name, [data, updates], data.perm, rows, reach, attrs, values, like=data)

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        made = np.array(rows[0]).reshape(-1)
        length = site.int("length")
        for start, piece in zip(site.const("starts").tolist(), rows[1].reshape(-1, length), strict=True):
            made[start : start + length] = piece
        return made.reshape(site.output.rows, -1)[y0:y1]


OPS = (Scatter(),)
