"""One recurrent ONNX node as a model, float or between QuantizeLinear and DequantizeLinear: onnxruntime, and the whole way down to host C."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from edgec.graph.load import front
from edgec.ir.program import Array, Program
from edgec.lower import lower

GATES = {"GRU": 3, "LSTM": 4, "RNN": 1}


@dataclass
class Case:
    """A node.  starts: how h0 (and c0) come: none, zero, constant or input; outputs: which of Y, Y_h, Y_c are asked for."""

    op: str
    time: int = 5
    batch: int = 1
    inputs: int = 3
    hidden: int = 4
    direction: str = "forward"
    starts: str = "none"
    outputs: str = "YHC"
    bias: bool = True
    peepholes: bool = False
    attrs: Mapping[str, Any] = field(default_factory=dict)
    lens: bool = False
    batch_outside: bool = False  # the input is [N,T,I] and transposed before the node
    gain: float = 1.0

    @property
    def dirs(self) -> int:
        return 2 if self.direction == "bidirectional" else 1


def arrays(case: Case, seed: int = 0) -> dict[str, Array]:
    """Weights, states and a sequence, float32."""
    rng = np.random.default_rng(seed)
    rows, d, h = GATES[case.op] * case.hidden, case.dirs, case.hidden
    spread = case.gain / np.sqrt(h)
    found = {
        "X": rng.uniform(-1, 1, (case.time, case.batch, case.inputs)),
        "W": rng.normal(0, case.gain, (d, rows, case.inputs)),
        "R": rng.normal(0, spread, (d, rows, h)),
        "B": rng.normal(0, 0.3, (d, 2 * rows)),
        "h0": rng.uniform(-0.9, 0.9, (d, case.batch, h)),
        "c0": rng.uniform(-1.5, 1.5, (d, case.batch, h)),
        "P": rng.normal(0, 0.5, (d, 3 * h)),
    }
    if case.starts == "zero":
        found["h0"], found["c0"] = np.zeros_like(found["h0"]), np.zeros_like(found["c0"])
    if case.batch_outside:
        found["X"] = found["X"].transpose(1, 0, 2)
    return {name: value.astype(np.float32) for name, value in found.items()}


def scale_of(value: Array, symmetric: bool) -> tuple[np.float32, np.int8]:
    """int8 scale and zero point that cover a value; its ends are no ties, of which saturated states would be full."""
    low, high = min(float(value.min()), 0.0), max(float(value.max()), 0.0)
    if symmetric:
        return np.float32(max(-low, high) / 127), np.int8(0)
    scale = np.float32(max(high - low, 1e-6) / 253.7)
    return scale, np.int8(np.clip(np.rint(-128 - low / scale), -128, 127))


class Writer:
    """Builds the model.  ranges: real values that outputs take, for their scales; None: a float model."""

    def __init__(
        self, case: Case, values: Mapping[str, Array], ranges: Mapping[str, Array] | None, per_channel: bool
    ) -> None:
        self.case, self.values, self.ranges, self.per_channel = case, values, ranges, per_channel
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.ports: list[onnx.ValueInfoProto] = []

    def constant(self, name: str, value: Any) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def dequantized(self, name: str, source: str, scale: Any, zero: Any, axis: int = 1) -> str:
        inputs = [source, self.constant(f"{name}_s", scale), self.constant(f"{name}_z", zero)]
        self.nodes.append(helper.make_node("DequantizeLinear", inputs, [f"{name}_dq"], axis=axis))
        return f"{name}_dq"

    def weight(self, name: str) -> str:
        """A constant; W and R as int8 in a quantized model."""
        value = self.values[name]
        if self.ranges is None or name not in ("W", "R"):
            return self.constant(name, value)
        if not self.per_channel:
            scale, zero = scale_of(value, True)
            return self.dequantized(name, self.constant(name, quantized(value, scale, zero)), scale, zero)
        scales = np.maximum(np.abs(value).max(axis=(0, 2)), 1e-6).astype(np.float32) / np.float32(127)
        stored = quantized(value, scales[None, :, None], np.int8(0))
        return self.dequantized(name, self.constant(name, stored), scales, np.zeros(scales.size, np.int8))

    def activation(self, name: str) -> str:
        """A model input, int8 behind which it is dequantized in a quantized model."""
        value = self.values[name]
        kind = TensorProto.FLOAT if self.ranges is None else TensorProto.INT8
        self.ports.append(helper.make_tensor_value_info(name, kind, value.shape))
        return name if self.ranges is None else self.dequantized(name, name, *scale_of(value, False))

    def model(self) -> onnx.ModelProto:
        case = self.case
        x = self.activation("X")
        if case.batch_outside:
            self.nodes.append(helper.make_node("Transpose", [x], ["X_moved"], perm=[1, 0, 2]))
            x = "X_moved"
        names = [x, self.weight("W"), self.weight("R"), self.weight("B") if case.bias else ""]
        names.append(self.constant("lens", np.full(case.batch, case.time, np.int32)) if case.lens else "")
        for name in ("h0", "c0")[: 2 if case.op == "LSTM" else 1]:
            if case.starts == "none":
                names.append("")
            else:
                names.append(
                    self.activation(name) if case.starts == "input" else self.constant(name, self.values[name])
                )
        if case.peepholes:
            names.append(self.constant("P", self.values["P"]))
        while not names[-1]:
            names.pop()
        asked = [letter for letter in "YHC" if letter in case.outputs and (letter != "C" or case.op == "LSTM")]
        made = [letter if letter in asked else "" for letter in "YHC"]
        while not made[-1]:
            made.pop()
        attrs = {"hidden_size": case.hidden, "direction": case.direction, **case.attrs}
        self.nodes.append(helper.make_node(case.op, names, made, name="cell", **attrs))
        ends = []
        for name in asked:
            if self.ranges is None:
                ends.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
                continue
            scale, zero = scale_of(self.ranges[name], False)
            params = [self.constant(f"{name}_s", scale), self.constant(f"{name}_z", zero)]
            self.nodes.append(helper.make_node("QuantizeLinear", [name, *params], [f"{name}_q"]))
            ends.append(helper.make_tensor_value_info(f"{name}_q", TensorProto.INT8, None))
        graph = helper.make_graph(self.nodes, "g", self.ports, ends, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def quantized(value: Array, scale: Any, zero: Any) -> Array:
    return np.clip(np.rint(value / scale) + zero, -128, 127).astype(np.int8)


def feed(model: onnx.ModelProto, values: Mapping[str, Array]) -> dict[str, Array]:
    """What the model's inputs get."""
    found = {}
    for port in model.graph.input:
        value = values[port.name]
        kind = port.type.tensor_type.elem_type
        found[port.name] = value if kind == TensorProto.FLOAT else quantized(value, *scale_of(value, False))
    return found


def onnx_outputs(model: onnx.ModelProto, sample: Mapping[str, Array]) -> dict[str, Array]:
    """What onnxruntime computes, graph optimisation off."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, dict(sample)), strict=True))


def program_of(model: onnx.ModelProto) -> Program:
    """The model through the front and lowering."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cell.onnx"
        onnx.save(model, str(path))
        return lower(front(path), "cell")


def float_model(case: Case, values: Mapping[str, Array]) -> onnx.ModelProto:
    return Writer(case, values, None, False).model()


def int8_model(case: Case, values: Mapping[str, Array], per_channel: bool = True) -> onnx.ModelProto:
    """The QDQ model, output ranges from the float one."""
    plain = float_model(case, values)
    return Writer(case, values, onnx_outputs(plain, feed(plain, values)), per_channel).model()
