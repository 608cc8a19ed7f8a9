"""order -> segment -> select -> place, then the proof."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgec.errors import UnsupportedError
from edgec.ir.program import Program, Segment
from edgec.ir.reach import Table
from edgec.memory.check import check
from edgec.memory.place import place
from edgec.memory.regions import Room
from edgec.schedule.order import order, reordered
from edgec.schedule.patches import Patched
from edgec.schedule.pools import accumulated
from edgec.schedule.regroup import Regrouper
from edgec.schedule.remat import per_reader
from edgec.schedule.segment import Choice, choices, cut, with_rings, with_scratch, work_of
from edgec.schedule.select import select
from edgec.schedule.stream import NEVER, Net

CAP = 2.0  # balanced: RAM that speed may cost, as a multiple of the smallest schedule's


@dataclass(frozen=True)
class Plan:
    """A placed program and the lower bound of its arena in bytes (no placement of these segments needs less).

    patched: how its first steps were cut into strips, where only that fits; missing: bytes for which the memories of the target have
    no room.
    """

    program: Program
    lower_bound: int
    patched: Patched | None = None
    missing: int = 0


def segmented(forms: list[Program], made: list[Choice]) -> Program:
    """The program cut into the chosen segments, the steps of each called as its form says."""
    steps = list(forms[0].steps)
    for choice in made:
        steps[choice.i : choice.j + 1] = forms[choice.form].steps[choice.i : choice.j + 1]
    segments = tuple(Segment(tuple(s.name for s in steps[c.i : c.j + 1])) for c in made)
    return forms[0].with_(steps=tuple(steps), segments=segments)


def alternated(program: Program) -> Program:
    """Row-wise segments turned so that each runs against the direction of the one that made its main input.

    An output over its input starts a little lower; a chain of them would creep down through the arena.  There and back costs nothing.
    """
    made_in = {step: index for index, segment in enumerate(program.segments) for step in segment.steps}
    makers = {program.step_by_name[s].output: made_in[s] for s in made_in}
    turned: list[Segment] = []
    for segment in program.segments:
        steps = [program.step_by_name[name] for name in segment.steps]
        outside = [
            program.base(n)
            for step in steps
            for n in step.inputs
            if program.base(n).name not in {s.output for s in steps}
        ]
        main = max(outside, key=lambda b: b.bytes, default=None)
        before = turned[makers[main.name]].reverse if main is not None and main.name in makers else True
        able = all(
            step.group
            and not step.shift
            and step.output not in step.inputs
            and program.by_name[step.output].rows % step.group == 0
            for step in steps
        )
        able = able and (len(steps) == 1 or not any(isinstance(reach, Table) for step in steps for reach in step.reach))
        turned.append(replace(segment, reverse=able and not before and not segment.push))
    return program.with_(segments=tuple(turned))


def spellings(program: Program, keep_input: bool) -> list[Program]:
    """The same computation written so that less must be stored: pools as running sums, norms made anew for each reader, both; and, where
    the order of its branches matters, the steps in a better one."""
    other = reordered(program, keep_input)
    found = [program] if other == program else [program, other]
    return found + _rewritten(found[-1])


def _rewritten(program: Program) -> list[Program]:
    found: list[Program] = []
    for other in (accumulated(program), per_reader(program), per_reader(accumulated(program))):
        if len(other.steps) > max([len(program.steps), *(len(known.steps) for known in found)]):
            found.append(other)
    return found


def least_peak(program: Program, features: frozenset[str], keep_input: bool = False) -> int:
    """Bytes of the smallest peak of all spellings with few rows a call: about the smallest arena, without placing anything."""
    peaks = []
    for spelling in spellings(order(program), keep_input):
        forms = [select(spelling, features), select(spelling, features, alone=False, several=False)]
        made = cut(choices([Net(form, keep_input) for form in forms]), len(spelling.steps))
        peaks.append(max((choice.bytes for choice in made), default=0))
    return min(peaks)


def plan(
    program: Program,
    features: frozenset[str] = frozenset(),
    keep_input: bool = False,
    limit: int | None = None,
    stream: bool = True,
    pushed: bool = False,
    slack: float | None = None,
    rooms: Sequence[Room] = (),
    most: int | None = None,
) -> Plan:
    """Schedules a lowered program for a target with these features.

    limit: bytes of RAM the arena may take, and then the fastest schedule that fits; slack: without a limit, the smallest schedule
    whose predicted instructions are at most that many times those of the fastest, if that takes at most CAP times the RAM of the
    smallest of all; neither: the smallest schedule there is;
    stream: False keeps every step a segment of its own; pushed: the input arrives by rows; rooms: the target's memories for the arena,
    fastest first, where it has several; most: bytes of all of them together.
    """
    program = order(program)
    if pushed and program.states:
        raise UnsupportedError(
            "a model that keeps states cannot take its input by rows", "leave out --state or --input rows"
        )
    if pushed and (len(program.inputs) != 1 or program.base(program.inputs[0].buffer).rows < 2):
        raise UnsupportedError("only a model with one input of several rows can take it by rows", "use --input tensor")
    if stream or pushed:
        priced = [_Priced.of(p, features, keep_input, pushed) for p in spellings(program, keep_input)]
        if limit is None and slack is not None:
            program = _balanced(priced, slack, keep_input)
        else:
            program = _smallest(_fitting(priced, limit), keep_input, limit or 0)
    else:
        alone = [Choice(i, i, 0, 0, 0) for i in range(len(program.steps))]
        program = with_scratch(with_rings(segmented([select(program, features)], alone)))
    placed = place(program, keep_input, thorough=True, rooms=rooms, most=most)
    check(placed.program, keep_input)
    return Plan(placed.program, placed.lower_bound, missing=placed.missing)


@dataclass(frozen=True)
class _Cut:
    """A program in segments.  peak: bytes of RAM that its widest segment should take; work: predicted instructions."""

    peak: int
    work: float
    program: Program


@dataclass(frozen=True)
class _Priced:
    """One spelling with kernels for whole tensors, for few and for more rows a call, and every segment of it, priced."""

    forms: list[Program]
    found: list[Choice]
    regroup: Regrouper
    pushed: bool

    @classmethod
    def of(cls, program: Program, features: frozenset[str], keep_input: bool, pushed: bool) -> _Priced:
        forms = [select(program, features)]
        forms += [select(program, features, alone=False, several=n) for n in (False, "run", True)]
        nets = [Net(form, keep_input, pushed) for form in forms]
        return cls(forms, choices(nets), Regrouper(nets[1]), pushed)

    def fastest(self) -> float:
        """Predicted instructions of the fastest segments, whatever their RAM."""
        return work_of(cut(self.found, len(self.forms[0].steps), NEVER))

    def cut(self, limit: int | None) -> list[_Cut]:
        """The fastest segments whose peak is within `limit`, or the smallest peak there is: with more rows a call where that fits,
        and as they are (longer rings can be in the way when all buffers are placed)."""
        made = cut(self.found, len(self.forms[0].steps), limit)
        peak, work = max((choice.bytes for choice in made), default=0), work_of(made)
        whole = segmented(self.forms, made)
        if self.pushed:
            whole = whole.with_(segments=(replace(whole.segments[0], push=True), *whole.segments[1:]))
        wider, saved = list(whole.steps), 0.0
        for c in made:
            before = wider[c.i : c.j + 1]
            wider[c.i : c.j + 1] = self.regroup(c, before, max(peak, limit or 0), work)
            saved += self.regroup.total(c, before) - self.regroup.total(c, wider[c.i : c.j + 1])
        cuts = [_Cut(peak, work - saved, whole.with_(steps=tuple(wider)))] if saved else []
        return [*cuts, _Cut(peak, work, whole)]

    def thrifty(self, most: float, cap: int) -> list[_Cut]:
        """The smallest peak, to one percent, that takes no more than `most` predicted instructions; if `cap` bytes do not allow that few,
        the fastest cut within them."""
        found = self.cut(None)
        limits = sorted({c.bytes for c in self.found if found[0].peak < c.bytes <= cap})
        if found[0].work <= most or not limits:
            return found
        low, high = 0, len(limits) - 1
        found = self.cut(limits[high])
        while low < high and limits[high] > 1.01 * limits[low]:  # work falls as the limit rises
            middle = bisect_left(limits, (limits[low] + limits[high]) // 2, low, high - 1)
            tried = self.cut(limits[middle])
            if tried[0].work <= most:
                found, high = tried, middle
            else:
                low = middle + 1
        return found


def _fitting(priced: list[_Priced], limit: int | None) -> list[_Cut]:
    """The first spelling that is within the limit, as fast as it goes; otherwise the smallest of all."""
    best: list[_Cut] = []
    for spelling in priced:
        made = spelling.cut(limit)
        if not best or made[0].peak < best[0].peak:
            best = made
        if limit is not None and best[0].peak <= limit:
            break
    return best


def _turned(program: Program, keep_input: bool) -> tuple[int, Program]:
    """The program with its rings, in the direction of segments that needs the smaller arena; and that arena."""
    ways = [
        with_scratch(with_rings(way)) for way in (program, alternated(program))
    ]  # rings are as long as the direction needs
    return min(((place(way, keep_input).program.arena, way) for way in ways), key=lambda found: found[0])


def _smallest(cuts: list[_Cut], keep_input: bool, limit: int = 0, most: float = 0.0, cap: float = 1.0) -> Program:
    """The program of the smallest cut as they are placed, at last.  The fastest of those that fit into `limit` bytes, where some do;
    otherwise the smallest that takes at most `most` instructions, or the fastest, among those of at most `cap` times the smallest."""
    tried = [(*_turned(made.program, keep_input), made) for made in cuts]
    limit = max(limit, round(cap * min(arena for arena, _, _ in tried)))
    near = [found for found in tried if found[0] <= limit]
    quick = [found for found in near if found[2].work <= most]
    if quick:
        return min(quick, key=lambda f: (f[0], f[2].peak, f[2].work))[1]
    return min(near, key=lambda f: (f[2].work, f[0]))[1]


def _balanced(priced: list[_Priced], slack: float, keep_input: bool) -> Program:
    """The smallest schedule that takes at most `slack` times the instructions of the fastest, where that is at most CAP times the
    smallest of all; elsewhere the fastest that is at most CAP times the smallest."""
    most = slack * priced[0].fastest()
    least = min((spelling.cut(None) for spelling in priced), key=lambda made: made[0].peak)
    cap = round(CAP * least[0].peak)
    cuts = [made for spelling in priced for made in spelling.thrifty(most, cap)]
    if all(
        made.work > most or made.peak > cap for made in cuts
    ):  # what is within the cap may no longer be when it is placed: smaller ones too
        cuts += [made for spelling in priced for part in (0.8, 0.9) for made in spelling.cut(round(part * cap))]
    return _smallest([*least, *(made for made in cuts if made not in least)], keep_input, most=most, cap=CAP)
