"""SIMD kernels of conv2d, depthwise and dense: the interpreter's bytes on every instruction set, and in plain C under sanitizers."""

from __future__ import annotations

import platform
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgec.emulate.user import run_program as run_native
from edgec.emulate.wasm import run_module
from edgec.target import Target, Variant, load_target
from tests.ops.arm import check_on, step_by_step
from tests.ops.convolutions import Layer, merged
from tests.ops.harness import run_program
from tests.ops.sweeps import FORMS, OPS, case_of, channels, geometries, large
from tests.ops.test_convolutions import LAYERS, corner

SETS = ["linux-arm64", "wasm32-simd", "host"]


def runs(target: Target, variant: Variant) -> bool:
    """Whether a variant can be run: under emulation, or by this processor."""
    if target.kind != "host":
        return True
    info = Path("/proc/cpuinfo")
    has = set(re.findall(r"\w+", info.read_text(encoding="utf-8"))) if info.exists() else set()
    return variant.machine in ("", platform.machine()) and set(variant.when) <= has


def run(folder: Path, layers: Sequence[Layer], where: str, form: tuple[bool, bool] = FORMS[0]) -> None:
    """All layers in one program on every instruction set of a platform that can be run (of WebAssembly: with SIMD)."""
    target = load_target(where)
    if target.cpu == "arm64" and not (shutil.which("qemu-aarch64") and shutil.which("aarch64-linux-gnu-gcc")):
        pytest.skip("needs qemu-user and the compiler")
    if target.cpu == "wasm":
        pytest.importorskip("ziglang")
        pytest.importorskip("wasmtime")

    def outputs(package: Path, at: Target, raw: bytes) -> bytes:
        if at.cpu == "wasm":
            return run_module(package, at, at.variants[-1], "wasmtime", raw)[0]
        found = {run_native(package, at, variant, raw)[0] for variant in at.variants if runs(at, variant)}
        assert len(found) == 1
        return found.pop()

    program, sample = merged([case_of(layer) for layer in layers], [layer.x for layer in layers])
    check_on(target, folder, step_by_step(program, target, *form), [sample], outputs)


def edges() -> list[Layer]:
    return [edge for name in ("3x3", "1x1", "depthwise", "depthwise stride 2", "gemm") for edge in corner(LAYERS[name])]


@pytest.mark.parametrize("where", SETS)
def test_every_layer_kind_and_the_edges_of_the_arithmetic(where: str, tmp_path: Path) -> None:
    run(tmp_path / "net", [*LAYERS.values(), *edges()[::3], *channels(0)[::23], *geometries()[::23]], where)


@pytest.mark.slow
@pytest.mark.parametrize("where", SETS)
@pytest.mark.parametrize("form", FORMS, ids=["alone", "several", "single"])
def test_sweep(where: str, form: tuple[bool, bool], tmp_path: Path) -> None:
    for number, layers in enumerate((channels(0), channels(11), geometries(), large())):
        for first in range(0, len(layers), 60):
            run(tmp_path / f"{number}_{first}", layers[first : first + 60], where, form)


@pytest.mark.parametrize("some", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["few", "many"])
def test_the_plain_c_vocabulary_under_sanitizers(some: bool) -> None:
    layers = [LAYERS[name] for name in ("3x3", "groups", "dilated", "1x1", "depthwise", "depthwise 5x5", "gemm")]
    if some:
        layers = [*LAYERS.values(), *large()[::3], *geometries()[::6], *channels(3)[::11], *edges()]
    program, sample = merged([case_of(layer) for layer in layers], [layer.x for layer in layers])
    run_program(program, [sample], frozenset({"simd", "simd128"}))


def test_layers_have_simd_kernels() -> None:
    wanted = [LAYERS[n] for n in LAYERS if n != "depthwise multiplier"]
    target = load_target("linux-arm64")
    program, _ = merged([case_of(layer) for layer in wanted], [layer.x for layer in wanted])
    steps = step_by_step(program, target, True, True).steps
    assert {s.kernel for s in steps if s.op in OPS and "simd" not in s.kernel} == set()
