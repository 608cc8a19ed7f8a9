"""Phones, single-board computers, browsers: the bytes of the interpreter on every instruction set a platform is built for."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from edgec import api
from edgec.emulate.user import measure_program
from edgec.errors import BudgetError, UsageError
from edgec.target import load_target
from edgec.toolchain.package import load_package
from examples.twins import float_twin

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
    assert first["ram"]["arena"] == load_package(tmp_path).arena_bytes
    target = load_target("linux-arm64")
    for variant in target.variants:  # what it costs that the library chooses
        chosen = measure_program(tmp_path, replace(target, measured=variant.name))
        alone = measure_program(tmp_path, replace(target, measured=variant.name, variants=(variant,)))
        assert chosen["output_crc32"] == alone["output_crc32"]
        assert chosen["instructions"] < 1.001 * alone["instructions"]


@pytest.mark.parametrize("target", ["linux-arm64", "wasm32-simd"])
def test_memory_is_planned_as_everywhere(target: str, shared: Path, tmp_path: Path) -> None:
    """The arena of a platform is the planner's: smaller where that is asked for, never above the budget."""
    arena = {}
    for name, options in {"balanced": {}, "ram": {"optimize": "ram"}, "budget": {"ram": "9K"}}.items():
        made = api.compile(shared / "models/kws_int8_qdq.onnx", tmp_path / name, target=target, **options)
        arena[name] = made.manifest["arena_bytes"] + made.manifest["scratch_bytes"]
    assert arena["ram"] <= arena["budget"] <= 9 * 1024 < arena["balanced"]
    with pytest.raises(BudgetError):
        api.compile(shared / "models/kws_int8_qdq.onnx", tmp_path / "none", target=target, ram="2K")


def test_nothing_counts_webassembly(digits: Path, tmp_path: Path) -> None:
    api.compile(digits / "digits.onnx", tmp_path, target="wasm32-simd")
    with pytest.raises(UsageError, match="nothing counts"):
        api.bench(tmp_path, emulate=True)


@needs_arm64
def test_float_instructions(shared: Path, tmp_path: Path) -> None:
    api.compile(shared / "models/vww_f32.onnx", tmp_path, target="linux-arm64")
    assert api.bench(tmp_path, emulate=True)["instructions"] < 3_400_000


@needs_arm64
@pytest.mark.slow
def test_limits(shared: Path, tmp_path: Path) -> None:
    """Instructions on a processor with dot products that a release must not exceed: XNNPACK's own, and the float limits."""
    models, keep = shared / "models", {"keep_constant_channels": True}
    twin = float_twin(models / "mobilenetv2_224_ptq.onnx", tmp_path / "twin.onnx")
    for number, (model, options, most) in enumerate(
        (
            (models / "kws_int8_qdq.onnx", {}, 710_000),
            (models / "ic_int8_qdq.onnx", {}, 1_500_000),
            (models / "vww_int8_qdq.onnx", keep, 1_930_000),
            (models / "mobilenetv2_224_ptq.onnx", {}, 49_200_000),
            (models / "vww_f32.onnx", {}, 3_500_000),
            (twin, {}, 120_000_000),
        )
    ):
        folder = tmp_path / str(number)
        api.compile(model, folder, target="linux-arm64", **options)
        assert api.bench(folder, emulate=True)["instructions"] <= most, model.name


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
