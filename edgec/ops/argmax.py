"""ArgMax and ArgMin along one axis: [outer, count, inner] -> [outer, inner] positions, of int8 or float32 values.

Equal values: the first position, or the last with select_last_index.  int8: the stored integers are compared (the scale is positive).
attrs: count, inner, least (1: ArgMin), last.  Output int64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgec.ir.program import Array, Attr, Site, default_rows
from edgec.ir.reach import All, Reach, Run
from edgec.ops._layout import first_operand, spread
from edgec.ops.base import Lowering, Op, Tensor, Unit
from edgec.ops.elementwise import rows_of
from edgec.ops.reduce import output_perm


class ArgMax(Op):
    """Position of the largest or smallest element."""

    name = "argmax"
    onnx = ("ArgMax", "ArgMin")

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        x = ctx.stored(first_operand(unit))
        axis = int(unit.attrs.get("axis", 0)) % len(x.shape)
        perm = output_perm(x, (axis,), unit.out_shape)
        inner = math.prod(x.physical[x.perm.index(axis) + 1 :])
        rows, height = default_rows(spread(unit.out_shape, perm)), rows_of(x)
        alone = rows == height and math.prod(unit.out_shape) // rows % inner == 0
        reach: Reach = Run(rows) if alone else All(height)
        attrs: dict[str, Attr] = {"count": x.shape[axis], "inner": inner}
        attrs |= {"least": int(unit.op_type == "ArgMin"), "last": int(unit.attrs.get("select_last_index", 0))}
        return ctx.emit_raw(unit.out_name, self.name, [x], unit.out_shape, "int64", None, perm, rows, [reach], attrs)

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        count, inner, size = site.int("count"), site.int("inner"), site.output.row_elements
        element = np.arange(y0 * size, y1 * size)
        start = element // inner * count * inner + element % inner
        x = rows[0].reshape(-1)[start[:, None] + np.arange(count)[None, :] * inner]
        choose = np.argmin if site.int("least") else np.argmax
        found = count - 1 - choose(x[:, ::-1], axis=1) if site.int("last") else choose(x, axis=1)
        return np.asarray(found, np.int64).reshape(y1 - y0, -1)


OPS = (ArgMax(),)
