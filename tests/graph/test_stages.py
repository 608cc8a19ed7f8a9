"""Every pass of the front, one at a time, leaves every model's answers in onnxruntime as they were, and so does what the quantizer moves
before it rounds anything; and what `--dump-stages` writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgec.compiler import compile_model
from edgec.graph import stages
from edgec.graph.heads import split_heads
from edgec.graph.infer import infer
from edgec.graph.load import front, load_model
from edgec.graph.normalize import MAX_ROUNDS, SPELLING, STATIC, Pass, normalize, tidy
from edgec.graph.qoperator import expand
from edgec.graph.view import Array, shape
from edgec.options import CompileOptions
from edgec.quant import QuantOptions, quantize
from edgec.quant.equalize import equalized, find_pairs
from edgec.quant.lowrank import fold_chains
from tests.graph.test_exporters import FILES
from tests.graph.test_shared_models import MODELS, random_inputs

TOLERANCE = 1e-4
EQUALIZED = frozenset(
    "ad_f32 ic_f32 kws_f32 mlp_digits vit_fashion_p4 vit_fashion_p7 vww_f32".split()
)  # the others have no such layers


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
    if not any(node.op_type in ("QuantizeLinear", "QLinearConv") for node in watch.model.graph):
        watch.apply(fold_chains)
        equalize(watch)
    return watch.seen


def equalize(watch: Watch) -> None:
    """Factors from layer to layer, whatever was observed: here channels of wildly different widths, and a dead one."""
    pairs, rng = find_pairs(watch.model), np.random.default_rng(2)
    shapes = {str(value.name): shape(value) for node in watch.model.graph for value in node.outputs}
    peaks = {pair.value: rng.lognormal(0, 1.5, shapes[pair.value][pair.axis]) for pair in pairs}
    for peak in peaks.values():
        peak[0] = 0.0
    if pairs:
        watch.model = equalized(watch.model, pairs, peaks)
        watch.compare("equalized")


def test_no_model_is_missing(shared: Path) -> None:
    assert sorted(path.stem for path in (shared / "models").glob("*.onnx")) == sorted(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_every_stage_of_every_model(shared: Path, name: str) -> None:
    seen = every_stage(shared / "models" / f"{name}.onnx")
    assert len(seen) >= 2 and ("equalized" in seen) == (name in EQUALIZED), seen


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_stage_of_every_export(path: Path) -> None:
    seen = every_stage(path)
    assert ("fuse_norms" in seen or "script14" not in path.stem) and ("equalized" in seen) == path.stem.startswith(
        "vit"
    )


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


def test_the_quantized_stage(digits: Path) -> None:
    """The one stage that rounds: its answers differ from those of the stage before by the noise that the quantizer reports for it."""
    model = front(digits / "digits_f32.onnx")
    source = model.graph.inputs[0]
    images = np.load(digits / "digits.npz")["image"]
    made = quantize(model, {str(source.name): images}, QuantOptions(effort=0))
    after = normalize(made.model)
    noise = signal = 0.0
    for image in images:
        inputs = {str(source.name): image[None]}
        (real,), (found,) = stages.run(model, inputs).values(), stages.run(after, inputs).values()
        noise += float(np.square(real - found).sum())
        signal += float(np.square(real).sum())
    assert made.report["output_error"] == pytest.approx(noise / signal, rel=0.02) and noise < 0.001 * signal
