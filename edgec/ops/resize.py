"""ONNX Resize, opset 11 and later: nearest (a row copy, any axes) and linear (one or two spatial axes).

Linear, int8: 11-bit weights b1 = round(2048 * fraction), b0 = 2048 - b1, the same for columns (a0, a1);
y = zx + round_half_even(((x00*a0 + x01*a1)*b0 + (x10*a0 + x11*a1)*b1 - zx*2^22) / 2^22), in 32 bits; the scale stays.
float32: the same formula with float weights.  Coordinates are computed in float32, as onnxruntime does.
Source: ONNX operator specification, Resize.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgec.ir.program import Array, Attr, Site, default_rows
from edgec.ir.reach import Table
from edgec.ops._layout import channels_last, first_operand, identity, refuse_clamp, setting, spread
from edgec.ops._rowcopy import RowCopy, row_copy
from edgec.ops.base import Lowering, Op, Tensor, Unit

WEIGHT_BITS = 11
F = np.float32


def text(unit: Unit, name: str, default: str) -> str:
    """A string attribute."""
    value = unit.attrs.get(name) or default
    return value.decode() if isinstance(value, bytes) else str(value)


def coordinates(size: int, out: int, scale: float, mode: str) -> Array:
    """Where each output position falls in the input, float32."""
    at, s = np.arange(out, dtype=F), F(scale)
    if mode == "asymmetric":
        return at / s
    if mode == "align_corners":
        return at * F(size - 1) / F(out - 1) if out > 1 else np.zeros(out, F)
    if mode == "pytorch_half_pixel" and out <= 1:
        return np.zeros(out, F)
    half = (at + F(0.5)) / s
    if mode == "half_pixel_symmetric":
        half = F(size / 2) * (F(1) - F(out) / (s * F(size))) + half
    return (half - F(0.5)).astype(F)


def nearest_index(at: Array, size: int, mode: str) -> Array:
    """Input index of each output position."""
    if mode == "floor":
        near = np.floor(at)
    elif mode == "ceil":
        near = np.ceil(at)
    elif mode == "round_prefer_ceil":
        near = np.floor(at + F(0.5))
    else:
        near = np.ceil(at - F(0.5))
    return np.clip(near.astype(np.int64), 0, size - 1)


def linear_taps(at: Array, size: int) -> tuple[Array, Array, Array]:
    """(lower index, upper index, fraction of the upper one) of each output position."""
    at = np.clip(at, F(0), F(size - 1))
    low = np.minimum(np.floor(at).astype(np.int64), size - 1)
    high = np.minimum(low + 1, size - 1)
    return low, high, (at - low.astype(F)).astype(F)


def axis_scales(unit: Unit, ctx: Lowering, x: Tensor) -> list[float]:
    """The factor of each logical axis."""
    rank = len(x.shape)
    axes = [int(a) % rank for a in unit.attrs.get("axes") or range(rank)]
    found = [1.0] * rank
    scales, sizes = setting(unit, ctx, 2, "scales"), setting(unit, ctx, 3, "sizes")
    if sizes:
        if text(unit, "keep_aspect_ratio_policy", "stretch") != "stretch":
            raise ctx.unsupported(
                unit, "Resize with keep_aspect_ratio_policy; write the resulting sizes with policy 'stretch'"
            )
        for a, size in zip(axes, sizes, strict=True):
            found[a] = float(size) / x.shape[a]
    elif scales:
        for a, scale in zip(axes, scales, strict=True):
            found[a] = float(scale)
    else:
        raise ctx.unsupported(unit, "Resize without constant scales or sizes")
    return found


class Resize(RowCopy):
    """The ONNX node; emits resize (nearest) or resize_linear."""

    name = "resize"
    onnx = ("Resize",)

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        refuse_clamp(unit, ctx)
        mode, place = text(unit, "mode", "nearest"), text(unit, "coordinate_transformation_mode", "half_pixel")
        if mode not in ("nearest", "linear"):
            raise ctx.unsupported(unit, f"Resize mode {mode!r}; export the model with mode 'linear' or 'nearest'")
        if place == "tf_crop_and_resize":
            raise ctx.unsupported(unit, "Resize with tf_crop_and_resize; use half_pixel, asymmetric or align_corners")
        if unit.attrs.get("antialias", 0):
            raise ctx.unsupported(
                unit, "Resize with antialias; export the model with antialias=0 (or use an average pool)"
            )
        x = ctx.stored(first_operand(unit))
        scales = axis_scales(unit, ctx, x)
        rank, out = len(x.shape), unit.out_shape
        where = {
            a: coordinates(x.shape[a], out[a], scales[a], place)
            for a in range(rank)
            if out[a] != x.shape[a] or scales[a] != 1.0
        }
        if mode == "nearest":
            rule = text(unit, "nearest_mode", "round_prefer_floor")
            index = {a: nearest_index(at, x.shape[a], rule) for a, at in where.items()}
            maps = [index.get(a, np.arange(x.shape[a])) for a in x.perm]
            reach, attrs, consts = row_copy(x.physical, maps, 0)
            return ctx.emit(
                unit, self.name, [x], x.perm, default_rows(spread(out, x.perm)), [reach], attrs, consts, like=x
            )
        return linear(unit, ctx, x, where)


def linear(unit: Unit, ctx: Lowering, x: Tensor, where: dict[int, Array]) -> Tensor:
    """Emits resize_linear on a layout whose rows and columns, the axes before the last one, are the resized ones."""
    rank, out = len(x.shape), unit.out_shape
    perm = channels_last(rank) if set(where) <= set(range(2, rank)) else identity(rank)
    tall, wide = (perm[-3], perm[-2]) if rank == 4 else (perm[-2], -1) if rank == 3 else (-1, -1)
    if rank not in (3, 4) or not set(where) <= {tall, wide}:
        raise ctx.unsupported(
            unit, f"linear Resize of axes {sorted(where)} of rank {rank}; only one or two spatial axes are there"
        )
    x = ctx.physical(x, perm)
    shape = spread(out, perm)
    images = math.prod(shape[: perm.index(tall)])
    height, columns = x.shape[tall], 1 if wide < 0 else x.shape[wide]
    y_low, y_high, y_part = linear_taps(where.get(tall, np.arange(height, dtype=F)), height)
    x_low, x_high, x_part = linear_taps(where.get(wide, np.arange(columns, dtype=F)), columns)
    image = np.repeat(np.arange(images) * height, len(y_low))
    y_high = np.where(y_part == 0, y_low, y_high)  # a weight of nought needs no row
    reach = Table(tuple((np.tile(y_low, images) + image).tolist()), tuple((np.tile(y_high, images) + image).tolist()))
    channels = shape[-1]
    consts: dict[str, Array] = {
        "left": (x_low * channels).astype(np.int32),
        "right": (x_high * channels).astype(np.int32),
    }
    for name, part in (("row_weight", y_part), ("column_weight", x_part)):
        consts[name] = (
            part if x.dtype == "float32" else np.rint(part.astype(np.float64) * 2**WEIGHT_BITS).astype(np.int32)
        )
    attrs: dict[str, Attr] = {"channels": channels, "height": len(y_low), "zx": x.quant.zero_point if x.quant else 0}
    rows = default_rows(shape)
    return ctx.emit(unit, ResizeLinear.name, [x], perm, rows, [reach], attrs, consts, like=x)


class ResizeLinear(Op):
    """Linear interpolation between two rows and two columns."""

    name = "resize_linear"

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        channels = site.int("channels")
        real = rows[0].dtype == np.float32
        one = np.float32(1) if real else np.int64(2**WEIGHT_BITS)
        a1 = site.const("column_weight")[:, None].astype(rows[0].dtype if real else np.int64)
        pick = [(site.const(n) // channels).astype(np.int64) for n in ("left", "right")]
        made = []
        for y in range(y0, y1):
            b1 = site.const("row_weight")[y % site.int("height")].astype(a1.dtype)
            lines = [rows[0][r].reshape(-1, channels).astype(a1.dtype) for r in site.step.reach[0].rows(y)]
            top, bottom = (line[pick[0]] * (one - a1) + line[pick[1]] * a1 for line in lines)
            made.append(top * (one - b1) + bottom * b1)
        total = np.stack(made).reshape(y1 - y0, -1)
        if real:
            return total
        bits, zero = 2 * WEIGHT_BITS, site.int("zx")
        total = total - (zero << bits)
        half_even: Array = (total + (1 << (bits - 1)) - 1 + ((total >> bits) & 1)) >> bits
        return (zero + half_even).astype(np.int8)


OPS = (Resize(), ResizeLinear())
