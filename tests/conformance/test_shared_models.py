"""Real models from ../shared, compiled for the host: byte for byte, layer by layer against onnxruntime, and task accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgec.compiler import CompileResult, compile_model
from edgec.options import CompileOptions
from edgec.verify.check import verify
from edgec.verify.judge import Judge
from edgec.verify.load import load
from edgec.verify.reference import read_program

INT8 = ("kws_int8_qdq", "vww_int8_qdq", "ic_int8_qdq", "ad_int8_qdq")
FLOAT = ("kws_f32", "vww_f32", "ic_f32", "ad_f32")


def compiled(shared: Path, tmp_path: Path, name: str) -> CompileResult:
    return compile_model(shared / "models" / f"{name}.onnx", CompileOptions(target="host"), tmp_path / name)


def samples(shared: Path, name: str, key: str, made: CompileResult) -> dict[str, Any]:
    """The samples of the .npz beside the model, as [samples, *shape]."""
    port = made.manifest["inputs"][0]
    with np.load(shared / "models" / f"{name.split('_')[0]}.npz") as data:
        return {port["name"]: data[key].reshape(-1, *port["shape"])}


@pytest.mark.parametrize("name", INT8)
def test_int8_models(shared: Path, tmp_path: Path, name: str) -> None:
    """Every sample of the .npz: bytes, argmax (ad: mean squared error), 99.9 % and 1 LSB layer by layer."""
    made = compiled(shared, tmp_path, name)
    document = verify(made.dir, samples(shared, name, "input_int8", made), layers=True)
    assert document["ok"], document["onnxruntime"]
    assert document["mismatching_bytes"] == 0
    partial = sum(step.op == "pool_sum" for step in made.program.steps)  # sums of a pool: judged with its finish
    assert document["closeness"]["layers_judged"] == len(made.program.steps) - partial
    assert all(row["agree"] == row["samples"] == document["samples"] for row in document["outputs"])


@pytest.mark.parametrize("name", FLOAT)
def test_float_models(shared: Path, tmp_path: Path, name: str) -> None:
    made = compiled(shared, tmp_path, name)
    document = verify(made.dir, samples(shared, name, "input_f32", made))
    assert document["ok"], document["onnxruntime"]
    assert all(row["worst"] <= 1e-4 for row in document["outputs"])


def test_mlp_digits(shared: Path, tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    made = compiled(shared, tmp_path, "mlp_digits")
    x = load_digits().data[:100].astype(np.float32).reshape(100, 1, 64)
    document = verify(made.dir, {"x": x})
    assert document["ok"], document["onnxruntime"]
    assert document["outputs"][0]["worst"] <= 1e-4


def test_mcunet(shared: Path, tmp_path: Path) -> None:
    """Pads, clips, residuals, float input and output."""
    made = compiled(shared, tmp_path, "mcunet_vww_int8")
    document = verify(made.dir, layers=True)
    assert document["ok"], document["onnxruntime"]
    assert document["mismatching_bytes"] == 0


@pytest.mark.slow
def test_mobilenetv2(shared: Path, tmp_path: Path) -> None:
    """uint8 input and output, 224x224, 66 layers."""
    made = compiled(shared, tmp_path, "mobilenetv2_224_ptq")
    document = verify(made.dir, layers=True)
    assert document["ok"], document["onnxruntime"]
    assert document["mismatching_bytes"] == 0


def accuracy(made: CompileResult, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Share of right answers in percent: ours, onnxruntime's on the same model and samples."""
    model, judge = load(made.dir), Judge(made.dir, read_program(made.dir))
    name = made.manifest["inputs"][0]["name"]
    ours = theirs = 0
    for sample, label in zip(x, y, strict=True):
        ours += int(np.argmax(model(sample)[0]) == label)
        theirs += int(np.argmax(next(iter(judge.results({name: sample}).values()))) == label)
    return 100 * ours / len(y), 100 * theirs / len(y)


@pytest.mark.slow
def test_accuracy_of_resnet8(shared: Path, tmp_path: Path) -> None:
    made = compiled(shared, tmp_path, "ic_int8_qdq")
    with np.load(shared / "data" / "cifar10_test2k_calib500.npz") as data:
        x = (data["X"].astype(np.int16) - 128).astype(np.int8)[:, None]
        ours, theirs = accuracy(made, x, data["y"])
    assert theirs > 85
    assert abs(ours - theirs) <= 0.3


def test_accuracy_of_ds_cnn(shared: Path, tmp_path: Path) -> None:
    made = compiled(shared, tmp_path, "kws_int8_qdq")
    with np.load(shared / "data" / "kws01_1000_int8_49x10.npz") as data:
        ours, theirs = accuracy(made, data["X"][:, None], data["y"])
    assert theirs > 88
    assert abs(ours - theirs) <= 0.3
