"""Bias correction: what rounding weights and inputs shifts the mean of an output channel by, its bias takes back.

Every linear layer is run beside its float self on the *float* model's input, rounded: so each layer's own shift is
measured, all layers in one pass over the samples, and a correction does not count the corrections before it again.
Source: Nagel et al. 2019, "Data-free quantization through weight equalization and bias correction", measured as in its section 4.2.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgec.graph.edit import constant, insert
from edgec.graph.view import Array
from edgec.quant.assign import Plan
from edgec.quant.judge import Judge
from edgec.quant.options import Progress, silent
from edgec.quant.qdq import NAMES
from edgec.quant.runner import Runner
from edgec.quant.units import Unit, channel_axis, linear_units
from edgec.quant.weights import bias_values, has_bias, quantize_weight


def correct_biases(plan: Plan, error: float, judge: Judge, progress: Progress = silent) -> tuple[Plan, float]:
    """The plan with corrected biases if that lowers the output error, else as it was; and the error."""
    units = [unit for unit in linear_units(plan.units) if has_bias(unit)]
    if not units:
        return plan, error
    shifts = measure_shifts(plan, units, judge, progress)
    bias = {unit.name: plan.bias.get(unit.name, bias_values(unit)) - shifts[unit.name] for unit in units}
    corrected = replace(plan, bias={**plan.bias, **bias})
    measured = judge.error(corrected)
    return (corrected, measured) if measured < error else (plan, error)


def measure_shifts(plan: Plan, units: list[Unit], judge: Judge, progress: Progress = silent) -> dict[str, Array]:
    """Mean error of each output channel before the clamp, float64 [channels] by unit."""
    model, names = shadowed(plan, units)
    wanted = [name for pair in names.values() for name in pair]
    total = {unit.name: np.zeros(len(bias_values(unit))) for unit in units}
    runner = Runner(model, wanted)
    for i, values in enumerate(runner.run(judge.samples, wanted, judge.indices)):
        found = dict(zip(wanted, values, strict=True))
        for unit in units:
            real, rounded = (found[name].astype(np.float64) for name in names[unit.name])
            others = tuple(a for a in range(real.ndim) if a != channel_axis(unit.core))
            total[unit.name] += (rounded - real).mean(axis=others)
        progress("bias correction", i + 1, len(judge.indices))
    return {name: shift / len(judge.indices) for name, shift in total.items()}


def shadowed(plan: Plan, units: list[Unit]) -> tuple[ir.Model, dict[str, tuple[str, str]]]:
    """The float model with a rounded twin beside each linear core; unit -> (float value, twin's value), both without bias."""
    model = plan.model.clone()
    graph = model.graph
    graph.meta.pop(NAMES, None)
    nodes = {str(node.name): node for node in graph}
    names, rounded = {}, {}
    for unit in units:
        core = nodes[unit.name]
        source = core.inputs[0]
        assert source is not None
        params = plan.of(unit.activations[0])
        key = str(source.name)
        if key not in rounded:
            scale = constant(graph, np.array(params.scale, np.float32), f"{key}_scale")
            zero = constant(graph, np.array(params.zero_point, params.dtype), f"{key}_zero_point")
            q = insert(core, "QuantizeLinear", [source, scale, zero], name=f"{key}_quantize")
            rounded[key] = insert(core, "DequantizeLinear", [q, scale, zero], like=source, name=f"{key}_dequantize")
        bias = plan.bias.get(unit.name, bias_values(unit))
        weight = quantize_weight(unit, bias, params, plan.options.per_channel)
        attributes = {name: attribute.value for name, attribute in core.attributes.items()}
        pair = []
        for value, w in (
            (source, core.inputs[1]),
            (rounded[key], constant(graph, weight.real, f"{unit.name}_rounded")),
        ):
            made = insert(core, core.op_type, [value, w], attributes, like=core.outputs[0], name=f"{unit.name}_twin")
            pair.append(str(made.name))
        names[unit.name] = (pair[0], pair[1])
    graph.meta.pop(NAMES, None)
    return model, names
