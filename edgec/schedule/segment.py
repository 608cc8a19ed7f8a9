"""Which steps run together as one pull pipeline: dynamic programming over cut points, priced by simulation (stream.py).

best peak first, then, under that peak (or under --ram), the fewest instructions by the kernels' own predictions.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

from edgec.errors import UnsupportedError
from edgec.ir.program import Program, Segment, scratch_layout
from edgec.ir.pull import Arrival, calls, rows_read, signature
from edgec.schedule.stream import LONGEST, NEVER, Net, arrivals, prices, run_lengths

BYTE = 0.05  # instructions that a byte less during a segment is worth: few, so that near ties go to what is easier to place


@dataclass(frozen=True)
class Choice:
    """One candidate segment: steps i..j; form: which of the programs its steps are taken from (0: whole tensors, a single step only)."""

    i: int
    j: int
    form: int
    bytes: int
    work: float


def layer_by_layer(program: Program) -> Program:
    """One segment for each step, in the order of the steps."""
    return program.with_(segments=tuple(Segment((step.name,)) for step in program.steps))


def choices(nets: Sequence[Net]) -> list[Choice]:
    """Every candidate segment, priced.  nets: of the program with kernels set for single steps, then for pipelines (few rows a call, more)."""
    found = []
    for form, net in enumerate(nets):
        known: dict[Hashable, list[int]] = {}  # equal stretches of steps are priced once
        numbers: dict[Hashable, int] = {}
        shapes = [numbers.setdefault(shape, len(numbers)) for shape in net.shapes]
        for j in range(len(net.steps)):
            stretch = tuple(shapes[max(j - LONGEST, 0) if form else j : j + 1])
            if stretch not in known:
                known[stretch] = prices(net, j, LONGEST if form else 1)
            work = 0.0
            for i, own in zip(range(j, -1, -1), known[stretch], strict=False):
                work += net.work[True][i]
                if net.feeds(i, j) and (form or j or not net.pushed):
                    pushed = arrivals(net.program, j + 1) if net.pushed and i == 0 else 0.0
                    spent = net.work[False][i] if i == j and not pushed else work + pushed
                    found.append(Choice(i, j, form, net.alive_bytes[i] + own, spent))
    return found


def cut(found: list[Choice], count: int, limit: int | None = None) -> list[Choice]:
    """The segments that cover steps 0..count-1: the smallest peak (or any peak up to `limit`, if that is reachable), then least work."""
    by_end: dict[int, list[Choice]] = {}
    for choice in found:
        by_end.setdefault(choice.j, []).append(choice)
    peak = [0] * (count + 1)
    for j in range(count):
        peak[j + 1] = min((max(peak[c.i], c.bytes) for c in by_end.get(j, ())), default=NEVER)
    if peak[count] >= NEVER:
        raise UnsupportedError(
            "the input of this model cannot be taken by rows",
            "its first operators need the whole input: use --input tensor",
        )
    allowed = max(peak[count], limit or 0)
    best: list[tuple[float, int, Choice | None]] = [(0, 0, None)]
    for j in range(count):
        options = [
            (best[c.i][0] + c.work + BYTE * c.bytes, best[c.i][1] + c.bytes, c)
            for c in by_end.get(j, ())
            if c.bytes <= allowed and best[c.i][0] < 1 << 60
        ]
        best.append(min(options, key=lambda o: (o[0], o[1]), default=(1 << 60, 0, None)))
    made: list[Choice] = []
    at = count
    while at:
        picked = best[at][2]
        assert picked is not None
        made.append(picked)
        at = picked.i
    return made[::-1]


def work_of(made: Sequence[Choice]) -> float:
    """Predicted instructions of a cut."""
    return sum(choice.work for choice in made)


def with_rings(program: Program) -> Program:
    """Buffers that live inside one segment stored as rings of exactly the rows that the order of calls keeps alive; whole where it runs
    backwards: a ring is counted from the first row on."""
    buffers = program.by_name
    sizes: dict[str, int] = {}
    outside = {program.base(p.buffer).name for p in (*program.entries, *program.exits)}
    home: dict[str, int] = {}
    for index, segment in enumerate(program.segments):
        for name in segment.steps:
            step = program.step_by_name[name]
            for base in (step.output, *(program.base(n).name for n in step.inputs)):
                if home.setdefault(base, index) != index:
                    outside.add(base)
    if program.segments and program.segments[0].push:
        outside.discard(program.inputs[0].buffer)
    runs = run_lengths(program)
    known: dict[Hashable, dict[int, int]] = {}  # equal segments are walked once
    for index, segment in enumerate(program.segments):
        if (len(segment.steps) > 1 or segment.push) and not segment.reverse:
            shape, names = signature(program, segment)
            inner = {n for n in names if home.get(n) == index and n not in outside}
            key = shape, tuple((n in inner, runs.get(n)) for n in names)
            if key not in known:
                made = _rings(program, segment, inner, runs)
                known[key] = {number: made[name] for number, name in enumerate(names) if name in made}
            sizes.update({names[number]: size for number, size in known[key].items()})
    views = {b.view_of for b in program.buffers if b.view_of and buffers[b.view_of].rows != b.rows}
    shifts = {step.output: step.shift for step in program.steps}
    changed = [
        replace(b, stored=sizes[b.name], shift=shifts.get(b.name, 0)) if b.name in sizes and b.name not in views and sizes[b.name] < b.rows else b
        for b in program.buffers
    ]
    return program.with_(buffers=tuple(changed))


def _rings(program: Program, segment: Segment, inner: set[str], runs: Mapping[str, int]) -> dict[str, int]:
    """Rows of each inner buffer that are alive at once, by walking the calls."""
    order = list(calls(program, segment))
    last_read: dict[str, dict[int, int]] = {name: {} for name in inner}
    written: dict[str, list[tuple[int, int, int]]] = {name: [] for name in inner}
    for when, call in enumerate(order):
        if isinstance(call, Arrival):
            written[call.buffer].append((when, call.row, call.row + 1))
            continue
        for index, source in enumerate(call.step.inputs):
            base = program.base(source).name
            if base in inner:
                own = base == call.step.output and index in call.step.inplace  # running sums may overwrite what they read
                for first, last in rows_read(program, call, index):
                    last_read[base].update(dict.fromkeys(range(first, last + 1), when - own))
        if call.step.output in inner:
            written[call.step.output].append((when, call.first, call.stop))
    sizes = {}
    for name in inner:
        need, oldest = 1, 0
        for when, first, stop in written[name]:
            while oldest < first and last_read[name].get(oldest, -1) < when:
                oldest += 1
            need = max(need, stop - oldest)
        multiple = runs.get(name, 1)
        sizes[name] = -(-need // multiple) * multiple
    return sizes


def with_scratch(program: Program) -> Program:
    """The program with the scratch bytes of every segment filled in (after kernels are chosen)."""
    return program.with_(segments=tuple(replace(s, scratch=scratch_layout(program, s)[2]) for s in program.segments))
