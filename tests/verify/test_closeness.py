"""The judge: a model that agrees passes, a wrong constant in the Program is found, ties are told from errors."""

from __future__ import annotations

import builtins
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgec.compiler import compile_model
from edgec.errors import ToolMissingError
from edgec.ir.program import Buffer, Origin, Program, Quant
from edgec.options import CompileOptions
from edgec.verify.check import verify
from edgec.verify.closeness import LayerByLayer, _agree, relative
from edgec.verify.judge import Judge, from_onnx, physical, to_onnx
from edgec.verify.reference import read_program, references
from edgec.verify.samples import default_samples
from tests.conformance.graphs import Graph, Value


def model() -> onnx.ModelProto:
    """int8 image -> 3x3 convolution -> pool -> dense -> softmax."""
    g = Graph(np.random.default_rng(4))
    s, z = g.constant(np.float32(0.04)), g.zero(3)
    x = Value(g.node("DequantizeLinear", ["image", s, z]), (1, 3, 8, 8), 0.04)
    w, b = g.weights((6, 3, 3, 3), 0, 27, x)
    x = g.some(g.node("Conv", [x.name, w, b], kernel_shape=[3, 3], pads=[1, 1, 1, 1]), (1, 6, 8, 8), 0.04)
    x = g.some(g.node("AveragePool", [x.name], kernel_shape=[2, 2], strides=[2, 2]), (1, 6, 4, 4), 0.03)
    flat = Value(g.node("Flatten", [x.name]), (1, 96), x.scale)
    w, b = g.weights((10, 96), 0, 96, flat)
    x = g.some(g.node("Gemm", [flat.name, w, b], transB=1), (1, 10), 0.05)
    stored, _ = g.quantize(g.node("Softmax", [x.name]), (1, 10), 1 / 256, -128)
    ports = [onnx.helper.make_tensor_value_info(stored, onnx.TensorProto.INT8, (1, 10))]
    made = onnx.helper.make_tensor_value_info("image", onnx.TensorProto.INT8, (1, 3, 8, 8))
    graph = onnx.helper.make_graph(g.nodes, "net", [made], ports, g.constants)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    onnx.save(model(), tmp_path / "net.onnx")
    compile_model(tmp_path / "net.onnx", CompileOptions(target="host"), tmp_path / "package")
    return tmp_path / "package"


def judged(folder: Path, program: Program) -> dict[str, Any]:
    judge = Judge(folder, program)
    layers = LayerByLayer(program, references(), judge)
    arrays = default_samples(program)
    for i in range(6):
        layers.add(judge.values({name: array[i] for name, array in arrays.items()}))
    return {name: layer.row() for name, layer in layers.layers.items()}


def test_a_model_that_agrees(folder: Path) -> None:
    document = verify(folder, layers=True)
    assert document["ok"], document
    verdict = document["closeness"]
    assert {row["op"] for row in verdict["layers"] if row["skipped"]} == {
        "permute"
    }  # no ONNX value stands for the copy
    assert {row["op"] for row in verdict["layers"]} >= {"conv2d", "avgpool", "dense", "softmax"}
    assert all(row["elements"] > 0 for row in verdict["layers"] if not row["skipped"])
    assert document["outputs"][0]["judged_by"] == "classes"


@pytest.mark.parametrize("op", ["conv2d", "dense"])
def test_a_wrong_constant_is_found_in_its_layer_alone(folder: Path, op: str) -> None:
    """Each layer is fed with onnxruntime's values, so the layers behind a wrong one are not blamed."""
    program = read_program(folder)
    steps = []
    for step in program.steps:
        if step.op == op:
            consts = {**step.consts, "bias": step.consts["bias"] + np.int32(2 * 10**4)}
            step = replace(step, consts=consts)
        steps.append(step)
    rows = judged(folder, program.with_(steps=tuple(steps)))
    assert {row["op"] for row in rows.values() if not row["ok"]} == {op}


def test_one_lsb_everywhere_is_too_much_for_a_linear_layer(folder: Path) -> None:
    program = read_program(folder)
    steps = tuple(
        replace(s, attrs={**s.attrs, "zy": int(str(s.attrs["zy"])) + 1}) if s.op == "dense" else s
        for s in program.steps
    )
    row = next(r for r in judged(folder, program.with_(steps=steps)).values() if r["op"] == "dense")
    assert row["worst"] <= 1
    assert not row["ok"]


def test_a_step_without_origin_is_judged_with_its_neighbour(folder: Path) -> None:
    program = read_program(folder)
    hidden = next(s.output for s in program.steps if s.op == "avgpool")
    buffers = tuple(replace(b, origin=None) if b.name == hidden else b for b in program.buffers)
    rows = judged(folder, program.with_(buffers=buffers))
    assert [row["op"] for row in rows.values() if row["skipped"]].count("avgpool") == 1
    assert all(row["ok"] for row in rows.values())


def test_storage_of_onnx_values() -> None:
    buffer = Buffer("b", "int8", (1, 2, 3, 2), 2, quant=Quant(0.5, -128), origin=Origin("v", (0, 2, 3, 1), (0, 3)))
    value = np.arange(24, dtype=np.uint8).reshape(1, 4, 2, 3)
    rows = physical(value, buffer)
    assert rows is not None
    np.testing.assert_array_equal(rows.reshape(2, 3, 2)[..., 1], value[0, 3].astype(np.int16) - 128)
    assert physical(value[:, :3], replace(buffer, origin=Origin("v", (0, 2, 3, 1)))) is None
    q = np.array([-128, 0, 127], np.int8)
    np.testing.assert_array_equal(from_onnx(to_onnx(q, buffer, "uint8"), buffer), q)
    np.testing.assert_array_equal(from_onnx(to_onnx(q, buffer, "float32"), buffer), q)
    assert to_onnx(q, buffer, "float32").tolist() == [0.0, 64.0, 127.5]


def test_relative_difference() -> None:
    assert relative(np.array([1.0, 2.0]), np.array([1.0, 2.0002])) == pytest.approx(1e-4, rel=1e-2)
    assert relative(np.array([np.inf]), np.array([1.0])) == float("inf")
    assert relative(np.zeros(0), np.zeros(0)) == 0.0
    assert relative(np.zeros(3), np.zeros(3)) == 0.0


def test_claims_about_outputs() -> None:
    """argmax equal or tied in onnxruntime; a reconstruction's error within 1 %."""
    want = np.array([[0.1, 0.4, 0.4, 0.1]])
    assert _agree("classes", np.array([[0.0, 0.3, 0.5, 0.2]]), want, None)
    assert not _agree("classes", np.array([[0.5, 0.3, 0.1, 0.1]]), want, None)
    source = np.zeros((1, 4))
    assert _agree("score", want * 1.004, want, source)
    assert not _agree("score", want * 1.01, want, source)
    assert not _agree("values", want * 1.2, want, None)


def test_without_onnxruntime(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *args: Any, **kw: Any) -> Any:
        if name == "onnxruntime":
            raise ImportError("No module named 'onnxruntime'", name="onnxruntime")
        return real(name, *args, **kw)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ToolMissingError, match="onnxruntime is not installed") as caught:
        verify(folder)
    assert "pip install" in caught.value.hint
    assert verify(folder, with_onnxruntime=False)["ok"]
