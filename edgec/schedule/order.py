"""Execution order of the steps: topological, as the model states it, with unused steps left out."""

from __future__ import annotations

from edgec.ir.program import Program


def order(program: Program) -> Program:
    """The steps that the outputs need, producers first."""
    makers = {step.output: step for step in program.steps}
    wanted: set[str] = set()
    todo = [program.base(port.buffer).name for port in program.exits]
    while todo:
        name = todo.pop()
        if name in wanted:
            continue
        wanted.add(name)
        if name in makers:
            todo += [program.base(source).name for source in makers[name].inputs]
    steps = tuple(step for step in program.steps if step.output in wanted)
    kept = wanted | {program.base(port.buffer).name for port in program.entries}
    buffers = tuple(b for b in program.buffers if program.base(b.name).name in kept)
    return program.with_(steps=steps, buffers=buffers)
