"""Accuracy of real models after quantization: the compiled library on this machine against the float model and against the best
that onnxruntime's own static quantization makes of the same samples."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgec.compiler import compile_model
from edgec.options import CompileOptions
from edgec.verify.load import load
from tests.conftest import ROOT
from tests.quant.models import without_quantization
from tests.quant.static import quantized_by_onnxruntime

Array = np.ndarray[Any, Any]
Data = tuple[Array, Array, Array]  # calibration samples, test samples, labels

POINTS = 0.3  # what quantization may cost
MEMORY = 2 << 30  # bytes that quantizing a model of a phone's size may take


def images(shared: Path) -> Data:
    data = np.load(shared / "data" / "cifar10_test2k_calib500.npz")
    return data["calib"].astype(np.float32), data["X"].astype(np.float32), data["y"]


def words(shared: Path) -> Data:
    data = np.load(shared / "data" / "kws01_1000_int8_49x10.npz")
    real = (data["X"].astype(np.float32) - float(data["zero_point"])) * np.float32(data["scale"])
    return real[np.random.RandomState(0).permutation(len(real))[:200]], real, data["y"]


def clothes(shared: Path) -> Data:
    data = np.load(shared / "data" / "fashion_mnist_test10k_calib500.npz")
    calib, test = ((data[name][:, None].astype(np.float32) / 255 - 0.286) / 0.353 for name in ("calib", "X"))
    return calib, test, data["y"]


def right(classify: Callable[[Array], Array], x: Array, y: Array) -> float:
    """Percentage of samples classified as labelled."""
    return 100.0 * float(
        np.mean([int(classify(sample[None]).argmax()) == label for sample, label in zip(x, y, strict=True)])
    )


def judge(model: onnx.ModelProto) -> Callable[[Array], Array]:
    """onnxruntime, graph optimisation off."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    name = session.get_inputs()[0].name
    return lambda sample: np.asarray(session.run(None, {name: sample})[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "data", "floor"),
    [
        ("ic_f32", images, 87.5),
        ("kws_f32", words, 91.0),
        ("vit_fashion_p7", clothes, 88.0),
        ("vit_fashion_p4", clothes, 89.2),
    ],
)
def test_within_a_third_of_a_point(
    name: str, data: Callable[[Path], Data], floor: float, shared: Path, tmp_path: Path
) -> None:
    """Close to float, in integers throughout; convolutional nets also no worse than onnxruntime's quantization (per channel, int8, the
    same samples)."""
    calib, x, y = data(shared)
    path = shared / "models" / f"{name}.onnx"
    model = onnx.load(path)
    made = compile_model(path, CompileOptions(target="host"), tmp_path / name, {model.graph.input[0].name: calib})
    buffers = made.program.by_name
    assert {s.op for s in made.program.steps if buffers[s.output].dtype == "float32"} <= {"dequantize"}
    library = load(made.dir)
    ours = right(lambda sample: library(sample)[0], x, y)
    real = right(judge(model), x, y)
    theirs = 0.0
    if not name.startswith("vit"):
        theirs = right(judge(quantized_by_onnxruntime(model, [sample[None] for sample in calib])), x, y)
    assert ours >= max(theirs, real - POINTS, floor), (
        f"float {real:.2f}, edgec int8 {ours:.2f}, onnxruntime int8 {theirs:.2f}"
    )


@pytest.mark.slow
def test_quantize_of_mobilenetv2_stays_small_and_shows_progress(shared: Path, tmp_path: Path) -> None:
    """100 samples of 224x224 on the command line: peak memory of the process, a progress bar on a terminal."""
    onnx.save(without_quantization(onnx.load(shared / "models" / "mobilenetv2_224_ptq.onnx")), tmp_path / "f.onnx")
    samples = np.random.default_rng(0).integers(0, 256, (100, 1, 7, 7, 3)).astype(np.float32)
    samples = samples.repeat(32, axis=2).repeat(32, axis=3)  # coarse squares: smooth as photographs are
    np.savez(
        tmp_path / "calib.npz", input=samples + np.random.default_rng(1).normal(0, 8, samples.shape).astype(np.float32)
    )
    command = [sys.executable, "-m", "edgec", "quantize", "f.onnx", "--calib", "calib.npz", "--out", "q.onnx"]
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=theirs, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    os.close(theirs)
    shown = b"".join(iter(lambda: read(ours), b""))
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = status
    assert status == 0, shown.decode()
    assert b"ranges" in shown and b"choosing ranges" in shown
    assert used.ru_maxrss * 1024 < MEMORY


def read(terminal: int) -> bytes:
    """What was written to a terminal; nothing when its other side has been closed."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""
