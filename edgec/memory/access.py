"""How often one inference reads and writes the bytes of each block: what belongs into the fastest memory.

Counted by walking the kernel calls: the rows that each call reads and makes, and its scratch, written once and read once.
"""

from __future__ import annotations

from collections.abc import Hashable

from edgec.ir.program import Program, Segment
from edgec.ir.pull import Arrival, calls, signature
from edgec.memory.lifetime import SCRATCH


def accesses(program: Program) -> dict[str, int]:
    """Bytes read and written by stored buffer, and by the scratch of each segment (see lifetime.SCRATCH).

    Inputs are written once by the caller, outputs read once.
    """
    found = {b.name: 0 for b in program.buffers}
    for port in (*program.entries, *program.exits):
        found[program.base(port.buffer).name] += program.by_name[port.buffer].bytes
    known: dict[Hashable, dict[int, int]] = {}  # equal segments are walked once
    for index, segment in enumerate(program.segments):
        shape, names = signature(program, segment)
        key = shape, tuple(program.step_by_name[name].scratch for name in segment.steps)
        if key not in known:
            numbers = {name: number for number, name in enumerate(names)} | {SCRATCH: len(names)}
            known[key] = {numbers[name]: count for name, count in _segment(program, segment).items()}
        for number, count in known[key].items():
            name = names[number] if number < len(names) else f"{SCRATCH}{index}"
            found[name] = found.get(name, 0) + count
    return found


def _segment(program: Program, segment: Segment) -> dict[str, int]:
    """The same for one run of a segment, its scratch under the bare SCRATCH."""
    found = {SCRATCH: 0}

    def touch(name: str, rows: int) -> None:
        base = program.base(name).name
        found[base] = found.get(base, 0) + rows * program.by_name[name].row_bytes

    for call in calls(program, segment):
        if isinstance(call, Arrival):
            touch(call.buffer, 1)
            continue
        found[SCRATCH] += 2 * call.step.scratch
        touch(call.step.output, call.stop - call.first)
        for name, reach in zip(call.step.inputs, call.step.reach, strict=True):
            if call.step.group == 0:
                touch(name, program.by_name[name].rows)
                continue
            for first, last in (reach.rows(y) for y in range(call.first, call.stop)):
                touch(name, max(last - first + 1, 0))
    return found
