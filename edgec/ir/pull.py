"""The order in which a segment computes rows: demand-driven, as the generated C does it.

To make output row y a step first asks its producers inside the segment for the rows it still lacks, then runs.  A pushed
segment is driven from the other end: an input row arrives, then every step, the last one first, is asked for the rows that
now can exist.  This is the execution semantics of the Program; interpreter, memory check and emitter all follow it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

from edgec.ir.program import Program, Segment, Step


@dataclass(frozen=True)
class Call:
    """One kernel call: `step` makes output rows first .. stop-1."""

    step: Step
    first: int
    stop: int


def rows_read(program: Program, call: Call, index: int) -> list[tuple[int, int]]:
    """(first, last) row of the stored buffer that the call reads through input `index`, a span for each output row (empty: last < first);
    one span of all rows where a call makes everything, or through a view that cuts them differently."""
    name = call.step.inputs[index]
    owner = program.base(name)
    if program.by_name[name].rows != owner.rows or call.step.group == 0:
        return [(0, owner.rows - 1)]
    return [call.step.reach[index].rows(y) for y in range(call.first, call.stop)]


@dataclass(frozen=True)
class Arrival:
    """Row `row` of the model input `buffer` is pushed by the caller."""

    buffer: str
    row: int


class _Pipeline:
    """Progress of one segment: rows made of each buffer that its steps make."""

    def __init__(self, program: Program, segment: Segment) -> None:
        names = program.step_by_name
        self.segment = segment
        self.buffers = program.by_name
        self.base = {name: program.base(name).name for name in self.buffers}
        self.steps = [names[name] for name in segment.steps]
        self.makers = {step.output: step for step in self.steps}
        self.made = dict.fromkeys(self.makers, 0)

    def wanted(self, step: Step, index: int, first: int, stop: int) -> int:
        """Rows of the producer's buffer (counted from the end where they start) that must exist before rows first..stop-1 of `step`."""
        seen, owner = self.buffers[step.inputs[index]], self.buffers[self.base[step.inputs[index]]]
        if seen.rows != owner.rows or step.group == 0:
            return owner.rows
        reach = step.reach[index]
        return owner.rows - reach.oldest(first) if self.segment.reverse else reach.demand(stop - 1)

    def until(self, name: str, rows: int) -> Iterator[Call]:
        """The calls that bring buffer `name` to that many rows."""
        step, total = self.makers[name], self.buffers[name].rows
        while self.made[name] < min(rows, total):
            size = total if step.group == 0 else min(step.group - step.shift * (not self.made[name]), total - self.made[name])
            first = total - self.made[name] - size if self.segment.reverse else self.made[name]
            for index, source in enumerate(step.inputs):
                if self.base[source] in self.makers and self.base[source] != name:  # running sums read what they made
                    yield from self.until(self.base[source], self.wanted(step, index, first, first + size))
            self.made[name] += size
            yield Call(step, first, first + size)

    def pulled(self) -> Iterator[Call]:
        """From the ends: first what nobody inside reads, then whatever full buffer still lacks rows."""
        read = {self.base[source] for step in self.steps for source in step.inputs if source != step.output}
        for step in self.steps:
            if step.output not in read:
                yield from self.until(step.output, self.buffers[step.output].rows)
        for step in self.steps:
            if self.buffers[step.output].is_full:
                yield from self.until(step.output, self.buffers[step.output].rows)

    def able(self, arrived: dict[str, int]) -> dict[str, int]:
        """Rows of each buffer that can exist once so many input rows have arrived: whole groups, or all that are left."""
        have = dict(arrived)
        for step in self.steps:
            total = rows = self.buffers[step.output].rows
            for index, source in enumerate(step.inputs):
                owner = self.base[source]
                if owner not in have or owner == step.output:
                    continue
                if step.group == 0 or self.buffers[source].rows != self.buffers[owner].rows:
                    rows = min(rows, total if have[owner] >= self.buffers[owner].rows else 0)
                else:
                    rows = min(rows, step.reach[index].ready(have[owner]))
            have[step.output] = rows if rows >= total or not step.group else rows // step.group * step.group
        return have

    def pushed(self, source: str) -> Iterator[Call | Arrival]:
        """An input row, then what can be made of it: the last step first, which pulls what it lacks, so that rings stay short."""
        for row in range(self.buffers[source].rows):
            yield Arrival(source, row)
            able = self.able({source: row + 1})
            for step in reversed(self.steps):
                yield from self.until(step.output, able[step.output])


def pushed_input(program: Program) -> str:
    """The buffer that arrives by rows, "" if the input is given at once."""
    pushed = bool(program.segments) and program.segments[0].push
    return program.inputs[0].buffer if pushed else ""


def calls(program: Program, segment: Segment) -> Iterator[Call | Arrival]:
    """The kernel calls of one segment (and, where it is pushed, the arrivals of input rows) in the order of execution."""
    pipeline = _Pipeline(program, segment)
    return pipeline.pushed(program.inputs[0].buffer) if segment.push else pipeline.pulled()


def signature(program: Program, segment: Segment) -> tuple[Hashable, list[str]]:
    """All that a segment's calls and the rows they read depend on, without names, and the buffers in the order it numbers them.

    Segments with equal signatures (the blocks of a transformer) make the same calls on the buffers of the same numbers.
    """
    numbers: dict[str, int] = {}
    steps = [program.step_by_name[name] for name in segment.steps]
    for step in steps:
        for name in (*step.inputs, step.output):
            for known in (name, program.base(name).name):
                numbers.setdefault(known, len(numbers))
    made = tuple((s.reach, s.group, s.shift, s.inplace, numbers[s.output], *(numbers[n] for n in s.inputs)) for s in steps)
    buffers = (program.by_name[name] for name in numbers)
    seen = tuple(
        (b.dtype, b.rows, b.row_elements, b.stored, b.shift, b.tile, numbers[program.base(b.name).name]) for b in buffers
    )
    source = numbers.get(program.inputs[0].buffer) if segment.push else None
    return (made, seen, segment.reverse, source), list(numbers)


def all_calls(program: Program) -> Iterator[tuple[int, Call | Arrival]]:
    """(segment index, call or arrival) over the whole program."""
    for index, segment in enumerate(program.segments):
        for call in calls(program, segment):
            yield index, call
