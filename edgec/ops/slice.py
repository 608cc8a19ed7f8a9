"""Picking parts of a tensor: Slice, Split, Gather with constant indices, Expand, Tile.  All are row copies."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from edgec.ir.program import Array, default_rows
from edgec.ops._layout import Shape, first_operand, operand, refuse_clamp, setting, spread
from edgec.ops._rowcopy import RowCopy, row_copy
from edgec.ops.base import Lowering, Tensor, Unit
from edgec.ops.gather import lower_gather


def picked(ctx: Lowering, name: str, op: str, x: Tensor, index: Mapping[int, Array]) -> Tensor:
    """x with the logical axes of `index` read at the given positions; x itself if that changes nothing."""
    maps = {a: np.asarray(index.get(a, np.arange(size)), np.int64) for a, size in enumerate(x.shape)}
    shape = tuple(maps[a].size for a in range(len(x.shape)))
    reach, attrs, consts = row_copy(x.physical, [maps[a] for a in x.perm], 0)
    rows = default_rows(spread(shape, x.perm))
    made = ctx.emit_raw(name, op, [x], shape, x.dtype, x.quant, x.perm, rows, [reach], attrs, consts)
    return replace(made, shifted=x.shifted)


class Slice(RowCopy):
    """ONNX Slice with constant starts, ends, axes and steps, also negative ones."""

    name = "slice"
    onnx = ("Slice",)
    sixteen = True

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        refuse_clamp(unit, ctx)
        x = ctx.stored(first_operand(unit))
        starts, ends = setting(unit, ctx, 1, "starts"), setting(unit, ctx, 2, "ends")
        if starts is None or ends is None:
            raise ctx.unsupported(unit, "Slice without constant starts and ends")
        axes = setting(unit, ctx, 3, "axes") or list(range(len(starts)))
        steps = setting(unit, ctx, 4, "steps") or [1] * len(starts)
        index = {}
        for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
            a = int(axis) % len(x.shape)
            low = -(x.shape[a] + 1) if step < 0 else end  # ONNX writes "to the very front" as a hugely negative end
            stop = None if step < 0 and end <= low else int(end)
            index[a] = np.arange(x.shape[a])[slice(int(start), stop, int(step))]
            if index[a].size == 0:
                raise ctx.unsupported(unit, f"the slice of axis {a} is empty")
        return picked(ctx, unit.out_name, self.name, x, index)


class Split(RowCopy):
    """ONNX Split: one slice for each output."""

    name = "split"
    onnx = ("Split",)
    sixteen = True

    def lower_all(self, unit: Unit, ctx: Lowering) -> list[Tensor]:
        refuse_clamp(unit, ctx)
        x = ctx.stored(first_operand(unit))
        axis = int(unit.attrs.get("axis", 0)) % len(x.shape)
        made, start = [], 0
        for name, shape in unit.outputs:
            index = {axis: np.arange(start, start + shape[axis])}
            made.append(picked(ctx, name, self.name, x, index))
            start += shape[axis]
        return made

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        return self.lower_all(unit, ctx)[0]


class Gather(RowCopy):
    """ONNX Gather along one axis with a constant index of any rank; other indices are the business of gather.py."""

    name = "gather"
    onnx = ("Gather",)

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        refuse_clamp(unit, ctx)
        which = operand(unit, 1)
        assert which is not None
        if which.const is None:
            return lower_gather(unit, ctx, first_operand(unit), which)
        x = ctx.stored(first_operand(unit))
        axis = int(unit.attrs.get("axis", 0)) % len(x.shape)
        index = np.asarray(which.const).astype(np.int64).reshape(-1) % x.shape[axis]
        plain = (*x.shape[:axis], index.size, *x.shape[axis + 1 :])
        if plain == unit.out_shape:
            return picked(ctx, unit.out_name, self.name, x, {axis: index})
        return ctx.view(
            picked(ctx, f"{unit.out_name}_picked", self.name, x, {axis: index}), unit.out_shape, unit.out_name
        )


def repeated(size: int, wanted: int, whole: bool) -> Array:
    """Index of a repeated axis: 0 0 0 for a broadcast, 0 1 0 1 for a tiled one (whole)."""
    return np.arange(wanted) % size if whole else np.zeros(wanted, np.int64)


class Expand(RowCopy):
    """ONNX Expand and Tile to a static shape."""

    name = "expand"
    onnx = ("Expand", "Tile")

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        refuse_clamp(unit, ctx)
        x = ctx.stored(first_operand(unit))
        if len(x.shape) > len(unit.out_shape) or math.prod(x.shape) == 0:
            raise ctx.unsupported(unit, f"cannot expand {x.shape} to {unit.out_shape}")
        if len(x.shape) < len(unit.out_shape):
            longer: Shape = (*(1 for _ in range(len(unit.out_shape) - len(x.shape))), *x.shape)
            x = ctx.view(x, longer, f"{unit.out_name}_view")
        changed = [a for a, (have, want) in enumerate(zip(x.shape, unit.out_shape, strict=True)) if have != want]
        if not changed:
            return ctx.view(x, unit.out_shape, unit.out_name)
        whole = unit.op_type == "Tile"
        return picked(
            ctx, unit.out_name, self.name, x, {a: repeated(x.shape[a], unit.out_shape[a], whole) for a in changed}
        )


OPS = (Slice(), Split(), Gather(), Expand())
