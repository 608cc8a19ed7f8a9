"""Random float ONNX models of the kinds that run on microcontrollers, for `examples/calibrate.py`: CNNs, separable CNNs, MLPs, ViTs.

Shapes are odd on purpose: channels that fill no block, images that divide by nothing, strides, residuals, concatenations, pools.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 20


@dataclass
class Net:
    """Collects the nodes of one model; the running value is `at`, of shape `shape` (without the batch, channels first)."""

    dice: np.random.Generator
    shape: tuple[int, ...]
    at: str = "x"
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def const(self, array: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def weight(self, *shape: int, fan: int) -> str:
        return self.const(self.dice.normal(0, fan**-0.5, shape).astype(np.float32))

    def node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def pick(self, *values: Any) -> Any:
        return values[int(self.dice.integers(len(values)))]

    def activation(self) -> None:
        kind = self.pick("Relu", "Relu", "Relu", "HardSwish", "Sigmoid", "")
        if kind:
            self.at = self.node(kind, [self.at])

    def conv(self, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        """Padded to the same size, with an activation."""
        c, spatial = self.shape[0], len(self.shape) - 1
        weight = self.weight(outputs, c // groups, *[kernel] * spatial, fan=c // groups * kernel**spatial)
        bias = self.const(self.dice.normal(0, 0.1, outputs).astype(np.float32))
        pads = [kernel // 2] * 2 * spatial
        self.at = self.node(
            "Conv",
            [self.at, weight, bias],
            kernel_shape=[kernel] * spatial,
            strides=[stride] * spatial,
            pads=pads,
            group=groups,
        )
        self.shape = (outputs, *((n + 2 * (kernel // 2) - kernel) // stride + 1 for n in self.shape[1:]))
        self.activation()

    def channels(self) -> int:
        return int(self.pick(4, 6, 8, 10, 12, 16, 16, 20, 24, 31, 32, 32, 40, 48, 64))

    def residual(self) -> None:
        before, shape = self.at, self.shape
        self.conv(shape[0], int(self.pick(1, 3, 3)))
        self.at = self.node("Add", [self.at, before])

    def concat(self) -> None:
        before, shape = self.at, self.shape
        self.conv(self.channels(), 1)
        self.at, self.shape = self.node("Concat", [self.at, before], axis=1), (self.shape[0] + shape[0], *shape[1:])

    def pooled(self) -> None:
        kind, size = self.pick("MaxPool", "AveragePool"), int(self.pick(2, 2, 3))
        if min(self.shape[1:]) >= 2 * size:
            self.at = self.node(kind, [self.at], kernel_shape=[size] * 2, strides=[size] * 2)
            self.shape = (self.shape[0], *(n // size for n in self.shape[1:]))

    def linear(self, outputs: int, transposed: bool = False) -> None:
        """x @ W + b over the last axis."""
        inputs = self.shape[-1]
        product = self.node("MatMul", [self.at, self.weight(inputs, outputs, fan=inputs)])
        bias = self.const(self.dice.normal(0, 0.1, outputs).astype(np.float32))
        self.at, self.shape = self.node("Add", [product, bias]), (*self.shape[:-1], outputs)

    def classifier(self) -> None:
        classes = int(self.dice.integers(2, 40))
        if len(self.shape) == 3:
            self.at = self.node("Flatten", [self.node("GlobalAveragePool", [self.at])])
            self.shape = (self.shape[0],)
        self.linear(classes)
        if self.dice.random() < 0.5:
            self.at = self.node("Softmax", [self.at], axis=-1)

    def model(self, shape: tuple[int, ...]) -> onnx.ModelProto:
        given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *shape])
        out = helper.make_tensor_value_info(self.at, TensorProto.FLOAT, [1, *self.shape])
        graph = helper.make_graph(self.nodes, "net", [given], [out], self.constants)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
        onnx.checker.check_model(made)
        return made


def cnn(net: Net) -> None:
    """Convolutions of all kinds, residuals, concatenations, pools."""
    net.conv(net.channels(), int(net.pick(3, 3, 5, 7)), int(net.pick(1, 2)))
    for _ in range(int(net.dice.integers(3, 8))):
        size, room = min(net.shape[1:]), net.shape[1] * net.shape[2]
        kind = net.pick(
            "conv3", "conv3", "conv3", "conv1", "conv5", "depthwise", "residual", "residual", "concat", "pool"
        )
        if kind.startswith("conv"):
            outputs = net.channels() if room * net.shape[0] < 12000 else 8
            net.conv(outputs, int(kind[4]), 2 if size > 6 and net.dice.random() < 0.3 else 1)
        elif kind == "depthwise":
            net.conv(
                net.shape[0], int(net.pick(3, 3, 3, 5)), int(net.pick(1, 2)) if size > 4 else 1, groups=net.shape[0]
            )
        else:
            {"residual": net.residual, "concat": net.concat, "pool": net.pooled}[kind]()


def separable(net: Net) -> None:
    """Depthwise and 1x1 in turn."""
    net.conv(net.channels(), 3, int(net.pick(1, 2)))
    for _ in range(int(net.dice.integers(2, 6))):
        stride = 2 if min(net.shape[1:]) > 6 and net.dice.random() < 0.4 else 1
        net.conv(net.shape[0], int(net.pick(3, 3, 3, 5)), stride, groups=net.shape[0])
        net.conv(net.channels(), 1)


def mlp(net: Net) -> None:
    for _ in range(int(net.dice.integers(2, 6))):
        net.linear(int(net.dice.integers(4, 300)))
        net.activation()


def transformer(net: Net) -> None:
    """Pre-norm blocks on tokens [T, D]."""
    tokens, width = net.shape
    heads = int(net.pick(1, 2, 3))
    each = int(net.pick(8, 12, 16, 24))

    def norm() -> None:
        scale = net.const(net.dice.uniform(0.5, 1.5, width).astype(np.float32))
        net.at = net.node("LayerNormalization", [net.at, scale, net.const(np.zeros(width, np.float32))], axis=-1)

    for _ in range(int(net.dice.integers(1, 3))):
        start = net.at
        norm()
        normal, parts = net.at, []
        for part in "qkv":
            net.at, net.shape = normal, (tokens, width)
            net.linear(heads * each)
            split = net.node("Reshape", [net.at, net.const(np.array([1, tokens, heads, each], np.int64))])
            parts.append(net.node("Transpose", [split], perm=[0, 2, 3, 1] if part == "k" else [0, 2, 1, 3]))
        scores = net.node("Mul", [net.node("MatMul", parts[:2]), net.const(np.float32(each**-0.5))])
        mixed = net.node("MatMul", [net.node("Softmax", [scores], axis=-1), parts[2]])
        back = net.node("Transpose", [mixed], perm=[0, 2, 1, 3])
        net.at, net.shape = (
            net.node("Reshape", [back, net.const(np.array([1, tokens, heads * each], np.int64))]),
            (tokens, heads * each),
        )
        net.linear(width)
        net.at = middle = net.node("Add", [start, net.at])
        norm()
        net.linear(width * int(net.pick(2, 3, 4)))
        net.at = net.node("Gelu", [net.at])
        net.linear(width)
        net.at = net.node("Add", [middle, net.at])
    net.at, net.shape = net.node("ReduceMean", [net.at, net.const(np.array([1], np.int64))], keepdims=0), (width,)


Samples = dict[str, np.ndarray[Any, Any]]


def random_model(seed: int) -> tuple[str, onnx.ModelProto, Samples]:
    """(kind, float model with input `x`, four calibration samples)."""
    dice = np.random.default_rng(seed)
    kind = str(dice.choice(["cnn", "separable", "mlp", "transformer"], p=[0.45, 0.25, 0.1, 0.2]))
    if kind == "mlp":
        shape: tuple[int, ...] = (int(dice.integers(5, 400)),)
    elif kind == "transformer":
        shape = (int(dice.integers(5, 50)), int(dice.choice([12, 16, 24, 32, 40])))
    else:
        shape = (int(dice.choice([1, 2, 3, 3, 4, 8])), int(dice.integers(6, 36)), int(dice.integers(6, 36)))
    net = Net(dice, shape)
    {"cnn": cnn, "separable": separable, "mlp": mlp, "transformer": transformer}[kind](net)
    net.classifier()
    return kind, net.model(shape), {"x": dice.normal(0, 1, (4, *shape)).astype(np.float32)}
