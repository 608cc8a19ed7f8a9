"""GRU, LSTM and RNN in integers with DSP instructions: host and emulated Cortex-M give the reference's bytes; no float in a Cortex-M3 build."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import onnx
import pytest

from edgec.emit.c import emit
from edgec.options import CompileOptions
from edgec.schedule.plan import plan
from edgec.target import load_target
from tests.ops.harness import run_program
from tests.ops.recurrent_bench import Case, arrays, feed, int8_model, program_of

CASES = [
    Case("GRU", time=7, inputs=5, hidden=6, batch=2, direction="bidirectional", starts="input"),
    Case("GRU", time=7, inputs=8, hidden=12, attrs={"linear_before_reset": 1}, starts="constant"),
    Case("LSTM", time=7, inputs=3, hidden=5, batch=2, direction="bidirectional", peepholes=True, starts="input"),
    Case("LSTM", time=7, inputs=16, hidden=8, outputs="H"),
    Case("RNN", time=7, inputs=7, hidden=9, direction="reverse", outputs="YH"),
]
NAMES = [f"{c.op}-{c.direction}-{c.starts}" for c in CASES]
DSP = frozenset({"dsp"})


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_dsp_on_the_host(case: Case) -> None:
    """The same kernels with their instructions spelt in C, under sanitizers."""
    samples = []
    for seed in range(2):
        values = arrays(case, seed)
        samples.append(feed(int8_model(case, values), values))
    program = program_of(int8_model(case, arrays(case)))
    kernels = {s.op: s.kernel for s in plan(program, DSP).program.steps}
    assert kernels[case.op.lower()] == f"{case.op.lower()}_s8_dsp"
    run_program(program, samples, DSP)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_emulated_cortex_m4(case: Case, tmp_path: Path) -> None:
    if not shutil.which("qemu-system-arm") or not shutil.which("arm-none-eabi-gcc"):
        pytest.skip("needs qemu-system-arm and arm-none-eabi-gcc")
    from edgec.compiler import compile_model
    from edgec.verify.check import verify

    onnx.save(int8_model(case, arrays(case)), str(tmp_path / "cell.onnx"))
    compile_model(tmp_path / "cell.onnx", CompileOptions(target="cortex-m4"), tmp_path / "cell")
    verdict = verify(tmp_path / "cell", on="emulator", with_onnxruntime=False)
    assert verdict["ok"] and verdict["mismatching_bytes"] == 0


@pytest.mark.parametrize("cpu", ["cortex-m3", "cortex-m4"])
def test_no_floating_point(cpu: str, tmp_path: Path) -> None:
    """Nothing but memcpy, memset and 64-bit integer helpers is called, with all warnings on."""
    if not shutil.which("arm-none-eabi-gcc"):
        pytest.skip("needs arm-none-eabi-gcc")
    target = load_target(cpu)
    for case in CASES:
        program = plan(program_of(int8_model(case, arrays(case))), target.isa).program
        for name, text in emit(program, target.isa).files.items():
            (tmp_path / name).write_text(text)
        flags = f"-c -mcpu={cpu} -mthumb -mfloat-abi=soft -std=c11 -O2 -Wall -Wextra -Wconversion -Wpedantic -Werror".split()
        subprocess.run(["arm-none-eabi-gcc", *flags, "cell.c", "-o", "cell.o"], cwd=tmp_path, check=True)
        listed = subprocess.run(
            ["arm-none-eabi-nm", "-u", "cell.o"], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        wanted = {line.split()[-1] for line in listed.stdout.splitlines()}
        assert {n for n in wanted if not n.startswith("cell_")} <= {"memcpy", "memset", "__aeabi_lmul"}


@pytest.mark.parametrize("case", CASES[::2], ids=NAMES[::2])
def test_clang_has_nothing_to_say(case: Case, tmp_path: Path) -> None:
    if not shutil.which("clang"):
        pytest.skip("needs clang")
    for model in ("c", "dsp"):
        features = DSP if model == "dsp" else frozenset()
        program = plan(program_of(int8_model(case, arrays(case))), features).program
        for name, text in emit(program, features).files.items():
            (tmp_path / name).write_text(text)
        flags = "-c -std=c11 -O2 -Wall -Wextra -Wconversion -Wpedantic -Werror".split()
        subprocess.run(["clang", *flags, "cell.c", "-o", "cell.o"], cwd=tmp_path, check=True)
