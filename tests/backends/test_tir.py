"""Steps as TIR: what TVM makes of them has the bytes of the interpreter, in the C library and in the Relax virtual machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgec.backends.relax import relax_module
from edgec.backends.tir import pointer_module, with_tir
from edgec.emit.c import emit
from edgec.ir.interp import Interpreter
from edgec.schedule.plan import plan
from edgec.toolchain.base import compile_objects, run_tool
from tests.backends.cases import borders, every_case
from tests.ops.harness import main_c, references

pytest.importorskip("tvm", reason="needs apache-tvm")

HOST = {"kind": "llvm"}


def link(file: str, files: list[str]) -> None:
    run_tool(["gcc", "-shared", *files, "-o", file, "-lm"])


def test_the_virtual_machine(tmp_path: Path) -> None:
    """Every spelling, and a step without one behind TVM's calling convention."""
    from edgec.backends.tvm import export_relax, open_relax

    program, sample = every_case()
    made = relax_module(program)
    assert {program.step_by_name[name].op for name in made.kernels} == {"concat"}
    for name, text in made.sources.items():
        (tmp_path / name).write_text(text)
    sources = sorted(tmp_path.glob("*.c"))
    objects = compile_objects(["gcc"], [(s, s.with_suffix(".o")) for s in sources], [tmp_path], flags=["-fPIC"])
    export_relax(made.text, made.constants, HOST, tmp_path / "net.so", link, objects)
    got = open_relax(tmp_path / "net.so")([sample[port.name] for port in program.inputs])
    expected = Interpreter(plan(program).program, references()).run(sample)
    for port, array in zip(program.outputs, got, strict=True):
        np.testing.assert_array_equal(array, expected[port.name], err_msg=port.name)


def test_where_number_formats_meet(tmp_path: Path) -> None:
    """Ties, what saturates, and what is not a number."""
    from edgec.backends.tvm import export_relax, open_relax

    program = borders()
    made = relax_module(program)
    assert not made.kernels
    export_relax(made.text, made.constants, HOST, tmp_path / "net.so", link)
    x = np.array(
        [0.05, -0.05, 0.15, 0.25, 1e30, -1e30, np.inf, -np.inf, np.nan, 0, 3.3, 12.6, -12.9, 7, -7], np.float32
    )
    sample = {"x": x.reshape(3, 5)}
    (got,) = open_relax(tmp_path / "net.so")([sample["x"]])
    np.testing.assert_array_equal(got, Interpreter(plan(program).program, references()).run(sample)["y"])


@pytest.mark.parametrize("vectors", [False, True])
def test_the_c_library(tmp_path: Path, vectors: bool) -> None:
    """The same functions behind bare pointers, in either order of loops, over the arena that edgec has planned."""
    from edgec.backends.tvm import compiled_object

    program, sample = every_case()
    planned = plan(with_tir(program)).program
    assert sum(step.kernel.endswith("_tir") for step in planned.steps) == 22
    source = emit(planned)
    for name, text in {**source.files, "main.c": main_c(planned, source)}.items():
        (tmp_path / name).write_text(text)
    sources = sorted(tmp_path.glob("*.c"))
    objects = compile_objects(["gcc"], [(s, s.with_suffix(".o")) for s in sources], [tmp_path])
    (tmp_path / "tir.o").write_bytes(compiled_object(pointer_module(planned), HOST, vectors))
    run_tool(["gcc", *map(str, objects), str(tmp_path / "tir.o"), "-o", str(tmp_path / "program"), "-lm"])
    data = b"".join(sample[port.name].tobytes() for port in planned.inputs)
    raw = subprocess.run([tmp_path / "program"], input=data, capture_output=True, check=True).stdout
    expected = Interpreter(planned, references()).run(sample)
    assert raw == b"".join(expected[port.name].tobytes() for port in planned.outputs)
