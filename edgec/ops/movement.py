"""Views and axis orders: Transpose, Reshape and its relatives, and `permute`, the copy that changes the stored order.

Transpose costs nothing: the logical axes are renamed and the bytes stay; so does a reshape of bytes that lie in the
right order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgec.ir.program import Array, Attr, Site, default_rows
from edgec.ir.reach import All, Reach, Run
from edgec.ops._layout import Shape, first_operand, identity, refuse_clamp, split_rows, spread
from edgec.ops.base import Lowering, Op, Tensor, Unit


def transposed(x: Tensor, axes: Shape, name: str) -> Tensor:
    """x with new logical axis i = old axis axes[i]; the storage is untouched."""
    shape = tuple(x.shape[a] for a in axes)
    if x.const is not None:
        axis = axes.index(x.axis) if x.axis < len(axes) else 0
        const = np.transpose(x.const, axes)
        return replace(x, name=name, shape=shape, perm=identity(len(axes)), const=const, axis=axis)
    return replace(x, name=name, shape=shape, perm=tuple(axes.index(a) for a in x.perm))


class Transpose(Op):
    """Makes no step: only the axis order that goes with the bytes changes."""

    name = "transpose"
    onnx = ("Transpose",)
    sixteen = True

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        refuse_clamp(unit, ctx)
        x = first_operand(unit)
        axes = tuple(int(a) for a in unit.attrs.get("perm") or reversed(range(len(x.shape))))
        return transposed(x, axes, unit.out_name)


class Reshape(Op):
    """Makes no step where the bytes may stay; otherwise ctx.view copies them into ONNX order first."""

    name = "reshape"
    onnx = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout")
    sixteen = True

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        refuse_clamp(unit, ctx)
        return ctx.view(first_operand(unit), unit.out_shape, unit.out_name)


class DepthSpace(Op):
    """DepthToSpace and SpaceToDepth: a view, one permute, a view."""

    name = "depth_space"
    onnx = ("DepthToSpace", "SpaceToDepth")
    sixteen = True

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        refuse_clamp(unit, ctx)
        x = first_operand(unit)
        (n, c, h, w), b = x.shape, int(unit.attrs["blocksize"])
        mode = unit.attrs.get("mode", "DCR")
        if unit.op_type == "SpaceToDepth":
            split, axes = (n, c, h // b, b, w // b, b), (0, 3, 5, 1, 2, 4)
        elif mode in ("CRD", b"CRD"):
            split, axes = (n, c // (b * b), b, b, h, w), (0, 1, 4, 2, 5, 3)
        else:
            split, axes = (n, b, b, c // (b * b), h, w), (0, 3, 4, 1, 5, 2)
        moved = transposed(ctx.view(x, split, f"{unit.out_name}_split"), axes, f"{unit.out_name}_moved")
        last = (0, 4, 5, 1, 2, 3) if unit.op_type == "SpaceToDepth" else (0, 2, 3, 4, 5, 1)  # result channels last
        return ctx.view(ctx.physical(moved, last), unit.out_shape, unit.out_name)


def permute_args(source: Shape, order: Shape) -> tuple[Reach, dict[str, Attr], dict[str, Array]]:
    """Reach, attributes and constants of a `permute` step.

    source: physical input shape; output axis i is input axis order[i].
    attrs: an output row is [inner[0]][inner[1]] elements at steps step[0], step[1].
    consts: dims and steps of the axes that count rows.
    """
    strides = [math.prod(source[i + 1 :]) for i in range(len(source))]
    shape = spread(source, order)
    steps = spread(tuple(strides), order)
    outside, inside = split_rows(shape)
    inner = (1, *inside)[-2:] if inside else (1, 1)
    step = (0, *steps[len(outside) :])[-2:] if inside else (0, 1)
    if inner[1] == 1:  # make the last loop the long one
        inner, step = (1, inner[0]), (0, step[0] if inner[0] > 1 else 1)
    attrs: dict[str, Attr] = {"inner": inner, "step": step}
    consts: dict[str, Array] = {
        "dims": np.array(outside or (1,), np.int32),
        "steps": np.array(steps[: len(outside)] or (0,), np.int32),
    }
    rows, height = default_rows(shape), default_rows(source)
    size = math.prod(source) // max(height, 1)
    starts = row_starts(consts["dims"], consts["steps"], np.arange(rows))
    spans = sum((n - 1) * s for n, s in zip(inner, step, strict=True))
    stays = rows == height and bool(
        np.all(starts // size == np.arange(rows)) and np.all((starts + spans) // size == np.arange(rows))
    )
    return (Run(height) if stays else All(height)), attrs, consts


def row_starts(dims: Array, steps: Array, rows: Array) -> Array:
    """Where output rows begin in the input, in elements."""
    start, rest = np.zeros(rows.size, np.int64), rows.astype(np.int64)
    for n, s in zip(dims[::-1].tolist(), steps[::-1].tolist(), strict=True):
        start += rest % n * s
        rest //= n
    return start


class Permute(Op):
    """Copy into another stored order, any element type; scale and zero point stay.  ctx.physical emits it."""

    name = "permute"

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        (n1, n2), (s1, s2) = site.ints("inner"), site.ints("step")
        start = row_starts(site.const("dims"), site.const("steps"), np.arange(y0, y1))
        inside = (np.arange(n1)[:, None] * s1 + np.arange(n2)[None, :] * s2).reshape(-1)
        made: Array = rows[0].reshape(-1)[start[:, None] + inside[None, :]]
        return made


OPS = (Transpose(), Reshape(), DepthSpace(), Permute())
__all__ = ["OPS", "identity", "permute_args", "transposed"]
