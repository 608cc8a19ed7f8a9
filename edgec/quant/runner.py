"""Running a model on many samples in onnxruntime, one sample at a time, so that memory holds one sample's activations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from edgec.errors import InputError, ToolMissingError
from edgec.graph.view import Array

Samples = Mapping[str, Array]
THREADS = 2


def proto_of(model: ir.Model, outputs: Sequence[str] = (), overridable: Sequence[str] = ()) -> Any:
    """The model as a proto with these values as further outputs, and these initialisers as inputs that may be given."""
    import onnx

    proto = ir.to_proto(model)
    known = {value.name for value in proto.graph.output}
    for name in outputs:
        if name not in known:
            proto.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
            known.add(name)
    by_name = {tensor.name: tensor for tensor in proto.graph.initializer}
    for name in overridable:
        tensor = by_name[name]
        proto.graph.input.append(onnx.helper.make_tensor_value_info(name, tensor.data_type, list(tensor.dims)))
    return proto


class Runner:
    """A model opened in onnxruntime, graph optimisation off: every node means what it says.

    outputs: values to make besides the model's own outputs; overridable: initialisers that `run` may replace.
    """

    def __init__(self, model: ir.Model, outputs: Sequence[str] = (), overridable: Sequence[str] = ()) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise ToolMissingError("onnxruntime is not installed", "pip install 'edgec[ort]'") from error
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = THREADS
        options.log_severity_level = 3
        data = proto_of(model, outputs, overridable).SerializeToString()
        self.session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        self.inputs = {value.name: value for value in self.session.get_inputs() if value.name not in set(overridable)}

    def run(
        self, samples: Samples, names: Sequence[str], indices: Sequence[int], overrides: Samples | None = None
    ) -> Iterator[list[Array]]:
        """The values `names` for each sample of `indices`."""
        for index in indices:
            feed = {name: at(samples[name], index, value.shape) for name, value in self.inputs.items()}
            made: list[Array] = self.session.run(list(names), {**feed, **(overrides or {})}) if names else []
            yield made


def with_states(model: ir.Model, samples: Samples, states: Sequence[tuple[str, str]]) -> Samples:
    """The samples, run as one sequence, and beside them what each state is before each of them."""
    if not states:
        return samples
    runner = Runner(model)
    begins, ends = [name for name, _ in states], [name for _, name in states]
    state = {name: np.zeros(runner.inputs[name].shape, np.float32) for name in begins}
    made: dict[str, list[Array]] = {name: [] for name in begins}
    for index in range(count(samples)):
        for name, value in state.items():
            made[name].append(value)
        given = {n: at(samples[n], index, v.shape) for n, v in runner.inputs.items() if n not in state}
        state = dict(zip(begins, runner.session.run(ends, {**given, **state}), strict=True))
    return {**samples, **{name: np.stack(values) for name, values in made.items()}}


def at(array: Array, index: int, shape: Sequence[int]) -> Array:
    """Sample `index` in the shape the model takes: [1, ...] where the first dimension is 1."""
    sample: Array = array[index].reshape(shape)
    return sample


def count(samples: Samples) -> int:
    """How many samples there are."""
    return len(next(iter(samples.values())))


def subset(total: int, wanted: int) -> list[int]:
    """`wanted` sample numbers spread evenly over all."""
    return [int(i) for i in np.unique(np.linspace(0, total - 1, min(total, wanted)).round().astype(int))]


def checked(model: ir.Model, samples: Samples) -> dict[str, Array]:
    """Samples that fit the model: [samples, *input shape] of the input's type.  Raises InputError."""
    found: dict[str, Array] = {}
    for value in model.graph.inputs:
        name = str(value.name)
        array = samples.get(name)
        if array is None and len(samples) == 1 and len(model.graph.inputs) == 1:
            array = next(iter(samples.values()))
        if array is None:
            hint = f"name the arrays like the model's inputs: {', '.join(repr(v.name) for v in model.graph.inputs)}"
            raise InputError(f"no calibration array for model input {name!r}", hint)
        assert value.shape is not None and value.dtype is not None
        shape = tuple(int(d) for d in value.shape)  # type: ignore[arg-type]
        wanted = shape[1:] if shape[:1] == (1,) else shape
        if array.ndim == 0 or array.shape[1:] not in (wanted, shape) or not len(array):
            expected = ", ".join(["samples", *map(str, wanted)])
            raise InputError(
                f"input {name!r} takes [{expected}], the calibration array is {list(array.shape)}",
                "put the samples along the first axis",
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InputError(
                f"the calibration array for {name!r} holds NaN or infinity", "check how the samples were made"
            )
        found[name] = array.astype(value.dtype.numpy(), copy=False)
    if len({len(array) for array in found.values()}) > 1:
        raise InputError(
            f"inputs have different numbers of samples: { {n: len(a) for n, a in found.items()} }",
            "give every input as many samples",
        )
    return found
