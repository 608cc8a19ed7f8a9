"""Other runtimes in this process, on one thread: onnxruntime, and LiteRT (or the tflite-runtime it was before)."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from edgec.against.question import Answer, Port, Question
from edgec.against.rounds import Lap, laps
from edgec.errors import ToolMissingError
from edgec.verify.load import load

__all__ = ["litert", "measure", "onnxruntime", "version"]

Prepared = tuple[Callable[[], object], Callable[[], Answer]]
"""One inference whose time is taken, and the answer after one."""


def measure(
    question: Question, models: Mapping[str, Path], rounds: int, seconds: float
) -> tuple[dict[str, list[Lap]], dict[str, Answer], dict[str, str]]:
    """(laps, answers, why some were refused) of edgec and of each runtime in `models`, by name."""
    model = load(question.package.path)
    given = [question.sample[tensor.name] for tensor in question.package.inputs]
    made = dict(zip((t.name for t in question.package.outputs), model(*given), strict=True))
    runs: dict[str, Callable[[], object]] = {"edgec": model.prepared(*given)}
    answers = {"edgec": question.own(made)}
    for name, path in models.items():
        run, answer = RUNTIMES[name](path, question)
        runs[name], answers[name] = run, answer()
    return laps(runs, rounds, seconds), answers, {}


def onnxruntime(path: Path, question: Question) -> Prepared:
    """One thread, all graph optimisations, inputs and outputs bound once: nothing of Python but the call."""
    runtime = _imported("onnxruntime", "pip install 'edgec[ort]'")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = runtime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    binding = session.io_binding()
    for name, array in question.onnx_inputs(path).items():
        binding.bind_cpu_input(name, array)
    names = [output.name for output in session.get_outputs()]
    for name in names:
        binding.bind_output(name)

    def answer() -> Answer:
        session.run_with_iobinding(binding)
        return question.onnx_answer(dict(zip(names, binding.copy_outputs_to_cpu(), strict=True)))

    return partial(session.run_with_iobinding, binding), answer


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

    return run, answer


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
