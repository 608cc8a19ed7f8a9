"""What RAM buys: the schedules between the smallest arena and layer by layer, with the instructions each should take."""

from __future__ import annotations

from dataclasses import dataclass

from edgec.ir.program import Program
from edgec.schedule.plan import plan
from edgec.schedule.stream import arrivals, instructions

STEPS = 5


@dataclass(frozen=True)
class Point:
    """One schedule.  arena: bytes; instructions: predicted by the kernels' cost formulas; segments: how many, and the longest."""

    arena: int
    instructions: int
    segments: int
    longest: int


def predicted(program: Program) -> int:
    """Instructions of one inference as the cost formulas have it."""
    total = 0.0
    for segment in program.segments:
        piped = segment.push or len(segment.steps) > 1
        total += sum(instructions(program, program.step_by_name[name], piped) for name in segment.steps)
        total += arrivals(program, len(segment.steps)) if segment.push else 0.0
    return round(total)


def tradeoff(program: Program, features: frozenset[str], keep_input: bool = False, pushed: bool = False) -> list[Point]:
    """From the smallest arena to the fastest schedule, each point with less RAM or fewer instructions than its neighbour."""

    def point(limit: int | None) -> Point:
        made = plan(program, features, keep_input, limit, pushed=pushed).program
        longest = max((len(s.steps) for s in made.segments), default=0)
        return Point(made.arena, predicted(made), len(made.segments), longest)

    low, high = point(None), point(1 << 40)
    found = {low.arena: low, high.arena: high}
    for n in range(1, STEPS - 1):
        limit = round(low.arena * (high.arena / low.arena) ** (n / (STEPS - 1)))
        between = point(limit)
        found.setdefault(between.arena, between)
    best: list[Point] = []
    for arena in sorted(found):  # a larger arena is worth showing only if it saves instructions
        if not best or found[arena].instructions < best[-1].instructions:
            best.append(found[arena])
    return best
