"""The demo does what README promises, and the model it ships is what its page says."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest


def test_the_shipped_model_knows_its_digits(digits: Path) -> None:
    data = np.load(digits / "digits.npz")
    session = ort.InferenceSession(digits / "digits.onnx", providers=["CPUExecutionProvider"])
    scores = [session.run(None, {"image": image[None]})[0].argmax() for image in data["image"]]
    assert np.bincount(data["labels"]).tolist() == [5] * 10
    assert np.mean(np.array(scores) == data["labels"]) >= 0.97


@pytest.mark.skipif(not shutil.which("qemu-system-arm"), reason="needs qemu-system-arm")
@pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="needs arm-none-eabi-gcc")
def test_the_demo(root: Path, digits: Path, tmp_path: Path) -> None:
    command = [sys.executable, digits / "demo.py", tmp_path / "digits"]
    environment = {**os.environ, "PYTHONPATH": str(root)}  # also where edgec is not installed
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Cortex-M4: 49 of 50 right; onnxruntime: 49 of 50" in done.stdout
    for word in ("verdict", "instructions", "RAM", "flash", "cycles"):
        assert word in done.stdout
    counted, ram = (
        int(re.search(rf"{word} +([\d,]+)", done.stdout)[1].replace(",", "")) for word in ("instructions", "RAM")
    )
    assert counted <= 35_000
    assert ram <= 1_038


def test_figures_replace_only_their_block(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(root / "examples")
    spec = importlib.util.spec_from_file_location("figures", root / "examples" / "figures.py")
    assert spec and spec.loader
    figures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(figures)
    page = "a\n<!-- output:x -->\nold\n<!-- /output:x -->\nb\n<!-- output:y -->\n<!-- /output:y -->\n"
    once = figures.put(page, "output:x", r"new \1")
    assert once == page.replace("\nold\n", "\n\nnew \\1\n\n")
    assert figures.put(once, "output:x", r"new \1") == once
