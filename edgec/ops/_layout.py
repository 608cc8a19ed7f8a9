"""Axis orders: how a logical ONNX shape lies in memory.

A perm says which logical axis each physical axis holds (`physical[i] = logical[perm[i]]`).  Unit axes take no room,
so any perm that
puts the other axes in the same order describes the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgec.ir.program import default_rows
from edgec.ir.reach import Reach, Run, Table
from edgec.ops.base import Lowering, Tensor, Unit

Shape = tuple[int, ...]


def identity(rank: int) -> Shape:
    """Stored in ONNX's own order."""
    return tuple(range(rank))


def channels_last(rank: int) -> Shape:
    """[N,C,H,W] stored as [N,H,W,C], [N,C,L] as [N,L,C]; ranks below 3 as they are."""
    return identity(rank) if rank < 3 else (0, *range(2, rank), 1)


def spread(shape: Shape, perm: Shape) -> Shape:
    """The physical shape of a logical one."""
    return tuple(shape[a] for a in perm)


def order_of(shape: Shape, perm: Shape) -> Shape:
    """The logical axes longer than 1 in the order in which they are stored: what really decides where the bytes are."""
    return tuple(a for a in perm if shape[a] != 1)


def settle(shape: Shape, order: Shape) -> Shape:
    """A full perm for `shape` whose axes longer than 1 are stored in `order`: the place of the unit axes is free.

    Channels-last where it fits from rank 4 on, for rank 3 whichever of [N,T,D] and [N,L,C] has fewer rows, otherwise
    the given order with the unit axes in front.
    """
    rank = len(shape)
    fitting = [p for p in (channels_last(rank), identity(rank)) if order_of(shape, p) == order]
    if rank <= 3:
        fitting.sort(key=lambda p: (default_rows(spread(shape, p)), p))
    if fitting:
        return fitting[0]
    return (*(a for a in range(rank) if shape[a] == 1), *order)


def view_perm(shape: Shape, perm: Shape, new_shape: Shape) -> Shape | None:
    """The perm under which a stored tensor's bytes are its Reshape to `new_shape`; None if they would have to move.

    Axes may be split in place and stored neighbours merged; unit axes come and go.  Errors: ValueError if the element
    counts differ.

    Before: shape (1, 6, 4, 4)    perm (0, 2, 3, 1)      stored [1,4,4,6]
    After:  shape (1, 2, 3, 4, 4) perm (0, 3, 4, 1, 2)   stored [1,4,4,2,3]: the same bytes
    """
    if math.prod(shape) != math.prod(new_shape):
        raise ValueError(f"cannot reshape {shape} to {new_shape}")
    if new_shape == shape:
        return perm
    if math.prod(shape) in (0, 1):
        return identity(len(new_shape))
    stored = order_of(shape, perm)
    became: dict[int, Shape] = {}  # first old axis of a group -> the new axes it turns into
    length: dict[int, int] = {}
    old = [a for a in range(len(shape)) if shape[a] != 1]
    new = [a for a in range(len(new_shape)) if new_shape[a] != 1]
    i = j = 0
    while i < len(old):
        i0, j0, left, right = i, j, shape[old[i]], new_shape[new[j]]
        i, j = i + 1, j + 1
        while left != right:  # grow the smaller side until both cover the same elements
            if left < right:
                left, i = left * shape[old[i]], i + 1
            else:
                right, j = right * new_shape[new[j]], j + 1
        became[old[i0]], length[old[i0]] = tuple(new[j0:j]), i - i0
    order: list[int] = []
    at = 0
    while at < len(stored):
        head = stored[at]
        if head not in became:
            return None  # the middle of a group comes first: its axes are not stored in order
        size = length[head]
        group = tuple(old[old.index(head) : old.index(head) + size])
        if stored[at : at + size] != group:
            return None
        order += became[head]
        at += size
    return settle(new_shape, tuple(order))


def split_rows(physical: Shape) -> tuple[Shape, Shape]:
    """A physical shape as (axes that count rows, axes inside a row), as default_rows cuts it."""
    inside = 1 if len(physical) <= 3 else 2
    return physical[:-inside], physical[-inside:]


def row_reach(rows: Sequence[int], height: int) -> Reach:
    """Reach of a step whose output row y reads the one input row rows[y]; -1: none."""
    if tuple(rows) == tuple(range(height)):
        return Run(height)
    first, last, reached = [], [], -1
    for row in rows:
        reached = max(reached, row)
        first.append(row if row >= 0 else reached + 1)  # an empty range just behind what was read: holds nothing alive
        last.append(row if row >= 0 else reached)
    return Table(tuple(first), tuple(last))


def refuse_clamp(unit: Unit, ctx: Lowering) -> None:
    """Pages that cannot apply a fused activation say so instead of dropping it."""
    if math.isfinite(unit.lo) or math.isfinite(unit.hi):
        raise ctx.unsupported(
            unit, f"an activation was fused to {unit.op_type}, which cannot apply it; keep it a node of its own"
        )


def operand(unit: Unit, index: int) -> Tensor | None:
    """Input `index` of a unit, or None where it is absent."""
    return unit.inputs[index] if index < len(unit.inputs) else None


def first_operand(unit: Unit) -> Tensor:
    """The data input."""
    tensor = operand(unit, 0)
    assert tensor is not None
    return tensor


def setting(unit: Unit, ctx: Lowering, index: int, attribute: str) -> list[Any] | None:
    """A parameter that is an attribute in old opsets, a constant input in new ones: a flat list; None if absent."""
    tensor = operand(unit, index)
    if tensor is not None:
        if tensor.const is None:
            raise ctx.unsupported(
                unit, f"its input {attribute!r} is computed at run time; export the model with constant {attribute}"
            )
        values = tensor.real() if tensor.is_quantized else tensor.const
        flat: list[Any] = np.asarray(values).reshape(-1).tolist()
        return flat
    if unit.attrs.get(attribute) is None:
        return None
    given: list[Any] = np.asarray(unit.attrs[attribute]).reshape(-1).tolist()
    return given
