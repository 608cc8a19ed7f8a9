"""ONNX Pad: constant, edge, reflect and wrap, any axes; negative pads crop.

A row copy: the padding is the fill value or repeats the input.

int8: the constant is quantized with the input's scale (0.0 is the zero point) and saturates.
"""

from __future__ import annotations

import numpy as np

from edgec.arithmetic import quantize
from edgec.ir.program import Array, default_rows
from edgec.ops._layout import first_operand, refuse_clamp, setting, spread
from edgec.ops._rowcopy import RowCopy, row_copy
from edgec.ops.base import Lowering, Tensor, Unit

MODES = ("constant", "edge", "reflect", "wrap")


def axis_map(size: int, before: int, after: int, mode: str) -> Array:
    """Input index of each output index of one axis; -1 for the constant."""
    at = np.arange(-before, size + after)
    if mode == "edge":
        return np.clip(at, 0, size - 1)
    if mode == "wrap":
        return at % size
    if mode == "reflect":
        period = max(2 * (size - 1), 1)
        folded = at % period
        return np.minimum(folded, period - folded) if size > 1 else np.zeros_like(at)
    return np.where((at >= 0) & (at < size), at, -1)


class Pad(RowCopy):
    """Padding that could not become part of the next operator."""

    name = "pad"
    onnx = ("Pad",)
    sixteen = True

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        refuse_clamp(unit, ctx)
        x = ctx.stored(first_operand(unit))
        rank = len(x.shape)
        mode = unit.attrs.get("mode") or "constant"
        mode = mode.decode() if isinstance(mode, bytes) else str(mode)
        pads = setting(unit, ctx, 1, "pads")
        axes = setting(unit, ctx, 3, "axes")
        value = setting(unit, ctx, 2, "value") or [0.0]
        if mode not in MODES or pads is None:
            raise ctx.unsupported(unit, f"Pad mode {mode!r}; supported: {', '.join(MODES)} with constant pads")
        where = [int(a) % rank for a in axes] if axes else list(range(rank))
        both = {a: (int(pads[i]), int(pads[len(where) + i])) for i, a in enumerate(where)}
        maps = [axis_map(x.shape[a], *both.get(a, (0, 0)), mode) for a in x.perm]
        if any(m.size == 0 for m in maps):
            raise ctx.unsupported(unit, "the pads crop the whole tensor away")
        fill: float = float(value[0])
        if x.quant is not None:
            fill = int(quantize(np.array(fill, np.float32), x.quant.scale, x.quant.zero_point, x.dtype))
        elif x.dtype != "float32":
            fill = int(fill) - (128 if x.shifted else 0)
        reach, attrs, consts = row_copy(x.physical, maps, fill)
        inner = [both.get(a, (0, 0)) for a in x.perm]
        if mode == "constant" and rank in (3, 4) and inner[0] == inner[-1] == (0, 0) and min(min(p) for p in inner) >= 0:
            top, left = inner[1][0], inner[2][0] if rank == 4 else 0
            attrs = {**attrs, "before": (top, left)}  # an image with a frame: a convolution behind it may take over
        return ctx.emit(
            unit, self.name, [x], x.perm, default_rows(spread(unit.out_shape, x.perm)), [reach], attrs, consts, like=x
        )


OPS = (Pad(),)
