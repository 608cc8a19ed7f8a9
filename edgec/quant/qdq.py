"""Writes a plan as a QDQ model, the one form onnxruntime runs and `edgec compile` takes.

Before::

    x -> Conv(w, b) -> Relu -> y

After::

    x -> Q -> DQ -> Conv(DQ(w int8), DQ(b int32)) -> Relu -> Q -> DQ -> y

Values of 16 bits are int16 with zero point 0 (ONNX has that from opset 21 on, which is what a normalised model is in).
Elementwise constants, LayerNorm's scale and bias stay float: compiled code has their exact values in its tables.
In a trial model weights are float numbers that int8 can hold, and all scales, zero points and biases are initialisers
by name, so that one session can try many plans.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

import numpy as np
import onnx_ir as ir

from edgec.arithmetic import quantize
from edgec.graph.edit import constant, insert, set_inputs
from edgec.graph.normalize import tidy
from edgec.graph.view import Array, const_array, shape
from edgec.quant.assign import Plan, constants_of
from edgec.quant.ranges import Params, params_for
from edgec.quant.recurrent import WEIGHTS
from edgec.quant.units import Unit
from edgec.quant.weights import bias_values, quantize_bias, quantize_weight, recurrent_weights

BINARY = frozenset({"Add", "Sub", "Mul", "Div", "Min", "Max", "PRelu"})
NAMES = "edgec.names"  # graph.edit's cache, which a clone must not share


@dataclass
class Written:
    """model; seen: quantized value -> name of its dequantized self; scales, zeros: value -> initialiser; biases: unit -> initialiser."""

    model: ir.Model
    seen: dict[str, str] = field(default_factory=dict)
    scales: dict[str, str] = field(default_factory=dict)
    zeros: dict[str, str] = field(default_factory=dict)
    biases: dict[str, str] = field(default_factory=dict)

    @property
    def overridable(self) -> list[str]:
        return [*self.scales.values(), *self.zeros.values(), *self.biases.values()]

    def overrides(self, plan: Plan) -> dict[str, Array]:
        """What a trial session must be given to be that plan."""
        given: dict[str, Array] = {}
        for name, scale in self.scales.items():
            params = plan.of(name)
            given[scale] = np.array(params.scale, np.float32)
            given[self.zeros[name]] = np.array(params.zero_point, params.dtype)
        units = {unit.name: unit for unit in plan.units}
        for name, bias in self.biases.items():
            given[bias] = plan.bias.get(name, bias_values(units[name])).astype(np.float32)
        return given


def write(plan: Plan, trial: bool = False) -> Written:
    """The QDQ model of a plan (a copy: the plan's own model is left as it is)."""
    return _Writer(plan, trial).run()


class _Writer:
    def __init__(self, plan: Plan, trial: bool) -> None:
        self.plan, self.trial = plan, trial
        model = plan.model.clone()
        model.graph.meta.pop(NAMES, None)
        self.graph = model.graph
        self.done = Written(model)
        self.nodes = {str(node.name): node for node in self.graph}
        values = [*self.graph.inputs, *(v for node in self.graph for v in node.outputs)]
        self.values = {str(v.name): v for v in values}
        self.dequantized: dict[str, ir.Value] = {}

    def run(self) -> Written:
        for unit in self.plan.units:
            if unit.kind != "float":
                self.unit(unit)
        tidy(self.done.model)
        self.graph.meta.pop(NAMES, None)
        return self.done

    # -- activations ----------------------------------------------------------------------------------------------------

    def qdq(self, name: str) -> ir.Value:
        """The quantized and dequantized value; made behind its producer, or at the front of the graph."""
        if name not in self.dequantized:
            value, params = self.values[name], self.plan.of(name)
            producer = value.producer()
            scale, zero = self.numbers(name, params)
            first = next(iter(self.graph))
            q = insert(
                producer or first,
                "QuantizeLinear",
                [value, scale, zero],
                name=f"{name}_quantize",
                after=producer is not None,
            )
            q.shape, q.type = value.shape, ir.TensorType(ir.DataType.INT16 if params.bits == 16 else ir.DataType.INT8)
            maker = q.producer()
            assert maker is not None
            made = insert(
                maker, "DequantizeLinear", [q, scale, zero], like=value, name=f"{name}_dequantize", after=True
            )
            self.dequantized[name] = made
            self.done.seen[name] = str(made.name)
        return self.dequantized[name]

    def numbers(self, name: str, params: Params) -> tuple[ir.Value, ir.Value]:
        """Scale and zero point as initialisers."""
        scale = constant(self.graph, np.array(params.scale, np.float32), f"{name}_scale")
        zero = constant(self.graph, np.array(params.zero_point, params.dtype), f"{name}_zero_point")
        self.done.scales[name], self.done.zeros[name] = str(scale.name), str(zero.name)
        return scale, zero

    def unit(self, unit: Unit) -> None:
        core = self.nodes[unit.name]
        for value in unit.activations:
            made = self.qdq(str(value.name))
            set_inputs(core, [made if v is not None and v.name == value.name else v for v in core.inputs])
        self.constants(unit, core)
        for out in unit.outputs:
            self.output(str(out.name))

    def output(self, name: str) -> None:
        """Everything that read the value reads its dequantized self; a model output keeps its name."""
        value = self.values[name]
        made = self.qdq(name)
        chain = made.producer()
        assert chain is not None and chain.inputs[0] is not None
        for node, index in list(value.uses()):
            if node is not chain.inputs[0].producer():
                node.replace_input_with(index, made)
        if value.is_graph_output():
            value.name = f"{name}_float"
            made.name = name
            self.done.seen[name] = name
            for i, out in enumerate(self.graph.outputs):
                if out is value:
                    self.graph.outputs[i] = made

    # -- constants ------------------------------------------------------------------------------------------------------

    def constants(self, unit: Unit, core: ir.Node) -> None:
        if unit.kind == "linear":
            self.linear(unit, core)
            return
        if unit.kind == "recurrent":
            self.recurrent(unit, core)
            return
        for index, value in constants_of(unit):
            array = const_array(value)
            assert array is not None
            if unit.kind == "concat":
                self.at_params(unit, core, index, array)
            elif core.op_type in ("MatMul", "Gemm", "Einsum") and index < 2:
                self.plain(core, index, array, symmetric=True)
            elif core.op_type in BINARY and prod(shape(unit.activations[0])) < prod(shape(core.outputs[0])):
                self.plain(core, index, array, symmetric=False)

    def at_params(self, unit: Unit, core: ir.Node, index: int, array: Array) -> None:
        """A constant operand with the result's params."""
        params = self.plan.of(unit.out)
        value = core.inputs[index]
        assert value is not None
        name = f"{core.name}_const{index}"
        if self.trial:  # follows the params of the trial
            out = str(unit.out.name)
            self.qdq(out)
            scale, zero = (self.graph.initializers[d[out]] for d in (self.done.scales, self.done.zeros))
            value = insert(core, "QuantizeLinear", [value, scale, zero], name=f"{name}_quantize")
        else:
            scale = constant(self.graph, np.array(params.scale, np.float32), f"{name}_scale")
            zero = constant(self.graph, np.array(params.zero_point, params.dtype), f"{name}_zero_point")
            q = quantize(array, params.scale, params.zero_point, params.dtype)
            value = constant(self.graph, q, f"{name}_q")
        made = insert(
            core, "DequantizeLinear", [value, scale, zero], like=core.inputs[index], name=f"{name}_dequantize"
        )
        core.replace_input_with(index, made)

    def plain(self, core: ir.Node, index: int, array: Array, symmetric: bool) -> None:
        """A constant operand with one scale of its own."""
        params = params_for(float(array.min()), float(array.max()), symmetric)
        q = quantize(array, params.scale, params.zero_point)
        name = f"{core.name}_const{index}"
        zero = np.array(params.zero_point, np.int8)
        parts = [constant(self.graph, a, f"{name}_{k}") for k, a in
                 (("q", q), ("scale", np.array(params.scale, np.float32)), ("zero_point", zero))]  # fmt: skip
        core.replace_input_with(
            index, insert(core, "DequantizeLinear", parts, like=core.inputs[index], name=f"{name}_dequantize")
        )

    def linear(self, unit: Unit, core: ir.Node) -> None:
        """Weights and bias; all of the bias in one place: the Add behind, or the core's third operand."""
        bias = self.plan.bias.get(unit.name, bias_values(unit))
        source = self.plan.of(unit.activations[0])
        weight = quantize_weight(unit, bias, source, self.plan.options.per_channel)
        made = self.stored(
            core, f"{unit.name}_weight", weight.stored, weight.scale, weight.axis, weight.real, core.inputs[1]
        )
        inputs = [core.inputs[0], made]
        wanted = unit.bias_add is None and (bool(np.any(bias)) or len(core.inputs) > 2 or unit.name in self.plan.bias)
        if unit.bias_add is not None or wanted:
            q, scale = quantize_bias(bias, source.scale, weight)
            real = bias.astype(np.float32)
            target = core if unit.bias_add is None else self.nodes[str(unit.bias_add.name)]
            if unit.bias_add is not None and core.op_type == "Conv":
                q, real = (a.reshape(-1, *[1] * (len(shape(core.outputs[0])) - 2)) for a in (q, real))
            value = self.stored(target, f"{unit.name}_bias", q, scale, 0, real, None)
            if self.trial:
                self.done.biases[unit.name] = str(value.name)
            if unit.bias_add is None:
                inputs.append(value)
            else:
                set_inputs(target, [core.outputs[0], value])
        set_inputs(core, inputs)

    def recurrent(self, unit: Unit, core: ir.Node) -> None:
        """W and R."""
        for index, weight in recurrent_weights(unit, self.plan.options.per_channel).items():
            made = self.stored(
                core, f"{unit.name}_{WEIGHTS[index]}", weight.stored, weight.scale, weight.axis, weight.real, None
            )
            core.replace_input_with(index, made)

    def stored(
        self, before: ir.Node, name: str, q: Array, scale: Array, axis: int, real: Array, like: ir.Value | None
    ) -> ir.Value:
        """Integers and their DequantizeLinear; in a trial what they mean."""
        if self.trial:
            return constant(self.graph, real, name)
        parts = [constant(self.graph, q, f"{name}_q"), constant(self.graph, scale, f"{name}_scale")]
        if q.dtype == np.int8:
            parts.append(constant(self.graph, np.zeros(scale.shape, np.int8), f"{name}_zero_point"))
        made = insert(
            before, "DequantizeLinear", parts, {"axis": axis} if scale.ndim else {}, name=f"{name}_dequantize"
        )
        made.shape, made.type = ir.Shape(q.shape), ir.TensorType(ir.DataType.FLOAT)
        return made
