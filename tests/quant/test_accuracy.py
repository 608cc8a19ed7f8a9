"""Accuracy of real models after quantization, judged by onnxruntime: within 0.3 points of the float model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from edgec.compiler import front
from edgec.options import CompileOptions
from edgec.quant import quantize

Array = np.ndarray[Any, Any]


def images(shared: Path) -> tuple[Array, Array, Array]:
    data = np.load(shared / "data" / "cifar10_test2k_calib500.npz")
    return data["calib"].astype(np.float32), data["X"].astype(np.float32), data["y"]


def words(shared: Path) -> tuple[Array, Array, Array]:
    data = np.load(shared / "data" / "kws01_1000_int8_49x10.npz")
    real = (data["X"].astype(np.float32) - float(data["zero_point"])) * np.float32(data["scale"])
    return real[np.random.RandomState(0).permutation(len(real))[:200]], real, data["y"]


def clothes(shared: Path) -> tuple[Array, Array, Array]:
    data = np.load(shared / "data" / "fashion_mnist_test10k_calib500.npz")
    calib, test = ((data[name][:, None].astype(np.float32) / 255 - 0.286) / 0.353 for name in ("calib", "X"))
    return calib, test, data["y"]


def right(model: ir.Model, x: Array, y: Array) -> float:
    """Percentage of samples classified as labelled."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString(), options)
    name = session.get_inputs()[0].name
    found = [int(session.run(None, {name: sample[None]})[0].argmax()) for sample in x]
    return 100.0 * float(np.mean(np.array(found) == y))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "data"),
    [("ic_f32", images), ("kws_f32", words), ("vit_fashion_p7", clothes), ("vit_fashion_p4", clothes)],
)
def test_within_a_third_of_a_point(name: str, data: Any, shared: Path) -> None:
    calib, x, y = data(shared)
    model = front(shared / "models" / f"{name}.onnx", CompileOptions())
    made = quantize(model, {str(model.graph.inputs[0].name): calib})
    assert made.report["float"] == []
    assert right(made.model, x, y) >= right(model, x, y) - 0.3
