"""The verbs as methods of what `edgec.compile` returns: a search over options in a few lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import edgec


def test_a_search_over_options(digits: Path, tmp_path: Path) -> None:
    """The fastest of three schedules, measured, checked on the host; the same figures as the functions give."""
    found = {}
    for optimize in ("speed", "ram", "flash"):
        artifact = edgec.compile(digits / "digits.onnx", tmp_path / optimize, target="cortex-m4", optimize=optimize)
        found[optimize] = artifact.bench(emulate=True)
    assert min(found, key=lambda name: found[name]["instructions"]) == "speed"
    assert found["ram"]["ram"]["total"] <= found["speed"]["ram"]["total"]
    assert len({document["output_crc32"] for document in found.values()}) == 1
    assert artifact.report()["measured"]["instructions"] == found["flash"]["instructions"]
    assert artifact.verify()["ok"]
    assert Path(artifact.build()["artifacts"]["elf"]).is_file()


def test_a_host_build_is_callable(digits: Path, tmp_path: Path) -> None:
    artifact = edgec.compile(digits / "digits.onnx", tmp_path / "host", target="host")
    x = np.load(digits / "digits.npz")["image"][:1]
    [scores] = artifact.load()(x)
    assert np.array_equal(scores, edgec.load(artifact.dir)(x)[0])
