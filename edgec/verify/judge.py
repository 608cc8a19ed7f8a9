"""onnxruntime as the judge: the lowered ONNX model run without graph optimisation, with every value that a buffer stands for.

ONNX value                 stored in a buffer as
int8, int16                the same integers
uint8                      int8, 128 less (the borders keep uint8)
float32                    float32, or quantized where the library's borders are quantized (--io quantized)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgec.arithmetic import dequantize, quantize
from edgec.errors import ToolMissingError, UsageError
from edgec.ir.program import Array, Buffer, Port, Program


def onnx_inputs(program: Program, sample: Mapping[str, Array], types: Mapping[str, str]) -> dict[str, Array]:
    """The library's inputs of one sample as the ONNX model's, whose inputs have these types."""
    found = {}
    for port in program.inputs:
        buffer = program.by_name[port.buffer]
        array = to_onnx(sample[port.name], buffer, types[port.name]).reshape(port.shape)
        if (
            buffer.origin is not None and buffer.origin.perm
        ):  # pushed by rows: pixels together, where the model has planes
            array = array.transpose(np.argsort(buffer.origin.perm))
        found[port.name] = np.ascontiguousarray(array)
    return found


@dataclass(frozen=True)
class Rounding:
    """What a QuantizeLinear rounds: its float input's name and its scale."""

    value: str
    scale: float


def to_onnx(stored: Array, buffer: Buffer, dtype: str) -> Array:
    """What the library takes or gives, as the ONNX model's own type."""
    if buffer.dtype == dtype:
        return stored
    if buffer.dtype == "int8" and dtype == "uint8":
        return (stored.astype(np.int16) + 128).astype(np.uint8)
    if buffer.quant is not None and dtype == "float32":
        return dequantize(stored, buffer.quant.scale, buffer.quant.zero_point)
    return stored.astype(dtype)


def from_onnx(value: Array, buffer: Buffer) -> Array:
    """An ONNX value in the buffer's own type."""
    if str(value.dtype) == buffer.dtype:
        return value
    if value.dtype == np.uint8 and buffer.dtype == "int8":
        return (value.astype(np.int16) - 128).astype(np.int8)
    if value.dtype == np.float32 and buffer.quant is not None:
        return quantize(value, buffer.quant.scale, buffer.quant.zero_point, buffer.dtype)
    return value.astype(buffer.dtype)


def physical(value: Array, buffer: Buffer) -> Array | None:
    """An ONNX value in the buffer's type, axis order and channels, as rows; None where the shapes do not fit."""
    origin = buffer.origin
    assert origin is not None
    perm = origin.perm or tuple(range(value.ndim))
    if len(perm) != value.ndim:
        return None
    moved = from_onnx(value, buffer).transpose(perm)
    if origin.keep:
        moved = moved.take(origin.keep, axis=-1)
    if moved.shape != buffer.shape:
        return None
    return np.ascontiguousarray(moved).reshape(buffer.rows, buffer.row_elements)


class Judge:
    """One onnxruntime session.  values: names that a run returns; roundings: value -> what was rounded to make it."""

    def __init__(self, folder: Path, program: Program) -> None:
        self.program = program
        onnx, runtime = _packages()
        path = folder / "reference" / "model.onnx"
        try:
            model = onnx.load(path)
        except Exception as error:  # onnx raises many kinds for a damaged file
            raise UsageError(f"{path} cannot be read: {error}", "compile the model again") from error
        made = {name: node for node in model.graph.node for name in node.output}
        self.roundings = _roundings(onnx, model, made)
        wanted = {b.origin.value for b in program.buffers if b.origin is not None} & set(made)
        wanted |= {self.roundings[name].value for name in wanted & set(self.roundings)} & set(made)
        have = {value.name for value in model.graph.output}
        self.outputs = [value.name for value in model.graph.output]
        for name in sorted(wanted - have):
            model.graph.output.append(onnx.ValueInfoProto(name=name))
        options = runtime.SessionOptions()
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session: Any = runtime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        self.types = {i.name: _NUMPY.get(i.type, "float32") for i in self.session.get_inputs()}
        self.states = {s.input.name: np.zeros(s.input.shape, self.types[s.input.name]) for s in program.states}

    def feed(self, sample: Mapping[str, Array]) -> dict[str, Array]:
        """The library's inputs as the ONNX model's."""
        return onnx_inputs(self.program, sample, self.types)

    def values(self, sample: Mapping[str, Array]) -> dict[str, Array]:
        """Every value that a buffer stands for, inputs and outputs included; states go on to the next call.

        sample: ONNX input name -> array as the library takes it.
        """
        return self._run(sample, [value.name for value in self.session.get_outputs()])

    def results(self, sample: Mapping[str, Array]) -> dict[str, Array]:
        """The model's outputs only, in its own types."""
        values = self._run(sample, self.outputs)
        return {name: values[name] for name in self.outputs}

    def _run(self, sample: Mapping[str, Array], names: list[str]) -> dict[str, Array]:
        """What goes in and the values `names`; the states are taken on to the next run."""
        fed = {**self.feed(sample), **self.states}
        made = dict(zip(names, self.session.run(names, fed), strict=True))
        self.states = {s.input.name: made[s.output.name] for s in self.program.states}
        return {**fed, **made}

    def expected(self, port: Port, values: Mapping[str, Array]) -> Array:
        """What onnxruntime says an output is, as the library stores it."""
        return from_onnx(values[port.name], self.program.by_name[port.buffer]).reshape(port.shape)


_NUMPY = {
    "tensor(float)": "float32",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}


def _packages() -> tuple[Any, Any]:
    """onnx and onnxruntime."""
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise ToolMissingError(
            f"{error.name} is not installed, and it is the judge of closeness",
            "pip install onnxruntime   (or: pip install edgec[ort])",
        ) from error
    return onnx, onnxruntime


def _roundings(onnx: Any, model: Any, made: Mapping[str, Any]) -> dict[str, Rounding]:
    """QuantizeLinear output -> its float input and scale, for the per-tensor ones with a constant scale."""
    constants = {t.name: t for t in model.graph.initializer}
    found = {}
    for name, node in made.items():
        if node.op_type == "QuantizeLinear" and node.input[1] in constants:
            scale = onnx.numpy_helper.to_array(constants[node.input[1]])
            if scale.size == 1:
                found[name] = Rounding(node.input[0], float(scale.reshape(-1)[0]))
    return found


__all__ = ["Judge", "Rounding", "from_onnx", "onnx_inputs", "physical", "to_onnx"]
