"""What convolutions and dense layers share: operands, integer bias, multipliers, accumulator bound, requantization.

    acc[o] = bias[o] + sum_k weight[o, k] * (x[k] - zx)                     int32, proven not to overflow
    y[o]   = clamp(zy + round_half_up(acc[o] * mult[o] / 2^(31 + shift) * 2^left), lo, hi)

Where x or y is int16 (int16x8.v1): acc is int64 unless int32 is proven to hold it (attr `wide`), and
    y[o]   = clamp(zy + floor((acc[o] * mult[o] + 2^(k-1)) / 2^k), lo, hi)

weight: int8; int16 where the model's weights have a zero point (it is subtracted here).
bias: int32 at scale s_x * s_w[o].
Source: edgec.int8.v1 (ARCHITECTURE.md); Jacob et al. 2018.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from edgec.arithmetic import WIDE_BITS, multipliers, requantize, rescale, wide_multipliers
from edgec.ir.program import Array, Attr, Quant, Site
from edgec.kernels.functions import FLOAT_MAX
from edgec.ops._average import clamp_bounds
from edgec.ops.base import Lowering, Tensor, Unit

INT32 = 2**31 - 1


@dataclass(frozen=True)
class Layer:
    """Numbers of one layer, final: attrs and consts of its step.  integer: int8 arithmetic, else float32."""

    integer: bool
    attrs: Mapping[str, Attr]
    consts: Mapping[str, Array]


def operand(unit: Unit, index: int) -> Tensor | None:
    """Operand `index`, None where the node has none."""
    return unit.inputs[index] if index < len(unit.inputs) else None


def signed(weight: Tensor) -> Tensor:
    """uint8 weights as int8: value and zero point both less by 128."""
    if weight.const is None or weight.const.dtype != np.uint8 or weight.zero_points is None:
        return weight
    shifted = (weight.const.astype(np.int16) - 128).astype(np.int8)
    return replace(weight, const=shifted, zero_points=weight.zero_points.astype(np.int64) - 128, dtype="int8")


def can_be_integer(unit: Unit, x: Tensor, weight: Tensor, axis: int) -> bool:
    """Quantized input and output (8 or 16 bits), 8-bit weights with one scale, or one for each output channel (`axis`).

    A float bias is no obstacle.
    """
    if unit.quant is None or x.quant is None or weight.const is None or weight.scales is None:
        return False
    per_channel = weight.scales.size == 1 or weight.axis % max(weight.const.ndim, 1) == axis
    return weight.const.dtype == np.int8 and per_channel


def real_bias(unit: Unit, ctx: Lowering, channels: int, index: int, beta: float = 1.0) -> Array:
    """Bias operand and absorbed Add together, float64 [channels]."""
    total = np.zeros(channels, np.float64)
    for tensor, factor in ((operand(unit, index), beta), (unit.bias, 1.0)):
        if tensor is None:
            continue
        if tensor.const is None:
            raise ctx.unsupported(unit, "the bias is computed by the model; only constant biases are there")
        values = np.asarray(tensor.const, np.float64)
        if tensor.scales is not None and tensor.zero_points is not None:
            values = (values.reshape(-1) - tensor.zero_points.astype(np.float64)) * tensor.scales.astype(np.float64)
        values = values.reshape(-1)
        if values.size not in (1, channels):
            raise ctx.unsupported(unit, f"a bias of {values.size} values for {channels} output channels")
        total += factor * values
    return total


def integer_bias(real: Array, scale: Array, wide: bool = False) -> Array:
    """Real bias [channels] at scale s_x * s_w: rounded half to even, saturated to int32 (wide: int64 if it needs that).

    A bias of less than 2^24 stored at that scale in float32 comes back as it was; stored_bias keeps larger ones.
    """
    rounded = np.rint(real / scale)
    if wide and bool((np.abs(rounded) > INT32).any()):
        return np.clip(rounded, -(2.0**WIDE_BITS), 2.0**WIDE_BITS).astype(np.int64)
    return np.clip(rounded, -(2**31), INT32).astype(np.int32)


def stored_bias(unit: Unit, index: int, scale: Array) -> Array | None:
    """The bias as the model stores it, if it is int32 at scale s_x * s_w (to float32 precision) and alone."""
    tensor = operand(unit, index)
    if unit.bias is not None or tensor is None or tensor.const is None:
        return None
    if tensor.scales is None or tensor.zero_points is None:
        return None
    same = np.allclose(tensor.scales.astype(np.float64), scale, rtol=1e-6, atol=0.0)
    if tensor.const.dtype != np.int32 or not same or np.any(tensor.zero_points) or tensor.const.size != scale.size:
        return None
    return tensor.const.reshape(-1).astype(np.int32)


def integer_layer(
    unit: Unit,
    ctx: Lowering,
    x: Quant,
    weight: Array,
    scales: Array,
    zero_points: Array,
    bias: tuple[Array, Array | None],
    multiple: int = 1,
) -> Layer:
    """attrs and consts of an integer layer.

    weight: int8 [O, ...]; scales, zero_points: [O] or [1]; bias: real values [O], and the stored integers if they can
    be used as they are; multiple: what the multipliers are rounded to a multiple of.
    Raises ctx.unsupported if the accumulator could overflow.
    """
    assert unit.quant is not None
    channels = weight.shape[0]
    scales = np.broadcast_to(scales.astype(np.float64).reshape(-1), (channels,))
    if np.any(scales <= 0) or not np.all(np.isfinite(scales)):
        raise ctx.unsupported(unit, "a weight scale is not positive")
    if np.any(zero_points):
        shape = (-1,) + (1,) * (weight.ndim - 1)
        weight = (weight.astype(np.int64) - zero_points.astype(np.int64).reshape(shape)).astype(np.int16)
    factors = np.float64(np.float32(x.scale)) * scales
    integers = bias[1] if bias[1] is not None else integer_bias(bias[0], factors, x.bits == 16)
    sums = np.abs(weight.astype(np.int64)).reshape(channels, -1).sum(1)
    reach = np.abs(integers.astype(np.int64)) + sums * (-x.lowest + abs(x.zero_point))
    lo, hi = clamp_bounds(unit.quant, unit.lo, unit.hi)
    attrs: dict[str, Attr] = {"zx": x.zero_point, "zy": unit.quant.zero_point, "lo": lo, "hi": hi}
    real, most = factors / np.float64(np.float32(unit.quant.scale)), int(reach.max(initial=0))
    try:
        if 16 in (x.bits, unit.quant.bits):
            mult, k = wide_multipliers(real, most)
            attrs |= {"k": k, "wide": x.bits == 16 and most > INT32}
        else:
            m = multipliers(real, multiple)
            mult, most = m.m, most << m.left
            attrs |= {"shift": m.shift, "left": m.left}
    except ValueError as error:
        raise ctx.unsupported(unit, str(error)) from None
    if not attrs.get("wide") and most > INT32:
        worst = int(reach.argmax())
        raise ctx.unsupported(unit, f"the accumulator of output channel {worst} could reach {most}, beyond 32 bits")
    return Layer(True, attrs, {"weight": np.ascontiguousarray(weight), "bias": integers, "mult": mult})


def float_layer(unit: Unit, weight: Array, bias: Array) -> Layer:
    """attrs and consts of a float32 layer: clamp bounds are finite."""
    attrs: dict[str, Attr] = {"lo": max(float(unit.lo), -FLOAT_MAX), "hi": min(float(unit.hi), FLOAT_MAX)}
    return Layer(False, attrs, {"weight": np.ascontiguousarray(weight, np.float32), "bias": bias.astype(np.float32)})


def finish(site: Site, acc: Array) -> Array:
    """Accumulators [..., O] (bias included) -> output elements of the site's dtype."""
    if site.output.dtype == "float32":
        return np.clip(acc, np.float32(site.float("lo")), np.float32(site.float("hi"))).astype(np.float32)
    if "k" in site.step.attrs:
        k, zy, lo, hi = (site.int(n) for n in ("k", "zy", "lo", "hi"))
        return rescale(acc.astype(np.int64), site.const("mult"), k, zy, lo, hi).astype(site.output.dtype)
    numbers = [site.int(n) for n in ("shift", "left", "zy", "lo", "hi")]
    return requantize(acc.astype(np.int64), site.const("mult"), *numbers)


def exact_matmul(x: Array, weight: Array) -> Array:
    """x [..., K] times weight [O, K] transposed, in float64: exact for integers, stable for float32."""
    return np.asarray(x.astype(np.float64) @ weight.T.astype(np.float64))


def centred(site: Site, x: Array) -> Array:
    """Input elements less their zero point (int32), or float32 as they are."""
    return x if x.dtype == np.float32 else x.astype(np.int32) - site.int("zx")
