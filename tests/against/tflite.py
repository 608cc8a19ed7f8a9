"""A .tflite file of one fully connected layer, with the schema that ai-edge-litert brings."""

from __future__ import annotations

from typing import Any

import numpy as np


def dense(weight: Any, bias: Any) -> bytes:
    """y [1, N] = x [1, K] @ weight.T + bias, all float32.  weight: [N, K]."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.buffers, graph.tensors = 3, [schema.BufferT()], []
    shapes = {
        "x": ([1, weight.shape[1]], None),
        "w": (weight.shape, weight),
        "b": (bias.shape, bias),
        "y": ([1, len(bias)], None),
    }
    for name, (shape, data) in shapes.items():
        tensor, buffer = schema.TensorT(), schema.BufferT()
        buffer.data = None if data is None else np.frombuffer(data.tobytes(), np.uint8)
        tensor.name, tensor.shape, tensor.type = name.encode(), np.array(shape, np.int32), schema.TensorType.FLOAT32
        tensor.buffer = len(model.buffers)
        model.buffers.append(buffer)
        graph.tensors.append(tensor)
    operator, code = schema.OperatorT(), schema.OperatorCodeT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0, 1, 2], [3]
    operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    operator.builtinOptions = schema.FullyConnectedOptionsT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.version = 1
    graph.operators, graph.inputs, graph.outputs = [operator], [0], [3]
    model.subgraphs, model.operatorCodes = [graph], [code]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
