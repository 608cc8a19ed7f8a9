"""SIMD kernels on every instruction set: the interpreter's bytes (their plain C under sanitizers: test_sweep_host.py)."""

from __future__ import annotations

import platform
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from edgec.emulate.user import run_program as run_native
from edgec.emulate.wasm import run_module
from edgec.target import Target, Variant, load_target
from tests.ops.arm import check_nodes, step_by_step
from tests.ops.convolutions import case_of, merged
from tests.ops.forced import Given
from tests.ops.sweep_kinds import KINDS, every, sample
from tests.ops.test_convolutions import LAYERS

SETS = ["linux-arm64", "wasm32-simd", "host"]


def runs(target: Target, variant: Variant) -> bool:
    """Whether a variant can be run: under emulation, or by this processor."""
    if target.kind != "host":
        return True
    info = Path("/proc/cpuinfo")
    has = set(re.findall(r"\w+", info.read_text(encoding="utf-8"))) if info.exists() else set()
    return variant.machine in ("", platform.machine()) and set(variant.when) <= has


def check(where: str, folder: Path, nodes: Iterable[Given]) -> None:
    """Nodes with their kernels on every instruction set of a platform that can be run (of WebAssembly: with SIMD)."""
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

    check_nodes(target, folder, nodes, outputs)


@pytest.mark.parametrize("where", SETS)
def test_some_nodes_of_every_kind(where: str, tmp_path: Path) -> None:
    check(where, tmp_path, sample(load_target(where).isa, "simd", real=False))


@pytest.mark.slow
@pytest.mark.parametrize("where", SETS)
@pytest.mark.parametrize("kind", KINDS)
def test_sweep(where: str, kind: str, tmp_path: Path) -> None:
    check(where, tmp_path, every(kind, load_target(where).isa, "simd", real=False))


def test_layers_have_simd_kernels() -> None:
    wanted = [LAYERS[n] for n in LAYERS if n != "depthwise multiplier"]
    target = load_target("linux-arm64")
    program, _ = merged([case_of(layer) for layer in wanted], [layer.x for layer in wanted])
    steps = step_by_step(program, target, True, True).steps
    assert {s.kernel for s in steps if s.op in {"conv2d", "depthwise", "dense"} and "simd" not in s.kernel} == set()
