"""Random float ONNX models of the kinds that run on microcontrollers, for `examples/calibrate.py`: CNNs, separable CNNs, MLPs, ViTs, recurrent.

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

    def conv(
        self, outputs: int, kernel: int | tuple[int, int], stride: int = 1, groups: int = 1, padded: bool = True
    ) -> None:
        """Padded to the same size (or not at all), with an activation."""
        c, size = self.shape[0], (kernel, kernel) if isinstance(kernel, int) else kernel
        weight = self.weight(outputs, c // groups, *size, fan=c // groups * size[0] * size[1])
        bias = self.const(self.dice.normal(0, 0.1, outputs).astype(np.float32))
        before = [k // 2 if padded else 0 for k in size]
        self.at = self.node(
            "Conv",
            [self.at, weight, bias],
            kernel_shape=list(size),
            strides=[stride] * 2,
            pads=before * 2,
            group=groups,
        )
        sizes = zip(self.shape[1:], before, size, strict=True)
        self.shape = (outputs, *((n + 2 * pad - k) // stride + 1 for n, pad, k in sizes))
        self.activation()

    def first(self) -> None:
        """A convolution as images and spectrograms begin with."""
        kernel = self.pick(3, 3, 5, 7, (10, 4), (1, 5), (3, 1))
        fits = isinstance(kernel, int) or min(self.shape[1:]) >= 10
        self.conv(self.channels(), kernel if fits else 3, int(self.pick(1, 2)))

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
    net.first()
    for _ in range(int(net.dice.integers(3, 8))):
        size, room = min(net.shape[1:]), net.shape[1] * net.shape[2]
        kind = net.pick(
            "conv3", "conv3", "conv3", "conv1", "conv5", "depthwise", "residual", "residual", "concat", "pool", "groups"
        )
        if kind.startswith("conv"):
            outputs = net.channels() if room * net.shape[0] < 12000 else 8
            stride = 2 if size > 6 and net.dice.random() < 0.3 else 1
            net.conv(outputs, int(kind[4]), stride, padded=size <= 6 or net.dice.random() < 0.8)
        elif kind == "groups":
            groups = next(n for n in (4, 3, 2, 1) if net.shape[0] % n == 0)
            net.conv(groups * int(net.pick(4, 5, 8)), int(net.pick(1, 3)), groups=groups)
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


def recurrent(net: Net) -> None:
    """GRU, LSTM or RNN over [T, D], its last state or all of its results, with one direction or two."""
    steps, inputs = net.shape
    kind, hidden, dirs = net.pick("GRU", "GRU", "LSTM", "RNN"), int(net.dice.integers(5, 60)), int(net.pick(1, 1, 2))
    gates = {"GRU": 3, "LSTM": 4, "RNN": 1}[kind]
    weights = [net.weight(dirs, gates * hidden, n, fan=n) for n in (inputs, hidden)]
    bias = net.const(net.dice.normal(0, 0.1, (dirs, 2 * gates * hidden)).astype(np.float32))
    sequence = net.node("Transpose", [net.at], perm=[1, 0, 2])
    names = {"direction": "bidirectional" if dirs == 2 else "forward", "hidden_size": hidden}
    early = {"linear_before_reset": int(net.pick(0, 1))} if kind == "GRU" else {}
    every = net.node(kind, [sequence, *weights, bias], **names, **early)
    if net.dice.random() < 0.5:
        net.nodes[-1].output.append("last")
        shape, net.shape, every = [1, dirs * hidden], (dirs * hidden,), "last"
    else:
        shape, net.shape = [1, steps, dirs * hidden], (steps, dirs * hidden)
    net.at = net.node("Reshape", [every, net.const(np.array(shape, np.int64))])
    if len(net.shape) == 2:
        net.at, net.shape = (
            net.node("ReduceMean", [net.at, net.const(np.array([1], np.int64))], keepdims=0),
            net.shape[1:],
        )


Samples = dict[str, np.ndarray[Any, Any]]


def random_model(seed: int) -> tuple[str, onnx.ModelProto, Samples]:
    """(kind, float model with input `x`, four calibration samples)."""
    dice = np.random.default_rng(seed)
    kinds = {"cnn": 0.42, "separable": 0.22, "mlp": 0.1, "transformer": 0.18, "recurrent": 0.08}
    kind = str(dice.choice(list(kinds), p=list(kinds.values())))
    if kind == "mlp":
        shape: tuple[int, ...] = (int(dice.integers(5, 400)),)
    elif kind in ("transformer", "recurrent"):
        shape = (int(dice.integers(5, 50)), int(dice.choice([12, 16, 24, 32, 40])))
    else:
        shape = (int(dice.choice([1, 2, 3, 3, 4, 8])), int(dice.integers(6, 36)), int(dice.integers(6, 36)))
    net = Net(dice, shape)
    {"cnn": cnn, "separable": separable, "mlp": mlp, "transformer": transformer, "recurrent": recurrent}[kind](net)
    net.classifier()
    return kind, net.model(shape), {"x": dice.normal(0, 1, (4, *shape)).astype(np.float32)}
