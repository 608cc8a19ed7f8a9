"""A model that keeps a state, on an emulated board: the harness's runs are one sequence."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgec.api import compile, verify
from tests.verify.test_states import model_of, sequence


def test_a_sequence_on_a_board(tmp_path: Path) -> None:
    frames = sequence("gru")
    np.savez(tmp_path / "calib.npz", x=frames)
    path = model_of("gru", tmp_path)
    compile(path, tmp_path / "out", target="cortex-m4", state=["h=hn"], calib=tmp_path / "calib.npz")
    document = verify(tmp_path / "out", {"x": frames[:12]}, on="emulator")
    assert document["ok"] and document["mismatching_bytes"] == 0
