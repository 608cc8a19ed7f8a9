"""Broken, hostile and merely odd model files: each gives one clear error that names the culprit and says what to try."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edgec.errors import EdgecError, ModelError, UnsupportedError, UsageError
from edgec.graph import stages
from edgec.graph.load import front
from edgec.graph.view import shape

HEADER = '<ir_version: 8, opset_import: ["" : 17, "strange" : 1]>'
GOOD = "g (float[1, 3] x) => (float[1, 3] y) <float[3] w = {1, 2, 3}> { t = Mul (x, w) y = Relu (t) }"


def parsed(text: str = GOOD) -> onnx.ModelProto:
    return onnx.parser.parse_model(HEADER + text)


def saved(folder: Path, model: onnx.ModelProto | str) -> Path:
    path = folder / "model.onnx"
    path.write_bytes((parsed(model) if isinstance(model, str) else model).SerializeToString())
    return path


def refused(path: Path, *words: str, kind: type[EdgecError] = ModelError, batch: int = 1) -> EdgecError:
    """front() must raise `kind`, name every word, and give a hint."""
    with pytest.raises(kind) as caught:
        front(path, batch)
    assert caught.value.exit_code == 2
    assert caught.value.hint
    for word in words:
        assert word in caught.value.message, caught.value.message
    return caught.value


# -- the file --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"hello, this is a text file\n", "model.onnx"),
        (b"\x1c\0\0\0TFL3" + b"\0" * 40, "TensorFlow Lite"),
        (b"PK\x03\x04" + b"\xff" * 60, "zip"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "LFS"),
        (bytes(range(256)) * 4, "model.onnx"),
    ],
    ids=["empty", "text", "tflite", "zip", "lfs", "noise"],
)
def test_not_onnx(tmp_path: Path, content: bytes, word: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    refused(path, word)


def test_no_file(tmp_path: Path) -> None:
    refused(tmp_path / "absent.onnx", "absent.onnx")
    refused(tmp_path, "not a file")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.floats(0, 0.999), flip=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=3))
def test_damage_is_an_error_or_still_a_model(tmp_path: Path, cut: float, flip: list[tuple[float, int]]) -> None:
    """Cut anywhere and change some bytes: a model or one of our errors, never another exception."""
    data = bytearray(parsed().SerializeToString())
    for place, byte in flip:
        data[int(place * len(data))] = byte
    path = tmp_path / "model.onnx"
    path.write_bytes(bytes(data if flip else data[: int(cut * len(data))]))
    try:
        front(path)
    except EdgecError as error:
        assert error.hint


@pytest.mark.parametrize("version", [10, 999, None])
def test_opset_out_of_range(tmp_path: Path, version: int | None) -> None:
    model = parsed()
    del model.opset_import[:]
    if version is not None:
        model.opset_import.add().version = version
    refused(saved(tmp_path, model), str(version) if version else "opset")


# -- stored tensors --------------------------------------------------------------------------------------------------------------


def test_claimed_sizes_are_checked_before_anything_is_allocated(tmp_path: Path) -> None:
    model = parsed()
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend([1 << 20, 1 << 20])
    refused(saved(tmp_path, model), "'w'", "1048576")
    model.graph.initializer[0].dims[:] = [1 << 10, 1 << 10]
    refused(saved(tmp_path, model), "'w'", "holds")
    model.graph.initializer[0].dims[:] = [-3]
    refused(saved(tmp_path, model), "'w'", "negative")


@pytest.mark.parametrize("dims", ["1, 2147483647", "65536, 65536"])
def test_huge_activations(tmp_path: Path, dims: str) -> None:
    refused(saved(tmp_path, f"g (float[{dims}] x) => (float[{dims}] y) {{ y = Relu (x) }}"), "'x'", "bytes")
    text = "g (float[1] x) => (float[M, N] y) <int64[2] s = {65536, 65536}> { e = Expand (x, s) y = Relu (e) }"
    refused(saved(tmp_path, text), "'e'", "bytes")


def test_fold_bomb(tmp_path: Path) -> None:
    text = "g (float[1] x) => (float[N] y) <int64[1] s = {99999999999}> { c = ConstantOfShape (s) y = Add (x, c) }"
    refused(saved(tmp_path, text), "bytes")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nan_and_inf_weights(tmp_path: Path, bad: float) -> None:
    model = parsed()
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.array([1, bad, 3], np.float32), "w"))
    refused(saved(tmp_path, model), "'w'", "NaN" if math.isnan(bad) else "infinite", "[1]")


def test_an_infinite_clip_limit_is_fine(tmp_path: Path) -> None:
    text = "g (float[1, 3] x) => (float[1, 3] y) <float lo = {0}> { hi = Constant <value_float = inf> () y = Clip (x, lo, hi) }"
    model = parsed(text.replace("inf", "1.0"))
    model.graph.node[0].attribute[0].f = math.inf
    assert [n.op_type for n in front(saved(tmp_path, model)).graph] == ["Relu"]


@pytest.mark.parametrize("kind", [TensorProto.STRING, TensorProto.COMPLEX64, TensorProto.FLOAT8E4M3FN, TensorProto.INT4, 77])
def test_types_edgec_does_not_compute_with(tmp_path: Path, kind: int) -> None:
    model = parsed()
    model.graph.initializer[0].data_type = kind
    refused(saved(tmp_path, model), "'w'", "type", kind=UnsupportedError)
    model = parsed()
    model.graph.input[0].type.tensor_type.elem_type = kind
    refused(saved(tmp_path, model), "'x'", "type", kind=UnsupportedError)


def test_inputs_that_are_not_tensors(tmp_path: Path) -> None:
    model = parsed()
    model.graph.input[0].CopyFrom(helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, [1, 3]))
    refused(saved(tmp_path, model), "'x'", "sequence", kind=UnsupportedError)


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_wide_and_narrow_floats_become_float32(tmp_path: Path, kind: type) -> None:
    number = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    model = parsed("g (float[1, 3] x) => (float[1, 3] y) <float[3] w = {1, 2, 3}> { c = Cast <to = 1> (x) y = Mul (c, w) }")
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.array([0.5, 2, 3], kind), "w"))
    model.graph.node[0].attribute[0].i = number
    model.graph.output[0].type.tensor_type.elem_type = number
    made = front(saved(tmp_path, model))
    assert [n.op_type for n in made.graph] == ["Mul"]
    assert made.metadata_props["edgec.widened"] == ("float16" if kind is np.float16 else "double")
    got = stages.run(made, {"x": np.array([[2, 2, 2]], np.float32)})["y"]
    assert got.dtype == np.float32 and got.tolist() == [[1, 4, 6]]


def test_doubles_beyond_float32(tmp_path: Path) -> None:
    model = parsed()
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.array([1, 1e300, 3]), "w"))
    refused(saved(tmp_path, model), "'w'", "float32")


def test_sparse_initialisers(tmp_path: Path) -> None:
    def sparse(indices: list[int]) -> onnx.ModelProto:
        model = parsed()
        del model.graph.initializer[:]
        values = numpy_helper.from_array(np.array([5, 7], np.float32), "w")
        place = numpy_helper.from_array(np.array(indices, np.int64), "w_indices")
        model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, place, [3]))
        return model

    got = stages.run(front(saved(tmp_path, sparse([0, 2]))), {"x": np.ones((1, 3), np.float32)})["y"]
    assert got.tolist() == [[5, 0, 7]]
    refused(saved(tmp_path, sparse([0, 3])), "'w'", "outside")


def test_bad_scale(tmp_path: Path) -> None:
    text = "g (float[1, 3] x) => (int8[1, 3] y) <float s = {0}, int8 z = {0}> { y = QuantizeLinear (x, s, z) }"
    refused(saved(tmp_path, text), "'s'", "scale")


# -- external data ---------------------------------------------------------------------------------------------------------------


def external(folder: Path, location: str, **entries: str) -> Path:
    model = parsed()
    tensor = model.graph.initializer[0]
    del tensor.float_data[:]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return saved(folder, model)


def test_external_data_inside_the_folder(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "w.bin").write_bytes(b"\0" * 4 + np.array([4, 5, 6], np.float32).tobytes())
    model = front(external(tmp_path, "sub/w.bin", offset="4", length="12"))
    assert stages.run(model, {"x": np.ones((1, 3), np.float32)})["y"].tolist() == [[4, 5, 6]]


@pytest.mark.parametrize("location", ["../w.bin", "/etc/hostname", "sub/../../w.bin", "..\\w.bin", "C:\\w.bin", "", "a\0b"])
def test_external_data_outside_the_folder(tmp_path: Path, location: str) -> None:
    (tmp_path / "w.bin").write_bytes(b"\0" * 12)
    inner = tmp_path / "inner"
    inner.mkdir()
    refused(external(inner, location), "'w'")


def test_external_data_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(b"\0" * 12)
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "w.bin").symlink_to(tmp_path / "w.bin")
    refused(external(inner, "w.bin"), "'w'", "link")


@pytest.mark.parametrize(("entries", "word"), [({}, "wants"), ({"offset": "9"}, "wants"), ({"offset": "-4"}, "wants"), ({"offset": "x"}, "offset")])
def test_external_data_cut_off(tmp_path: Path, entries: dict[str, str], word: str) -> None:
    (tmp_path / "w.bin").write_bytes(b"\0" * 11)
    refused(external(tmp_path, "w.bin", **entries), "'w'", word)


def test_external_data_missing(tmp_path: Path) -> None:
    refused(external(tmp_path, "w.bin"), "'w'", "missing")


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
