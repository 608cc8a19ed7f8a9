"""`edgec --help` must answer at once, so starting may import nothing heavy."""

from __future__ import annotations

import subprocess
import sys
import time

HEAVY = ("numpy", "onnx", "onnx_ir", "onnxscript", "onnxruntime", "jinja2", "serial", "elftools", "rich.table")


def test_help_imports_nothing_heavy() -> None:
    code = f"""
import sys
from edgec.cli.app import run
assert run(["--help"]) == 0
found = sorted(set({HEAVY!r}) & set(sys.modules))
sys.exit(f"imported at start: {{found}}" if found else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_help_answers_in_time() -> None:
    times = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "edgec", "--help"], check=True, capture_output=True, timeout=60)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.3


def test_importing_edgec_is_light() -> None:
    code = f"import sys, edgec; sys.exit(bool(set({HEAVY!r}) & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
