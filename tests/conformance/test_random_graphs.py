"""Random QDQ models through the whole compiler: references on whole tensors, interpreter and host C under sanitizers give the same
bytes, and onnxruntime agrees layer by layer."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from edgec.compiler import compile_model
from edgec.ir.interp import Interpreter
from edgec.ir.program import Array, Program, site
from edgec.ir.text import print_program
from edgec.options import CompileOptions
from edgec.target import load_target
from edgec.verify.closeness import LayerByLayer
from edgec.verify.judge import Judge
from edgec.verify.reference import read_program, references
from edgec.verify.samples import default_samples
from tests.conformance.graphs import models
from tests.ops.harness import run_program

QUICK = settings(
    max_examples=40,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)


def whole(program: Program, sample: dict[str, Array]) -> dict[str, Array]:
    """Every step on whole tensors, nothing overwritten."""
    values = {p.buffer: sample[p.name] for p in program.inputs}
    refs = references()

    def value(name: str) -> Array:
        buffer = program.by_name[name]
        if (
            name not in values and not buffer.view_of
        ):  # running sums name their own output; made at once they start from nothing
            return np.zeros((buffer.rows, buffer.row_elements), buffer.dtype)
        found = values[name] if name in values else value(buffer.view_of)
        return np.asarray(found).reshape(buffer.rows, -1)

    for step in program.steps:
        at = site(program, step)
        values[step.output] = np.asarray(refs[step.op](at, 0, at.output.rows, [value(n) for n in step.inputs]))
    return {p.name: value(p.buffer).reshape(p.shape) for p in program.outputs}


def proven(model: onnx.ModelProto, target: str, keep: bool = False) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(model, path)
        out = Path(folder) / "package"
        made = compile_model(path, CompileOptions(target=target, keep_constant_channels=keep), out)
        program = read_program(out)
        assert print_program(program) == print_program(made.program)
        arrays = default_samples(program)
        samples = [{name: array[i] for name, array in arrays.items()} for i in range(6)]
        features = frozenset({"dsp"}) if target == "cortex-m4" else load_target(target).isa
        for sample, got in zip(samples, run_program(program, samples, features, planned=True), strict=True):
            for name, want in whole(program, sample).items():
                np.testing.assert_array_equal(got[name], want)
        judge = Judge(out, program)
        layers = LayerByLayer(program, references(), judge)
        for sample in samples:
            layers.add(judge.values(sample))
        # A layer of a few elements cannot be 99.9 % identical with one rounding of float32 apart: one element is allowed.
        bad = [r for r in (v.row() for v in layers.layers.values()) if not r["ok"] and not small(r)]
        assert not bad, bad


def small(row: dict[str, object]) -> bool:
    elements, share, worst = (float(str(row[key] or 0)) for key in ("elements", "identical", "worst"))
    return worst <= 1 and round(elements * (1 - share)) <= 1


@QUICK
@given(models())
def test_random_models(model: onnx.ModelProto) -> None:
    proven(model, "host")


@settings(QUICK, max_examples=20)
@given(models(longest=3))
def test_random_models_dsp(model: onnx.ModelProto) -> None:
    proven(model, "cortex-m4")


def test_removed_channels_change_nothing(tmp_path: Path) -> None:
    """The same models with and without their constant and unobservable channels: equal bytes, and some channels do go."""
    removed = 0

    @settings(QUICK, max_examples=40)
    @given(models(longest=4))
    def both(model: onnx.ModelProto) -> None:
        nonlocal removed
        onnx.save(model, tmp_path / "model.onnx")
        results = []
        for keep in (False, True):
            options = CompileOptions(target="host", keep_constant_channels=keep)
            made = compile_model(tmp_path / "model.onnx", options, tmp_path / "package")
            arrays = default_samples(made.program)
            interpreter = Interpreter(made.program, references())
            results.append([interpreter.run({name: array[i] for name, array in arrays.items()}) for i in range(6)])
            removed += made.summary["removed_channels"]
        for one, two in zip(*results, strict=True):
            for name in one:
                np.testing.assert_array_equal(one[name], two[name])

    both()
    assert removed > 0


@pytest.mark.slow
@settings(QUICK, max_examples=500, phases=tuple(Phase))
@given(models(longest=8))
def test_many_random_models(model: onnx.ModelProto) -> None:
    proven(model, "host")


@pytest.mark.slow
@settings(QUICK, max_examples=300, phases=tuple(Phase))
@given(models(longest=6))
def test_many_random_models_dsp(model: onnx.ModelProto) -> None:
    proven(model, "cortex-m4", keep=True)
