"""The npm package of a model: index.js in node gives the interpreter's bytes, and any name of a tensor is only a name."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgec import api
from edgec.emit.names import js_key, unique_names
from edgec.verify.load import load
from edgec.verify.reference import read_program, reference
from edgec.verify.samples import default_samples
from tests.quant.models import randoms

NODE, TSC = shutil.which("node"), shutil.which("tsc")
needs_node = pytest.mark.skipif(NODE is None, reason="needs node")
HOSTILE = [
    "__proto__",
    '*/ process.exit(3) /* "${process.exit(4)}',
    "</script><img src=x onerror=alert(1)>\u2028\n//`|",
    "",
]


@pytest.fixture(scope="module", autouse=True)
def zig() -> None:
    pytest.importorskip("ziglang")


def in_node(folder: Path, script: str, samples: bytes = b"") -> Any:
    """What a script hands to `show`; in it are `npm`, the package, and `raw`, the samples' bytes."""
    (folder / "raw").write_bytes(samples)
    text = f"""
        import {{ readFileSync }} from "node:fs";
        import * as npm from {json.dumps((folder / "build/npm/index.js").as_uri())};
        const raw = readFileSync({json.dumps(str(folder / "raw"))});
        const real = (key, value) => (typeof value === "bigint" ? Number(value) : ArrayBuffer.isView(value) ? Array.from(value) : value);
        const show = (found) => console.log(JSON.stringify(found, real));
        {script}"""
    command = [str(NODE), "--input-type=module", "--eval", text]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def hostile_model(path: Path) -> Path:
    """y = x @ w, z = w[n]: every tensor with a name that means something somewhere."""
    x, n, y, z = (*HOSTILE[:3], "toString")
    text = "net (float[1, 4] x, int64[2] n) => (float[1, 3] y, float[2, 3] z) { y = MatMul (x, w) z = Gather (w, n) }"
    model = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["" : 21]> {text}')
    model.graph.initializer.append(onnx.numpy_helper.from_array(randoms(1, w=(4, 3))["w"], "w"))
    names = {"x": x, "n": n, "y": y, "z": z}
    for port in (*model.graph.input, *model.graph.output):
        port.name = names[port.name]
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    path.write_bytes(model.SerializeToString())
    return path


def test_keys_are_identifiers_and_distinct() -> None:
    keys = unique_names([*HOSTILE, "__proto__", "3x", "Ünïcode", "a" * 99, "input"], "t", js_key)
    assert keys[0] == "proto" and keys[3:7] == ["t", "proto_2", "t3x", "n_code"]
    assert len(set(keys)) == len(keys) and all(key.isidentifier() and len(key) <= 42 for key in keys)
    assert keys[-1] == "input"


@needs_node
@pytest.mark.parametrize(("rows", "target"), [("tensor", "wasm32-simd"), ("rows", "wasm32")])
def test_the_bytes_of_the_interpreter(rows: str, target: str, shared: Path, tmp_path: Path) -> None:
    api.compile(shared / "models/kws_int8_qdq.onnx", tmp_path, target=target, input=rows)
    built = api.build(tmp_path)
    assert all(0 < size < 60_000 for size in built["beside_weights"].values())
    meaning = reference(tmp_path)
    samples = default_samples(meaning.program)
    (name, images), (tensor,) = next(iter(samples.items())), load(tmp_path).outputs
    quiet, noise = ({name: images[i]} for i in (0, 3))
    want = [meaning.run(sample)[tensor.name].reshape(-1) for sample in (quiet, noise)]
    script = """
        const [input] = npm.metadata.inputs, [output] = npm.metadata.outputs;
        const size = input.elements, found = [];
        for (const source of [undefined, new URL("./kws_int8_qdq.baseline.wasm", import.meta.resolve(PACKAGE))]) {
          const model = await npm.load(source);
          for (const at of [0, 3]) {
            const sample = new Int8Array(raw.buffer, raw.byteOffset + at * size, size);
            const own = model.predict(sample)[output.key];
            const raws = Array.from(model.outputs[output.key]);
            const reals = model.predict({ [input.key]: Array.from(npm.dequantize(sample, input)) })[output.key];
            found.push([raws, own, reals]);
          }
        }
        show([npm.variant(), found]);"""
    uri = json.dumps((tmp_path / "build/npm/index.js").as_uri())
    variant, found = in_node(tmp_path, script.replace("import.meta.resolve(PACKAGE)", uri), images.tobytes())
    assert variant == ("simd" if target == "wasm32-simd" else "baseline")
    for (raw, own, real), expected in zip(found, want * 2, strict=True):
        assert raw == expected.tolist()
        if tensor.scale is not None:
            expected = (expected.astype(np.float32) - tensor.zero_point) * tensor.scale
        assert own == real and np.allclose(own, expected, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ic_int8_qdq", "vww_int8_qdq", "mobilenetv2_224_ptq"])
def test_modules_are_small(name: str, shared: Path, tmp_path: Path) -> None:
    api.compile(shared / f"models/{name}.onnx", tmp_path, target="wasm32-simd")
    assert all(size < 60_000 for size in api.build(tmp_path)["beside_weights"].values())


@needs_node
def test_hostile_names_in_node(tmp_path: Path) -> None:
    api.compile(hostile_model(tmp_path / "m.onnx"), tmp_path / "out", target="wasm32")
    folder = tmp_path / "out"
    api.build(folder)
    meaning = reference(folder).run({HOSTILE[0]: np.full((1, 4), 0.5, np.float32), HOSTILE[1]: np.array([3, 0])})
    script = """
        const model = await npm.load();
        const found = model.predict([0.5, 0.5, 0.5, 0.5], [3, 0]);
        const errors = [];
        for (const given of [[[1, 2, 3], [1, 2]], [[1, 2, 3, 4]], [{ proto: [1, 2, 3, 4] }]]) {
          try { model.predict(...given); } catch (error) { errors.push(error.constructor.name); }
        }
        show({ names: [...npm.metadata.inputs, ...npm.metadata.outputs].map((t) => t.name), keys: Object.keys(found),
               values: Object.values(found), errors, polluted: ({}).image !== undefined,
               half: npm.quantize([0.25, 0.75, -0.25, 1e9, -Infinity], { dtype: "int8", scale: 0.5, zeroPoint: 1 }) });"""
    found = in_node(folder, script)
    assert found["names"] == [*HOSTILE[:3], "toString"] and found["keys"][1] == "toString"
    assert np.allclose(found["values"][0], meaning[HOSTILE[2]].reshape(-1), rtol=1e-5)
    assert np.allclose(found["values"][1], meaning["toString"].reshape(-1))
    assert found["errors"] == ["RangeError", "TypeError", "TypeError"] and not found["polluted"]
    assert found["half"] == [1, 3, 1, 127, -128]  # halves go to the even integer
    page = "".join(path.read_text() for path in (folder / "build/npm").rglob("*") if path.suffix in (".md", ".html"))
    assert "<img" not in page and "${" not in page
    if TSC is not None:
        check_types(folder, "model.predict({ proto: [1], process_exit_3_process_exit_4: [1n] });")


@needs_node
def test_states_begin_anew(tmp_path: Path) -> None:
    text = "net (float[1, 3] x, float[1, 3] h) => (float[1, 3] y, float[1, 3] hn) { hn = Add (x, h) y = Mul (hn, two) }"
    model = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["" : 21]> {text}')
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([2], np.float32), "two"))
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    api.compile(tmp_path / "m.onnx", tmp_path / "out", target="wasm32", state={"h": "hn"})
    api.build(tmp_path / "out")
    script = """
        const model = await npm.load(), x = [1, 2, 3], other = await npm.load();
        const found = [model.predict(x).y, model.predict({ x }).y];
        model.reset();
        show([...found, model.predict(x).y, other.predict(x).y]);"""
    assert in_node(tmp_path / "out", script) == [[2, 4, 6], [4, 8, 12], [2, 4, 6], [2, 4, 6]]


def check_types(folder: Path, use: str) -> None:
    """tsc on the declarations and a file that uses them."""
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "use.ts").write_text(
        'import { load, metadata } from "./build/npm/index.js";\n'
        "const model = await load();\n"
        f"{use}\n"
        "const first: typeof metadata.inputs[0]['dtype'] = metadata.inputs[0].dtype;\n"
        "// @ts-expect-error: no such function\nmodel.nothing(first);\n"
    )
    options = "--noEmit --strict --target es2022 --module nodenext --lib es2022,dom --types".split()
    done = subprocess.run([str(TSC), *options, "", "use.ts"], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(TSC is None, reason="needs tsc (npm install -g typescript)")
@pytest.mark.parametrize("rows", ["tensor", "rows"])
def test_types(rows: str, digits: Path, tmp_path: Path) -> None:
    api.compile(digits / "digits_f32.onnx", tmp_path, target="wasm32", input=rows)
    api.build(tmp_path)
    assert read_program(tmp_path).inputs[0].name == "image"
    use = "const { scores }: { scores: Float32Array } = model.predict(new Float32Array(64));\nscores.fill(0);\n"
    use += (
        "const last: boolean = model.pushRow(model.row);"
        if rows == "rows"
        else "model.inputs.image.fill(1); model.run();"
    )
    check_types(tmp_path, use)
