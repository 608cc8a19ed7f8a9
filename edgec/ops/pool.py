"""Pooling: ONNX MaxPool and AveragePool over [N,C,H,W] (stored [N,H,W,C]) and [N,C,L] (stored [N,L,C]: H = L, W = 1).

maxpool keeps its input's scale: y = max of the window's elements, padding never wins.
avgpool: see _average.py; rounds half to even, each border position has the element count ONNX gives it.
float32: taps are added row by row from the left, then divided by the count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgec.ir.program import Array, Attr, Site
from edgec.ir.reach import Window
from edgec.ops._average import average, averaging, clamp_bounds
from edgec.ops._layout import channels_last, first_operand, refuse_clamp
from edgec.ops.base import Lowering, Op, Tensor, Unit, is_quantized


@dataclass(frozen=True)
class Side:
    """One spatial axis of a pool.  before, after: declared padding."""

    size: int
    out: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int

    def counts(self, include_pad: bool) -> list[int]:
        """Elements that count at each output position; what ceil_mode adds beyond the declared padding never does."""
        low, high = (-self.before, self.size + self.after) if include_pad else (0, self.size)
        starts = (o * self.stride - self.before for o in range(self.out))
        return [sum(low <= s + k * self.dilation < high for k in range(self.kernel)) for s in starts]


def sides(unit: Unit, x: Tensor, ctx: Lowering) -> tuple[Side, Side]:
    """Height and width of a pool, from the node's attributes."""
    spatial = len(x.shape) - 2
    if spatial not in (1, 2):
        raise ctx.unsupported(unit, f"pooling over {spatial} axes; only 1-D and 2-D pools are there")
    kernel = [int(k) for k in unit.attrs["kernel_shape"]]
    stride = [int(s) for s in unit.attrs.get("strides") or [1] * spatial]
    dilation = [int(d) for d in unit.attrs.get("dilations") or [1] * spatial]
    pads = [int(p) for p in unit.attrs.get("pads") or [0] * 2 * spatial]
    auto = unit.attrs.get("auto_pad") or "NOTSET"
    auto = auto.decode() if isinstance(auto, bytes) else str(auto)
    made = []
    for i in range(spatial):
        size, out, extent = x.shape[2 + i], unit.out_shape[2 + i], (kernel[i] - 1) * dilation[i] + 1
        before, after = pads[i], pads[spatial + i]
        if auto.startswith("SAME"):
            total = max((out - 1) * stride[i] + extent - size, 0)
            before = total // 2 if auto == "SAME_UPPER" else total - total // 2
            after = total - before
        made.append(Side(size, out, kernel[i], stride[i], dilation[i], before, after))
    return made[0], made[1] if spatial == 2 else Side(1, 1, 1, 1, 1, 0, 0)


def geometry(h: Side, w: Side, channels: int) -> dict[str, Attr]:
    """The attributes all pools have: pairs are (height, width)."""
    return {
        "kernel": (h.kernel, w.kernel),
        "stride": (h.stride, w.stride),
        "dilation": (h.dilation, w.dilation),
        "pad": (h.before, w.before),
        "size": (h.size, w.size),
        "out": (h.out, w.out),
        "channels": channels,
    }


def window(h: Side) -> Window:
    """Rows of a pool."""
    return Window(h.size, h.out, h.kernel, h.stride, h.dilation, h.before)


def column_taps(site: Site) -> list[tuple[int, Array, Array]]:
    """For each horizontal tap: its index, the output columns where it is inside the input, the columns it reads."""
    columns = np.arange(site.ints("out")[1])
    made = []
    for k in range(site.ints("kernel")[1]):
        source = columns * site.ints("stride")[1] - site.ints("pad")[1] + k * site.ints("dilation")[1]
        inside = (source >= 0) & (source < site.ints("size")[1])
        made.append((k, columns[inside], source[inside]))
    return made


class MaxPool(Op):
    """Largest element of each window.  int8, int16 or float32; scale and zero point stay."""

    name = "maxpool"
    onnx = ("MaxPool",)
    sixteen = True

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        refuse_clamp(unit, ctx)
        x = first_operand(unit)
        x = ctx.stored(ctx.physical(x, channels_last(len(x.shape))))
        h, w = sides(unit, x, ctx)
        rows = x.shape[0] * h.out
        return ctx.emit(unit, self.name, [x], x.perm, rows, [window(h)], geometry(h, w, x.shape[1]), like=x)

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        x, channels = rows[0], site.int("channels")
        lowest = np.finfo(np.float32).min if x.dtype == np.float32 else np.iinfo(x.dtype).min
        out = np.full((y1 - y0, site.ints("out")[1], channels), lowest, x.dtype)
        for y in range(y0, y1):
            for row in site.step.reach[0].taps(y):
                if row is not None:
                    line = x[row].reshape(-1, channels)
                    for _, columns, source in column_taps(site):
                        out[y - y0, columns] = np.maximum(out[y - y0, columns], line[source])
        return out.reshape(y1 - y0, -1)


class AvgPool(Op):
    """Mean of each window.  int8, int16 (any scales in and out) or float32."""

    name = "avgpool"
    onnx = ("AveragePool",)
    sixteen = True

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        quantized = is_quantized(unit)
        x = first_operand(unit) if quantized else ctx.as_float(first_operand(unit))
        x = ctx.stored(ctx.physical(x, channels_last(len(x.shape))))
        if not quantized and x.dtype != "float32":
            raise ctx.unsupported(unit, f"an average of {x.dtype} values")
        h, w = sides(unit, x, ctx)
        include = bool(unit.attrs.get("count_include_pad", 0))
        tall, row_class = np.unique(np.maximum(h.counts(include), 1), return_inverse=True)
        wide, column_class = np.unique(np.maximum(w.counts(include), 1), return_inverse=True)
        counts = [int(a) * int(b) for a in tall for b in wide]
        consts: dict[str, Array] = {
            "row_class": row_class.astype(np.uint8),
            "column_class": column_class.astype(np.uint8),
        }
        attrs = geometry(h, w, x.shape[1]) | {"column_classes": len(wide)}
        if quantized and x.quant is not None and unit.quant is not None:
            try:
                more, tables = averaging(x.quant, unit.quant, counts, h.kernel * w.kernel)
            except ValueError as error:
                raise ctx.unsupported(unit, str(error)) from None
            lo, hi = clamp_bounds(unit.quant, unit.lo, unit.hi)
            attrs, consts = attrs | more | {"lo": lo, "hi": hi}, consts | tables
        else:
            refuse_clamp(unit, ctx)
            consts["count"] = np.array(counts, np.float32)
        return ctx.emit(unit, self.name, [x], x.perm, x.shape[0] * h.out, [window(h)], attrs, consts)

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        x, channels = rows[0], site.int("channels")
        real = x.dtype == np.float32
        sums = np.zeros((y1 - y0, site.ints("out")[1], channels), np.float32 if real else np.int64)
        for y in range(y0, y1):
            for row in site.step.reach[0].taps(y):
                if row is not None:
                    line = x[row].reshape(-1, channels)
                    line = line if real else line.astype(np.int64) - site.int("zx")
                    for _, columns, source in column_taps(site):
                        sums[y - y0, columns] += line[source]
        across = site.const("row_class")[np.arange(y0, y1) % site.ints("out")[0]].astype(np.int64)
        index = (across[:, None] * site.int("column_classes") + site.const("column_class")[None, :])[:, :, None]
        made = sums / site.const("count")[index] if real else average(site, sums, index)
        return made.reshape(y1 - y0, -1)


OPS = (MaxPool(), AvgPool())
