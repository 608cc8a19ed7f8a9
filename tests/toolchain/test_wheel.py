"""The wheel on a machine that has nothing else: no checkout, no compiler or emulator on PATH."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgec.emulate.run import all_bytes
from edgec.emulate.wasm import ENGINES
from edgec.toolchain.package import load_package
from edgec.verify.devices import outputs
from edgec.verify.reference import reference
from edgec.verify.samples import default_samples

PLATFORMS = ("linux-arm64", "android-arm64", "wasm32-simd")
PROGRAM = """
from pathlib import Path
from edgec.target import load_target
from edgec.toolchain.cross import build_program
print(build_program(Path({folder!r}), load_target({target!r}), Path({out!r})).path)
"""


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    pytest.importorskip("build")
    pytest.importorskip("hatchling")
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return next(out.glob("*.whl"))


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment whose PATH leads to nothing; zig keeps what it has built where it always does."""
    (tmp_path / "nothing").mkdir()
    yield {"PATH": str(tmp_path / "nothing"), "HOME": str(Path.home()), "LANG": "C.UTF-8"}


def run(command: list[str], cwd: Path, env: dict[str, str], timeout: float = 900) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_compile_and_analyze_outside_the_checkout(
    wheel: Path, bare: dict[str, str], digits: Path, tmp_path: Path
) -> None:
    """The wheel's own files and the packages it needs: the templates and targets that it carries."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    env = {**bare, "PYTHONPATH": str(tmp_path / "site"), "PYTHONSAFEPATH": "1"}
    edgec = [sys.executable, "-m", "edgec"]
    where = run([sys.executable, "-c", "import edgec; print(edgec.__file__)"], tmp_path, env)
    assert where.startswith(str(tmp_path / "site"))
    found = json.loads(
        run([*edgec, "analyze", str(digits / "digits.onnx"), "--target", "cortex-m4", "--json"], tmp_path, env)
    )
    assert found["macs"] > 0 and found["peak_ram_bytes"] > 0
    for target in ("cortex-m4", "wasm32-simd"):
        made = json.loads(
            run(
                [*edgec, "compile", str(digits / "digits.onnx"), "--target", target, "-o", target, "--json"],
                tmp_path,
                env,
            )
        )
        assert made["target"]["name"] == target and (tmp_path / target / made["header"]).is_file()


@pytest.mark.slow
def test_a_machine_with_the_wheel_only(wheel: Path, bare: dict[str, str], shared: Path, tmp_path: Path) -> None:
    """pip install edgec[zig]: compiles and builds for 64-bit Arm and WebAssembly; what it built gives the interpreter's bytes."""
    python = tmp_path / "venv/bin/python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{wheel}[zig]"]
    if subprocess.run(pip, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs a package index")
    edgec = [str(python), "-m", "edgec"]
    for target in PLATFORMS:
        model = str(shared / "models/kws_int8_qdq.onnx")
        run([*edgec, "compile", model, "--target", target, "-o", target], tmp_path, bare)
        run([*edgec, "build", target], tmp_path, bare)
    folder = tmp_path / "wasm32-simd"
    meaning = reference(folder)
    samples = default_samples(meaning.program)
    expected = [
        meaning.run({name: array[i] for name, array in samples.items()})
        for i in range(len(next(iter(samples.values()))))
    ]
    package, raw = load_package(folder), all_bytes(load_package(folder), samples)

    def check(made: bytes) -> None:
        size = package.output_bytes
        for index, want in enumerate(expected):
            got = outputs(package, made[index * size : (index + 1) * size])
            assert all(np.array_equal(got[name], array) for name, array in want.items())

    pytest.importorskip("wasmtime")
    for module in sorted((folder / "build/wasm").glob("*.wasm")):
        check(ENGINES["wasmtime"](package, module, raw)[0])
    qemu = shutil.which("qemu-aarch64")
    if qemu is None:
        pytest.skip("needs qemu-aarch64 for the programs")
    for target in PLATFORMS[:2]:
        text = PROGRAM.format(folder=str(tmp_path / target), target=target, out=str(tmp_path / f"{target}-program"))
        program = run([str(python), "-c", text], tmp_path, bare).strip()
        (tmp_path / "inputs.bin").write_bytes(raw)
        subprocess.run([qemu, "-cpu", "cortex-a53", program], cwd=tmp_path, check=True, timeout=600)
        check((tmp_path / "outputs.bin").read_bytes())
