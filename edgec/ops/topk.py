"""TopK with a constant K along one axis, which lowering stores last: a step for the values, one for their positions (int64).

Sorted, whatever the node asks for; equal values in the order of their positions.  int8 keeps scale and zero point.
attrs: depth, k, least (1: the smallest).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgec.ir.program import Array, Attr, Site
from edgec.ir.reach import Run
from edgec.ops._layout import first_operand, setting
from edgec.ops.base import Lowering, Op, Tensor, Unit
from edgec.ops.elementwise import rows_of


def order(site: Site, x: Array) -> Array:
    """Positions of the k best of each row of [groups, depth]."""
    key = x.astype(np.float64) if site.int("least") else -x.astype(np.float64)
    return np.argsort(key, axis=1, kind="stable")[:, : site.int("k")]


class TopK(Op):
    """The k largest or smallest values."""

    name = "topk_values"
    onnx = ("TopK",)

    def lower_all(self, unit: Unit, ctx: Lowering) -> list[Tensor]:
        x = ctx.stored(first_operand(unit))
        k = setting(unit, ctx, 1, "k")
        axis = int(unit.attrs.get("axis", -1)) % len(x.shape)
        assert k is not None
        if not 1 <= int(k[0]) <= x.shape[axis]:
            raise ctx.unsupported(unit, f"the best {k[0]} of {x.shape[axis]} values")
        if x.perm[-1] != axis:
            x = ctx.physical(x, (*(p for p in x.perm if p != axis), axis))
        rows = rows_of(x)
        attrs: dict[str, Attr] = {
            "depth": x.shape[axis],
            "k": int(k[0]),
            "least": int(not unit.attrs.get("largest", 1)),
        }
        made = []
        for (name, shape), dtype, op in zip(
            unit.outputs, (x.dtype, "int64"), ("topk_values", "topk_indices"), strict=False
        ):
            quant = x.quant if op == "topk_values" else None
            made.append(ctx.emit_raw(name, op, [x], shape, dtype, quant, x.perm, rows, [Run(rows)], attrs))
        return made

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        x = rows[0][y0:y1].reshape(-1, site.int("depth"))
        return np.take_along_axis(x, order(site, x), axis=1).reshape(y1 - y0, -1)


class TopKIndices(Op):
    """Their positions."""

    name = "topk_indices"

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        x = rows[0][y0:y1].reshape(-1, site.int("depth"))
        return order(site, x).astype(np.int64).reshape(y1 - y0, -1)


OPS = (TopK(), TopKIndices())
