"""The generated files as a library: strict compilers, C++, two models in one program, one shared arena, hostile port names."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgec.emit.c import emit
from edgec.emit.manifest import manifest
from edgec.ir.interp import Interpreter
from edgec.ir.program import Port, Program
from edgec.verify.reference import references
from tests.conformance.block import block
from tests.conformance.packages import with_kernels

STRICT = "-std=c11 -O2 -Wall -Wextra -Wconversion -Wpedantic -Werror".split()
HOSTILE = 'x"\n*/ #include <stdio.h> \\ ??/ \t é'


def written(folder: Path, program: Program, version: str = "test") -> list[str]:
    """Writes a program's files; returns the C files."""
    source = emit(program, frozenset(), version)
    for name, text in source.files.items():
        (folder / name).write_text(text)
    return [str(folder / name) for name in source.files if name.endswith(".c")]


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:3000]
    return done.stdout


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("define", ["UNUSED", "BLOCK_TRACE", "BLOCK_SHARED_ARENA"])
def test_strict_compilers(tmp_path: Path, compiler: str, define: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}")
    for file in written(tmp_path, with_kernels(block())):
        run([compiler, *STRICT, f"-D{define}", "-c", file, "-o", f"{file}.o"])


def test_header_from_cxx(tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("needs g++")
    files = written(tmp_path, with_kernels(block()))
    for file in files:
        run(["gcc", *STRICT, "-c", file, "-o", f"{file}.o"])
    main = tmp_path / "main.cc"
    main.write_text(
        '#include "block.h"\nint main() { block_init(nullptr); block_input()[0] = 1; block_run(); return block_output()[0] * 0; }\n'
    )
    run(["g++", "-Wall", "-Wextra", "-Werror", str(main), *(f"{f}.o" for f in files), "-o", str(tmp_path / "a.out")])
    run([str(tmp_path / "a.out")])


def test_two_models_share_an_arena(tmp_path: Path) -> None:
    """Two libraries in one program, one arena, alternating: each gives its own answer."""
    one, two = with_kernels(block(1)), with_kernels(replace(block(2), name="other"))
    files = written(tmp_path, one) + written(tmp_path, two)
    x = np.random.default_rng(0).integers(-128, 128, (1, 16, 16, 8)).astype(np.int8)
    calls = "".join(
        f"    memcpy({n}_input(), x, sizeof x); {n}_run(); fwrite({n}_output(), 1, {n.upper()}_OUTPUT_BYTES, stdout);\n"
        for n in ("block", "other", "block")
    )
    (tmp_path / "main.c").write_text(
        '#include "block.h"\n#include "other.h"\n#include <stdio.h>\n#include <string.h>\n'
        "_Alignas(16) static unsigned char arena[4096];\nstatic char x[2048];\n"
        "int main(void)\n{\n    block_init(arena); other_init(arena);\n"
        f"    if (fread(x, 1, sizeof x, stdin) != sizeof x) return 1;\n{calls}    return 0;\n}}\n"
    )
    defines = ["-DBLOCK_SHARED_ARENA", "-DOTHER_SHARED_ARENA"]
    program = str(tmp_path / "a.out")
    run(["gcc", *STRICT, "-fsanitize=address,undefined", *defines, *files, str(tmp_path / "main.c"), "-o", program])
    raw = subprocess.run([program], input=x.tobytes(), capture_output=True, check=True).stdout
    want = [Interpreter(p, references()).run({"x": x})["y"] for p in (one, two, one)]
    assert raw == b"".join(array.tobytes() for array in want)
    assert not np.array_equal(want[0], want[1])


def test_hostile_names_do_no_harm(tmp_path: Path) -> None:
    """A model input may be called anything: it reaches comments only."""
    program = with_kernels(block())
    program = program.with_(inputs=(Port(HOSTILE, "x", (1, 16, 16, 8)),), target=HOSTILE)
    program = program.with_(steps=tuple(replace(s, node=HOSTILE) for s in program.steps))
    for file in written(tmp_path, program):
        run(["gcc", *STRICT, "-c", file, "-o", f"{file}.o"])
    assert manifest(program, emit(program), {})["inputs"][0]["name"] == HOSTILE


def test_only_the_public_functions_are_visible(tmp_path: Path) -> None:
    files = written(tmp_path, with_kernels(block()))
    seen = set()
    for file in files:
        run(["gcc", *STRICT, "-c", file, "-o", f"{file}.o"])
        seen |= {line.split()[-1] for line in run(["nm", "-g", "--defined-only", f"{file}.o"]).splitlines() if line}
    assert {name for name in seen if "_w0" not in name and "_pad_" not in name and "_rows" not in name} == {
        "block_init",
        "block_input",
        "block_output",
        "block_run",
    }
    assert all(name.startswith("block_") for name in seen)


def test_weights_are_in_their_section(tmp_path: Path) -> None:
    files = written(tmp_path, with_kernels(block()))
    weights = next(f for f in files if f.endswith("_weights.c"))
    run(["gcc", *STRICT, "-c", weights, "-o", f"{weights}.o"])
    assert ".rodata.block_weights" in run(["objdump", "-h", f"{weights}.o"])


def test_int8_code_needs_nothing_but_memory_functions(tmp_path: Path) -> None:
    """No libm, no stdio, no malloc."""
    allowed = {"memcpy", "memset", "memmove", "__stack_chk_fail", "_GLOBAL_OFFSET_TABLE_"}
    for file in written(tmp_path, with_kernels(block())):
        run(["gcc", *STRICT, "-c", file, "-o", f"{file}.o"])
        wanted = {line.split()[-1] for line in run(["nm", "-u", f"{file}.o"]).splitlines() if line}
        assert {name for name in wanted if not name.startswith("block_")} <= allowed
