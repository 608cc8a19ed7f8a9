"""`compile --tune`: the measured choice is at least as fast as any candidate, is kept, and is not measured twice."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import edgec
from edgec.errors import UsageError

DIGITS = Path(__file__).parents[2] / "examples" / "digits" / "digits.onnx"
needs_emulator = pytest.mark.skipif(
    not (shutil.which("qemu-system-arm") and shutil.which("arm-none-eabi-gcc")), reason="needs QEMU and gcc for Arm"
)


@needs_emulator
def test_tuned_kernels_are_the_fastest_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stages: list[str] = []
    options = {"target": "cortex-m4", "tune": True, "optimize": "speed"}
    first = edgec.compile(DIGITS, tmp_path / "out", lambda stage, done, total: stages.append(stage), **options)
    assert "measuring kernels" in stages
    measured = first.manifest["measured"]
    assert measured
    for step, taken in measured.items():
        assert len(taken) > 1
        assert first.manifest["kernels"][step] == min(taken, key=lambda name: taken[name][0])
    bench = {layer["name"]: layer["instructions"] for layer in edgec.bench(tmp_path / "out", emulate=True)["layers"]}
    for step, taken in measured.items():
        assert bench[step] == pytest.approx(taken[first.manifest["kernels"][step]][0], rel=0.02)

    def refuse(*args: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr("edgec.tune.measure.measure", refuse)
    again = edgec.compile(DIGITS, tmp_path / "out", **options)
    assert again.manifest["measured"] == measured
    assert again.manifest["kernels"] == first.manifest["kernels"]


def test_what_cannot_be_emulated_cannot_be_tuned(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be emulated"):
        edgec.compile(DIGITS, tmp_path, target="host", tune=True)
