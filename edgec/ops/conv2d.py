"""conv2d: ONNX Conv over [N,C,H,W] (stored [N,H,W,C]) and [N,C,L] (stored [N,L,C]: H = L, W = 1).

    acc[y, x, o] = bias[o] + sum over ky, kx, c of weight[o, ky, kx, c] * (in[iy, ix, g*C/G + c] - zx)
    iy = y*sh - top + ky*dh,  ix = x*sw - left + kx*dw,  g = o / (O/G);  what lies in the padding contributes nothing

weight const OHWI [O, kh, kw, C/G].  A 1x1 convolution is a dense step, one with a group for each channel a depthwise
step.  3x3 stride-1 multipliers are multiples of 9, so that Winograd kernels can fold their factor.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgec.ir.program import Array, Site
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
from edgec.ops.dense import pointwise
from edgec.ops.pool import Side, geometry, window


def conv_sides(unit: Unit, x: Tensor, kernel: Sequence[int], ctx: Lowering) -> tuple[Side, Side]:
    """Height and width of a convolution, from the node's attributes; a 1-D convolution is one pixel wide."""
    spatial = len(x.shape) - 2
    if spatial not in (1, 2) or len(kernel) != spatial:
        raise ctx.unsupported(unit, f"a convolution over {spatial} axes; 1-D and 2-D convolutions are there")
    stride = [int(s) for s in unit.attrs.get("strides") or [1] * spatial]
    dilation = [int(d) for d in unit.attrs.get("dilations") or [1] * spatial]
    pads = [int(p) for p in unit.attrs.get("pads") or [0] * 2 * spatial]
    auto = unit.attrs.get("auto_pad") or "NOTSET"
    auto = auto.decode() if isinstance(auto, bytes) else str(auto)
    made = []
    for i in range(spatial):
        size, out, extent = x.shape[2 + i], unit.out_shape[2 + i], (kernel[i] - 1) * dilation[i] + 1
        before = 0 if auto == "VALID" else pads[i]
        if auto.startswith("SAME"):
            total = max((out - 1) * stride[i] + extent - size, 0)
            before = total // 2 if auto == "SAME_UPPER" else total - total // 2
        after = (out - 1) * stride[i] + extent - size - before
        if before < 0 or pads[spatial + i] < 0:
            raise ctx.unsupported(unit, "negative padding; slice the input instead")
        made.append(Side(size, out, kernel[i], stride[i], dilation[i], before, after))
    return made[0], made[1] if spatial == 2 else Side(1, 1, 1, 1, 1, 0, 0)


def conv_layer(unit: Unit, ctx: Lowering, x: Tensor, weight: Tensor, winograd: bool) -> Layer:
    """The numbers of a convolution; weight becomes OHWI (1-D: OH1I)."""
    weight = signed(weight)
    assert weight.const is not None
    order = (0, 2, 3, 1) if weight.const.ndim == 4 else (0, 2, 1)

    def ohwi(array: Array) -> Array:
        moved = np.transpose(array, order)
        return moved if moved.ndim == 4 else moved[:, :, None, :]

    channels = weight.const.shape[0]
    bias = real_bias(unit, ctx, channels, 2)
    if can_be_integer(unit, x, weight, 0):
        assert x.quant is not None and weight.scales is not None and weight.zero_points is not None
        scales = weight.scales.astype(np.float64).reshape(-1)
        factors = np.broadcast_to(np.float64(np.float32(x.quant.scale)) * scales, (channels,))
        both = (bias, stored_bias(unit, 2, factors))
        multiple = 9 if winograd else 1
        return integer_layer(unit, ctx, x.quant, ohwi(weight.const), scales, weight.zero_points, both, multiple)
    return float_layer(unit, ohwi(weight.real()), bias)


class Conv2d(Op):
    """Convolution of any kernel, stride, dilation, padding and group count.  int8 or float32."""

    name = "conv2d"
    onnx = ("Conv",)
    sixteen = True

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        x, weight = operand(unit, 0), operand(unit, 1)
        assert x is not None and weight is not None
        if weight.const is None:
            raise ctx.unsupported(unit, "the weights are computed by the model; only constant weights are there")
        x = ctx.physical(ctx.stored(x), channels_last(len(x.shape)))
        h, w = conv_sides(unit, x, weight.const.shape[2:], ctx)
        groups, channels = int(unit.attrs.get("group", 1)), x.shape[1]
        plain = all((s.stride, s.dilation) == (1, 1) for s in (h, w)) and groups == 1
        layer = conv_layer(unit, ctx, x, weight, plain and (h.kernel, w.kernel) == (3, 3))
        x = x if layer.integer else ctx.as_float(x)
        if plain and all((s.kernel, s.before, s.after) == (1, 0, 0) for s in (h, w)):
            return pointwise(unit, ctx, x, layer)
        attrs = {**geometry(h, w, channels), **layer.attrs}
        consts = dict(layer.consts)
        name = self.name
        if groups == channels and channels > 1:
            name = "depthwise"
            consts["weight"] = np.ascontiguousarray(np.moveaxis(consts["weight"][..., 0], 0, -1))
        else:
            attrs["groups"] = groups
        return ctx.emit(unit, name, [x], x.perm, x.shape[0] * h.out, [window(h)], attrs, consts)

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        weight, groups = site.const("weight"), site.int("groups")
        outputs, part = weight.shape[0], weight.shape[3]
        matrices = weight.reshape(groups, outputs // groups, -1)
        made = []
        for y in range(y0, y1):
            patch = patches(site, y, rows[0])  # [out_w, kh, kw, C]
            split = patch.reshape(*patch.shape[:3], groups, part)
            acc = [exact_matmul(split[:, :, :, g].reshape(len(patch), -1), matrices[g]) for g in range(groups)]
            made.append(finish(site, np.concatenate(acc, axis=1) + site.const("bias")).reshape(-1))
        return np.stack(made)

    def macs(self, site: Site) -> int:
        return site.output.elements * int(np.prod(site.const("weight").shape[1:]))


def patches(site: Site, y: int, x: Array) -> Array:
    """The windows of output row y: [out_w, kh, kw, C], zero point subtracted, padding zero."""
    names = ("size", "out", "kernel", "stride", "dilation", "pad")
    width, out, kw, stride, dilation, left = (int(np.asarray(site.step.attrs[n])[1]) for n in names)
    channels = site.int("channels")
    taps = site.step.reach[0].taps(y)
    span = max((out - 1) * stride + (kw - 1) * dilation + 1, left + width)
    lines = np.zeros((len(taps), span, channels), np.float32 if x.dtype == np.float32 else np.int32)
    for k, row in enumerate(taps):
        if row is not None:
            lines[k, left : left + width] = centred(site, x[row].reshape(width, channels))
    columns = np.arange(out)[:, None] * stride + np.arange(kw)[None, :] * dilation
    return np.moveaxis(lines[:, columns], 0, 1)


OPS = (Conv2d(),)
