"""The MLPerf Tiny models as onnxruntime's own tool quantizes them, in all its spellings: compiled, byte for byte, and as close
to onnxruntime as the arithmetic note promises."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgec.compiler import compile_model
from edgec.options import CompileOptions
from edgec.verify.check import verify
from tests.quant.static import quantized_by_onnxruntime

MODELS = ("kws", "vww", "ic", "ad")
SPELLINGS = list(product(("QDQ", "QOperator"), ("QInt8", "QUInt8"), (False, True)))
QUICK = {("kws", "QDQ", "QUInt8", True), ("ad", "QOperator", "QInt8", False), ("ic", "QOperator", "QUInt8", True)}
SAMPLES = 6


def cases() -> list[object]:
    """All 32; slow but for a few."""
    found = []
    for name, (form, activations, per_channel) in product(MODELS, SPELLINGS):
        marks = () if (name, form, activations, per_channel) in QUICK else (pytest.mark.slow,)
        label = f"{name}-{form}-{'S8S8' if activations == 'QInt8' else 'U8S8'}-{'channel' if per_channel else 'tensor'}"
        found.append(pytest.param(name, form, activations, per_channel, id=label, marks=marks))
    return found


@pytest.mark.parametrize(("name", "form", "activations", "per_channel"), cases())
def test_every_spelling(
    shared: Path, tmp_path: Path, name: str, form: str, activations: str, per_channel: bool
) -> None:
    model = onnx.load(shared / "models" / f"{name}_f32.onnx")
    port = model.graph.input[0]
    dims = [d.dim_value or 1 for d in port.type.tensor_type.shape.dim]
    with np.load(shared / "models" / f"{name}.npz") as data:
        samples = data["input_f32"].reshape(-1, *dims)[:SAMPLES]
    made = quantized_by_onnxruntime(model, samples, form, activations, per_channel)
    onnx.save(made, tmp_path / f"{name}.onnx")
    compiled = compile_model(tmp_path / f"{name}.onnx", CompileOptions(target="host"), tmp_path / "out")
    document = verify(compiled.dir, {port.name: samples}, layers=True)
    assert document["ok"], document["onnxruntime"]
    assert document["mismatching_bytes"] == 0
    computed = {step.op for step in compiled.program.steps if compiled.program.by_name[step.output].dtype == "float32"}
    assert computed <= {"dequantize"}, "everything between the borders is in integers"
