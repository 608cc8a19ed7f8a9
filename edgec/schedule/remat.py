"""Normalised tokens made anew for each reader, so that they are never stored as a whole.

    Before: step ln  layernorm  x -> n;   q, k, v of every head read n          x and n are alive together
    After:  a layernorm step for each reader; each n is a ring of one row       only x is

LayerNorm has no multiply-accumulates to speak of; nothing else is ever computed twice.  Source: memory note, section D.
"""

from __future__ import annotations

from dataclasses import replace

from edgec.ir.program import Program, Step

CHEAP = frozenset({"layernorm"})


def per_reader(program: Program) -> Program:
    """The program with every cheap row-local step copied for each of its readers, each copy just before that reader."""
    readers: dict[str, list[str]] = {}
    for step in program.steps:
        for name in set(step.inputs):
            readers.setdefault(program.base(name).name, []).append(step.name)
    seen_as = {b.view_of for b in program.buffers if b.view_of}
    outputs = {program.base(p.buffer).name for p in program.exits}
    copied = {
        s.output: s
        for s in program.steps
        if s.op in CHEAP and len(readers.get(s.output, ())) > 1 and s.output not in seen_as | outputs
    }
    buffers, steps = list(program.buffers), []
    for step in program.steps:
        if step.output in copied:
            continue
        renamed = {}
        for name in dict.fromkeys(step.inputs):
            if name in copied:
                number = readers[name].index(step.name)
                renamed[name] = name if number == 0 else f"{name}_r{number}"
                original = copied[name]
                if number:
                    buffers.append(replace(program.by_name[name], name=renamed[name]))
                suffix = f"_r{number}" if number else ""
                steps.append(replace(original, name=original.name + suffix, output=renamed[name]))
        steps.append(_reading(step, renamed))
    return program.with_(buffers=tuple(buffers), steps=tuple(steps))


def _reading(step: Step, renamed: dict[str, str]) -> Step:
    return replace(step, inputs=tuple(renamed.get(n, n) for n in step.inputs)) if renamed else step
