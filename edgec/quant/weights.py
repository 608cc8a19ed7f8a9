"""Weights and biases as integers.

Weights: symmetric int8 in [-127, 127], one scale for each output channel (or one for all).
Bias: int32 at scale s_x * s_w[c].
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import onnx_ir as ir

from edgec.graph.view import Array, const_array, input_at, shape
from edgec.quant import recurrent
from edgec.quant.ranges import SMALLEST, Params
from edgec.quant.units import Unit, bias_of, weight_axis, weight_groups

BIAS_BITS = {
    8: 24,
    16: 30,
}  # a bias takes no more of the accumulator: its channel's weights get a coarser scale instead


@dataclass(frozen=True)
class Weight:
    """stored: int8; scale: float32 [channels] or []; axis: of the output channels."""

    stored: Array
    scale: Array
    axis: int

    @property
    def real(self) -> Array:
        """What the integers mean, float32."""
        along = [1] * self.stored.ndim
        along[self.axis] = -1
        found: Array = self.stored.astype(np.float32) * (self.scale.reshape(along) if self.scale.ndim else self.scale)
        return found


def weight_of(unit: Unit) -> Array:
    """Float weights of a linear unit."""
    found = const_array(input_at(unit.core, 1))
    assert found is not None
    return found


def bias_values(unit: Unit) -> Array:
    """Core bias and absorbed Add together, float64 [channels]."""
    total = np.zeros(weight_of(unit).shape[weight_axis(unit.core)] * weight_groups(unit.core))
    own = const_array(input_at(unit.core, 2))
    if own is not None:
        total = total + own.reshape(-1)
    if unit.bias_add is not None:
        added = const_array(bias_of(unit.bias_add, before_bias(unit)))
        assert added is not None
        total = total + added.reshape(-1)
    return total


def before_bias(unit: Unit) -> ir.Value:
    """What the core itself makes."""
    return unit.core.outputs[0]


def has_bias(unit: Unit) -> bool:
    """Whether a bias can be given to the unit without a further node."""
    return unit.core.op_type in ("Conv", "ConvTranspose", "Gemm") or unit.bias_add is not None


def quantize_weight(unit: Unit, bias: Array, source: Params, per_channel: bool) -> Weight:
    """Weights as integers.  source: of the input.  A channel whose bias would outgrow BIAS_BITS gets the scale at which it does not."""
    floor = (
        (np.abs(bias) / (source.scale * 2.0 ** BIAS_BITS[source.bits]))
        .reshape(weight_groups(unit.core), -1)
        .max(axis=0)
    )
    return to_integers(weight_of(unit), weight_axis(unit.core), floor, per_channel)


def recurrent_weights(unit: Unit, per_channel: bool) -> dict[int, Weight]:
    """Operand -> its integers, for W and R of a recurrent unit."""
    return {index: to_integers(real, 1, 0.0, per_channel) for index, real in recurrent.matrices(unit.core).items()}


def to_integers(real: Array, axis: int, floor: Array | float, per_channel: bool) -> Weight:
    """Symmetric int8 along an axis of scales.  floor: the smallest scale of each channel."""
    real = real.astype(np.float64)
    others = tuple(a for a in range(real.ndim) if a != axis)
    peak = np.abs(real).max(axis=others, initial=0.0)
    scale = np.maximum(np.maximum(peak / 127, floor), SMALLEST)
    if not per_channel:
        scale = scale.max()
    scale = np.float32(scale)
    along = [1] * real.ndim
    along[axis] = -1
    divisor = scale.astype(np.float64).reshape(along) if scale.ndim else np.float64(scale)
    stored = np.clip(np.rint(real / divisor), -127, 127).astype(np.int8)
    return Weight(stored, np.asarray(scale), axis)


def quantize_bias(bias: Array, input_scale: float, weight: Weight) -> tuple[Array, Array]:
    """int32 [channels] and its scale, float32 [channels] or []."""
    factor = np.float64(np.float32(input_scale)) * weight.scale.astype(np.float64)
    if factor.ndim:  # groups of a transposed convolution share their scales
        factor = np.tile(factor, len(bias) // len(factor))
    stored = np.clip(np.rint(bias / factor), -(2**31), 2**31 - 1).astype(np.int32)
    return stored, np.asarray(factor.astype(np.float32))


def float_weights(unit: Unit) -> list[Array]:
    """The matrices that become int8: one of a linear unit, two of a recurrent one."""
    if unit.kind == "recurrent":
        return list(recurrent.matrices(unit.core).values())
    return [weight_of(unit)] if unit.kind == "linear" else []


def macs(unit: Unit) -> int:
    """Multiply-accumulates of a unit's weights for one sample."""
    if unit.kind == "recurrent":
        return recurrent.macs(unit.core)
    if unit.kind != "linear":
        return 0
    real, axis = weight_of(unit), weight_axis(unit.core)
    if unit.core.op_type == "ConvTranspose":  # every pixel meets the weights of its channel
        return prod(shape(unit.activations[0])) // int(real.shape[0]) * int(real.size)
    return prod(shape(unit.core.outputs[0])) * int(real.size // real.shape[axis])
