"""What elementwise pages share: clamp bounds, values of constants, alignment of broadcast operands, floats."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from edgec.ir.program import Array, Attr, Quant, default_rows
from edgec.ops._average import clamp_bounds
from edgec.ops.base import Lowering, Tensor, Unit


def bounds(unit: Unit, quant: Quant) -> tuple[int, int]:
    """The unit's clamp as limits of its output's integers: rounded like the values themselves, so that clamping commutes."""
    return clamp_bounds(quant, unit.lo, unit.hi)


def real_values(tensor: Tensor) -> Array:
    """A constant's exact real values, float64, logical order."""
    assert tensor.const is not None
    if tensor.scales is None and tensor.quant is not None:
        return (tensor.const.astype(np.float64) - tensor.quant.zero_point) * tensor.quant.scale
    if tensor.scales is None or tensor.zero_points is None:
        return np.asarray(tensor.const, np.float64)
    along = [1] * tensor.const.ndim
    if tensor.scales.size > 1:
        along[tensor.axis] = tensor.scales.size
    zero = np.broadcast_to(tensor.zero_points.astype(np.float64).reshape(-1), tensor.scales.size).reshape(along)
    return np.asarray((tensor.const.astype(np.float64) - zero) * tensor.scales.astype(np.float64).reshape(along))


def per_tensor_int8(tensor: Tensor) -> tuple[Array, Quant] | None:
    """A constant as int8 integers and their one scale, where it is stored so (uint8 is shifted by 128); otherwise
    None."""
    if tensor.const is None or tensor.const.dtype not in (np.int8, np.uint8):
        return None
    quant = tensor.quant
    if tensor.scales is not None:
        if tensor.scales.size != 1:
            return None
        zero = 0 if tensor.zero_points is None else int(tensor.zero_points.reshape(-1)[0])
        quant = Quant(float(tensor.scales.reshape(-1)[0]), zero)
    if quant is None:
        return None
    shift = 128 if tensor.const.dtype == np.uint8 else 0
    return (tensor.const.astype(np.int16) - shift).astype(np.int8), Quant(quant.scale, quant.zero_point - shift)


def is_integer(unit: Unit, activations: Sequence[Tensor]) -> bool:
    """Whether the unit can be computed in int8: an int8 result from int8 activations (constants have exact real values
    anyway)."""
    eight = unit.quant is not None and unit.quant.bits == 8
    return eight and all(t.quant is not None and t.dtype == "int8" for t in activations)


def is_integer16(unit: Unit, activations: Sequence[Tensor]) -> bool:
    """Whether the unit can be computed in int16x8: quantized result and activations, and not all of them int8."""
    return (
        unit.quant is not None
        and all(t.quant is not None for t in activations)
        and 16 in (unit.quant.bits, *(t.quant.bits for t in activations if t.quant is not None))
    )


def as_float(unit: Unit, ctx: Lowering, tensor: Tensor) -> Tensor:
    """The operand in float32: constants by value, activations through ctx.  Refuses integer tensors that stand for no
    real value."""
    if tensor.is_const:
        return ctx.as_float(tensor)
    if not tensor.is_quantized and tensor.dtype != "float32":
        raise ctx.unsupported(unit, f"elements of type {tensor.dtype}; edgec computes int8 and float32")
    return ctx.as_float(tensor) if tensor.is_quantized else tensor


def output_perm(out_rank: int, operands: Sequence[Tensor]) -> tuple[int, ...]:
    """Axis order of the result: that of the largest activation, with leading axes added where its rank is lower."""
    lead = max(operands, key=lambda t: (len(t.shape), math.prod(t.shape)))
    more = out_rank - len(lead.shape)
    return (*range(more), *(p + more for p in lead.perm))


def align(ctx: Lowering, tensor: Tensor, perm: tuple[int, ...]) -> tuple[Tensor, tuple[int, ...]]:
    """An operand stored in the result's axis order, and its physical shape with a 1 for every axis it lacks.

    Numpy broadcasting aligns *logical* axes at the right, so missing axes are leading logical ones, wherever they are
    stored.
    """
    more = len(perm) - len(tensor.shape)
    stored = ctx.physical(tensor, tuple(p - more for p in perm if p >= more))
    return stored, tuple(1 if p < more else tensor.shape[p - more] for p in perm)


def spread(values: Array, out_shape: tuple[int, ...], perm: tuple[int, ...]) -> Array:
    """A constant broadcast to the result, in storage order, cut to its shortest period (1 for a scalar, C for a
    channel vector, ...)."""
    full = np.ascontiguousarray(np.broadcast_to(values, out_shape).transpose(perm))
    flat = full.reshape(-1)
    for axis in range(full.ndim, -1, -1):
        period = math.prod(full.shape[axis:])
        if period and np.array_equal(
            flat.reshape(-1, period), np.broadcast_to(flat[:period], (flat.size // period, period))
        ):
            return np.array(flat[:period])
    return np.array(flat)


def float_limits(unit: Unit) -> dict[str, Attr]:
    """The clamp of a float32 result as attributes lo, hi; absent sides are absent."""
    return {key: value for key, value in (("lo", unit.lo), ("hi", unit.hi)) if not math.isinf(value)}


def limited(y: Array, attrs: Mapping[str, Attr]) -> Array:
    """A float result clamped to the attributes lo, hi, as float32."""
    lo, hi = (float(attrs.get(key, other)) for key, other in (("lo", -math.inf), ("hi", math.inf)))  # type: ignore[arg-type]
    return np.asarray(np.clip(y, np.float32(lo), np.float32(hi)), np.float32)


def rows_of(tensor: Tensor) -> int:
    """Rows of a tensor's buffer."""
    return default_rows(tensor.physical)


__all__ = [
    "align",
    "as_float",
    "bounds",
    "float_limits",
    "is_integer",
    "is_integer16",
    "limited",
    "output_perm",
    "per_tensor_int8",
    "real_values",
    "rows_of",
    "spread",
]
