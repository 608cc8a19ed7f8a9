"""GroupNormalization and InstanceNormalization: statistics of a group of channels over all pixels of an image.

Stored channels last, [N, pixels, C]; all rows are made in one call, for every row needs every row of its image.
int8: _normalise.py, a group is pixels * C/groups elements, mult and add of length C.  float32: as layernorm.py.
attrs: groups, pixels, channels; int8: up, base, shift, lo, hi and consts epsilon, mult, add;
float32: epsilon, lo, hi where given and consts scale, bias.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgec.ir.program import Array, Attr, Site
from edgec.ir.reach import All
from edgec.ops._layout import channels_last, first_operand, operand
from edgec.ops._normalise import centred, normalise, normaliser
from edgec.ops.base import Lowering, Op, Tensor, Unit
from edgec.ops.elementwise import as_float, bounds, is_integer, rows_of
from edgec.ops.layernorm import affine, limits


def per_channel(unit: Unit, ctx: Lowering, index: int, channels: int, groups: int, default: float) -> Array:
    """Scale or bias as float64 [channels]; opset 18 gives one a group."""
    tensor = operand(unit, index)
    size = channels if tensor is None else math.prod(tensor.shape)
    if size == channels:
        return affine(unit, ctx, index, (channels,), default)
    return np.repeat(affine(unit, ctx, index, (groups,), default), channels // groups)


class GroupNorm(Op):
    """Group and instance normalisation of [N, C, ...]."""

    name = "groupnorm"
    onnx = ("GroupNormalization", "InstanceNormalization")

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        x = ctx.stored(first_operand(unit))
        if len(x.shape) < 2:
            raise ctx.unsupported(unit, f"an input of shape {x.shape}; it needs [N, C, ...]")
        channels = x.shape[1]
        groups = int(unit.attrs.get("num_groups", channels))
        if channels % groups:
            raise ctx.unsupported(unit, f"{channels} channels are no multiple of {groups} groups")
        gamma, beta = (per_channel(unit, ctx, i, channels, groups, default) for i, default in ((1, 1.0), (2, 0.0)))
        epsilon = float(unit.attrs.get("epsilon", 1e-5))
        integer = is_integer(unit, [x])
        x = ctx.physical(x if integer else as_float(unit, ctx, x), channels_last(len(x.shape)))
        pixels = math.prod(x.shape[2:])
        attrs: dict[str, Attr] = {"groups": groups, "pixels": pixels, "channels": channels}
        rows = rows_of(x)
        if not integer:
            attrs |= {"epsilon": epsilon, **limits(unit)}
            values = {"scale": gamma.astype(np.float32), "bias": beta.astype(np.float32)}
            return ctx.emit(unit, self.name, [x], x.perm, rows, [All(rows)], attrs, values, like=x)
        assert x.quant is not None and unit.quant is not None
        try:
            made = normaliser(pixels * channels // groups, x.quant, unit.quant, epsilon, gamma, beta)
        except ValueError as error:
            raise ctx.unsupported(unit, str(error)) from None
        lo, hi = bounds(unit, unit.quant)
        attrs |= {**made.attrs, "lo": lo, "hi": hi}
        return ctx.emit(unit, self.name, [x], x.perm, rows, [All(rows)], attrs, made.consts)

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        attrs: Any = site.step.attrs
        groups, pixels, channels = (site.int(name) for name in ("groups", "pixels", "channels"))
        each = channels // groups
        split = rows[0].reshape(-1, pixels, groups, each).transpose(0, 2, 1, 3)
        x = split.reshape(-1, pixels * each)

        def spread(name: str) -> Array:
            """[channels] -> one row of elements for each group of each image."""
            one = np.broadcast_to(site.const(name).reshape(groups, 1, each), (groups, pixels, each)).reshape(groups, -1)
            return np.tile(one, (split.shape[0], 1))

        if site.output.dtype == "int8":
            made = normalise(*centred(x), attrs, spread("mult"), spread("add"), int(site.const("epsilon")[0]))
        else:
            wide = x.astype(np.float64) - x.mean(axis=1, keepdims=True, dtype=np.float64)
            normal = wide / np.sqrt((wide * wide).mean(axis=1, keepdims=True) + attrs["epsilon"])
            real = normal * spread("scale") + spread("bias")
            made = np.clip(real, attrs.get("lo", -math.inf), attrs.get("hi", math.inf)).astype(np.float32)
        together = made.reshape(split.shape).transpose(0, 2, 1, 3)
        return np.ascontiguousarray(together).reshape(site.output.rows, -1)[y0:y1]


OPS = (GroupNorm(),)
