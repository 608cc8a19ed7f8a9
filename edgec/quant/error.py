"""What rounding to integers costs a QDQ model at each of its quantized values, against the same model without rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from edgec.quant.qdq import NAMES
from edgec.quant.report import decibels
from edgec.quant.runner import Runner, Samples, count, subset

SAMPLES = 16
"""At most so many samples are run."""


def rounding_errors(model: ir.Model, samples: Samples) -> list[dict[str, Any]]:
    """For each quantized activation {node, op, sqnr_db}: signal to noise in dB (None: no noise or no signal), in graph order.

    The judge is the model with every Quantize-Dequantize pair of activations taken out: stored weights count as what they mean.
    samples: by input name, [samples, *shape].
    """
    pairs = _pairs(model)
    if not pairs:
        return []
    twin = model.clone()
    twin.graph.meta.pop(NAMES, None)
    for q, dq in _pairs(twin):
        for user, index in list(dq.outputs[0].uses()):
            user.replace_input_with(index, q.inputs[0])
    real_names = [str(q.inputs[0].name) for q, _ in pairs if q.inputs[0] is not None]
    rounded_names = [str(dq.outputs[0].name) for _, dq in pairs]
    indices = subset(count(samples), SAMPLES)
    signal, noise = np.zeros(len(pairs)), np.zeros(len(pairs))
    real = Runner(twin, real_names).run(samples, real_names, indices)
    rounded = Runner(model, rounded_names).run(samples, rounded_names, indices)
    for values, others in zip(real, rounded, strict=True):
        for i, (a, b) in enumerate(zip(values, others, strict=True)):
            signal[i] += float(np.square(a, dtype=np.float64).sum())
            noise[i] += float(np.square(a.astype(np.float64) - b).sum())
    found = []
    for i, (q, _) in enumerate(pairs):
        maker = q.inputs[0].producer() if q.inputs[0] is not None else None
        name, op = (str(maker.name), maker.op_type) if maker is not None else (str(real_names[i]), "input")
        found.append({"node": name, "op": op, "sqnr_db": decibels(signal[i], noise[i])})
    return found


def _pairs(model: ir.Model) -> list[tuple[ir.Node, ir.Node]]:
    """(QuantizeLinear, its first DequantizeLinear) of every activation."""
    found = []
    for node in model.graph:
        if node.op_type != "QuantizeLinear" or node.inputs[0] is None or node.inputs[0].const_value is not None:
            continue
        readers = [user for user, _ in node.outputs[0].uses() if user.op_type == "DequantizeLinear"]
        if readers:
            found.append((node, readers[0]))
    return found
