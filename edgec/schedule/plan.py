"""order -> segment -> select -> place, then the proof."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgec.errors import UnsupportedError
from edgec.ir.program import Program, Segment
from edgec.ir.reach import Table
from edgec.memory.check import check
from edgec.memory.place import place
from edgec.schedule.order import order
from edgec.schedule.pools import accumulated
from edgec.schedule.remat import per_reader
from edgec.schedule.segment import Choice, choices, cut, thrifty, with_rings, with_scratch, work_of
from edgec.schedule.select import select
from edgec.schedule.stream import NEVER


@dataclass(frozen=True)
class Plan:
    """A placed program and the lower bound of its arena in bytes (no placement of these segments needs less)."""

    program: Program
    lower_bound: int


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
            step.group and step.output not in step.inputs and program.by_name[step.output].rows % step.group == 0
            for step in steps
        )
        able = able and (len(steps) == 1 or not any(isinstance(reach, Table) for step in steps for reach in step.reach))
        turned.append(replace(segment, reverse=able and not before and not segment.push))
    return program.with_(segments=tuple(turned))


def spellings(program: Program) -> list[Program]:
    """The same computation written so that less must be stored: pools as running sums, norms made anew for each reader, both."""
    found: list[Program] = []
    for other in (accumulated(program), per_reader(program), per_reader(accumulated(program))):
        if len(other.steps) > max([len(program.steps), *(len(known.steps) for known in found)]):
            found.append(other)
    return found


def plan(
    program: Program,
    features: frozenset[str] = frozenset(),
    keep_input: bool = False,
    limit: int | None = None,
    stream: bool = True,
    pushed: bool = False,
    large: bool = False,
    slack: float | None = None,
) -> Plan:
    """Schedules a lowered program for a target with these features.

    limit: bytes of RAM the arena may take, and then the fastest schedule that fits; slack: without a limit, the smallest schedule
    whose predicted instructions are at most that many times those of the fastest; neither: the smallest schedule there is;
    stream: False keeps every step a segment of its own; pushed: the input arrives by rows; large: kernels that spend flash for
    speed are wanted.
    """
    program = order(program)
    if pushed and (len(program.inputs) != 1 or program.base(program.inputs[0].buffer).rows < 2):
        raise UnsupportedError("only a model with one input of several rows can take it by rows", "use --input tensor")
    if stream or pushed:
        wish = _Wish(features, keep_input, pushed, large, limit, None)
        if slack is not None and limit is None:
            wish = replace(wish, most=slack * _fastest(program, wish))
        best = _cut(program, wish)
        for other in spellings(program):
            if limit is not None and best.peak <= limit:
                break
            best = min(best, _cut(other, wish), key=lambda c: (c.late, c.peak))
    else:
        alone = [Choice(i, i, 0, 0, 0) for i in range(len(program.steps))]
        best = _Cut(segmented([select(program, features, large=large)], alone), 0)
    program = with_scratch(with_rings(best.program))
    if stream:
        turned = with_scratch(with_rings(alternated(best.program)))  # rings are as long as this direction needs them
        program = min(program, turned, key=lambda p: place(p, keep_input).program.arena)
    placed = place(program, keep_input, thorough=True)
    check(placed.program, keep_input)
    return Plan(placed.program, placed.lower_bound)


@dataclass(frozen=True)
class _Wish:
    """What a schedule is to be like.  most: predicted instructions it may take (None: any number)."""

    features: frozenset[str]
    keep_input: bool
    pushed: bool
    large: bool
    limit: int | None
    most: float | None


@dataclass(frozen=True)
class _Cut:
    """A program cut into segments, the bytes its fullest segment should need, and whether it takes more instructions than wished."""

    program: Program
    peak: int
    late: bool = False


def _candidates(program: Program, wish: _Wish) -> tuple[list[Program], list[Choice]]:
    """The program with kernels for whole tensors, for few and for more rows a call; and every segment of it, priced."""
    forms = [select(program, wish.features, large=wish.large)]
    forms += [select(program, wish.features, alone=False, several=n, large=wish.large) for n in (False, "run", True)]
    return forms, choices(forms, wish.keep_input, wish.pushed)


def _fastest(program: Program, wish: _Wish) -> float:
    """Predicted instructions of the fastest schedule."""
    return work_of(cut(_candidates(program, wish)[1], len(program.steps), NEVER))


def _cut(program: Program, wish: _Wish) -> _Cut:
    """Kernels and segments of one program."""
    forms, found = _candidates(program, wish)
    count = len(program.steps)
    made = cut(found, count, wish.limit) if wish.most is None else thrifty(found, count, wish.most)
    cut_up = segmented(forms, made)
    if wish.pushed:
        cut_up = cut_up.with_(segments=(replace(cut_up.segments[0], push=True), *cut_up.segments[1:]))
    late = wish.most is not None and work_of(made) > wish.most
    return _Cut(cut_up, max((choice.bytes for choice in made), default=0), late)
