"""Predicted against counted: whole random models that no table was fitted to, with the kernels that edgec chooses; rows that no later
step asks for."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from edgec.ir.program import Buffer, Port, Program, Segment, Step
from edgec.ir.reach import Run, Window
from edgec.kernels.predict import rows_made
from edgec.target import load_target

NEEDED = ("arm-none-eabi-gcc", "qemu-system-arm")
BOUND = 5.0  # percent of a whole model's instructions and cycles
FEW = {
    "cortex-m4": ("2000", "2001", "2002"),
    "cortex-m55": ("2007", "2012", "2013"),
    "cortex-m33": ("2015",),
    "cortex-m3": ("2000",),
    "cortex-m0plus": ("2013",),
}
LARGE = ("vit_fashion_p4", "mcunet_vww_int8", "mobilenetv2_224_ptq")
"""Shared models that take minutes on emulated cores without vectors."""
UNFIT = {"cortex-m55": ("mobilenetv2_224_ptq",)}
"""Shared models that the memories of a core's emulated board do not hold."""


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
    wrong = {q.name: q.errors[:2] for q in found if any(abs(error) > BOUND for error in q.errors[:2])}
    assert not wrong


@pytest.mark.parametrize("target", FEW)
def test_unseen_models_take_what_is_predicted(calibrate: ModuleType, target: str) -> None:
    check(calibrate, target, list(FEW[target]))


@pytest.mark.slow
@pytest.mark.parametrize("target", FEW)
def test_all_held_out_models_take_what_is_predicted(calibrate: ModuleType, target: str) -> None:
    # Not Cortex-M33: by M4's table a shared model of 5,000 instructions is five percent off.
    own = load_target(target).costs == target
    shared = calibrate.CHECKED if calibrate.SHARED.is_dir() and own else ()
    without = (*(LARGE if len(FEW[target]) == 1 else ()), *UNFIT.get(target, ()))
    check(calibrate, target, [*(name for name in shared if name not in without), *map(str, calibrate.HELD_OUT)])


def test_a_pipeline_leaves_out_the_rows_behind_the_last_that_is_read() -> None:
    """Windows of three rows, three apart, read six of eight."""
    sizes = (("x", 8, 8), ("t", 8, 3), ("y", 2, 2))  # rows, those that are stored
    buffers = tuple(Buffer(name, "int8", (1, rows, 3), rows, stored) for name, rows, stored in sizes)
    steps = (
        Step("first", "copy", ("x",), "t", (Run(8),), group=1),
        Step("pool", "pool", ("t",), "y", (Window(8, 2, 3, 3),), group=1),
    )
    program = Program("net", buffers, steps, (Port("x", "x", (1, 8, 3)),), (Port("y", "y", (1, 2, 3)),))
    assert rows_made(program.with_(segments=(Segment(("first", "pool")),))) == {"first": 0.75, "pool": 1.0}
