"""order -> segment -> select -> place, then the proof."""

from __future__ import annotations

from dataclasses import dataclass

from edgec.ir.program import Program, Segment
from edgec.memory.check import check
from edgec.memory.place import place
from edgec.schedule.order import order
from edgec.schedule.segment import Choice, choices, cut, with_rings, with_scratch
from edgec.schedule.select import select


@dataclass(frozen=True)
class Plan:
    """A placed program and the lower bound of its arena in bytes (no placement of these segments needs less)."""

    program: Program
    lower_bound: int


def segmented(whole: Program, rowwise: Program, made: list[Choice]) -> Program:
    """The program cut into the chosen segments, steps called row by row where the choice says so."""
    steps = list(whole.steps)
    for choice in made:
        if choice.rowwise:
            steps[choice.i : choice.j + 1] = rowwise.steps[choice.i : choice.j + 1]
    segments = tuple(Segment(tuple(s.name for s in steps[c.i : c.j + 1])) for c in made)
    return whole.with_(steps=tuple(steps), segments=segments)


def plan(program: Program, features: frozenset[str] = frozenset(), keep_input: bool = False, limit: int | None = None, stream: bool = True) -> Plan:
    """Schedules a lowered program for a target with these features.

    limit: bytes of RAM the arena may take (None: as little as possible); stream: False keeps every step a segment of its own.
    """
    program = order(program)
    whole, rowwise = select(program, features, alone=True), select(program, features, alone=False)
    if stream:
        made = cut(choices(whole, rowwise, keep_input), len(program.steps), limit)
    else:
        made = [Choice(i, i, False, 0, 0) for i in range(len(program.steps))]
    program = with_scratch(with_rings(segmented(whole, rowwise, made)))
    placed = place(program, keep_input)
    check(placed.program, keep_input)
    return Plan(placed.program, placed.lower_bound)
