"""conv_transpose: ONNX ConvTranspose over [N,C,H,W] (stored [N,H,W,C]) and [N,C,L] (stored [N,L,C]: H = L, W = 1), as a gather.

    acc[y, x, o] = bias[o] + sum of weight[o, ky, kx, c] * (in[iy, ix, g*C/G + c] - zx)
                   over all ky, kx, c with iy*sh = y + top - ky*dh and ix*sw = x + left - kx*dw inside the input
Every output row is written once; a tap that falls between input pixels or outside contributes nothing.
weight const OHWI [O, kh, kw, C/G]; int8 as conv2d (accumulator bound, requantization).  Where no output row needs more than two input rows
(strides of at least half the kernel), rows are streamed; otherwise the input is read whole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgec.ir.program import Array, Site
from edgec.ir.reach import All, Reach, Table
from edgec.ops._convolution import (
    Layer,
    can_be_integer,
    centred,
    exact_matmul,
    finish,
    float_layer,
    integer_layer,
    operand,
    real_bias,
    signed,
    stored_bias,
)
from edgec.ops._layout import channels_last
from edgec.ops.base import Lowering, Op, Tensor, Unit
from edgec.ops.elementwise import rows_of
from edgec.ops.pool import Side, geometry


def sides(unit: Unit, x: Tensor, kernel: Sequence[int], ctx: Lowering) -> tuple[Side, Side]:
    """Height and width; Side.before is what is cut from the front of the full result."""
    spatial = len(x.shape) - 2
    if spatial not in (1, 2) or len(kernel) != spatial:
        raise ctx.unsupported(unit, f"a transposed convolution over {spatial} axes; 1-D and 2-D are there")
    stride = [int(s) for s in unit.attrs.get("strides") or [1] * spatial]
    dilation = [int(d) for d in unit.attrs.get("dilations") or [1] * spatial]
    pads = [int(p) for p in unit.attrs.get("pads") or [0] * 2 * spatial]
    more = [int(p) for p in unit.attrs.get("output_padding") or [0] * spatial]
    auto = unit.attrs.get("auto_pad") or "NOTSET"
    auto = auto.decode() if isinstance(auto, bytes) else str(auto)
    made = []
    for i in range(spatial):
        size, out = x.shape[2 + i], unit.out_shape[2 + i]
        total = (size - 1) * stride[i] + more[i] + (kernel[i] - 1) * dilation[i] + 1 - out
        before = pads[i]
        if unit.attrs.get("output_shape") or auto.startswith("SAME"):
            total = max(total, 0)
            before = total // 2 if auto == "SAME_UPPER" else total - total // 2
        made.append(Side(size, out, int(kernel[i]), stride[i], dilation[i], before, 0))
    return made[0], made[1] if spatial == 2 else Side(1, 1, 1, 1, 1, 0, 0)


def taps(side: Side, y: int) -> list[tuple[int, int]]:
    """(kernel position, input position) of everything that output position y is made from."""
    found = [(k, y + side.before - k * side.dilation) for k in range(side.kernel)]
    return [(k, at // side.stride) for k, at in found if at % side.stride == 0 and 0 <= at // side.stride < side.size]


def reach_of(side: Side, images: int) -> Reach:
    """Table while two rows are enough, otherwise All."""
    first, last, reached = [], [], -1
    for image in range(images):
        for y in range(side.out):
            rows = [i + image * side.size for _, i in taps(side, y)]
            if len(rows) > 2:
                return All(side.size * images)
            first.append(min(rows) if rows else reached + 1)
            reached = max(rows) if rows else reached
            last.append(reached)
    return Table(tuple(first), tuple(last))


def transposed_layer(unit: Unit, ctx: Lowering, x: Tensor, weight: Tensor, groups: int) -> Layer:
    """The numbers; weight [C, O/G, kh, kw] becomes OHWI (1-D: one column)."""
    weight = signed(weight)
    assert weight.const is not None

    def ohwi(array: Array) -> Array:
        whole = array if array.ndim == 4 else array[..., None]
        inputs, each, kh, kw = whole.shape
        split = whole.reshape(groups, inputs // groups, each, kh, kw).transpose(0, 2, 3, 4, 1)
        return np.ascontiguousarray(split.reshape(groups * each, kh, kw, inputs // groups))

    channels = weight.const.shape[1] * groups
    bias = real_bias(unit, ctx, channels, 2)
    eight = unit.quant is not None and unit.quant.bits == 8 and x.dtype != "int16"
    if not (eight and can_be_integer(unit, x, weight, 1)):
        return float_layer(unit, ohwi(weight.real()), bias)
    assert x.quant is not None and weight.scales is not None and weight.zero_points is not None
    repeat = groups if weight.scales.size > 1 else 1
    scales = np.tile(weight.scales.astype(np.float64).reshape(-1), repeat)
    zeros = np.tile(weight.zero_points.reshape(-1), repeat if weight.zero_points.size > 1 else 1)
    factors = np.broadcast_to(np.float64(np.float32(x.quant.scale)) * scales, (channels,))
    return integer_layer(unit, ctx, x.quant, ohwi(weight.const), scales, zeros, (bias, stored_bias(unit, 2, factors)))


def side_of(site: Site, axis: int) -> Side:
    """One axis of a step."""
    size, out, kernel, stride, dilation, pad = (
        site.ints(n)[axis] for n in ("size", "out", "kernel", "stride", "dilation", "pad")
    )
    return Side(size, out, kernel, stride, dilation, pad, 0)


class ConvTranspose(Op):
    """Transposed convolution of any kernel, stride, dilation, padding and group count.  int8 or float32."""

    name = "conv_transpose"
    onnx = ("ConvTranspose",)

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        x, weight = operand(unit, 0), operand(unit, 1)
        assert x is not None and weight is not None
        if weight.const is None:
            raise ctx.unsupported(unit, "the weights are computed by the model; only constant weights are there")
        x = ctx.physical(ctx.stored(x), channels_last(len(x.shape)))
        h, w = sides(unit, x, weight.const.shape[2:], ctx)
        groups = int(unit.attrs.get("group", 1))
        layer = transposed_layer(unit, ctx, x, weight, groups)
        x = x if layer.integer else ctx.as_float(x)
        attrs = {**geometry(h, w, x.shape[1]), "groups": groups, **layer.attrs}
        reach = reach_of(h, x.shape[0]) if rows_of(x) == x.shape[0] * h.size else All(rows_of(x))
        return ctx.emit(unit, self.name, [x], x.perm, x.shape[0] * h.out, [reach], attrs, layer.consts)

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        h, w = (side_of(site, axis) for axis in (0, 1))
        weight, groups, channels = site.const("weight"), site.int("groups"), site.int("channels")
        outputs = weight.shape[0]
        x = rows[0].reshape(-1, w.size, channels)
        made = []
        for y in range(y0, y1):
            image, inside = divmod(y, h.out)
            acc = np.zeros((w.out, outputs), np.float64) + site.const("bias")
            for ky, iy in taps(h, inside):
                line = centred(site, x[image * h.size + iy]).reshape(w.size, groups, -1)
                for ox in range(w.out):
                    for kx, ix in taps(w, ox):
                        parts = weight[:, ky, kx].reshape(groups, outputs // groups, -1)
                        acc[ox] += np.concatenate([exact_matmul(line[ix, g], parts[g]) for g in range(groups)])
            made.append(finish(site, acc).reshape(-1))
        return np.stack(made)

    def macs(self, site: Site) -> int:
        """Every input pixel meets every weight, but for what is cut off at the borders."""
        weight, (height, width) = site.const("weight"), site.ints("size")
        images = site.input.elements // (height * width * site.int("channels"))
        return images * height * width * math.prod(weight.shape)


OPS = (ConvTranspose(),)
