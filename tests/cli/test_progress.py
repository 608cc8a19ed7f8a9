"""Long work is told: every stage to Python callers, on a terminal as a bar, in a pipe not at all; and the model is read once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgec import api
from edgec.cli.output import advancing
from edgec.graph import load


@pytest.fixture
def calib(digits: Path, tmp_path: Path) -> Path:
    np.savez(tmp_path / "calib.npz", np.random.default_rng(0).random((8, 1, 8, 8), np.float32))
    return tmp_path / "calib.npz"


def test_compile_tells_its_stages_and_reads_once(
    digits: Path, calib: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Path] = []
    read = load.load_model
    monkeypatch.setattr(load, "load_model", lambda path, batch=1: reads.append(path) or read(path, batch))
    told: list[tuple[str, int, int]] = []
    model = digits / "digits_f32.onnx"
    api.compile(model, tmp_path / "out", lambda *news: told.append(news), target="host", calib=calib)
    stages = list(dict.fromkeys(stage for stage, _, _ in told))
    assert stages[:2] == ["reading the model", "ranges"] and stages[-2:] == ["planning memory", "writing C"]
    assert all(done <= total for _, done, total in told)
    assert reads == [model]
    api.quantize(model, calib, tmp_path / "q.onnx", effort=0)
    assert reads == [model, model]


@pytest.mark.parametrize("quiet", [True, False])
def test_a_pipe_shows_no_bar(quiet: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with advancing("compiling", quiet) as progress:
        progress("planning memory", 1, 3)
    assert capsys.readouterr() == ("", "")
