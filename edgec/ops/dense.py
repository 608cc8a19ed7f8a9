"""dense: y[p, o] = bias[o] + sum_k weight[o, k] * x[p, k] on every pixel (token, vector) p.

ONNX Gemm and MatMul with a constant right operand; conv2d lowers 1x1 convolutions to it.  A right operand that the
model computes is the business of matmul.  x: rows of `pixels` vectors of K elements; weight const [O, K]; output: rows
of as many vectors of O.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgec.ir.program import Array, Site, default_rows
from edgec.ir.reach import Run
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
from edgec.ops._layout import identity
from edgec.ops.base import Lowering, Op, Tensor, Unit


def dense_layer(
    unit: Unit, ctx: Lowering, x: Tensor, w: Tensor, out_axis: int, alpha: float = 1.0, beta: float = 1.0
) -> Layer:
    """The numbers of a product with a constant matrix whose output channels lie along `out_axis` of its two axes."""
    w = signed(w)
    matrix = np.asarray(w.const) if out_axis == 0 else np.asarray(w.const).T
    bias = real_bias(unit, ctx, matrix.shape[0], 2, beta)
    if alpha > 0 and can_be_integer(unit, x, w, out_axis):
        assert x.quant is not None and w.scales is not None and w.zero_points is not None
        scales = np.float64(np.float32(alpha)) * w.scales.astype(np.float64).reshape(-1)
        factors = np.broadcast_to(np.float64(np.float32(x.quant.scale)) * scales, (matrix.shape[0],))
        ready = stored_bias(unit, 2, factors) if beta == 1.0 else None
        return integer_layer(unit, ctx, x.quant, matrix, scales, w.zero_points, (bias, ready))
    real = w.real()
    return float_layer(unit, alpha * (real if out_axis == 0 else real.T), bias)


class Dense(Op):
    """Product of every pixel with a constant matrix, plus bias, clamped.  int8 or float32."""

    name = "dense"
    onnx = ("Gemm", "MatMul")
    sixteen = True

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        x, w = operand(unit, 0), operand(unit, 1)
        assert x is not None and w is not None
        if x.is_const or w.const is None or w.const.ndim != 2 or len(x.shape) < (2 if unit.op_type == "Gemm" else 1):
            from edgec.ops.matmul import lower_matmul

            return lower_matmul(unit, ctx)
        if unit.op_type == "Gemm":
            order = (1, 0) if unit.attrs.get("transA", 0) else (0, 1)
            x = ctx.physical(x, order)
            out_axis = 0 if unit.attrs.get("transB", 0) else 1
            alpha, beta = (float(unit.attrs.get(name, 1.0)) for name in ("alpha", "beta"))
            layer = dense_layer(unit, ctx, x, w, out_axis, alpha, beta)
        else:
            x = ctx.physical(x, identity(len(x.shape)))
            layer = dense_layer(unit, ctx, x, w, 1)
        x = x if layer.integer else ctx.as_float(x)
        rows = default_rows(unit.out_shape)
        perm = identity(len(unit.out_shape))
        return ctx.emit(unit, self.name, [x], perm, rows, [Run(rows)], layer.attrs, layer.consts)

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        weight = site.const("weight")
        x = centred(site, rows[0][y0:y1].reshape(-1, weight.shape[1]))
        return finish(site, exact_matmul(x, weight) + site.const("bias")).reshape(y1 - y0, -1)

    def macs(self, site: Site) -> int:
        return site.output.elements * int(site.const("weight").shape[1])


def pointwise(unit: Unit, ctx: Lowering, x: Tensor, layer: Layer) -> Tensor:
    """A 1x1 convolution as a dense step on channels-last x."""
    matrix = layer.consts["weight"].reshape(layer.consts["weight"].shape[0], -1)
    rows = default_rows(tuple(unit.out_shape[a] for a in x.perm))
    return ctx.emit(unit, "dense", [x], x.perm, rows, [Run(rows)], layer.attrs, {**layer.consts, "weight": matrix})


OPS = (Dense(),)
