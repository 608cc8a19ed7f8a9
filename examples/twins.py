"""The float twin of a quantized model: its QuantizeLinear and DequantizeLinear taken out, stored integers as the reals they mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper


def float_twin(source: Path, out: Path) -> Path:
    """Writes the twin of QDQ model `source` to `out`."""
    model = onnx.load(source)
    graph = model.graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    same: dict[str, str] = {}  # what a removed node made -> what it was made from
    kept = []
    for node in graph.node:
        node.input[:] = [same.get(name, name) for name in node.input]
        if node.op_type == "DequantizeLinear" and node.input[0] in stored:
            graph.initializer.append(numpy_helper.from_array(reals(node, stored), node.output[0]))
        elif node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            same[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    for port in graph.output:
        for node in kept:
            for names in (node.input, node.output):
                names[:] = [port.name if name == same.get(port.name) else name for name in names]
    used = {name for node in kept for name in node.input}
    constants = [tensor for tensor in graph.initializer if tensor.name in used]
    for field, items in ((graph.node, kept), (graph.initializer, constants), (graph.value_info, [])):
        del field[:]
        field.extend(items)
    for port in (*graph.input, *graph.output):
        port.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    onnx.checker.check_model(model)
    onnx.save(model, out)
    return out


def reals(node: onnx.NodeProto, stored: dict[str, np.ndarray]) -> np.ndarray:
    """scale * (q - zero_point) of a DequantizeLinear whose integers are stored."""
    q, scale, *zero = (stored[name].astype(np.float64) for name in node.input)
    if scale.ndim:
        shape = [1] * q.ndim
        shape[next((a.i for a in node.attribute if a.name == "axis"), 1)] = -1
        scale, zero = scale.reshape(shape), [z.reshape(shape) for z in zero]
    return ((q - (zero[0] if zero else 0)) * scale).astype(np.float32)
