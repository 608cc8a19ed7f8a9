"""Random small QDQ models: chains with residuals and concatenations, odd shapes, strides, paddings, groups, pools, 1-D and 2-D."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

OPSET = 17


@dataclass
class Value:
    """A dequantized value: its ONNX name, shape and scale."""

    name: str
    shape: tuple[int, ...]
    scale: float


@dataclass
class Graph:
    """Collects nodes; every activation is quantized to int8 or uint8 (the whole model is one or the other)."""

    rng: np.random.Generator
    unsigned: bool = False
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    count: int = 0

    def name(self, stem: str) -> str:
        self.count += 1
        return f"{stem}_{self.count}"

    def constant(self, array: Any, stem: str = "c") -> str:
        name = self.name(stem)
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, op: str, inputs: list[str], **attrs: Any) -> str:
        out = self.name(op.lower())
        self.nodes.append(helper.make_node(op, inputs, [out], name=f"n_{out}", **attrs))
        return out

    def zero(self, value: int) -> str:
        return self.constant(np.array(value + 128, np.uint8) if self.unsigned else np.array(value, np.int8), "zp")

    def quantize(self, real: str, shape: tuple[int, ...], scale: float, zero: int) -> tuple[str, Value]:
        """Q and DQ behind a real value: the stored name, and the value to go on with."""
        s, z = self.constant(np.float32(scale), "scale"), self.zero(zero)
        stored = self.node("QuantizeLinear", [real, s, z])
        return stored, Value(self.node("DequantizeLinear", [stored, s, z]), shape, scale)

    def some(self, real: str, shape: tuple[int, ...], scale: float) -> Value:
        return self.quantize(real, shape, scale * float(self.rng.uniform(0.6, 1.6)), int(self.rng.integers(-100, 100)))[
            1
        ]

    def weights(self, shape: tuple[int, ...], axis: int, fan: int, x: Value) -> tuple[str, str]:
        """DQ(int8 weights), per channel or per tensor, and DQ(int32 bias)."""
        channels = shape[axis]
        per_channel = bool(self.rng.integers(0, 2))
        scales = (self.rng.uniform(0.4, 1.6, channels if per_channel else 1) / (74 * np.sqrt(fan))).astype(np.float32)
        q = self.rng.integers(-127, 128, shape).astype(np.int8)
        if self.rng.random() < 0.6:  # input channels that nothing reads
            along = [n if i == 1 - axis else 1 for i, n in enumerate(shape)]
            q *= (self.rng.random(along) < 0.6).astype(np.int8)
        zeros = np.zeros(scales.size if per_channel else 1, np.int8)
        where = {"axis": axis} if per_channel else {}
        args = [scales, zeros] if per_channel else [scales[0], zeros[0]]
        w = self.node("DequantizeLinear", [self.constant(q, "w"), *(self.constant(a) for a in args)], **where)
        b_scale = (np.float32(x.scale) * np.broadcast_to(scales, (channels,))).astype(np.float32)
        b = self.rng.integers(-3000, 3000, channels).astype(np.int32)
        if self.rng.random() < 0.6:  # channels that saturate whatever comes in, and channels that read nothing
            b[self.rng.random(channels) < 0.4] = 2**24 * (1 - 2 * int(self.rng.integers(0, 2)))
        bias = [self.constant(b, "b"), self.constant(b_scale), self.constant(np.zeros(channels, np.int32))]
        return w, self.node("DequantizeLinear", bias, axis=0)

    def activation(self, real: str) -> str:
        kind = int(self.rng.integers(0, 4))
        if kind == 0:
            return self.node("Relu", [real])
        if kind == 1:
            return self.node("Clip", [real, self.constant(np.float32(0)), self.constant(np.float32(6))])
        return real


def conv(g: Graph, x: Value, draw: st.DrawFn) -> Value:
    """Any kernel, stride, dilation, asymmetric padding and group count."""
    n, c, *space = x.shape
    kernel = [draw(st.integers(1, 3)) for _ in space]
    stride = [draw(st.sampled_from([1, 1, 2, 3])) for _ in space]
    dilation = [draw(st.sampled_from([1, 1, 2])) for _ in space]
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    before = [draw(st.integers(0, e - 1)) for e in extents]
    after = [max(draw(st.integers(0, e - 1)), e - size - b) for e, b, size in zip(extents, before, space, strict=True)]
    groups = draw(st.sampled_from([d for d in range(1, c + 1) if c % d == 0]))
    channels = groups * draw(st.integers(1, 3))
    w, b = g.weights((channels, c // groups, *kernel), 0, c // groups * int(np.prod(kernel)), x)
    real = g.node(
        "Conv",
        [x.name, w, b],
        kernel_shape=kernel,
        strides=stride,
        dilations=dilation,
        pads=before + after,
        group=groups,
    )
    sides = zip(space, before, after, extents, stride, strict=True)
    out = tuple((size + p + q - e) // s + 1 for size, p, q, e, s in sides)
    return g.some(g.activation(real), (n, channels, *out), x.scale)


def bottleneck(g: Graph, x: Value, draw: st.DrawFn) -> Value:
    """1x1, depthwise, 1x1: where channels that are constant, or that nobody reads, are removed."""
    n, c, *space = x.shape
    ones, middle = [1] * len(space), draw(st.integers(2, 9))
    w, b = g.weights((middle, c, *ones), 0, c, x)
    x = g.some(g.activation(g.node("Conv", [x.name, w, b])), (n, middle, *space), x.scale)
    if draw(st.booleans()):
        w, b = g.weights((middle, 1, *(3 for _ in space)), 0, 3 ** len(space), x)
        pads = [1] * 2 * len(space)
        x = g.some(g.activation(g.node("Conv", [x.name, w, b], group=middle, pads=pads)), (n, middle, *space), x.scale)
    w, b = g.weights((c, middle, *ones), 0, middle, x)
    return g.some(g.node("Conv", [x.name, w, b]), (n, c, *space), x.scale)


def pool(g: Graph, x: Value, draw: st.DrawFn) -> Value:
    n, c, *space = x.shape
    op = draw(st.sampled_from(["MaxPool", "AveragePool", "AveragePool"]))
    kernel = [draw(st.integers(1, min(3, size))) for size in space]
    stride = [draw(st.integers(1, 2)) for _ in space]
    before = [draw(st.integers(0, k // 2)) for k in kernel]
    after = [draw(st.integers(0, k // 2)) for k in kernel]
    more = {"count_include_pad": draw(st.integers(0, 1))} if op == "AveragePool" else {}
    real = g.node(op, [x.name], kernel_shape=kernel, strides=stride, pads=before + after, **more)
    out = tuple((s + p + q - k) // t + 1 for s, p, q, k, t in zip(space, before, after, kernel, stride, strict=True))
    return g.some(real, (n, c, *out), x.scale)


def residual(g: Graph, x: Value, draw: st.DrawFn, others: list[Value]) -> Value:
    alike = [v for v in others if v.shape == x.shape] or [x]
    other = draw(st.sampled_from(alike))
    op = draw(st.sampled_from(["Add", "Add", "Sub", "Mul"]))
    pair = [x.name, other.name] if draw(st.booleans()) else [other.name, x.name]
    scale = x.scale * (30.0 if op == "Mul" else 1.5) * max(other.scale if op == "Mul" else 1.0, 1e-3)
    return g.some(g.activation(g.node(op, pair)), x.shape, scale)


def concat(g: Graph, x: Value, draw: st.DrawFn, others: list[Value]) -> Value:
    axis = draw(st.integers(1, len(x.shape) - 1))
    rest = [n for i, n in enumerate(x.shape) if i != axis]
    fits = [
        v for v in others if len(v.shape) == len(x.shape) and [n for i, n in enumerate(v.shape) if i != axis] == rest
    ]
    parts = [x, draw(st.sampled_from(fits or [x]))]
    shape = tuple(sum(p.shape[i] for p in parts) if i == axis else n for i, n in enumerate(x.shape))
    return g.some(g.node("Concat", [p.name for p in parts], axis=axis), shape, max(p.scale for p in parts))


def unary(g: Graph, x: Value, draw: st.DrawFn) -> Value:
    op = draw(st.sampled_from(["Relu", "Sigmoid", "Tanh", "HardSwish", "LeakyRelu"]))
    return g.some(g.node(op, [x.name]), x.shape, {"Sigmoid": 1 / 256, "Tanh": 1 / 128}.get(op, x.scale))


def moved(g: Graph, x: Value, draw: st.DrawFn) -> Value:
    """Pad, Slice, Transpose: the values stay, so does the scale."""
    rank = len(x.shape)
    kind = draw(st.sampled_from(["Pad", "Slice", "Transpose"]))
    if kind == "Transpose":
        perm = (0, *draw(st.permutations(range(1, rank))))
        real, shape = g.node("Transpose", [x.name], perm=perm), tuple(x.shape[p] for p in perm)
    elif kind == "Pad":
        pads = [[0, 0], [0, 0], *([draw(st.integers(0, 2)), draw(st.integers(0, 2))] for _ in range(rank - 2))]
        flat = np.array([p[0] for p in pads] + [p[1] for p in pads], np.int64)
        real = g.node("Pad", [x.name, g.constant(flat)])
        shape = tuple(n + sum(p) for n, p in zip(x.shape, pads, strict=True))
    else:
        axis = draw(st.integers(1, rank - 1))
        start = draw(st.integers(0, x.shape[axis] - 1))
        args = [np.array([v], np.int64) for v in (start, x.shape[axis], axis, draw(st.integers(1, 2)))]
        real = g.node("Slice", [x.name, *(g.constant(a) for a in args)])
        shape = tuple(len(range(start, n, int(args[3][0]))) if i == axis else n for i, n in enumerate(x.shape))
    same = x.scale
    return g.quantize(real, shape, same, int(g.rng.integers(-60, 60)))[1]


def head(g: Graph, x: Value, draw: st.DrawFn) -> Value:
    """Global pool or flatten, dense, perhaps softmax."""
    n, c = x.shape[:2]
    if draw(st.booleans()):
        x = g.some(g.node("GlobalAveragePool", [x.name]), (n, c, *(1 for _ in x.shape[2:])), x.scale / 2)
    flat = (n, int(np.prod(x.shape[1:])))
    x = Value(g.node("Flatten", [x.name], axis=1), flat, x.scale)
    channels = draw(st.integers(1, 11))
    if draw(st.booleans()):
        w, b = g.weights((channels, flat[1]), 0, flat[1], x)
        real = g.node("Gemm", [x.name, w, b], transB=1)
    else:
        w, b = g.weights((flat[1], channels), 1, flat[1], x)
        real = g.node("Add", [g.node("MatMul", [x.name, w]), b])
    x = g.some(real, (n, channels), x.scale)
    if draw(st.booleans()):
        x = g.quantize(g.node("Softmax", [x.name], axis=1), x.shape, 1 / 256, -128)[1]
    return x


@st.composite
def models(draw: st.DrawFn, longest: int = 5) -> onnx.ModelProto:
    """A QDQ model with one input and one or two outputs, stored (8-bit) or real."""
    g = Graph(np.random.default_rng(draw(st.integers(0, 2**20))), draw(st.sampled_from([False, False, True])))
    space = draw(st.sampled_from([1, 2, 2, 2]))
    shape = (
        draw(st.sampled_from([1, 1, 1, 2])),
        draw(st.integers(1, 6)),
        *(draw(st.integers(1, 9)) for _ in range(space)),
    )
    stored_input = draw(st.booleans())
    kind = TensorProto.UINT8 if g.unsigned else TensorProto.INT8
    s, z = g.constant(np.float32(0.04)), g.zero(int(g.rng.integers(-100, 100)))
    source = "image" if stored_input else g.node("QuantizeLinear", ["image", s, z])
    x = Value(g.node("DequantizeLinear", [source, s, z]), shape, 0.04)
    values = [x]
    for _ in range(draw(st.integers(1, longest))):
        step = draw(
            st.sampled_from(["conv", "conv", "bottleneck", "pool", "residual", "residual", "concat", "unary", "moved"])
        )
        match step:
            case "conv":
                x = conv(g, x, draw)
            case "bottleneck":
                x = bottleneck(g, x, draw)
            case "pool":
                x = pool(g, x, draw)
            case "residual":
                x = residual(g, x, draw, values)
            case "concat":
                x = concat(g, x, draw, values)
            case "unary":
                x = unary(g, x, draw)
            case _:
                x = moved(g, x, draw)
        values.append(x)
        if int(np.prod(x.shape)) > 3000:
            break
    if draw(st.booleans()):
        x = head(g, x, draw)
    outputs = [x] + ([draw(st.sampled_from(values[1:]))] if draw(st.integers(0, 4)) == 0 else [])
    ports = []
    for value in {v.name: v for v in outputs}.values():
        if draw(st.booleans()):  # the stored integers: what stands before the last DequantizeLinear
            maker = next(n for n in g.nodes if value.name in n.output)
            if maker.op_type == "DequantizeLinear" and maker.input[0] != "image":
                ports.append(helper.make_tensor_value_info(maker.input[0], kind, value.shape))
                continue
        ports.append(helper.make_tensor_value_info(value.name, TensorProto.FLOAT, value.shape))
    made = helper.make_tensor_value_info("image", kind if stored_input else TensorProto.FLOAT, shape)
    graph = helper.make_graph(g.nodes, "random", [made], ports, g.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model
