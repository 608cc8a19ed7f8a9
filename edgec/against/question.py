"""What every runtime is asked: one sample of a package, in the types of the runtime's own model; and how its answer compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgec.against.rounds import Lap
from edgec.errors import InputError
from edgec.ir.program import Array, Program
from edgec.toolchain.package import Package, Tensor, load_package
from edgec.verify.closeness import relative
from edgec.verify.judge import from_onnx, onnx_inputs
from edgec.verify.reference import read_program
from edgec.verify.samples import default_samples

__all__ = ["Answer", "Measured", "Port", "Question", "ask", "difference"]

RANDOM = 3
"""The first of the default samples that is random."""

Answer = Mapping[str, Array]
"""ONNX output name -> real values, or the integers of an output that has no scale."""


@dataclass(frozen=True)
class Port:
    """An input or output of a model that is no ONNX model.  scale 0: its values are not quantized."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float = 0.0
    zero_point: int = 0

    def real(self, stored: Array) -> Array:
        """The values that integers stand for."""
        values = stored.astype(np.float64)
        return (values - self.zero_point) * self.scale if self.scale else values

    def stored(self, real: Array) -> Array:
        """Values as this port stores them."""
        if self.scale:
            info = np.iinfo(self.dtype)
            real = np.clip(np.rint(real / self.scale) + self.zero_point, info.min, info.max)
        return real.astype(self.dtype)


@dataclass(frozen=True)
class Measured:
    """What a place found: laps and an answer of edgec and of each runtime, by name; `notes` on how some ran the model;
    why others could not."""

    laps: Mapping[str, Sequence[Lap]]
    answers: Mapping[str, Answer]
    notes: Mapping[str, str]
    refused: Mapping[str, str]


@dataclass(frozen=True)
class Question:
    """sample: ONNX input name -> array as the library takes it."""

    package: Package
    program: Program
    sample: Mapping[str, Array]

    def onnx_inputs(self, model: Path) -> dict[str, Array]:
        """The sample as an ONNX model takes it, states zero."""
        import onnx

        graph = onnx.load(model, load_external_data=False).graph
        types = {i.name: onnx.helper.tensor_dtype_to_np_dtype(i.type.tensor_type.elem_type).name for i in graph.input}
        for port in self.program.inputs:
            if port.name not in types:
                raise InputError(f"{model} has no input {port.name!r}", "name the model the package was compiled from")
        states = {s.input.name: np.zeros(s.input.shape, types[s.input.name]) for s in self.program.states}
        return {**onnx_inputs(self.program, self.sample, types), **states}

    def inputs(self, ports: Sequence[Port]) -> list[Array]:
        """The sample as a model with these inputs takes it: by name where they have the package's names, else in order."""
        tensors = _paired(self.package.inputs, ports)
        real = [_port(t).real(self.sample[t.name]).reshape(t.shape) for t in tensors]
        return [port.stored(laid_out(array, port.shape)) for array, port in zip(real, ports, strict=True)]

    def own(self, outputs: Mapping[str, Array]) -> Answer:
        """edgec's outputs."""
        return {t.name: _port(t).real(outputs[t.name].reshape(t.shape)) for t in self.package.outputs}

    def onnx_answer(self, outputs: Mapping[str, Array]) -> Answer:
        """The outputs of an ONNX model."""
        buffers = {port.name: self.program.by_name[port.buffer] for port in self.program.outputs}
        return {t.name: _port(t).real(from_onnx(outputs[t.name], buffers[t.name])) for t in self.package.outputs}

    def answer(self, outputs: Sequence[tuple[Port, Array]]) -> Answer:
        """The outputs of any other model."""
        tensors = _paired(self.package.outputs, [port for port, _ in outputs])
        return {t.name: port.real(array) for t, (port, array) in zip(tensors, outputs, strict=True)}


def difference(own: Answer, other: Answer) -> float:
    """Largest difference of edgec's values from another runtime's, over the largest magnitude of an output."""
    return max(relative(laid_out(own[name], values.shape), values) for name, values in other.items())


def ask(folder: Path, samples: Mapping[str, Array] | None) -> Question:
    """The first of these samples, or a random one."""
    program = read_program(folder)
    given, at = (default_samples(program), RANDOM) if samples is None else (samples, 0)
    return Question(load_package(folder), program, {name: array[at] for name, array in given.items()})


def laid_out(array: Array, shape: tuple[int, ...]) -> Array:
    """An array in a shape of as many elements; planes become pixels where that is what the shape says."""
    if array.size != int(np.prod(shape)):
        raise InputError(f"the model has {list(shape)}, the package {list(array.shape)}", "name the same model")
    if array.shape != shape and array.ndim == 4 and array.transpose(0, 2, 3, 1).shape == shape:
        array = array.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(array).reshape(shape)


def _port(tensor: Tensor) -> Port:
    return Port(tensor.name, tensor.dtype, tensor.shape, tensor.scale or 0.0, tensor.zero_point or 0)


def _paired(tensors: tuple[Tensor, ...], ports: Sequence[Port]) -> list[Tensor]:
    by_name = {tensor.name: tensor for tensor in tensors}
    if len(ports) != len(tensors):
        raise InputError(
            f"the model has {len(ports)} inputs or outputs, the package {len(tensors)}", "name the same model"
        )
    return [by_name[port.name] for port in ports] if {port.name for port in ports} == set(by_name) else list(tensors)
