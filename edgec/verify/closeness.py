"""How close the Program is to the real-valued model that onnxruntime computes: layer by layer, and end to end.

Layer by layer each step is fed with onnxruntime's own values, so that one step's rounding is judged alone.  A tie is an element whose
exact value lies half-way between two integers (onnxruntime computes it in float32, so: within 1e-4 of half-way, int16 0.02); edgec rounds
most ties up, ONNX to even, and neither is wrong.  Source: arithmetic note, "Closeness claims".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgec.ir.interp import Reference
from edgec.ir.program import Array, Buffer, Port, Program, Step, site
from edgec.verify.judge import Judge, physical, to_onnx

IDENTICAL = 0.999  # of the elements of a linear layer, ties apart
TIE = 1e-4  # distance from half-way that still counts as a tie, in units of the last place
TIE_16 = 0.02  # the same for int16: float32 sums of the judge hold 16 bits and few more
RELATIVE = 1e-4  # float32: largest difference over the largest magnitude
ENERGY = 0.01  # regression: relative difference of the mean squared error
LINEAR = frozenset(
    (
        "conv2d",
        "depthwise",
        "dense",
        "matmul",
        "add",
        "sub",
        "mul",
        "maxpool",
        "avgpool",
        "reduce_mean",
        "global_avgpool",
        "global_maxpool",
    )
)


@dataclass
class Layer:
    """Counts of one step over all samples.  worst: largest difference (units of the last place; float: relative)."""

    step: Step
    integer: bool
    elements: int = 0
    identical: int = 0
    ties: int = 0
    worst: float = 0.0
    skipped: str = ""

    @property
    def share(self) -> float:
        """Identical elements over those that are no differing tie."""
        counted = self.elements - self.ties
        return self.identical / counted if counted else 1.0

    @property
    def ok(self) -> bool:
        if self.skipped:
            return True
        if not self.integer:
            return self.worst <= RELATIVE
        return self.worst <= 1 and (self.step.op not in LINEAR or self.share >= IDENTICAL)

    def row(self) -> dict[str, Any]:
        """For the report: plain values."""
        return {
            "name": self.step.name,
            "op": self.step.op,
            "node": self.step.node,
            "elements": self.elements,
            "identical": round(self.share, 6) if self.integer else None,
            "ties": self.ties,
            "worst": float(self.worst),
            "ok": self.ok,
            "skipped": self.skipped,
        }


class LayerByLayer:
    """Feeds every step with onnxruntime's values and counts how its result compares."""

    def __init__(self, program: Program, references: Mapping[str, Reference], judge: Judge) -> None:
        self.program, self.references, self.judge = program, references, judge
        self.bases = {b.name: program.base(b.name).name for b in program.buffers}
        self.layers = {s.name: Layer(s, program.by_name[s.output].dtype != "float32") for s in program.steps}

    def add(self, values: Mapping[str, Array]) -> None:
        """One sample.  values: what the judge computed."""
        known, origin = self._known(values)
        have = dict(known)
        for step in self.program.steps:
            layer, target = self.layers[step.name], self.bases[step.output]
            if any(self.bases[name] not in have for name in step.inputs if name != step.output):
                layer.skipped = "onnxruntime has no value for an input"
                continue
            made = self._made(step, have)
            if target in known:
                self._count(layer, made, known[target], origin[target], values)
                layer.skipped = ""
            else:  # an intermediate of one ONNX operator: judged with the step that completes it
                have[target] = made
                layer.skipped = "no ONNX value is its result alone; judged together with its neighbour"

    def _known(self, values: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Buffer]]:
        """Stored rows of every buffer that stands for an ONNX value, and which buffer said so."""
        found: dict[str, Array] = {}
        origin: dict[str, Buffer] = {}
        for buffer in self.program.buffers:
            if buffer.origin is None or buffer.origin.value not in values or self.bases[buffer.name] in found:
                continue
            rows = physical(values[buffer.origin.value], buffer)
            if rows is not None:
                found[self.bases[buffer.name]] = rows
                origin[self.bases[buffer.name]] = buffer
        return found, origin

    def _made(self, step: Step, have: Mapping[str, Array]) -> Array:
        at = site(self.program, step)
        nothing = np.zeros(
            at.output.elements, at.output.dtype
        )  # running sums read what they make; at once, from nothing
        rows = [have.get(self.bases[b.name], nothing).reshape(b.rows, b.row_elements) for b in at.inputs]
        return np.asarray(self.references[step.op](at, 0, at.output.rows, rows)).reshape(-1)

    def _count(self, layer: Layer, made: Array, rows: Array, buffer: Buffer, values: Mapping[str, Array]) -> None:
        want = rows.reshape(-1)
        layer.elements += want.size
        if not layer.integer:
            layer.worst = max(layer.worst, relative(made, want))
            return
        off = np.abs(made.astype(np.int64) - want.astype(np.int64))
        layer.identical += int(np.count_nonzero(off == 0))
        layer.worst = max(layer.worst, float(off.max(initial=0)))
        differ = np.flatnonzero(off == 1)
        if differ.size:
            layer.ties += int(np.count_nonzero(self._ties(buffer, values)[differ]))

    def _ties(self, buffer: Buffer, values: Mapping[str, Array]) -> Array:
        """Which elements lie half-way between two integers, in stored order."""
        assert buffer.origin is not None
        rounding = self.judge.roundings.get(buffer.origin.value)
        if rounding is None or rounding.value not in values:
            return np.zeros(buffer.elements, bool)
        value = values[rounding.value].astype(np.float64) / rounding.scale
        half = np.abs(value - np.floor(value) - 0.5) < (TIE_16 if buffer.dtype == "int16" else TIE)
        moved = half.transpose(buffer.origin.perm or tuple(range(half.ndim)))
        if buffer.origin.keep:
            moved = moved.take(buffer.origin.keep, axis=-1)
        return np.ascontiguousarray(moved).reshape(-1)


def relative(got: Array, want: Array) -> float:
    """Largest difference over the largest magnitude of what is expected."""
    if not want.size:
        return 0.0
    difference = np.abs(got.astype(np.float64).reshape(-1) - want.astype(np.float64).reshape(-1))
    if not np.array_equal(np.isfinite(got.reshape(-1)), np.isfinite(want.reshape(-1))):
        return float("inf")
    finite = np.isfinite(difference)
    scale = float(np.abs(want.reshape(-1)[finite]).max(initial=0.0))
    return float(difference[finite].max(initial=0.0)) / max(scale, 1e-30)


def kind_of(program: Program, index: int) -> str:
    """How an output is judged end to end: `values` (float programs), `score` (it reconstructs an input), `classes` or `values`."""
    port = program.outputs[index]
    quantized = any(b.dtype in ("int8", "uint8", "int16") for b in program.buffers)
    if not quantized:
        return "float"
    if any(port.shape == other.shape for other in program.inputs):
        return "score"
    return "classes" if len(port.shape) <= 2 and port.shape and port.shape[-1] > 1 else "values"


class EndToEnd:
    """Outputs of the compiled model against onnxruntime's, over all samples."""

    def __init__(self, program: Program, judge: Judge) -> None:
        self.program, self.judge = program, judge
        self.rows: list[dict[str, Any]] = []
        for index, port in enumerate(program.outputs):
            start = {"samples": 0, "agree": 0, "worst": 0.0, "identical_bytes": 0, "bytes": 0}
            self.rows.append({"name": port.name, "judged_by": kind_of(program, index), **start})

    def add(self, sample: Mapping[str, Array], outputs: Mapping[str, Array], values: Mapping[str, Array]) -> None:
        """One sample.  outputs: ONNX output name -> array as the library gives it."""
        for row, port in zip(self.rows, self.program.outputs, strict=True):
            buffer = self.program.by_name[port.buffer]
            got, want = outputs[port.name].reshape(port.shape), self.judge.expected(port, values)
            row["samples"] += 1
            row["bytes"] += got.nbytes
            row["identical_bytes"] += int(
                np.count_nonzero(got.view(np.uint8) == np.ascontiguousarray(want).view(np.uint8))
            )
            if row["judged_by"] == "float":
                off = relative(got, want)
                agree = off <= RELATIVE
            else:
                off = float(np.abs(got.astype(np.float64) - want.astype(np.float64)).max(initial=0.0))
                real = [to_onnx(a, buffer, "float32").astype(np.float64) for a in (got, want)]
                agree = _agree(row["judged_by"], real[0], real[1], self._input(port, sample))
            row["worst"] = max(row["worst"], off)
            row["agree"] += int(agree)

    def _input(self, port: Port, sample: Mapping[str, Array]) -> Array | None:
        """The real values of the input that an output reconstructs."""
        for other in self.program.inputs:
            if other.shape == port.shape:
                return (
                    to_onnx(sample[other.name], self.program.by_name[other.buffer], "float32")
                    .astype(np.float64)
                    .reshape(port.shape)
                )
        return None

    @property
    def ok(self) -> bool:
        return all(row["agree"] == row["samples"] for row in self.rows)


def _agree(kind: str, got: Array, want: Array, source: Array | None) -> bool:
    """The claim of the arithmetic note for one output of one sample, real values."""
    if kind == "classes":
        chosen = np.argmax(got, axis=-1)[..., None]
        return bool(np.all(np.take_along_axis(want, chosen, -1)[..., 0] == want.max(axis=-1)))
    if kind == "score" and source is not None:
        ours, theirs = float(np.mean((got - source) ** 2)), float(np.mean((want - source) ** 2))
        return abs(ours - theirs) <= ENERGY * max(theirs, 1e-30)
    return float(np.mean((got - want) ** 2)) <= ENERGY * max(float(np.mean(want**2)), 1e-30)


def closeness(layers: LayerByLayer, ends: EndToEnd, enforce_ends: bool = True) -> dict[str, Any]:
    """The verdicts as plain values."""
    judged: Sequence[Layer] = [layer for layer in layers.layers.values() if not layer.skipped]
    return {
        "judge": "onnxruntime, no graph optimisation",
        "ok": all(layer.ok for layer in judged) and (ends.ok or not enforce_ends),
        "layers_judged": len(judged),
        "layers_skipped": len(layers.layers) - len(judged),
        "layers": [layer.row() for layer in layers.layers.values()],
        "outputs": ends.rows,
    }


__all__ = ["EndToEnd", "LayerByLayer", "closeness", "relative"]
