"""Predicted against counted: whole random models that no table was fitted to, with the kernels that edgec chooses."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

NEEDED = ("arm-none-eabi-gcc", "qemu-system-arm")
BOUNDS = {"cortex-m4": 5.0, "cortex-m55": 15.0}  # percent of a whole model's instructions and cycles
FEW = ("2000", "2001", "2002")


@pytest.fixture(scope="module")
def calibrate(root: Path, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """examples/calibrate.py, which keeps what it makes in a folder of this test."""
    if not all(map(shutil.which, NEEDED)):
        pytest.skip(f"needs {' and '.join(NEEDED)}")
    sys.path.insert(0, str(root / "examples"))
    try:
        spec = importlib.util.spec_from_file_location("calibrate", root / "examples" / "calibrate.py")
        assert spec and spec.loader
        made = importlib.util.module_from_spec(spec)
        sys.modules["calibrate"] = made  # dataclasses look their module up
        spec.loader.exec_module(made)
    finally:
        sys.path.pop(0)
    made.KEPT = tmp_path_factory.mktemp("kept")
    return made


def check(calibrate: ModuleType, target: str, names: list[str]) -> None:
    found = list(calibrate.qualities(target, names))
    assert len(found) == len(names)
    wrong = {q.name: q.errors[:2] for q in found if any(abs(error) > BOUNDS[target] for error in q.errors[:2])}
    assert not wrong


def test_unseen_models_take_what_is_predicted(calibrate: ModuleType) -> None:
    check(calibrate, "cortex-m4", list(FEW))


@pytest.mark.slow
@pytest.mark.parametrize("target", BOUNDS)
def test_all_held_out_models_take_what_is_predicted(calibrate: ModuleType, target: str) -> None:
    names = [*calibrate.CHECKED, *map(str, calibrate.HELD_OUT)]
    check(calibrate, target, names if calibrate.SHARED.is_dir() else names[len(calibrate.CHECKED) :])
