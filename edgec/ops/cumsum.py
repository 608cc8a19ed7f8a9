"""CumSum along one axis, which lowering stores last; exclusive and reverse.

int8: y[i] = R(sum of (q[j] - zx), sx/sy), R of arithmetic.py; the sum is bounded by depth * max|q - zx| and refused where that (times
2^left) leaves int32.  float32 adds in order.  int32 and int64 wrap.
attrs: depth, exclusive, reverse; int8: zx, zy, mult, shift, left, lo, hi.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgec.arithmetic import multipliers, requantize
from edgec.ir.program import Array, Attr, Site
from edgec.ir.reach import Run
from edgec.ops._layout import first_operand, refuse_clamp, setting
from edgec.ops.base import Lowering, Op, Tensor, Unit
from edgec.ops.elementwise import is_integer, rows_of


class CumSum(Op):
    """Running sums."""

    name = "cumsum"
    onnx = ("CumSum",)

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        refuse_clamp(unit, ctx)
        x = ctx.stored(first_operand(unit))
        given = setting(unit, ctx, 1, "axis")
        assert given is not None
        axis = int(given[0]) % len(x.shape)
        integer = is_integer(unit, [x])
        x = ctx.as_float(x) if x.is_quantized and not integer else x
        if x.perm[-1] != axis:
            x = ctx.physical(x, (*(p for p in x.perm if p != axis), axis))
        rows, depth = rows_of(x), x.shape[axis]
        attrs: dict[str, Attr] = {"depth": depth}
        attrs |= {name: int(unit.attrs.get(name, 0)) for name in ("exclusive", "reverse")}
        if not integer:
            return ctx.emit(unit, self.name, [x], x.perm, rows, [Run(rows)], attrs, like=x)
        assert x.quant is not None and unit.quant is not None
        try:
            fixed = multipliers(np.array(float(x.quant.scale) / unit.quant.scale))
        except ValueError as error:
            raise ctx.unsupported(unit, str(error)) from None
        bound = depth * max(127 - x.quant.zero_point, x.quant.zero_point + 128)
        if bound << fixed.left >= 2**31:
            raise ctx.unsupported(unit, f"sums of {depth} values can reach {bound}, which leaves 32 bits")
        attrs |= {"zx": x.quant.zero_point, "zy": unit.quant.zero_point, "mult": int(fixed.m[0]), "shift": fixed.shift}
        attrs |= {"left": fixed.left, "lo": -128, "hi": 127}
        return ctx.emit(unit, self.name, [x], x.perm, rows, [Run(rows)], attrs)

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        attrs: Any = site.step.attrs
        x = rows[0][y0:y1].reshape(-1, attrs["depth"])
        kind = np.dtype(np.int64) if x.dtype == np.int8 else x.dtype
        x = x.astype(kind) - (attrs["zx"] if site.output.dtype == "int8" else kind.type(0))
        x = x[:, ::-1] if attrs["reverse"] else x
        total = np.cumsum(x, axis=1, dtype=kind)
        if attrs["exclusive"]:
            total = np.concatenate([np.zeros((len(x), 1), kind), total[:, :-1]], axis=1)
        total = np.ascontiguousarray(total[:, ::-1] if attrs["reverse"] else total)
        if site.output.dtype == "int8":
            numbers = (attrs["shift"], attrs["left"], attrs["zy"], attrs["lo"], attrs["hi"])
            total = requantize(total, np.array(attrs["mult"], np.int64), *numbers)
        return total.reshape(y1 - y0, -1)


OPS = (CumSum(),)
