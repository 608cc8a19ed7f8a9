"""Small float models as text, in normal form, and samples for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from edgec.graph.infer import infer
from edgec.graph.normalize import normalize

Array = np.ndarray[Any, Any]


def parse(text: str, constants: dict[str, Array], opset: int = 21) -> ir.Model:
    """A normalised model: a graph in ONNX's text form, its constants given as arrays."""
    proto = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["" : {opset}]> {text}')
    for name, array in constants.items():
        proto.graph.initializer.append(onnx.numpy_helper.from_array(array.astype(array.dtype), name))
    model = ir.from_proto(proto)
    for index, node in enumerate(model.graph):
        node.name = node.name or f"{node.op_type.lower()}_{index}"
    infer(model)
    return normalize(model)


def randoms(seed: int, **shapes: tuple[int, ...]) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def conv_net(seed: int = 0, spread: float = 1.0) -> ir.Model:
    """Conv-Relu, depthwise-Relu, residual add, pool, dense, softmax.  spread: ratio of channel ranges between the first two."""
    w = randoms(seed, w1=(8, 3, 3, 3), b1=(8,), w2=(8, 1, 3, 3), b2=(8,), w3=(8, 8, 1, 1), b3=(8,), w4=(8, 5), b4=(5,))
    scale = np.geomspace(1.0, spread, 8).astype(np.float32)
    w["w1"] *= 0.3 * scale[:, None, None, None]
    w["b1"] *= scale
    w["w2"] *= 0.4 / scale[:, None, None, None]
    w["w3"] *= 0.4
    text = """
    net (float[1, 3, 8, 8] x) => (float[1, 5] y) {
        c1 = Conv <pads = [1, 1, 1, 1]> (x, w1, b1)
        r1 = Relu (c1)
        c2 = Conv <pads = [1, 1, 1, 1], group = 8> (r1, w2, b2)
        r2 = Relu (c2)
        c3 = Conv (r2, w3, b3)
        a = Add (c3, r1)
        p = AveragePool <kernel_shape = [8, 8]> (a)
        f = Flatten (p)
        g = Gemm (f, w4, b4)
        y = Softmax (g)
    }"""
    return parse(text, w)


def attention_net(seed: int = 0) -> ir.Model:
    """Class token, LayerNormalization, attention of one head, GELU, residuals."""
    square = dict.fromkeys(("wq", "wk", "wv"), (16, 16))
    row = dict.fromkeys(("gamma", "beta", "bq"), (16,))
    w = randoms(seed, token=(1, 1, 16), **row, **square, wf=(16, 32), bf=(32,), wg=(32, 16), wh=(16, 4))
    for name in ("wq", "wk", "wv", "wf", "wg", "wh"):
        w[name] *= 0.3
    text = """
    net (float[1, 7, 16] x) => (float[1, 4] y)
        <float eighth = {0.25}, int64 first = {0}> {
        t = Concat <axis = 1> (token, x)
        n = LayerNormalization <axis = 2> (t, gamma, beta)
        q0 = MatMul (n, wq)
        q = Add (q0, bq)
        k = MatMul (n, wk)
        v = MatMul (n, wv)
        kt = Transpose <perm = [0, 2, 1]> (k)
        s = MatMul (q, kt)
        m = Mul (s, eighth)
        p = Softmax <axis = 2> (m)
        o = MatMul (p, v)
        r = Add (t, o)
        f0 = MatMul (r, wf)
        f = Add (f0, bf)
        e = Gelu (f)
        h = MatMul (e, wg)
        z = Add (r, h)
        c = Gather <axis = 1> (z, first)
        y = MatMul (c, wh)
    }"""
    return parse(text, w)


def samples(model: ir.Model, count: int = 24, seed: int = 7) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    shapes = {str(v.name): tuple(int(d) for d in v.shape or ()) for v in model.graph.inputs}
    return {name: rng.standard_normal((count, *shape[1:])).astype(np.float32) for name, shape in shapes.items()}


def without_quantization(model: onnx.ModelProto) -> onnx.ModelProto:
    """The float32 twin of a QDQ model: stored weights as the numbers they mean, no rounding anywhere."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    del made.graph.node[:], made.graph.initializer[:]
    kept = dict(stored)
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in stored:
            q, scale, zero = (stored[name].astype(np.float32) for name in node.input)
            axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
            sizes = [-1 if i == axis and scale.size > 1 else 1 for i in range(q.ndim)]
            kept[node.output[0]] = (q - zero.reshape(sizes)) * scale.reshape(sizes)
        elif node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            made.graph.node.append(onnx.helper.make_node("Identity", [node.input[0]], [node.output[0]]))
        else:
            made.graph.node.append(node)
    read = {name for node in made.graph.node for name in node.input}
    made.graph.initializer.extend(onnx.numpy_helper.from_array(a, name) for name, a in kept.items() if name in read)
    for port in (*made.graph.input, *made.graph.output):
        port.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    del made.graph.value_info[:]
    return made
