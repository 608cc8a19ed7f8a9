"""Every kernel in every size on the emulated boards: the interpreter's bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ops.arm import check_nodes, emulated
from tests.ops.sweep_kinds import KINDS, every, sample

BOARDS = [
    ("cortex-m4", "dsp"),
    ("cortex-m55", "mve"),
    ("cortex-m3", "thumb2"),
    ("cortex-m0plus", "armv6m"),
    ("cortex-m4", ""),
]
"""Emulated core, and the feature whose kernels it is there to test; none: the portable ones."""


@pytest.mark.parametrize(("cpu", "family"), BOARDS[:4])
def test_some_nodes_of_every_kind(cpu: str, family: str, tmp_path: Path) -> None:
    target = emulated(cpu)
    check_nodes(target, tmp_path, sample(target.isa, family, real=False))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("cpu", "family"), BOARDS)
def test_sweep(cpu: str, family: str, kind: str, tmp_path: Path) -> None:
    target = emulated(cpu)
    check_nodes(target, tmp_path, every(kind, target.isa, family, real=False))
