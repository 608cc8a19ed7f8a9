"""A transformer block as ONNX: LayerNorm, attention, projection, residual, LayerNorm, MLP with GELU, residual; float and QDQ."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from edgec.ir.program import Array
from tests.quant.static import quantized_by_onnxruntime


class Builder:
    """Collects nodes and constants; every method returns the name of the value it makes."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.rng = np.random.default_rng(seed)

    def op(self, kind: str, *inputs: str, **attrs: Any) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(kind, list(inputs), [name], name=f"{kind.lower()}_{len(self.nodes)}", **attrs)
        )
        return name

    def constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def scalar(self, value: float) -> str:
        return self.constant(np.float32(value))

    def linear(self, x: str, k: int, n: int) -> str:
        weight = self.constant(self.rng.normal(0, k**-0.5, (k, n)).astype(np.float32))
        return self.op(
            "Add", self.op("MatMul", x, weight), self.constant(self.rng.normal(0, 0.2, n).astype(np.float32))
        )

    def norm(self, x: str, d: int) -> str:
        gamma = self.constant(self.rng.normal(1, 0.2, d).astype(np.float32))
        return self.op(
            "LayerNormalization", x, gamma, self.constant(self.rng.normal(0, 0.2, d).astype(np.float32)), axis=-1
        )

    def gelu(self, x: str) -> str:
        """The erf spelling."""
        inside = self.op("Erf", self.op("Div", x, self.scalar(2**0.5)))
        return self.op("Mul", self.op("Mul", x, self.op("Add", inside, self.scalar(1.0))), self.scalar(0.5))


def block(tokens: int, width: int, heads: int, hidden: int, seed: int = 0, opset: int = 17) -> onnx.ModelProto:
    """One pre-norm block [1, tokens, width] -> the same."""
    b, each = Builder(seed), width // heads
    split = b.constant(np.array([1, tokens, heads, each], np.int64))
    flat = b.constant(np.array([1, tokens, width], np.int64))

    def head(x: str, perm: list[int]) -> str:
        return b.op("Transpose", b.op("Reshape", x, split), perm=perm)

    x = b.norm("x", width)
    q, k, v = (b.linear(x, width, width) for _ in range(3))
    score = b.op("Mul", b.op("MatMul", head(q, [0, 2, 1, 3]), head(k, [0, 2, 3, 1])), b.scalar(each**-0.5))
    mixed = b.op("MatMul", b.op("Softmax", score, axis=-1), head(v, [0, 2, 1, 3]))
    joined = b.op("Reshape", b.op("Transpose", mixed, perm=[0, 2, 1, 3]), flat)
    x = b.op("Add", "x", b.linear(joined, width, width))
    y = b.linear(b.gelu(b.linear(b.norm(x, width), width, hidden)), hidden, width)
    b.nodes[-1].output[0] = y
    b.nodes.append(helper.make_node("Add", [x, y], ["y"], name="residual"))
    shape = [1, tokens, width]
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in ("x", "y")]
    graph = helper.make_graph(b.nodes, "block", ports[:1], ports[1:], b.constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def quantized(model: onnx.ModelProto, samples: list[Array]) -> onnx.ModelProto:
    """Static QDQ, int8, per channel, every operator, as onnxruntime's own tool makes it."""
    return quantized_by_onnxruntime(model, samples, operators=sorted({n.op_type for n in model.graph.node}))


def judge(model: onnx.ModelProto, x: Array) -> Array:
    """onnxruntime, optimisation off."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found: Array = session.run(None, {session.get_inputs()[0].name: x})[0]
    return found
