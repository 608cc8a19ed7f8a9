"""The many ways to write one operator, opset 11 and up: the front's one spelling gives onnxruntime's answer for all of them."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from edgec.graph import stages
from edgec.graph.load import front
from tests.graph.test_shared_models import random_inputs


def same(folder: Path, text: str, opset: int = 17, **arrays: tuple[int, ...]) -> list[str]:
    """Writes a model (arrays: random float constants by name and shape), compares it with its front, returns the operators left."""
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]> {text}')
    rng = np.random.default_rng(5)
    for name, dims in arrays.items():
        model.graph.initializer.append(numpy_helper.from_array(rng.uniform(0.5, 2, dims).astype(np.float32), name))
    path = folder / "model.onnx"
    onnx.save(model, path)
    made = front(path)
    for seed in range(2):
        stages.check(path, made, random_inputs(made, seed), 1e-5)
    return [node.op_type for node in made.graph]


@pytest.mark.parametrize("opset", [11, 19])
@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
def test_rounded_up_pools(tmp_path: Path, op: str, opset: int) -> None:
    for size, k, s, p, counted in itertools.product((7, 8, 9), (2, 3), (2, 3), (0, 1), (0, 1)):
        if op == "MaxPool" and counted:
            continue
        extra = f", count_include_pad = {counted}" if op == "AveragePool" else ""
        text = f"""g (float[1, 2, {size}, {size}] x) => (float[a, b, c, d] y) {{
            y = {op} <kernel_shape = [{k}, {k}], strides = [{s}, {s}], pads = [{p}, {p}, {p}, {p}], ceil_mode = 1{extra}> (x) }}"""
        assert op in same(tmp_path, text, opset)


def test_what_follows_a_rounded_up_pool_sees_the_right_shape(tmp_path: Path) -> None:
    """7x7, window 2, stride 2, padding 1: four windows, not the five onnx's inference counts; the declared shapes say so too."""
    text = """g (float[1, 1, 7, 7] x) => (float[1, 3] y) {
        p = MaxPool <kernel_shape = [2, 2], strides = [2, 2], pads = [1, 1, 1, 1], ceil_mode = 1> (x)
        q = AveragePool <kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1> (p)
        f = Flatten (q) y = Gemm (f, w) }"""
    assert same(tmp_path, text, 17, w=(4, 3)) == ["MaxPool", "AveragePool", "Reshape", "Gemm"]


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("op", ["Conv", "MaxPool", "AveragePool"])
def test_automatic_padding(tmp_path: Path, op: str, mode: str) -> None:
    for size, k, s in itertools.product((6, 7), (2, 3), (1, 2)):
        arguments = "(x, w)" if op == "Conv" else "(x)"
        text = f"""g (float[1, 2, {size}, {size}] x) => (float[a, b, c, d] y) {{
            y = {op} <kernel_shape = [{k}, {k}], strides = [{s}, {s}], auto_pad = "{mode}"> {arguments} }}"""
        assert same(tmp_path, text, **({"w": (3, 2, k, k)} if op == "Conv" else {})) == [op]


@pytest.mark.parametrize(("ta", "tb"), list(itertools.product((0, 1), (0, 1))))
@pytest.mark.parametrize("c", [None, (), (1,), (5,), (1, 5), (3, 1), (3, 5)])
def test_gemm(tmp_path: Path, ta: int, tb: int, c: tuple[int, ...] | None) -> None:
    for alpha, beta in ((1.0, 1.0), (0.5, 2.0), (-1.0, 0.0)):
        text = f"""g (float[{"4, 3" if ta else "3, 4"}] x) => (float[3, 5] y) {{
            y = Gemm <transA = {ta}, transB = {tb}, alpha = {alpha}, beta = {beta}> (x, w{"" if c is None else ", c"}) }}"""
        given = {"w": (5, 4) if tb else (4, 5)} | ({} if c is None else {"c": c})
        left = same(tmp_path, text, **given)
        assert "Gemm" in left or "MatMul" in left


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2])
@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("opset", [11, 12, 13])
def test_softmax_before_and_after_opset_13(tmp_path: Path, op: str, axis: int, opset: int) -> None:
    same(tmp_path, f"g (float[2, 3, 4] x) => (float[2, 3, 4] y) {{ y = {op} <axis = {axis}> (x) }}", opset)


@pytest.mark.parametrize(
    ("opset", "body", "left"),
    [
        (11, "a = Unsqueeze <axes = [0, 3]> (x) y = Squeeze <axes = [0]> (a)", ["Reshape"]),
        (11, "a = ReduceMean <axes = [-1]> (x) y = ReduceSum <axes = [0], keepdims = 0> (a)", ["ReduceMean", "ReduceSum"]),
        (13, "i = Constant <value_ints = [1]> () a = ReduceSum (x, i) y = ReduceMax <axes = [2]> (a)", ["ReduceSum", "ReduceMax"]),
        (11, "a, b = Split <axis = 2, split = [1, 3]> (x) y = Concat <axis = -1> (b, a)", ["Split", "Concat"]),
        (12, "a = Dropout (x) b = Identity (a) y = Relu (b)", ["Relu"]),
        (12, "n = Constant <value_float = 0.5> () y = Clip (x, n)", ["Clip"]),
        (11, "a = Flatten <axis = -1> (x) y = Sigmoid (a)", ["Reshape", "Sigmoid"]),
        (17, "a = Sum (x, x, x) y = Mean (a, x)", ["Add", "Add", "Add", "Mul"]),
        (20, "a = Sigmoid (x) y = Mul (a, x)", ["SiLU"]),
        (17, "s = Shape (x) f = Constant <value_ints = [-1]> () b = Slice (s, z, o) n = Concat <axis = 0> (b, f) y = Reshape (x, n)", ["Reshape"]),
    ],
)
def test_forms(tmp_path: Path, opset: int, body: str, left: list[str]) -> None:
    constants = "<int64[1] z = {0}, int64[1] o = {1}>"
    model = f"g (float[2, 3, 4] x) => (float y) {constants} {{ {body} }}"
    path = tmp_path / "model.onnx"
    parsed = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]> {model}')
    parsed.graph.output[0].type.tensor_type.ClearField("shape")
    onnx.save(parsed, path)
    made = front(path)
    stages.check(path, made, random_inputs(made))
    assert [node.op_type for node in made.graph] == left


def test_silu_beside_a_gate_is_fused_once(tmp_path: Path) -> None:
    """The fusions run again after a later pass changed the graph: the function made in the first round stays what it is."""
    text = """g (float[1, 4, 3, 3] x) => (float[1, 4, 3, 3] y) {
        a = Conv (x, w) s = Sigmoid (a) b = Mul (a, s) i = Identity (b) c = Conv (i, v)
        m = GlobalAveragePool (c) g = Sigmoid (m) y = Mul (g, c) }"""
    assert same(tmp_path, text, w=(4, 4, 1, 1), v=(4, 4, 1, 1)).count("SiLU") == 1


@pytest.mark.parametrize("layer", ["Conv", "ConvTranspose", "Gemm"])
def test_batch_norm_behind_a_layer(tmp_path: Path, layer: str) -> None:
    dims, out = ("1, 4", "1, 6") if layer == "Gemm" else ("1, 4, 5, 5", "1, 6, a, b")
    weights = {"Conv": (6, 2, 3, 3), "ConvTranspose": (4, 3, 3, 3), "Gemm": (4, 6)}[layer]
    group = "" if layer == "Gemm" else "<group = 2>"
    text = f"g (float[{dims}] x) => (float[{out}] y) {{ t = {layer} {group} (x, w, b) y = BatchNormalization (t, s, a, m, v) }}"
    assert same(tmp_path, text, 17, w=weights, b=(6,), s=(6,), a=(6,), m=(6,), v=(6,)) == [layer]


def test_a_layer_with_two_readers_is_not_folded(tmp_path: Path) -> None:
    text = "g (float[1, 2, 5, 5] x) => (float[1, 3, 3, 3] y, float[1, 3, 3, 3] t) { t = Conv (x, w) y = Mul (t, c) }"
    assert same(tmp_path, text, 17, w=(3, 2, 3, 3), c=(1, 3, 1, 1)) == ["Conv", "Mul"]


@pytest.mark.parametrize("opset", list(range(11, 22)))
def test_every_opset(tmp_path: Path, opset: int) -> None:
    text = "g (float[N, 2, 5, 5] x) => (float[N, 3] y) { a = Conv (x, w, b) r = Relu (a) p = GlobalAveragePool (r) f = Flatten (p) y = Softmax (f) }"
    assert same(tmp_path, text, opset, w=(3, 2, 3, 3), b=(3,)) == ["Conv", "Relu", "GlobalAveragePool", "Reshape", "Softmax"]


def test_newest_opset(tmp_path: Path) -> None:
    """A model of any newer opset whose operators did not change is labelled 21; one that needs a newer operator keeps its own."""
    for op, wanted in (("Relu", 21), ("Swish", 24)):
        node = helper.make_node(op, ["x"], ["y"])
        value = [helper.make_tensor_value_info(name, 1, [1, 3]) for name in ("x", "y")]
        path = tmp_path / "model.onnx"
        graph = helper.make_graph([node], "g", value[:1], value[1:])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 24)], ir_version=10), path)
        assert front(path).opset_imports[""] == wanted
