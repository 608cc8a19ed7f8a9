"""`bench --against`: real runtimes where they are installed, stand-ins with the same interface where not."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from edgec import api
from edgec.against import host, question, rounds, web
from edgec.against.compare import compare
from edgec.cli.app import run
from edgec.errors import InputError, ToolMissingError, UsageError
from edgec.toolchain import npm
from edgec.toolchain.package import load_package

QUICK = {"rounds": 3, "seconds": 0.001}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (rounds, web):
        monkeypatch.setattr(module, "WARM_UP", 0.01)


def compiled(digits: Path, tmp_path: Path, target: str, **options: Any) -> Path:
    """The digits model; it takes float images [1, 1, 8, 8]."""
    return api.compile(digits / "digits.onnx", tmp_path / target, target=target, **options).dir


def test_onnxruntime_here(digits: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    document = compare(compiled(digits, tmp_path, "host"), ["onnxruntime", "litert", "onnxruntime-web"], **QUICK)
    own, other = document["runtimes"]
    assert (own["name"], other["name"]) == ("edgec", "onnxruntime")
    assert own["ratio"] is None and other["ratio"]["median"] > 0 and other["microseconds"]["best"] > 0
    assert other["difference"] < 0.05
    assert document["ram"]["arena"] == load_package(tmp_path / "host").arena_bytes <= document["ram"]["total"]
    why = {entry["name"]: entry["why"] for entry in document["skipped"]}
    assert "--model MODEL.tflite" in why["litert"] and "wasm32-simd" in why["onnxruntime-web"]
    json.dumps(document)


class Interpreter:
    """Stands for LiteRT's: takes int8 pixels [1, 8, 8, 1], answers what it was given as ten classes."""

    def __init__(self, path: str, num_threads: int) -> None:
        assert num_threads == 1
        self.given: dict[int, Any] = {}

    def allocate_tensors(self) -> None: ...

    def get_input_details(self) -> list[dict[str, Any]]:
        return [
            {"name": "in", "index": 5, "shape": np.array([1, 8, 8, 1]), "dtype": np.int8, "quantization": (0.01, -100)}
        ]

    def get_output_details(self) -> list[dict[str, Any]]:
        return [{"name": "out", "index": 9, "shape": np.array([1, 10]), "dtype": np.float32, "quantization": (0.0, 0)}]

    def set_tensor(self, index: int, array: Any) -> None:
        assert (index, array.dtype, array.shape) == (5, np.int8, (1, 8, 8, 1))
        self.given[index] = array

    def invoke(self) -> None:
        Interpreter.seen = self.given[5]

    def get_tensor(self, index: int) -> Any:
        return np.full((1, 10), float(index), np.float32)


def test_litert_is_given_its_own_integers(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = ModuleType("litert")
    stand_in.Interpreter = Interpreter  # type: ignore[attr-defined]
    monkeypatch.setattr(host, "_imported", lambda *_: stand_in)
    monkeypatch.setattr(host, "version", lambda name: f"{name} 1")
    (tmp_path / "digits.tflite").touch()
    image = np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 1, 1, 8, 8)
    folder = compiled(digits, tmp_path, "host")
    document = compare(folder, ["litert"], [tmp_path / "digits.tflite"], {"image": image}, **QUICK)
    assert [row["version"] for row in document["runtimes"]][1] == "litert 1"
    assert document["runtimes"][1]["difference"] > 0.1
    assert np.array_equal(Interpreter.seen.reshape(-1), np.clip(np.rint(image.reshape(-1) / 0.01) - 100, -128, 127))


def test_real_litert(tmp_path: Path) -> None:
    """One layer, the same weights in ONNX and in a .tflite file."""
    pytest.importorskip("ai_edge_litert")
    import onnx

    from tests.against.tflite import dense

    rng = np.random.default_rng(5)
    weight, bias = rng.standard_normal((32, 64), np.float32), rng.standard_normal(32, np.float32)
    text = "net (float[1, 64] x) => (float[1, 32] y) { y = Gemm <transB = 1> (x, w, b) }"
    model = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["" : 17]> {text}')
    model.graph.initializer.extend(onnx.numpy_helper.from_array(a, n) for n, a in (("w", weight), ("b", bias)))
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    (tmp_path / "net.tflite").write_bytes(dense(weight, bias))
    folder = api.compile(tmp_path / "net.onnx", tmp_path / "out", target="host").dir
    document = compare(folder, ["litert"], [tmp_path / "net.tflite"], **QUICK)
    assert document["runtimes"][1]["difference"] < 1e-5


# A package as npm has it, with the part of onnxruntime-web's interface that is used; its answer is what it was given, summed.
STAND_IN = """
export const env = { wasm: {} };
export class Tensor { constructor(type, data, dims) { Object.assign(this, { type, data, dims }); } }
export class InferenceSession {
  static async create(model, options) {
    if (env.wasm.numThreads !== 1 || options.executionProviders[0] !== "wasm") throw new Error("not one thread of wasm");
    return new InferenceSession();
  }
  async run(feeds) {
    const [image] = Object.values(feeds);
    const sum = image.data.reduce((a, b) => a + b);
    return { scores: { type: "float32", dims: [1, 10], data: new Float32Array(10).fill(sum) } };
  }
}
"""


def test_node_runs_both_in_turns(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ziglang")
    if npm.shutil.which("node") is None:
        pytest.skip("needs node")
    modules = tmp_path / "node_modules"
    package = modules / "onnxruntime-web"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"type": "module", "exports": "./index.js"}')
    (package / "index.js").write_text(STAND_IN)
    monkeypatch.setattr(web, "fetch", lambda names: modules)
    for options in ({}, {"input": "rows"}):
        folder = compiled(digits, tmp_path / str(len(options)), "wasm32-simd", **options)
        answers: list[question.Answer] = []
        monkeypatch.setattr(
            "edgec.against.compare.difference", lambda own, other, into=answers: into.extend((own, other)) or 0.0
        )
        document = compare(folder, ["onnxruntime-web", "onnxruntime"], **QUICK)
        assert [row["name"] for row in document["runtimes"]] == ["edgec", "onnxruntime-web"]
        assert all(row["microseconds"]["best"] > 0 for row in document["runtimes"])
        own, other = (next(iter(answer.values())) for answer in answers)
        asked = question.ask(folder, None)
        expected = api.load(compiled(digits, tmp_path / f"here{len(options)}", "host", **options))(
            *asked.sample.values()
        )[0]
        assert np.allclose(own, expected.reshape(own.shape), atol=1e-4)
        assert np.allclose(other, asked.sample["image"].sum(), rtol=1e-4)
        assert document["skipped"] == [{"name": "onnxruntime", "why": "not on node: compile for host"}]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kws_int8_qdq", "kws_f32"])
def test_real_onnxruntime_web(name: str, shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("ziglang")
    if npm.shutil.which("npm") is None:
        pytest.skip("needs npm and its registry")
    folder = api.compile(shared / "models" / f"{name}.onnx", tmp_path, target="wasm32-simd").dir
    document = compare(folder, ["onnxruntime-web"], rounds=5)
    assert document["runtimes"][1]["difference"] < 1e-4
    assert document["runtimes"][1]["ratio"]["processor"] > 1


def test_what_cannot_be_measured(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = compiled(digits, tmp_path, "host")
    with pytest.raises(UsageError, match="no runtime 'tensorrt'"):
        compare(folder, ["tensorrt"])
    with pytest.raises(InputError, match="no model that can be measured"):
        compare(folder, ["onnxruntime"], [tmp_path / "none.onnx"])
    with pytest.raises(UsageError, match="does not run beside"):
        compare(compiled(digits, tmp_path, "cortex-m4"), ["onnxruntime"])
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("EDGEC_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ToolMissingError, match="npm is not installed, and onnxruntime-web@"):
        npm.fetch(["onnxruntime-web"])
    assert run(["bench", str(compiled(digits, tmp_path, "wasm32-simd")), "--against", "onnxruntime-web"]) == 4


def test_the_table(digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime")
    folder = str(compiled(digits, tmp_path, "host"))
    assert run(["bench", folder, "--against", "onnxruntime,litert", "--rounds", "3"]) == 0
    table = capsys.readouterr().out
    assert "onnxruntime" in table and "by processor" in table and "it runs .tflite files" in table
    assert run(["bench", folder, "--against", "onnxruntime", "--emulate"]) == 2
