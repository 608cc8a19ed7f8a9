"""`verify`: the compiled code against the Program's meaning (byte for byte), and the Program against onnxruntime (arithmetic bounds)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgec.errors import InputError, LinkError
from edgec.ir.interp import Interpreter
from edgec.ir.program import Array, Step
from edgec.toolchain.package import load_package
from edgec.verify.closeness import RELATIVE, EndToEnd, LayerByLayer, closeness, relative
from edgec.verify.devices import Device, Samples, count, device
from edgec.verify.judge import Judge
from edgec.verify.reference import reference
from edgec.verify.samples import default_samples

LAYER_SAMPLES = 64  # the judge looks at every layer for so many samples, at the outputs for all


def verify(
    folder: Path | str,
    inputs: Mapping[str, Array] | None = None,
    on: str = "host",
    layers: bool = False,
    with_onnxruntime: bool = True,
) -> dict[str, Any]:
    """Runs the compiled package and compares it with the interpreter and with onnxruntime.

    inputs: ONNX input name -> [samples, *shape] in the library's own types; None: a few structured and random samples, on which
    disagreement at the outputs is reported but only bytes and layer bounds decide.  on: `host`, `emulator`, or a URL.
    layers: compare every step on the device too.  int8 programs must agree byte for byte, float32 ones within 1e-4 of the
    largest magnitude.  Samples of a model that keeps states are one sequence, from a reset.  Returns plain values; `ok` is
    the verdict.  Errors: InputError, ToolMissingError, BuildError, LinkError.
    """
    folder = Path(folder)
    meaning = reference(folder)
    samples = default_samples(meaning.program) if inputs is None else _checked(folder, inputs)
    runner = device(folder, on)
    meaning.reset()
    expected = [_run(meaning, samples, i) for i in range(count(samples))]
    got = runner.run(samples)
    different = [_differing(got[i], expected[i]) for i in range(len(expected))]
    document: dict[str, Any] = {
        "ok": not any(different),
        "samples": len(expected),
        "inputs": "structured and random" if inputs is None else "given",
        "compared_bytes": sum(array.nbytes for sample in expected for array in sample.values()),
        "mismatching_bytes": sum(different),
        "mismatching_samples": sum(n > 0 for n in different),
        "first_difference": None,
    }
    if layers or any(different):
        worst = next((i for i, n in enumerate(different) if n), 0)
        _add_layers(document, meaning, runner, samples, worst, layers)
    if with_onnxruntime:
        verdict = _judged(folder, meaning, samples, got, inputs is not None)
        document["ok"] = document["ok"] and verdict["ok"]
        document["onnxruntime"] = _sentence(verdict)
        document["outputs"] = verdict["outputs"]
        document["closeness"] = verdict
        if layers:
            _merge(document["layers"], verdict["layers"])
    return document


def _checked(folder: Path, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """The samples, when they fit the package."""
    package = load_package(folder)
    for tensor in package.inputs:
        array = inputs.get(tensor.name)
        fits = array is not None and array.dtype == np.dtype(tensor.dtype) and array.shape[1:] == tuple(tensor.shape)
        if not fits or array is None or not len(array):
            what = "nothing" if array is None else f"{array.dtype} {list(array.shape)}"
            raise InputError(
                f"input {tensor.name!r} takes {tensor.dtype} [samples, {', '.join(map(str, tensor.shape))}], given: {what}",
                "one array for each model input, named like it, samples along the first axis",
            )
    return {tensor.name: np.ascontiguousarray(inputs[tensor.name]) for tensor in package.inputs}


def _run(meaning: Interpreter, samples: Samples, index: int) -> dict[str, Array]:
    return meaning.run({name: array[index] for name, array in samples.items()})


def _differing(got: Mapping[str, Array], want: Mapping[str, Array]) -> int:
    """Bytes that differ (of float32 outputs beyond the tolerance: the bytes of the elements outside it)."""
    return sum(_count(got[name].reshape(-1), array.reshape(-1)) for name, array in want.items())


def _count(got: Array, want: Array) -> int:
    if want.dtype != np.float32:
        return int(np.count_nonzero(got.view(np.uint8) != want.view(np.uint8)))
    if relative(got, want) <= RELATIVE:
        return 0
    scale = float(np.abs(want[np.isfinite(want)]).max(initial=0.0))
    return 4 * int(np.count_nonzero(~np.isclose(got, want, rtol=0, atol=RELATIVE * scale, equal_nan=True)))


def _add_layers(
    document: dict[str, Any], meaning: Interpreter, runner: Device, samples: Samples, index: int, wanted: bool
) -> None:
    """Compares every step of one sample on the device with the interpreter and names the first that differs."""
    meant: dict[str, list[tuple[int, Array]]] = {step.name: [] for step in meaning.program.steps}

    def watch(step: Step, row: int, made: Array) -> None:
        meant[step.name].append((row, made.copy()))

    meaning.reset()  # as the device that traces: a sample by itself, from the first state
    meaning.run({name: array[index] for name, array in samples.items()}, watch)
    try:
        traced = runner.trace(samples, index)
    except LinkError as error:
        if wanted:
            raise
        document["layers_unknown"] = f"{error.message}: {error.hint}"  # no trace build: the outputs have to do
        return
    rows = []
    for step, raw in zip(meaning.program.steps, traced, strict=True):
        buffer = meaning.program.by_name[step.output]
        got = np.frombuffer(raw, buffer.dtype)
        # a row of a ring that nobody reads is never made
        table = np.zeros((buffer.rows, buffer.row_elements), buffer.dtype)
        for row, made in meant[step.name]:
            table[row : row + len(made)] = made
        want = table.reshape(-1)
        bad = _count(got, want)
        rows.append({"name": step.name, "op": step.op, "node": step.node, "bytes": want.nbytes, "differing": bad})
        if bad and document["first_difference"] is None:
            document["ok"] = False
            _name_first(document, step, got, want, buffer.row_elements, index)
    if wanted:
        document["layers"] = rows


def _name_first(document: dict[str, Any], step: Step, got: Array, want: Array, row_elements: int, sample: int) -> None:
    """Says where the first difference is, in a sentence and as plain values."""
    limit = RELATIVE * float(np.abs(want.astype(np.float64)).max(initial=0.0)) if want.dtype == np.float32 else 0.0
    wrong = ~np.isclose(got.astype(np.float64), want.astype(np.float64), rtol=0, atol=limit, equal_nan=True)
    at = int(np.flatnonzero(wrong)[0])
    row, element = divmod(at, row_elements)
    document["first_difference"] = (
        f"step {step.name} ({step.op}, node {step.node or '-'}), sample {sample}, row {row}, element {element}: "
        f"{got[at].item()} instead of {want[at].item()}"
    )
    document["difference"] = {
        "step": step.name, "op": step.op, "node": step.node, "sample": sample, "row": row, "element": element,
        "expected": want[at].item(), "got": got[at].item(), "elements": int(np.count_nonzero(wrong)),
    }  # fmt: skip


def _judged(
    folder: Path, meaning: Interpreter, samples: Samples, got: list[dict[str, Array]], given: bool
) -> dict[str, Any]:
    """What onnxruntime says, over all samples."""
    judge = Judge(folder, meaning.program)
    by_layer = LayerByLayer(meaning.program, meaning.references, judge)
    ends = EndToEnd(meaning.program, judge)
    for index, outputs in enumerate(got):
        sample = {name: array[index] for name, array in samples.items()}
        values = judge.values(sample)
        ends.add(sample, outputs, values)
        if index < LAYER_SAMPLES:
            by_layer.add(values)
    return closeness(by_layer, ends, enforce_ends=given)


def _sentence(verdict: Mapping[str, Any]) -> str:
    """The judge's verdict on one line."""
    bad = [row["name"] for row in verdict["layers"] if not row["ok"]]
    ends = ", ".join(f"{row['name']} {row['agree']} of {row['samples']} samples" for row in verdict["outputs"])
    layers = f"{verdict['layers_judged']} layers within bounds" if not bad else f"out of bounds: {', '.join(bad)}"
    return f"{layers}; outputs agree: {ends}"


def _merge(rows: list[dict[str, Any]], judged: list[dict[str, Any]]) -> None:
    """The judge's figures beside the byte counts of each layer."""
    for row, verdict in zip(rows, judged, strict=True):
        row.update({key: verdict[key] for key in ("elements", "identical", "ties", "worst", "skipped")})
        row["ok"] = verdict["ok"] and row["differing"] == 0


__all__ = ["verify"]
