"""Every pass of the front, one at a time, leaves every model's answers in onnxruntime as they were; and what `--dump-stages` writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgec.compiler import compile_model
from edgec.graph import stages
from edgec.graph.heads import split_heads
from edgec.graph.infer import infer
from edgec.graph.load import load_model
from edgec.graph.normalize import MAX_ROUNDS, SPELLING, STATIC, Pass, tidy
from edgec.graph.qoperator import expand
from edgec.graph.view import Array
from edgec.options import CompileOptions
from tests.graph.test_exporters import FILES
from tests.graph.test_shared_models import MODELS, random_inputs

TOLERANCE = 1e-4


class Watch:
    """Runs passes and compares what each that changes something gives with what its forerunner gave."""

    def __init__(self, path: Path) -> None:
        self.model = load_model(path)
        self.inputs = random_inputs(self.model, 1)
        self.answers = stages.run(path, self.inputs)
        self.seen: list[str] = []
        self.compare("load")

    def compare(self, name: str) -> None:
        answers = stages.run(self.model, self.inputs)
        assert answers.keys() == self.answers.keys()
        for output, wanted in self.answers.items():
            gap = stages.difference(wanted, answers[output])
            assert gap <= (TOLERANCE if np.issubdtype(wanted.dtype, np.floating) else 1), (name, output, gap)
        self.answers = answers
        self.seen.append(name)

    def apply(self, one: Pass) -> bool:
        if not one(self.model):
            return False
        infer(self.model)
        self.compare(one.__name__)
        return True

    def repeat(self, passes: tuple[Pass, ...]) -> None:
        for _ in range(MAX_ROUNDS):
            infer(self.model)
            changed = [self.apply(one) for one in passes]
            tidy(self.model)
            if not any(changed):
                return


def every_stage(path: Path) -> list[str]:
    watch = Watch(path)
    watch.model = expand(watch.model)
    watch.compare("expand")
    watch.repeat(STATIC)
    watch.repeat((*STATIC, *SPELLING))
    watch.apply(split_heads)
    return watch.seen


@pytest.mark.parametrize("name", MODELS)
def test_every_stage_of_every_model(shared: Path, name: str) -> None:
    assert len(every_stage(shared / "models" / f"{name}.onnx")) >= 2


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_stage_of_every_export(path: Path) -> None:
    seen = every_stage(path)
    assert "fuse_norms" in seen or "script14" not in path.stem


def test_dumped_stages(tmp_path: Path, digits: Path) -> None:
    """Models that run, from the first to the last alike; programs as text."""
    model = digits / "digits_f32.onnx"
    options = CompileOptions(dump_stages=tmp_path / "notes")
    compile_model(model, options, tmp_path / "out")
    names = sorted(file.name for file in (tmp_path / "notes").iterdir())
    assert names == ["01-load.onnx", "02-normalise.onnx", "03-heads.onnx", "05-lower.txt", "06-plan.txt"]
    assert (tmp_path / "notes" / "06-plan.txt").read_text(encoding="utf-8").startswith("program digits_f32 ")
    inputs: dict[str, Array] = random_inputs(ir.load(tmp_path / "notes" / "01-load.onnx"))
    for name in names[:3]:
        stages.check(model, tmp_path / "notes" / name, inputs)
    plain = compile_model(model, CompileOptions(), tmp_path / "plain")
    assert all(
        (tmp_path / "out" / source).read_bytes() == (plain.dir / source).read_bytes()
        for source in ("digits_f32.c", "digits_f32_weights.c")
    )
