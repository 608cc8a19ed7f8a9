"""What a range of steps costs in RAM when it runs as one pull pipeline: rings, overlap of input and output, what merely crosses it.

The order of calls is worked out backwards: with the calls of steps i+1..j in place, each call of step i stands just before the call that
pulls it.  So growing a range at its front is one insertion, and all ranges of a net are priced in O(n^2) small numpy operations.

Source: memory note, sections A and B; rows are those of ir.reach, the order is that of ir.pull.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field
from functools import lru_cache
from math import lcm

import numpy as np

from edgec.ir.program import Array, Program, Step
from edgec.ir.reach import Reach, Run
from edgec.kernels.predict import step_cost
from edgec.kernels.registry import kernel
from edgec.memory.pack import aligned

NEVER = np.iinfo(np.int64).max // 4
LONGEST = 40  # steps in one segment

# Instructions of the drivers, fitted to the exact counts of emulated packages: for a call of a step that is a segment of its own, of
# a step in a pipeline, for the row pointers of a window; and for each step of a pushed pipeline when an input row arrives.
ALONE, PIPED, TAPS, ARRIVAL = 4.0, 16.0, 70.0, 30.0


def instructions(program: Program, step: Step, piped: bool) -> float:
    """Predicted instructions of one inference of a step: what its kernel does, and what its calls take."""
    rows = program.by_name[step.output].rows
    calls = 1 if step.group == 0 else -(-rows // step.group)
    taps = kernel(step.kernel).access_of(0).startswith("taps")
    return step_cost(program, step).instructions + calls * ((PIPED if piped else ALONE) + TAPS * taps)


def arrivals(program: Program, steps: int) -> float:
    """Predicted instructions of driving a pushed pipeline of so many steps, beside their calls."""
    return ARRIVAL * steps * program.base(program.inputs[0].buffer).rows


def run_lengths(program: Program) -> dict[str, int]:
    """Rows of each stored buffer that its maker writes, or a reader takes, as one run.

    A ring holds a multiple of that, so that no run goes round its end.
    """
    return _lengths(program.steps, {b.name: program.base(b.name).name for b in program.buffers})


def _lengths(steps: Iterable[Step], bases: Mapping[str, str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for step in steps:
        runs = [n for n, reach in zip(step.inputs, step.reach, strict=True) if isinstance(reach, Run)]
        for name in (step.output, *runs):
            found[bases[name]] = lcm(found.get(bases[name], 1), max(step.group, 1))
    return found


@dataclass(frozen=True)
class Edge:
    """How one step reads one stored buffer, call by call.  demand[k]: rows that must exist before call k; first[k]: oldest row it reads."""

    demand: Array
    first: Array


@dataclass
class Net:
    """A program with kernels chosen for pipelines, prepared for pricing.  Step numbers are positions in program.steps."""

    program: Program
    keep_input: bool = False
    pushed: bool = False  # the (one) model input arrives by rows and is a ring of the first segment
    steps: list[Step] = field(init=False)
    maker: dict[str, int] = field(init=False)
    readers: dict[str, list[int]] = field(init=False)
    edges: dict[tuple[int, str], Edge] = field(init=False)
    last_use: dict[str, int] = field(init=False)
    work: list[list[float]] = field(init=False)  # predicted instructions of each step: alone, in a pipeline
    runs: dict[str, int] = field(init=False)
    alive: list[list[str]] = field(init=False)  # by step: stored buffers made before it and read by it or later
    alive_bytes: list[int] = field(init=False)  # of those, a pushed input left out
    shapes: list[Hashable] = field(
        init=False
    )  # by step: all that the price of a range around it depends on, without names

    def __post_init__(self) -> None:
        program = self.program
        self.steps = list(program.steps)
        self.bases = {b.name: program.base(b.name) for b in program.buffers}
        self.maker = {s.output: i for i, s in enumerate(self.steps)}
        self.readers, self.edges, self.last_use = {}, {}, {}
        for i, step in enumerate(self.steps):
            for name in step.inputs:
                base = self.bases[name]
                if name == step.output:  # running sums: read in place
                    continue
                self.readers.setdefault(base.name, [])
                if i not in self.readers[base.name]:
                    self.readers[base.name].append(i)
                self.last_use[base.name] = i
            self.edges.update(self._edges(i))
        end = len(self.steps)
        for port in program.exits:
            self.last_use[self.bases[port.buffer].name] = end
        self.work = [[instructions(program, s, piped) for s in self.steps] for piped in (False, True)]
        self.inputs = [self.bases[p.buffer].name for p in program.inputs]
        for name in self.inputs:
            if self.keep_input:
                self.last_use[name] = end
        self.runs = run_lengths(program)
        self.alive = [
            [name for name, last in self.last_use.items() if self.maker.get(name, -1) < i <= last] for i in range(end)
        ]
        arriving = self.inputs[0] if self.pushed else None
        self.alive_bytes = [
            sum(aligned(self.bases[name].bytes) for name in alive if name != arriving) for alive in self.alive
        ]
        self.shapes = [self._shape(i) for i in range(end)]

    def _shape(self, i: int) -> Hashable:
        """Step i seen from within a range of at most LONGEST steps: what lies further away is just far."""
        step, far = self.steps[i], LONGEST + 1
        names = [self.bases[name].name for name in step.inputs]
        seen = []
        for position, name in enumerate(names):
            base, earlier = self.bases[name], [r for r in self.readers.get(name, []) if r < i]
            ages = i - self.maker.get(name, -1), i - earlier[-1] if earlier else far, self.last_use.get(name, i) - i
            whole = self.program.by_name[step.inputs[position]].rows != base.rows
            seen.append((names.index(name), *(min(age, far) for age in ages), base.rows, base.row_bytes, whole))
        out = self.bases[step.output]
        life = min(self.last_use.get(out.name, -1) - i, far), bool(self.readers.get(out.name)), self.runs.get(out.name)
        arriving = self.pushed and self.inputs[0] in self.alive[i]
        return tuple(seen), step.reach, step.group, step.shift, step.inplace, step.scratch, out.rows, out.row_bytes, life, arriving

    def feeds(self, i: int, j: int) -> bool:
        """Whether steps i..j may be a segment where the input is pushed: all readers of the input in the first segment, forward only."""
        if not self.pushed:
            return True
        last = self.last_use[self.inputs[0]]
        return j >= last if i == 0 else i > last

    def calls(self, i: int) -> int:
        """Kernel calls of step i in one inference."""
        step = self.steps[i]
        rows = self.program.by_name[step.output].rows
        return 1 if step.group == 0 else -(-(rows + step.shift) // step.group)

    def rows_after(self, i: int) -> Array:
        """Rows that exist after each call of step i."""
        step = self.steps[i]
        rows = self.bases[step.output].rows
        return np.minimum((np.arange(self.calls(i)) + 1) * (step.group or rows) - step.shift, rows)

    def changed(self, steps: Mapping[int, Step]) -> Net:
        """The same net with other forms of some steps: kernels called for more or fewer rows."""
        made = copy(self)
        made.steps, made.edges, made.runs = list(self.steps), dict(self.edges), dict(self.runs)
        made.work = [list(each) for each in self.work]
        for i, step in steps.items():
            made.steps[i] = step
            for piped in (False, True):
                made.work[piped][i] = instructions(self.program, step, piped)
            made.edges.update(made._edges(i))
        touched = {self.bases[n].name for step in steps.values() for n in (step.output, *step.inputs)}
        around = {i for name in touched for i in (self.maker.get(name, -1), *self.readers.get(name, ())) if i >= 0}
        lengths = _lengths([made.steps[i] for i in around], {name: base.name for name, base in self.bases.items()})
        made.runs |= {name: lengths[name] for name in touched if name in lengths}
        return made

    def _edges(self, i: int) -> dict[tuple[int, str], Edge]:
        """How step i reads each stored buffer."""
        found: dict[tuple[int, str], Edge] = {}
        step, rows = self.steps[i], self.program.by_name
        for index, name in enumerate(step.inputs):
            if name == step.output:
                continue
            base = self.bases[name]
            whole = rows[name].rows != base.rows or step.group == 0
            edge = _edge(None if whole else step.reach[index], step.group, step.shift, rows[step.output].rows, base.rows)
            known = found.get((i, base.name), edge)
            found[i, base.name] = Edge(np.maximum(edge.demand, known.demand), np.minimum(edge.first, known.first))
        return found


@lru_cache(maxsize=4096)
def _edge(reach: Reach | None, group: int, shift: int, out_rows: int, rows: int) -> Edge:
    """The edge of a step that makes `group` of its output rows a call from a buffer of that many rows; no reach: from all of them."""
    stops = np.minimum(np.arange((group or out_rows) - shift, out_rows + (group or out_rows), group or out_rows), out_rows)
    starts = np.append(0, stops[:-1])
    if reach is None:
        return Edge(np.full(starts.size, rows), np.zeros(starts.size, np.int64))
    demand = np.array([max(reach.demand(y) for y in range(a, b)) for a, b in zip(starts, stops, strict=True)])
    spans = [[reach.rows(y) for y in range(a, b)] for a, b in zip(starts, stops, strict=True)]
    first = np.array([min((f for f, last in span if f <= last), default=NEVER) for span in spans])
    first = np.minimum.accumulate(first[::-1])[
        ::-1
    ]  # a row is needed until the last call that reads it or an older one
    return Edge(np.maximum.accumulate(demand), first)


@dataclass
class Range:
    """Steps i..j as one pipeline, grown at the front.  at[s]: position in the call sequence of every call of step s."""

    net: Net
    i: int
    j: int
    at: dict[int, Array] = field(default_factory=dict)
    rings: dict[str, int] = field(default_factory=dict)
    groups: list[list[str]] = field(default_factory=list)  # rings that are never alive together: they share their bytes

    @classmethod
    def single(cls, net: Net, j: int) -> Range:
        return cls(net, j, j, {j: np.arange(net.calls(j))})

    def oldest(self, name: str, when: Array, spare: int = -1) -> Array:
        """Oldest row of `name` that some call at or after each position still reads.

        spare: a step whose call at that very position does not count.
        """
        found = np.full(when.size, NEVER)
        for c in self.net.readers.get(name, []):
            if c not in self.at:
                continue
            first = np.append(self.net.edges[(c, name)].first, NEVER)
            done = np.searchsorted(self.at[c], when, side="right" if c == spare else "left")
            found = np.minimum(found, first[done])
        return found

    def grow(self) -> bool:
        """Adds step i-1, whose output becomes a ring.  False if that output is also needed outside."""
        net, i = self.net, self.i - 1
        step = net.steps[i]
        name = step.output
        if net.last_use.get(name, -1) > self.j or not net.readers.get(name):
            return False
        starts = np.maximum(np.arange(net.calls(i)) * (step.group or net.bases[name].rows) - step.shift, 0)
        pull = np.full(starts.size, NEVER)
        for c in net.readers[name]:
            puller = np.searchsorted(
                net.edges[(c, name)].demand, starts, side="right"
            )  # first call that wants row `start`
            pull = np.minimum(pull, np.append(self.at[c], NEVER)[np.minimum(puller, self.at[c].size)])
        pull = np.minimum.accumulate(pull[::-1])[::-1]
        used = pull < NEVER
        pull = pull[used]
        for s in self.at:
            self.at[s] = self.at[s] + np.searchsorted(pull, self.at[s], side="right")
        self.at[i] = pull + np.arange(pull.size)
        self.i = i
        after = net.rows_after(i)[used]
        alive = after - np.minimum(self.oldest(name, self.at[i]), after - 1)
        multiple = net.runs.get(name, 1)
        need = -(-int(max(alive.max(initial=1), 1)) // multiple) * multiple
        self.rings[name] = min(need, net.bases[name].rows)
        self._share(name)
        return True

    def _alive(self, name: str) -> tuple[Array, Array]:
        """(first, last) positions in the call sequence between which the rows of each call that makes `name` are still read."""
        maker = self.net.maker[name]
        start = self.at[maker]
        after = self.net.rows_after(maker)[: start.size]
        end = start.copy()
        for c in self.net.readers.get(name, []):
            if c in self.at:
                last = np.searchsorted(self.net.edges[(c, name)].first, after) - 1
                end = np.maximum(end, np.where(last >= 0, self.at[c][np.minimum(last, self.at[c].size - 1)], 0))
        return start, end

    def _share(self, name: str) -> None:
        """Puts a new ring among those that are never alive with it.  Later calls fall between the known ones and change nothing about that."""
        start, end = self._alive(name)
        if start.size > 1 and (end[:-1] >= start[1:]).all():  # always alive
            self.groups.append([name])
            return
        for group in self.groups:
            if not any(_meet(start, end, *self._alive(other)) for other in group):
                group.append(name)
                return
        self.groups.append([name])

    def input_ring(self) -> int:
        """Bytes of a pushed input while this range runs: the rows between the oldest still needed and the newest."""
        net, name = self.net, self.net.inputs[0]
        rows = np.arange(net.bases[name].rows)
        pull = np.full(rows.size, NEVER)
        for c in net.readers[name]:
            puller = np.searchsorted(net.edges[(c, name)].demand, rows, side="right")
            pull = np.minimum(pull, np.append(self.at[c], NEVER)[np.minimum(puller, self.at[c].size)])
        used = pull < NEVER
        alive = rows[used] + 1 - np.minimum(self.oldest(name, pull[used]), rows[used])
        return aligned(int(alive.max(initial=1)) * net.bases[name].row_bytes)

    def trail(self, source: str) -> int:
        """How many bytes behind the output's start the input must start, so that no output row lands on an input row still to be read."""
        net, step = self.net, self.net.steps[self.j]
        out, base = net.bases[step.output], net.bases[source]
        spare = self.j if any(net.bases[step.inputs[k]].name == source for k in step.inplace) else -1
        if step.group == 0 and spare < 0:
            return out.bytes
        oldest = np.minimum(self.oldest(source, self.at[self.j], spare), base.rows)
        ends = net.rows_after(self.j)[: oldest.size] * out.row_bytes
        return int(max((ends - oldest * base.row_bytes).max(initial=0), 0))

    def own(self) -> int:
        """Bytes of RAM that this range needs beside those alive before it: rings, scratch, and its output as far as it is not over an input."""
        net = self.net
        members = range(self.i, self.j + 1)
        size = {name: aligned(rows * net.bases[name].row_bytes) for name, rows in self.rings.items()}
        total = sum(max(size[name] for name in group) for group in self.groups)
        total += (max(net.steps[s].scratch for s in members) + 7) // 8 * 8
        out = net.bases[net.steps[self.j].output]
        best = 0
        for name in net.alive[self.i]:
            last = net.last_use[name]
            if net.pushed and name == net.inputs[0]:
                total += self.input_ring()
                continue
            whole = aligned(net.bases[name].bytes)
            if last <= self.j and name != out.name:
                together = max(aligned(self.trail(name)) + whole, out.bytes)
                best = max(best, whole + aligned(out.bytes) - aligned(together))
        return total + aligned(out.bytes) - best


def _meet(start: Array, end: Array, other_start: Array, other_end: Array) -> bool:
    """Whether two lists of spans, both in order, have a position in common."""
    behind = np.searchsorted(other_end, start)  # the first span that does not end before
    inside = behind < other_start.size
    return bool((other_start[behind[inside]] <= end[inside]).any())


def prices(net: Net, j: int, longest: int) -> list[int]:
    """Range.own of the ranges that end with step j and begin with steps j, j-1, ..: as long as they can grow, at most `longest` steps."""
    span = Range.single(net, j)
    found = [span.own()]
    while span.i > 0 and len(found) < longest and span.grow():
        found.append(span.own())
    return found
