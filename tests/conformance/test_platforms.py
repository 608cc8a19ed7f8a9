"""Phones, single-board computers, browsers: the bytes of the interpreter on every instruction set a platform is built for."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from edgec import api
from edgec.emulate.user import measure_program
from edgec.target import load_target

needs_arm64 = pytest.mark.skipif(
    not (shutil.which("qemu-aarch64") and shutil.which("aarch64-linux-gnu-gcc")),
    reason="needs qemu-user and the compiler",
)


@needs_arm64
@pytest.mark.parametrize("name", ["kws_int8_qdq", "ic_int8_qdq"])
def test_every_variant(name: str, shared: Path, tmp_path: Path) -> None:
    api.compile(shared / "models" / f"{name}.onnx", tmp_path, target="linux-arm64")
    crc = set()
    for variant in load_target("linux-arm64").variants:
        found = api.verify(tmp_path, on=f"qemu-user/{variant.name}", layers=variant.name == "neon")
        assert found["ok"], found["first_difference"]
        crc.add(found["compared_bytes"])
    assert len(crc) == 1


@needs_arm64
def test_counts_are_exact_and_small(shared: Path, tmp_path: Path) -> None:
    api.compile(shared / "models/kws_int8_qdq.onnx", tmp_path, target="linux-arm64")
    first, second = (api.bench(tmp_path, emulate=True) for _ in range(2))
    assert first["instructions"] == second["instructions"] < 600_000
    assert first["processor"] == "cortex-a76"
    assert first["ram"]["stack"] > 0
    target = load_target("linux-arm64")
    for variant in target.variants:  # what it costs that the library chooses
        chosen = measure_program(tmp_path, replace(target, measured=variant.name))
        alone = measure_program(tmp_path, replace(target, measured=variant.name, variants=(variant,)))
        assert chosen["output_crc32"] == alone["output_crc32"]
        assert chosen["instructions"] < 1.001 * alone["instructions"]


@needs_arm64
def test_float_instructions(shared: Path, tmp_path: Path) -> None:
    api.compile(shared / "models/vww_f32.onnx", tmp_path, target="linux-arm64")
    assert api.bench(tmp_path, emulate=True)["instructions"] < 3_400_000


@pytest.mark.parametrize(
    ("engine", "rows"),
    [("wasmtime", "tensor"), ("wasmtime", "rows"), ("node", "tensor"), ("node", "rows"), ("chromium", "rows")],
)
def test_webassembly(engine: str, rows: str, shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("ziglang")
    if engine != "wasmtime" and shutil.which(engine) is None:
        pytest.skip(f"needs {engine}")
    if engine == "wasmtime":
        pytest.importorskip("wasmtime")
    api.compile(shared / "models/kws_int8_qdq.onnx", tmp_path, target="wasm32", input=rows)
    found = api.verify(tmp_path, on=engine, layers=True)
    assert found["ok"], found["first_difference"]
    built = api.build(tmp_path)
    assert built["beside_weights"]["baseline"] < 20_000
