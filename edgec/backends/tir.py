"""Program -> TVMScript: the functions that TVM compiles, as text.  TVM itself is not needed here."""

from __future__ import annotations

from dataclasses import replace

from edgec.emit.parts import environment
from edgec.ir.program import Program, Site, site
from edgec.kernels._tir import Spelling
from edgec.kernels.registry import kernel
from edgec.kernels.tir import spelled, tir_kernel

__all__ = ["HEAD", "function", "pointer_module", "with_tir"]

HEAD = "# from tvm.script import ir as I\n# from tvm.script import relax as R\n# from tvm.script import tirx as T\n"  # as TVM prints it


def with_tir(program: Program) -> Program:
    """The program with TVM's kernel for every step that has a spelling; the others stay undecided."""
    steps = [
        replace(step, kernel=tir_kernel(step.op)) if spelled(site(program, step)) is not None else step
        for step in program.steps
    ]
    return program.with_(steps=tuple(steps))


def function(at: Site, spelling: Spelling, name: str, pointers: bool) -> str:
    """One step as a TIR function.  pointers: it takes bare pointers, as C calls it; else tensors."""
    context = {
        "name": name,
        "arguments": spelling.arguments(at),
        "pointers": pointers,
        "disjoint": not (pointers and kernel(tir_kernel(at.step.op)).inplace),
        "output": spelling.output,
        "template": spelling.template,
        "tile": spelling.tile,
    }
    return environment().get_template("tir/function.j2").render(context, **spelling.numbers)


def pointer_module(program: Program) -> str:
    """The functions that the C library of a planned program calls, `<program>_<symbol>` each; "" where it calls none."""
    found: dict[str, str] = {}
    for step in program.steps:
        at = site(program, step)
        spelling = spelled(at) if step.kernel == tir_kernel(step.op) else None
        if spelling is not None:
            name = f"{program.name}_{spelling.symbol(at)}"
            found[name] = function(at, spelling, name, True)
    return module(list(found.values())) if found else ""


def module(functions: list[str], attributes: str = "") -> str:
    """An IRModule of functions given as text."""
    body = "\n".join(f"    {line}" if line else "" for text in functions for line in text.splitlines())
    return f"{HEAD}\n\n@I.ir_module\nclass Module:\n{attributes}{body}\n"
