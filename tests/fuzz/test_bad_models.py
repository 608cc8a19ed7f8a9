"""Files that are damaged, hostile or hold what edgec does not read: each gives one clear error that names the culprit and says what to try."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edgec.errors import EdgecError, UnsupportedError
from edgec.graph import stages
from edgec.graph.load import front
from tests.fuzz.files import parsed, refused, saved

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
