"""The order in which a segment computes rows: demand-driven, as the generated C does it.

To make output row y a step first asks its producers inside the segment for the rows it still lacks, then runs.  This is the
execution semantics of the Program; interpreter, memory check and emitter all follow it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgec.ir.program import Program, Segment, Step


@dataclass(frozen=True)
class Call:
    """One kernel call: `step` makes output rows first .. stop-1."""

    step: Step
    first: int
    stop: int


def calls(program: Program, segment: Segment) -> Iterator[Call]:
    """The kernel calls of one segment in the order of execution."""
    buffers = program.by_name
    steps = [program.step_by_name[name] for name in segment.steps]
    makers = {step.output: step for step in steps}
    made = dict.fromkeys(makers, 0)

    def base(name: str) -> str:
        return base(buffers[name].view_of) if buffers[name].view_of else name

    def wanted(step: Step, index: int, first: int, stop: int) -> int:
        """Rows of the producer's buffer (counted from the end where they start) that must exist before rows first..stop-1 of `step`."""
        name = step.inputs[index]
        seen, owner = buffers[name], buffers[base(name)]
        if seen.rows != owner.rows or step.group == 0:
            return owner.rows
        reach = step.reach[index]
        return owner.rows - reach.oldest(first) if segment.reverse else reach.demand(stop - 1)

    def until(name: str, rows: int) -> Iterator[Call]:
        step = makers[name]
        total = buffers[name].rows
        while made[name] < min(rows, total):
            size = total if step.group == 0 else min(step.group, total - made[name])
            first = total - made[name] - size if segment.reverse else made[name]
            for index, source in enumerate(step.inputs):
                if base(source) in makers:
                    yield from until(base(source), wanted(step, index, first, first + size))
            made[name] += size
            yield Call(step, first, first + size)

    for step in steps:  # whatever nobody pulled (several outputs, or a last row that no window reaches) is made at the end
        if not any(base(source) == step.output for other in steps for source in other.inputs):
            yield from until(step.output, buffers[step.output].rows)
    for step in steps:
        if buffers[step.output].is_full:
            yield from until(step.output, buffers[step.output].rows)


def all_calls(program: Program) -> Iterator[tuple[int, Call]]:
    """(segment index, call) over the whole program."""
    for index, segment in enumerate(program.segments):
        for call in calls(program, segment):
            yield index, call
