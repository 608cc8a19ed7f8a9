"""Broken, hostile and merely odd graphs: each gives one clear error that names the culprit and says what to try."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import onnx_ir as ir
import pytest
from onnx import helper

from edgec.errors import UnsupportedError, UsageError
from edgec.graph.load import front
from edgec.graph.view import shape
from tests.fuzz.files import GOOD, parsed, refused, saved

# -- the graph -------------------------------------------------------------------------------------------------------------------


def nodes(*specs: tuple[str, str, list[str], list[str]]) -> onnx.ModelProto:
    model = parsed()
    del model.graph.node[:]
    model.graph.node.extend(helper.make_node(op, ins, outs, name=name) for name, op, ins, outs in specs)
    return model


def test_cycle_is_named(tmp_path: Path) -> None:
    model = nodes(("one", "Add", ["x", "b"], ["a"]), ("two", "Relu", ["a"], ["b"]), ("three", "Relu", ["a"], ["y"]))
    refused(saved(tmp_path, model), "cycle", "'one'", "'two'")


def test_a_node_that_reads_itself(tmp_path: Path) -> None:
    refused(saved(tmp_path, nodes(("me", "Add", ["x", "y"], ["y"]))), "cycle", "'me'")


def test_nodes_in_any_order(tmp_path: Path) -> None:
    model = nodes(("late", "Relu", ["a"], ["y"]), ("early", "Neg", ["x"], ["a"]))
    assert [n.op_type for n in front(saved(tmp_path, model)).graph] == ["Neg", "Relu"]


def test_undefined_tensor(tmp_path: Path) -> None:
    refused(saved(tmp_path, nodes(("n", "Add", ["x", "ghost"], ["y"]))), "'n'", "'ghost'")
    refused(saved(tmp_path, nodes(("n", "Relu", ["x"], ["z"]))), "'y'", "no node")


def test_duplicate_names(tmp_path: Path) -> None:
    refused(saved(tmp_path, nodes(("n", "Relu", ["x"], ["y"]), ("m", "Neg", ["x"], ["y"]))), "'y'", "twice")
    model = parsed()
    model.graph.initializer.append(model.graph.initializer[0])
    refused(saved(tmp_path, model), "'w'", "twice")
    model = parsed()
    model.graph.input.append(model.graph.input[0])
    refused(saved(tmp_path, model), "'x'", "twice")


def test_empty_names(tmp_path: Path) -> None:
    model = nodes(("", "Neg", ["x"], ["a"]), ("", "Relu", ["a"], ["y"]))
    names = [n.name for n in front(saved(tmp_path, model)).graph]
    assert all(names) and len(set(names)) == 2
    model = nodes(("same", "Neg", ["x"], ["a"]), ("same", "Relu", ["a"], ["y"]))
    assert len({n.name for n in front(saved(tmp_path, model)).graph}) == 2
    model = parsed()
    model.graph.input[0].name = ""
    refused(saved(tmp_path, model), "input")
    model = parsed()
    model.graph.initializer[0].name = ""
    refused(saved(tmp_path, model), "initialiser")
    refused(saved(tmp_path, nodes(("n", "", ["x"], ["y"]))), "'n'", "operator")


@pytest.mark.parametrize("name", ['"', "a\nb", "*/", "#include <x>", "int", "1422", "x y", "é\u202e", "/layer/0/W", "%s%n", "\\"])
def test_odd_names_survive(tmp_path: Path, name: str) -> None:
    """Names are data here; C names are made from them much later."""
    model = nodes((name, "Mul", [name, f"{name}w"], [f"{name}t"]), (f"{name}2", "Relu", [f"{name}t"], [f"{name}y"]))
    model.graph.input[0].name, model.graph.output[0].name, model.graph.initializer[0].name = name, f"{name}y", f"{name}w"
    made = front(saved(tmp_path, model))
    assert (made.graph.inputs[0].name, made.graph.outputs[0].name) == (name, f"{name}y")
    assert [n.name for n in made.graph] == [name, f"{name}2"]
    assert list(made.graph.initializers) == [f"{name}w"]
    again = ir.from_proto(onnx.ModelProto.FromString(ir.to_proto(made).SerializeToString()))
    assert again.graph.inputs[0].name == name


def test_recursion_and_explosion_of_functions(tmp_path: Path) -> None:
    def function(name: str, calls: list[str]) -> onnx.FunctionProto:
        body = [helper.make_node(call, ["x"], [f"t{i}"], domain="f") for i, call in enumerate(calls)]
        body.append(helper.make_node("Relu", ["x"], ["y"]))
        return helper.make_function("f", name, ["x"], ["y"], body, [helper.make_opsetid("", 17), helper.make_opsetid("f", 1)])

    model = parsed("g (float[1, 3] x) => (float[1, 3] y) { y = Relu (x) }")
    model.graph.node[0].op_type, model.graph.node[0].domain = "f0", "f"
    model.opset_import.append(helper.make_opsetid("f", 1))
    model.functions.extend([function("f0", ["f1"]), function("f1", ["f0"])])
    refused(saved(tmp_path, model), "calls itself", "'f0'")
    del model.functions[:]
    model.functions.extend(function(f"f{i}", [f"f{i + 1}"] * 2) for i in range(40))
    model.functions.append(function("f40", []))
    refused(saved(tmp_path, model), "nodes")
    del model.functions[:]
    model.functions.append(function("f0", []))
    assert [n.op_type for n in front(saved(tmp_path, model)).graph] == ["Relu"]


# -- shapes ----------------------------------------------------------------------------------------------------------------------


def test_open_batch_is_pinned(tmp_path: Path) -> None:
    path = saved(tmp_path, "g (float[N, 3] x) => (float[N, 3] y) { y = Relu (x) }")
    assert shape(front(path).graph.outputs[0]) == (1, 3)
    assert shape(front(path, 4).graph.outputs[0]) == (4, 3)
    with pytest.raises(UsageError, match="batch"):
        front(path, 0)


def test_open_dimension_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path, "g (float[N, length] sound) => (float[N, length] y) { y = Relu (sound) }")
    assert "--batch" in refused(path, "'sound'", "length", "dimension 1").hint
    assert shape(front(path, shapes={"sound": (1, 7)}).graph.outputs[0]) == (1, 7)
    with pytest.raises(UsageError, match="no input 'noise'"):
        front(path, shapes={"noise": (1, 7)})


def test_batch_of_a_fixed_model(tmp_path: Path) -> None:
    refused(saved(tmp_path, GOOD), "'x'", "fixed", kind=UsageError, batch=2)


def test_input_without_any_shape(tmp_path: Path) -> None:
    model = parsed()
    model.graph.input[0].type.tensor_type.ClearField("shape")
    refused(saved(tmp_path, model), "'x'", "shape")


def test_empty_dimension(tmp_path: Path) -> None:
    refused(saved(tmp_path, "g (float[1, 0] x) => (float[1, 0] y) { y = Relu (x) }"), "'x'", "0")


@pytest.mark.parametrize(
    "text",
    [
        "g (float[1, 3] x) => (float[1, 4] y) { [wrong] y = Relu (x) }",
        "g (float[1, 3] x) => (float[1, 4] y) <float[5, 4] w = {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20}> { [wrong] y = MatMul (x, w) }",
        "g (float[1, 3] x) => (float[1, 3] y) <float[2] w = {1, 2}> { [wrong] y = Add (x, w) }",
        "g (float[1, 3] x) => (float[1, 3] y) <int64[1] w = {1}> { [wrong] y = Add (x, w) }",
        "g (float[1, 3] x) => (float[1, 3] y) <int64[2] w = {2, 7}> { [wrong] y = Reshape (x, w) }",
    ],
    ids=["declared", "matmul", "broadcast", "types", "reshape"],
)
def test_contradictions(tmp_path: Path, text: str) -> None:
    refused(saved(tmp_path, text))


def test_shapes_that_depend_on_the_data(tmp_path: Path) -> None:
    refused(saved(tmp_path, "g (float[1, 3] x) => (int64[2, N] y) { y = NonZero (x) }"), "'y'", "data")


# -- operators -------------------------------------------------------------------------------------------------------------------


def test_unknown_operators_are_listed_at_once(tmp_path: Path) -> None:
    text = "g (float[1, 3] x) => (float[1, 3] y) { [one] a = strange.Thing (x) [two] b = Foo (a) [three] y = Hardmax (b) }"
    error = refused(saved(tmp_path, text), "'one'", "strange.Thing", "'two'", "Foo", kind=UnsupportedError)
    assert isinstance(error, UnsupportedError)
    assert [p[0] for p in error.problems][:2] == ["one", "two"]


def test_control_flow_on_data(tmp_path: Path) -> None:
    text = """g (bool c, float[2] x) => (float[2] y) {
        [which] y = If (c) <then_branch = a () => (float[2] p) { p = Relu (x) }, else_branch = b () => (float[2] q) { q = Neg (x) }>
    }"""
    refused(saved(tmp_path, text), "'which'", "If", kind=UnsupportedError)


@pytest.mark.parametrize("op", ["BatchNormalization", "Dropout"])
def test_training_mode(tmp_path: Path, op: str) -> None:
    batch = "g (float[1, 3] x) => (float[1, 3] y) <float[3] w = {1, 2, 3}> { [n] y, m, v = BatchNormalization <training_mode = 1> (x, w, w, w, w) }"
    drop = "g (float[1, 3] x) => (float[1, 3] y) <float r = {0.5}, bool t = {1}> { [n] y = Dropout (x, r, t) }"
    refused(saved(tmp_path, drop if op == "Dropout" else batch), "'n'", "training", kind=UnsupportedError)


def _deep(model: onnx.ModelProto) -> None:
    for _ in range(200):
        outer = parsed()
        outer.graph.node[0].attribute.add().g.CopyFrom(model.graph)
        model.CopyFrom(outer)


def test_deep_nesting(tmp_path: Path) -> None:
    model = parsed()
    build: Callable[[onnx.ModelProto], None] = _deep
    try:
        build(model)
        path = saved(tmp_path, model)
    except Exception:
        pytest.skip("this protobuf refuses to write it in the first place")
    refused(path)
