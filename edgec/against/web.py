"""Other runtimes as WebAssembly in node, on one thread: onnxruntime-web, and LiteRT.js.

Both come from npm at the versions of edgec.toolchain.npm; firmware/wasm/against.mjs runs them.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgec.against.question import Answer, Measured, Port, Question
from edgec.against.rounds import WARM_UP
from edgec.ir.program import Array
from edgec.paths import firmware_dir
from edgec.target import load_target
from edgec.toolchain.base import run_tool
from edgec.toolchain.npm import PINS, fetch, node_program
from edgec.toolchain.wasm import build_module
from edgec.toolchain.web import index_text

__all__ = ["measure", "version"]

PACKAGES = {"onnxruntime-web": "onnxruntime-web", "litert": "@litertjs/core"}
"""Runtime -> its npm package."""


def measure(question: Question, models: Mapping[str, Path], rounds: int, seconds: float) -> Measured:
    """edgec's best module and each runtime in `models` (runtime -> its model)."""
    node, package = node_program(), question.package
    modules = fetch([PACKAGES[name] for name in models]) if models else None
    target = load_target(package.target)
    module = build_module(package.path, target, target.variants[-1])
    with tempfile.TemporaryDirectory(prefix="edgec-against-") as scratch:
        work = Path(scratch)
        shutil.copyfile(firmware_dir() / "wasm" / "against.mjs", work / "against.mjs")
        (work / "index.mjs").write_text(index_text(package), encoding="utf-8")
        given = [(t.name, question.sample[t.name]) for t in package.inputs]
        own = {"index": str(work / "index.mjs"), "module": str(module.resolve()), "inputs": _files(given, work / "own")}
        rivals = [
            {"name": name, "modules": str(modules), "model": str(path.resolve()), "inputs": _files(arrays, work / name)}
            for name, path in models.items()
            for arrays in [_given(name, path, question)]
        ]
        plan = {"rounds": rounds, "seconds": seconds, "warmUp": WARM_UP, "own": own, "rivals": rivals}
        (work / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        run_tool([node, "against.mjs", "plan.json", "result.json"], cwd=work, timeout=3600)
        found = json.loads((work / "result.json").read_text(encoding="utf-8"))
    answers = {name: _answer(name, outputs, question) for name, outputs in found["outputs"].items()}
    return Measured(found["laps"], answers, found["notes"], found["refused"])


def version(name: str) -> str:
    """Package and version of a runtime that is fetched."""
    return f"{PACKAGES[name]} {PINS[PACKAGES[name]]}"


def _given(name: str, path: Path, question: Question) -> list[tuple[str, Array]]:
    if name == "onnxruntime-web":
        return list(question.onnx_inputs(path).items())
    # LiteRT.js takes float32, int32 and uint8 and does not tell how integers are quantized: real values
    ports = [Port(t.name, "float32", t.shape) for t in question.package.inputs]
    return list(zip((port.name for port in ports), question.inputs(ports), strict=True))


def _files(arrays: list[tuple[str, Array]], folder: Path) -> list[dict[str, Any]]:
    folder.mkdir()
    entries = []
    for index, (name, array) in enumerate(arrays):
        (folder / str(index)).write_bytes(np.ascontiguousarray(array).tobytes())
        entries.append(
            {"name": name, "dtype": array.dtype.name, "shape": list(array.shape), "file": str(folder / str(index))}
        )
    return entries


def _answer(name: str, outputs: list[dict[str, Any]], question: Question) -> Answer:
    if name == "edgec":
        tensors = question.package.outputs
        return question.own({t.name: np.array(o["data"], t.dtype) for t, o in zip(tensors, outputs, strict=True)})
    arrays = {o["name"]: np.array(o["data"], o["dtype"]).reshape(o["shape"]) for o in outputs}
    if name == "onnxruntime-web":
        return question.onnx_answer(arrays)
    return question.answer([(Port(o["name"], o["dtype"], tuple(o["shape"])), arrays[o["name"]]) for o in outputs])
