"""Pixels, sound and labels around a model: the C against the numpy reference, the reference against other people's arithmetic."""

from __future__ import annotations

import ctypes
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from edgec import api
from edgec.errors import UsageError
from edgec.frontend import image, metadata, sound
from edgec.frontend.emit import literal
from edgec.frontend.spec import Image, Sound, parse
from edgec.ir.program import Port, Quant
from edgec.options import read_project
from edgec.toolchain.host import build_shared

SCALE, ZERO = 0.025, -7
NET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
KWS = {"kind": "mfcc", "rate": 16000, "frame": 640, "hop": 320, "mels": 40, "coefficients": 10, "low": 20, "high": 4000}


def quantizing(path: Path, shape: list[int], labels: int = 0, metadata_props: dict[str, str] | None = None) -> Path:
    """x -> QuantizeLinear -> DequantizeLinear -> y, so that the library's output is what its input became."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("MaxPool", ["d"], ["p"], kernel_shape=[1, 1]) if len(shape) == 4 else helper.make_node("Relu", ["d"], ["p"]),
        helper.make_node("QuantizeLinear", ["p", "s", "z"], ["r"]),
        helper.make_node("DequantizeLinear", ["r", "s", "z"], ["y"]),
    ]
    constants = [
        numpy_helper.from_array(np.float32(SCALE), "s"),
        numpy_helper.from_array(np.int8(ZERO), "z"),
    ]
    ports = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in "xy"]
    graph = helper.make_graph(nodes, "g", ports[:1], ports[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    for key, value in (metadata_props or {}).items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, path)
    return path


def library(folder: Path) -> tuple[ctypes.CDLL, dict[str, Any]]:
    loaded = ctypes.CDLL(str(build_shared(folder)))
    manifest = api.read_manifest(folder)
    for port in (*manifest["inputs"], *manifest["outputs"]):
        if manifest["input_rows"] == 0 or port in manifest["outputs"]:
            getattr(loaded, port["function"]).restype = ctypes.c_void_p
    getattr(loaded, f"{manifest['name']}_init")(None)
    return loaded, manifest


def buffer(loaded: ctypes.CDLL, port: dict[str, Any]) -> np.ndarray:
    """A port's memory, in the model's own order of axes."""
    address = getattr(loaded, port["function"])()
    raw = np.frombuffer(ctypes.string_at(address, port["bytes"]), port["dtype"])
    perm = port["perm"] or list(range(len(port["shape"])))
    return raw.reshape(port["shape"]).transpose(np.argsort(perm))


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def pixels(height: int, width: int, channels: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    made = rng.integers(0, 256, (height, width, channels), np.uint8)
    made.reshape(-1)[:4] = (0, 255, 1, 254)
    return made


@pytest.mark.parametrize("io", ["model", "quantized"])
@pytest.mark.parametrize("order", ["as_model", "bgr"])
@pytest.mark.parametrize("channels", [1, 3])
def test_image(tmp_path: Path, io: str, order: str, channels: int) -> None:
    """The byte an integer input gets is what onnxruntime's QuantizeLinear makes of the float one; strides are kept."""
    net = NET if channels == 3 else {"mean": 0.4, "std": 0.3}
    path = quantizing(tmp_path / "net.onnx", [1, channels, 5, 7])
    stated = {"input": {"x": {"kind": "image", "order": order, **net}}}
    api.compile(path, tmp_path / "out", target="host", io=io, frontend=stated)
    loaded, manifest = library(tmp_path / "out")
    shown = pixels(5, 7, channels)
    padded = np.full((5, 7 * channels + 3), 99, np.uint8)
    padded[:, : 7 * channels] = shown.reshape(5, -1)
    loaded.net_image(pointer(padded), ctypes.c_size_t(padded.strides[0]))
    got = buffer(loaded, manifest["inputs"][0])[0].transpose(1, 2, 0)
    turned = shown[..., ::-1] if order == "bgr" else shown
    mean, std = (np.asarray(net[key], np.float32) for key in ("mean", "std"))
    real = ((turned.astype(np.float32) / np.float32(255) - mean) / std).astype(np.float32)
    if io == "model":
        np.testing.assert_allclose(got, real, rtol=1e-5, atol=1e-6)
        return
    session = onnxruntime.InferenceSession(quantizing(tmp_path / "q.onnx", [1, channels, 5, 7]).read_bytes())
    [expected] = session.run(None, {"x": real.transpose(2, 0, 1)[None]})
    assert np.array_equal(got, np.rint(expected[0].transpose(1, 2, 0) / SCALE) + ZERO)
    spec = parse(stated).inputs["x"]
    assert isinstance(spec, Image)
    assert np.array_equal(got, image.reference(spec, shown, "int8", Quant(float(np.float32(SCALE)), ZERO)))
    assert len(np.unique(got)) > 20


def test_image_by_rows(tmp_path: Path) -> None:
    path = quantizing(tmp_path / "net.onnx", [1, 3, 6, 4])
    stated = {"input": {"x": {"kind": "image", **NET}}}
    for name, options in (("whole", {}), ("rows", {"input": "rows"})):
        api.compile(path, tmp_path / name, target="host", name=name, io="quantized", frontend=stated, **options)
    shown = pixels(6, 4, 3)
    whole, manifest = library(tmp_path / "whole")
    whole.whole_image(pointer(shown), ctypes.c_size_t(12))
    whole.whole_run()
    rows, pushed = library(tmp_path / "rows")
    assert [rows.rows_image_row(pointer(np.ascontiguousarray(row))) for row in shown] == [0] * 5 + [1]
    assert np.array_equal(buffer(rows, pushed["outputs"][0]), buffer(whole, manifest["outputs"][0]))


SOUNDS = (
    KWS,
    {"kind": "log_mel", "rate": 8000, "frame": 200, "hop": 80, "mels": 24, "mel": "slaney", "log": "db", "window": "hamming"},
    {"kind": "log_mel", "rate": 16000, "frame": 400, "hop": 160, "mels": 32, "fft": 1024, "mel": "htk_hertz", "log": "ln_plus",
     "spectrum": "magnitude", "window": "hann_symmetric"},
    {**KWS, "dct": "tf", "log": "log10", "window": "none", "mean": [1.0] * 10, "std": 2.0},
)  # fmt: skip


def noise(count: int) -> np.ndarray:
    rng = np.random.default_rng(8)
    t = np.arange(count)
    made = 9000 * np.sin(2e-5 * t * t) + rng.normal(0, 300, count)
    made[: count // 8] = 0  # silence: the floor
    return np.clip(made, -32768, 32767).astype(np.int16)


@pytest.mark.parametrize("stated", SOUNDS)
@pytest.mark.parametrize("transposed", [False, True])
def test_sound(tmp_path: Path, stated: dict[str, Any], transposed: bool) -> None:
    spec = parse({"input": {"x": stated}}).inputs["x"]
    assert isinstance(spec, Sound)
    shape = [1, 1, spec.features, 9] if transposed else [1, 9, spec.features, 1]
    api.compile(quantizing(tmp_path / "net.onnx", shape), tmp_path / "out", target="host", frontend={"input": {"x": stated}})
    loaded, manifest = library(tmp_path / "out")
    samples = noise(spec.frame + 8 * spec.hop)
    loaded.net_sound(pointer(samples))
    got = buffer(loaded, manifest["inputs"][0]).reshape((spec.features, 9) if transposed else (9, spec.features))
    expected = sound.reference(spec, samples)
    np.testing.assert_allclose(got.T if transposed else got, expected, rtol=2e-4, atol=2e-4 * np.abs(expected).max())
    one = np.empty(spec.features, np.float32)
    loaded.net_features(pointer(np.ascontiguousarray(samples[3 * spec.hop :])), pointer(one))
    assert np.array_equal(one, (got.T if transposed else got)[3])


def test_integer_sound_is_within_one_step(tmp_path: Path) -> None:
    stated = {**KWS, "mean": -20.0, "std": 20.0}
    path = quantizing(tmp_path / "net.onnx", [1, 49, 10])
    for name, options in (("whole", {}), ("rows", {"input": "rows"})):
        api.compile(path, tmp_path / name, target="host", name=name, io="quantized", frontend={"input": {"x": stated}}, **options)
    spec = parse({"input": {"x": stated}}).inputs["x"]
    assert isinstance(spec, Sound)
    samples = noise(16000)
    assert sound.frames(spec, 16000) == 49
    expected = image.quantized(sound.reference(spec, samples), Quant(SCALE, ZERO), "int8")
    loaded, manifest = library(tmp_path / "whole")
    loaded.whole_sound(pointer(samples))
    got = buffer(loaded, manifest["inputs"][0]).reshape(49, 10).astype(int)
    assert np.abs(got - expected).max() <= 1
    assert (got == expected).mean() > 0.98
    assert len(np.unique(got)) > 40
    loaded.whole_run()
    rows, pushed = library(tmp_path / "rows")
    said = [rows.rows_sound_frame(pointer(np.ascontiguousarray(samples[320 * i :]))) for i in range(49)]
    assert said == [0] * 48 + [1]
    assert np.array_equal(buffer(rows, pushed["outputs"][0]), buffer(loaded, manifest["outputs"][0]))


def test_reference_against_onnx_operators() -> None:
    """onnxruntime's STFT and Log, and the orthonormal DCT as its defining property: rows of unit length, at right angles."""
    spec = Sound(rate=8000, frame=256, hop=128, mels=20, window="hann")
    samples = noise(256 * 9)
    nodes = [
        helper.make_node("HannWindow", ["n"], ["w"], periodic=1),
        helper.make_node("STFT", ["x", "hop", "w"], ["s"], onesided=1),
        helper.make_node("ReduceSumSquare", ["s"], ["p"], axes=[-1], keepdims=0),
        helper.make_node("MatMul", ["p", "m"], ["e"]),
        helper.make_node("Max", ["e", "f"], ["g"]),
        helper.make_node("Log", ["g"], ["y"]),
    ]
    constants = {"n": np.int64(256), "hop": np.int64(128), "m": sound.bands(spec).astype(np.float32), "f": np.float32(spec.floor)}
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, len(samples), 1])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [x], [y], [numpy_helper.from_array(v, k) for k, v in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    [expected] = session.run(None, {"x": (samples.astype(np.float32) / 32768)[None, :, None]})
    got = sound.reference(spec, samples)
    np.testing.assert_allclose(got, expected[0][: len(got)], rtol=1e-3, atol=5e-3)
    rows = sound.dct(Sound(rate=1, frame=8, hop=8, mels=12, coefficients=12))
    np.testing.assert_allclose(rows @ rows.T, np.eye(12), atol=1e-12)


def test_mel_bands_cover_the_range() -> None:
    """Between the middles of the first and the last band the triangles of height one add up to one; Slaney's have area one."""
    for scale in ("htk", "htk_hertz"):
        bands = sound.bands(Sound(rate=16000, frame=1024, hop=512, mels=20, low=300, high=7000, mel=scale))
        covered = bands.sum(axis=1)[bands.argmax(axis=0)[0] : bands.argmax(axis=0)[-1]]
        np.testing.assert_allclose(covered[1:], 1.0, atol=1e-9)
    spec = Sound(rate=16000, frame=16384, hop=512, mels=20, mel="slaney")
    np.testing.assert_allclose(sound.bands(spec).sum(axis=0) * 16000 / 16384, 1.0, rtol=0.02)
    mel = np.linspace(1, 40, 50)
    for scale in ("htk", "slaney"):
        np.testing.assert_allclose(sound.to_mel(sound.to_hertz(mel, scale), scale), mel)


EVIL = ['yes"; system("x"); //', "caf\u00e9 \U0001f600", "??/", "\\", "%s\n\r\t", "", "*/", "\x00end"]


def test_labels(tmp_path: Path) -> None:
    """Any text is a label and nothing but a label; the best is the first of the largest."""
    path = quantizing(tmp_path / "net.onnx", [1, 8])
    (tmp_path / "few.txt").write_text("a\n\nb\n\n")
    api.compile(path, tmp_path / "out", target="host", frontend={"output": {"y": {"labels": EVIL}}})
    loaded, _ = library(tmp_path / "out")
    names = (ctypes.c_char_p * 8).in_dll(loaded, "net_labels")
    assert [n.decode() for n in names] == [label.strip().split("\0")[0] for label in EVIL]
    x = np.array([0.1, 0.2, 3.0, 0.5, 3.0, 1.0, 0.0, 0.1], np.float32)
    ctypes.memmove(loaded.net_input(), x.ctypes.data, x.nbytes)
    loaded.net_run()
    loaded.net_best.restype = ctypes.c_size_t
    loaded.net_value.restype = ctypes.c_float
    assert loaded.net_best() == 2
    assert loaded.net_value(ctypes.c_size_t(2)) == pytest.approx(3.0, abs=SCALE)
    with pytest.raises(UsageError, match="2 labels are given"):
        api.compile(path, tmp_path / "no", target="host", frontend={"output": {"y": {"labels": str(tmp_path / "few.txt")}}})
    assert literal("a??/b") == '"a\\077\\077/b"'


def test_metadata_of_the_model(tmp_path: Path) -> None:
    labels = json.dumps([f"class {i}" for i in range(3 * 4 * 5)])
    path = quantizing(tmp_path / "net.onnx", [1, 3, 4, 5], 0, {"Image.NominalPixelRange": "Normalized_1_1", "names": labels})
    made = api.compile(path, tmp_path / "out", target="host", io="quantized")
    assert made.manifest["frontend"]["inputs"]["x"]["range"] == 127.5
    assert made.manifest["frontend"]["labels"]["y"][59] == "class 59"
    loaded, manifest = library(tmp_path / "out")
    loaded.net_image(pointer(np.full((4, 5, 3), 255, np.uint8)), ctypes.c_size_t(15))
    assert set(buffer(loaded, manifest["inputs"][0]).ravel()) == {round((255 / 127.5 - 1) / SCALE) + ZERO}
    plain = api.compile(quantizing(tmp_path / "plain.onnx", [1, 3, 4, 5]), tmp_path / "plain", target="host")
    assert plain.manifest["frontend"] == {}
    assert not list((tmp_path / "plain").glob("*frontend*"))


@pytest.mark.parametrize(
    "text", ["", "x", "[1, 2]", '{"a": "b"}', "[" * 5000, '["a"]', "{0: 'a', 2: 'b'}", "__import__('os')", '["' + "a" * 300 + '", "b"]']
)
def test_metadata_that_is_no_list_of_labels(text: str) -> None:
    assert metadata.labels_of(text) == ()


def test_metadata_spellings() -> None:
    for text in ('["a", "b"]', "['a', 'b']", "a\nb", "{0: 'a', 1: 'b'}", '{"1": "b", "0": "a"}'):
        assert metadata.labels_of(text) == ("a", "b")
    two = [Port("x", "b", (1, 3, 4, 4)), Port("z", "c", (1, 3, 4, 4))]
    assert metadata.read({"Image.NominalPixelRange": "Normalized_0_1"}, two, []).inputs == {}


def test_project_file(tmp_path: Path) -> None:
    (tmp_path / "edgec.toml").write_text(
        '[compile]\ntarget = "host"\n[input.x]\nkind = "image"\n[output.y]\nlabels = "names/l.txt"\n', encoding="utf-8"
    )
    found = read_project(tmp_path)["frontend"]
    assert found["input"] == {"x": {"kind": "image"}}
    assert found["output"]["y"]["labels"] == str(tmp_path / "names/l.txt")


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"input": {"x": {"kind": "video"}}}, "kind 'video'"),
        ({"input": {"x": {"kind": "image", "meen": 1}}}, "no setting 'meen'"),
        ({"input": {"x": {"kind": "image", "std": 0}}}, "std is zero"),
        ({"input": {"x": {"kind": "image", "mean": ["a"]}}}, "mean is"),
        ({"input": {"x": {"kind": "image", "mean": [1, 2]}}}, "mean has 2 numbers"),
        ({"input": {"nobody": {"kind": "image"}}}, "no input 'nobody'"),
        ({"input": {"x": {**KWS, "fft": 1000}}}, "does not fit together"),
        ({"input": {"x": {**KWS, "coefficients": 0}}}, "coefficients is 0"),
        ({"input": {"x": {**KWS, "high": 9000}}}, "does not fit together"),
        ({"input": {"x": KWS}}, "takes no frames of 10 features"),
        ({"input": {"x": {"kind": "mfcc", "rate": 8000}}}, "does not say its frame"),
        ({"input": 3}, "holds no tables"),
        ({"output": {"y": {"labels": 3}}}, "not a list"),
        ({"output": {"y": {"labels": "nowhere.txt"}}}, "cannot be read"),
    ],
)
def test_what_is_refused(tmp_path: Path, stated: dict[str, Any], said: str) -> None:
    path = quantizing(tmp_path / "net.onnx", [1, 3, 4, 5])
    with pytest.raises(UsageError, match=said) as caught:
        api.compile(path, tmp_path / "out", target="host", frontend=stated)
    assert caught.value.hint
    assert not (tmp_path / "out").exists()
