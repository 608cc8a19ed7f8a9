"""ONNX Concat along any axis.  Inputs of other scales are requantized first; the copy itself works on any element type.

Along an axis inside a row every output row takes a run of each input; along an axis that counts rows it is a row of
one of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import numpy as np

from edgec.ir.program import Array, Attr, Site, default_rows
from edgec.ir.reach import Reach, Run
from edgec.ops._layout import refuse_clamp, row_reach, split_rows
from edgec.ops.base import Lowering, Op, Tensor, Unit


def alike(unit: Unit, ctx: Lowering, inputs: Sequence[Tensor]) -> list[Tensor]:
    """The operands in one common element type and scale."""
    if unit.quant is not None and all(t.is_quantized for t in inputs):
        target = unit.quant
        return [ctx.requantized(t, target) for t in inputs]
    if all(t.scales is None for t in inputs) and len({(t.dtype, t.quant, t.shifted) for t in inputs}) == 1:
        return list(inputs)
    return [ctx.as_float(t) for t in inputs]


class Concat(Op):
    """y = the inputs one behind the other."""

    name = "concat"
    onnx = ("Concat",)
    sixteen = True

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        refuse_clamp(unit, ctx)
        given = [t for t in unit.inputs if t is not None and math.prod(t.shape) > 0]
        perm = next((t.perm for t in given if not t.is_const), given[0].perm)
        parts = [ctx.stored(ctx.physical(t, perm)) for t in alike(unit, ctx, given)]
        axis = perm.index(int(unit.attrs["axis"]) % len(unit.out_shape))
        shapes = [p.physical for p in parts]
        outside, inside = split_rows(shapes[0])
        rows = default_rows(tuple(unit.out_shape[a] for a in perm))
        reach: list[Reach]
        if axis >= len(outside):
            attrs: dict[str, Attr] = {
                "count": math.prod(inside[: axis - len(outside)]),
                "runs": tuple(math.prod(s[axis:]) for s in shapes),
            }
            return ctx.emit(unit, self.name, parts, perm, rows, [Run(rows)] * len(parts), attrs, like=parts[0])
        inner = [math.prod(s[axis : len(outside)]) for s in shapes]  # rows of each input an outer index takes
        source = np.tile(np.repeat(np.arange(len(parts)), inner), math.prod(outside[:axis]))
        reach = []
        for i, shape in enumerate(shapes):
            taken = np.cumsum(source == i) - 1
            reach.append(
                row_reach([int(t) if s == i else -1 for s, t in zip(source, taken, strict=True)], default_rows(shape))
            )
        consts = {"source": source.astype(np.uint8)}
        return ctx.emit(unit, self.name, parts, perm, rows, reach, {}, consts, like=parts[0])

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        source = site.step.consts.get("source")
        if source is None:
            count, runs = site.int("count"), cast("tuple[int, ...]", site.step.attrs["runs"])
            blocks = [x[y0:y1].reshape(y1 - y0, count, n) for x, n in zip(rows, runs, strict=True)]
            return np.concatenate(blocks, axis=2).reshape(y1 - y0, -1)
        return np.stack([rows[source[y]][site.step.reach[source[y]].rows(y)[0]] for y in range(y0, y1)])


OPS = (Concat(),)
