"""Other runtimes in this process, on one thread: onnxruntime, and LiteRT (or the tflite-runtime it was before)."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from edgec.against.question import Answer, Measured, Port, Question
from edgec.against.rounds import laps
from edgec.errors import InputError, ToolMissingError
from edgec.verify.load import load

__all__ = ["litert", "measure", "onnxruntime", "version"]

LEVELS = {"ALL": "", "EXTENDED": "without its layouts", "BASIC": "with basic optimisations only"}
"""onnxruntime's optimisations, most first, and what is to be said of them: some refuse some sound models."""


@dataclass(frozen=True)
class Prepared:
    """One inference whose time is taken, the answer of one, and what is to be said of how the model is run."""

    run: Callable[[], object]
    answer: Callable[[], Answer]
    note: str = ""


def measure(question: Question, models: Mapping[str, Path], rounds: int, seconds: float) -> Measured:
    """edgec and each runtime in `models` (runtime -> its model)."""
    model = load(question.package.path)
    given = [question.sample[tensor.name] for tensor in question.package.inputs]
    made = dict(zip((t.name for t in question.package.outputs), model(*given), strict=True))
    runs: dict[str, Callable[[], object]] = {"edgec": model.prepared(*given)}
    answers = {"edgec": question.own(made)}
    notes = {}
    for name, path in models.items():
        prepared = RUNTIMES[name](path, question)
        runs[name], answers[name], notes[name] = prepared.run, prepared.answer(), prepared.note
    return Measured(laps(runs, rounds, seconds), answers, notes, {})


def onnxruntime(path: Path, question: Question) -> Prepared:
    """One thread, all graph optimisations, inputs and outputs bound once: nothing of Python but the call."""
    runtime = _imported("onnxruntime", "pip install 'edgec[ort]'")
    session, note = _session(runtime, path)
    binding = session.io_binding()
    for name, array in question.onnx_inputs(path).items():
        binding.bind_cpu_input(name, array)
    names = [output.name for output in session.get_outputs()]
    for name in names:
        binding.bind_output(name)

    def answer() -> Answer:
        session.run_with_iobinding(binding)
        return question.onnx_answer(dict(zip(names, binding.copy_outputs_to_cpu(), strict=True)))

    return Prepared(partial(session.run_with_iobinding, binding), answer, note)


def _session(runtime: Any, path: Path) -> tuple[Any, str]:
    """(session, note on it) with the most of LEVELS that takes the model."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    why = ""
    for level, note in LEVELS.items():
        options.graph_optimization_level = getattr(runtime.GraphOptimizationLevel, f"ORT_ENABLE_{level}")
        try:
            return runtime.InferenceSession(str(path), options, ["CPUExecutionProvider"]), note
        except Exception as error:  # onnxruntime raises many kinds
            why = why or str(error)
    raise InputError(f"onnxruntime does not run {path.name}: {why}", "name another form of the model with --model")


def litert(path: Path, question: Question) -> Prepared:
    """One thread, its default delegate (XNNPACK)."""
    runtime = _imported(_litert_package() or "ai_edge_litert", "pip install 'edgec[phone]'", ".interpreter")
    interpreter = runtime.Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    given = [(d["index"], a) for d, a in zip(inputs, question.inputs([_port(d) for d in inputs]), strict=True)]

    def run() -> list[Any]:
        for index, array in given:
            interpreter.set_tensor(index, array)
        interpreter.invoke()
        return [interpreter.get_tensor(d["index"]) for d in outputs]

    def answer() -> Answer:
        return question.answer([(_port(d), array) for d, array in zip(outputs, run(), strict=True)])

    return Prepared(run, answer)


RUNTIMES = {"onnxruntime": onnxruntime, "litert": litert}


def version(name: str) -> str:
    """Package and version of a runtime of this process."""
    package = (_litert_package() or name).replace("_", "-") if name == "litert" else name
    return f"{package} {metadata.version(package)}"


def _litert_package() -> str | None:
    return next((p for p in ("ai_edge_litert", "tflite_runtime") if importlib.util.find_spec(p) is not None), None)


def _imported(name: str, hint: str, inside: str = "") -> Any:
    try:
        return importlib.import_module(name + inside)
    except ImportError as error:
        raise ToolMissingError(f"{name} is not installed", hint=hint) from error


def _port(detail: Mapping[str, Any]) -> Port:
    scale, zero_point = detail["quantization"]
    shape = tuple(int(n) for n in detail["shape"])
    return Port(str(detail["name"]), np.dtype(detail["dtype"]).name, shape, float(scale), int(zero_point))
