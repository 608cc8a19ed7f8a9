"""Cross-layer equalisation: channels of an activation made equally wide by moving a factor from one layer into the next.

Before::

    x -> Conv(w1, b1) -> Relu -> h -> Conv(w2)          channel c of h spans r[c]

After::

    x -> Conv(w1/s, b1/s) -> Relu -> h/s -> Conv(w2*s)  the same function; h/s needs fewer integers for its widest channel

The producer is a linear layer (with Relu or nothing behind) or a LayerNormalization; all consumers are linear layers.
s[c] balances the activation's range against the consumer's weights: s = r^a / (range of w2's channel c)^(1-a); before a
depthwise layer, whose weights have a scale for each channel anyway, a = 1.
Source: Nagel et al. 2019 (equalisation); Xiao et al. 2023, "SmoothQuant" (the balance between activations and weights).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgec.graph.edit import constant
from edgec.graph.view import Array, const_array, input_at, shape
from edgec.quant.units import Unit, bias_of, channel_axis, split_units, weight_axis, weight_groups
from edgec.quant.weights import weight_of

BALANCE = 0.5
MOST = 64.0  # factors beyond it mean a channel that hardly lives


@dataclass(frozen=True)
class Pair:
    """A value that can be equalised: who makes it, who reads it, the axis of its channels."""

    value: str
    producer: Unit
    consumers: tuple[Unit, ...]
    axis: int


def find_pairs(model: ir.Model, keep_float: tuple[str, ...] = ()) -> list[Pair]:
    """Values between layers that allow a factor for each channel."""
    units = split_units(model, keep_float)
    readers: dict[str, list[Unit]] = {}
    for unit in units:
        for node in unit.nodes[:1]:
            for value in node.inputs:
                if value is not None:
                    readers.setdefault(str(value.name), []).append(unit)
    found = []
    for unit in units:
        consumers = readers.get(str(unit.out.name), [])
        if consumers and not unit.out.is_graph_output() and _scalable(unit):
            axis = channel_axis(unit.core) if unit.kind == "linear" else len(shape(unit.out)) - 1
            if all(_takes(c, unit.out, axis) for c in consumers):
                found.append(Pair(str(unit.out.name), unit, tuple(dict.fromkeys(consumers)), axis))
    return found


def _scalable(unit: Unit) -> bool:
    if unit.kind == "linear":
        if weight_groups(unit.core) > 1:
            return False
        behind = [node for node in unit.nodes[1:] if node is not unit.bias_add]
        return all(node.op_type == "Relu" for node in behind)
    scale = const_array(input_at(unit.core, 1)) if unit.core.op_type == "LayerNormalization" else None
    return unit.kind == "compute" and scale is not None and scale.ndim == 1


def _takes(unit: Unit, value: ir.Value, axis: int) -> bool:
    if unit.kind != "linear" or unit.core.inputs[0] is not value:
        return False
    if unit.core.op_type == "Conv":
        groups = unit.core.attributes.get_int("group", 1)
        return axis == 1 and groups in (1, shape(value)[1])
    if unit.core.op_type == "ConvTranspose":
        return axis == 1 and weight_groups(unit.core) == 1
    return axis == len(shape(value)) - 1


def depthwise(unit: Unit) -> bool:
    """Whether each input channel has a group of its own."""
    return unit.core.op_type == "Conv" and unit.core.attributes.get_int("group", 1) > 1


def _input_peaks(unit: Unit) -> Array:
    """Largest weight that reads each input channel."""
    w, axis = np.abs(weight_of(unit).astype(np.float64)), 1 - weight_axis(unit.core)
    found: Array = w.max(axis=tuple(a for a in range(w.ndim) if a != axis))
    return found


def factors(pair: Pair, peaks: Array) -> Array:
    """s of each channel, geometric mean near 1.  peaks: largest magnitude of the value's channels."""
    r = np.maximum(peaks.astype(np.float64), 1e-12)
    if all(depthwise(c) for c in pair.consumers):
        s = r / max(float(r.max()), 1e-12)
    else:
        w = np.maximum(np.max([_input_peaks(c) for c in pair.consumers if not depthwise(c)], axis=0), 1e-12)
        s = r**BALANCE / w ** (1 - BALANCE)
        s = s / np.exp(np.log(s).mean())
    dead = peaks <= 0
    s = np.clip(s, 1 / MOST, MOST)
    s[dead] = 1.0
    return np.asarray(np.exp2(np.rint(np.log2(s) * 4) / 4))


def equalized(model: ir.Model, pairs: list[Pair], peaks: dict[str, Array]) -> ir.Model:
    """A copy of the model with the factors of these pairs moved."""
    made = model.clone()
    nodes = {str(node.name): node for node in made.graph}
    for pair in pairs:
        s = factors(pair, peaks[pair.value])
        producer = nodes[pair.producer.name]
        if pair.producer.kind == "linear":
            _scale(producer, 1, 1 / s, weight_axis(producer))
            if len(producer.inputs) > 2 and producer.inputs[2] is not None:
                _scale(producer, 2, 1 / s, 0)
            if pair.producer.bias_add is not None:
                add = nodes[str(pair.producer.bias_add.name)]
                other = bias_of(add, producer.outputs[0])
                index = next(i for i, v in enumerate(add.inputs) if v is other)
                _scale(add, index, 1 / s, _long_axis(other))
        else:
            _scale(producer, 1, 1 / s, 0)
            if len(producer.inputs) > 2 and producer.inputs[2] is not None:
                _scale(producer, 2, 1 / s, 0)
        for consumer in pair.consumers:
            node = nodes[consumer.name]
            if depthwise(consumer):
                repeat = weight_of(consumer).shape[0] // len(s)
                _scale(node, 1, np.repeat(s, repeat), 0)
            else:
                _scale(node, 1, s, 1 - weight_axis(node))
    return made


def _long_axis(value: ir.Value) -> int:
    sizes = shape(value)
    return max(range(len(sizes)), key=lambda a: sizes[a])


def _scale(node: ir.Node, index: int, by: Array, axis: int) -> None:
    """Multiplies a constant operand along one axis."""
    value = node.inputs[index]
    array = const_array(value)
    assert value is not None and array is not None and isinstance(node.graph, ir.Graph)
    along = [1] * array.ndim
    along[axis] = -1
    if array.shape[axis] != len(by):
        array = np.repeat(array, len(by), axis=axis)
    scaled = (array.astype(np.float64) * by.reshape(along)).astype(np.float32)
    node.replace_input_with(index, constant(node.graph, scaled, f"{value.name}_eq"))
