"""LayerNormalization over trailing axes and RMSNormalization: each token by itself.

int8: _normalise.py, groups of `depth` neighbours, mult and add of length depth.  float32: mean, then variance, then
(x - mean) * (1 / sqrt(variance + epsilon)) * scale + bias.
attrs: depth, rms (0: centred, 1: root mean square); int8: zx, up, base, shift, lo, hi and consts epsilon, mult, add;
float32: epsilon, lo, hi where given and consts scale, bias.
ONNX inputs x, scale, bias (optional), attributes axis and epsilon; Mean and InvStdDev are not made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgec.ir.program import Array, Attr, Site
from edgec.ir.reach import Run
from edgec.ops._layout import first_operand, operand
from edgec.ops._normalise import centred, normalise, normaliser
from edgec.ops.base import Lowering, Op, Tensor, Unit
from edgec.ops.elementwise import as_float, bounds, is_integer, real_values, rows_of


def affine(unit: Unit, ctx: Lowering, index: int, shape: tuple[int, ...], default: float) -> Array:
    """Constant operand `index` (scale or bias) broadcast to `shape`, real values, flat float64."""
    tensor = operand(unit, index)
    if tensor is None:
        return np.full(math.prod(shape), default)
    if not tensor.is_const:
        raise ctx.unsupported(unit, "a scale or bias that is computed at run time; make it a constant of the model")
    return np.ascontiguousarray(np.broadcast_to(real_values(tensor), shape)).reshape(-1)


def limits(unit: Unit) -> dict[str, Attr]:
    """The clamp of a float32 result; absent sides are absent."""
    return {key: value for key, value in (("lo", unit.lo), ("hi", unit.hi)) if not math.isinf(value)}


class LayerNorm(Op):
    """Layer and root mean square normalisation."""

    name = "layernorm"
    onnx = ("LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization")

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        x = ctx.stored(first_operand(unit))
        if any(name and i for i, (name, _) in enumerate(unit.outputs)):
            raise ctx.unsupported(unit, "its Mean and InvStdDev outputs; export the inference graph without them")
        rms = unit.op_type != "LayerNormalization"
        axis = int(unit.attrs.get("axis", -1)) % len(x.shape)
        last = tuple(range(axis, len(x.shape)))
        inner = tuple(x.shape[a] for a in last)
        depth = math.prod(inner)
        gamma, beta = affine(unit, ctx, 1, inner, 1.0), affine(unit, ctx, 2, inner, 0.0)
        epsilon = float(unit.attrs.get("epsilon", 1e-5))
        integer = is_integer(unit, [x])
        x = x if integer else as_float(unit, ctx, x)
        x = ctx.physical(x, (*(p for p in x.perm if p < axis), *last))
        attrs: dict[str, Attr] = {"depth": depth, "rms": int(rms)}
        consts: dict[str, Array] = {"scale": gamma.astype(np.float32), "bias": beta.astype(np.float32)}
        if integer:
            assert x.quant is not None and unit.quant is not None
            try:
                made = normaliser(depth, x.quant, unit.quant, epsilon, gamma, beta, rms)
            except ValueError as error:
                raise ctx.unsupported(unit, str(error)) from None
            lo, hi = bounds(unit, unit.quant)
            attrs |= {"zx": x.quant.zero_point, **made.attrs, "lo": lo, "hi": hi}
            consts = made.consts
        else:
            attrs |= {"epsilon": epsilon, **limits(unit)}
        perm, rows = x.perm, rows_of(x)
        if math.prod(x.shape) // rows % depth == 0:
            return ctx.emit(unit, self.name, [x], perm, rows, [Run(rows)], attrs, consts, None if integer else x)
        outer = math.prod(x.shape) // depth  # a group spans several rows: see it as a matrix of groups
        flat = ctx.view(ctx.physical(x, tuple(range(len(x.shape)))), (outer, depth), f"{unit.out_name}_groups")
        result = ctx.emit_raw(
            f"{unit.out_name}_normal", self.name, [flat], (outer, depth), flat.dtype, unit.quant if integer else None, (0, 1), outer,
            [Run(outer)], attrs, consts,
        )  # fmt: skip
        return ctx.view(result, unit.out_shape, unit.out_name)

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        x = rows[0][y0:y1].reshape(-1, site.int("depth"))
        attrs: Any = site.step.attrs
        if site.output.dtype == "int8":
            d, variance = centred(x)
            if attrs["rms"]:
                d = x.astype(np.int64) - attrs["zx"]
                variance = (d * d).sum(axis=1, keepdims=True)
            made = normalise(d, variance, attrs, site.const("mult"), site.const("add"), int(site.const("epsilon")[0]))
            return made.reshape(y1 - y0, -1)
        wide = x.astype(np.float64)
        if not attrs["rms"]:
            wide = wide - wide.mean(axis=1, keepdims=True)
        normal = wide / np.sqrt((wide * wide).mean(axis=1, keepdims=True) + attrs["epsilon"])
        real = normal * site.const("scale") + site.const("bias")
        clipped = np.clip(real, attrs.get("lo", -math.inf), attrs.get("hi", math.inf))
        return np.asarray(clipped, np.float32).reshape(y1 - y0, -1)


OPS = (LayerNorm(),)
