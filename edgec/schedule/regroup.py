"""How many rows each step of a pipeline makes a call: step by step more than the fewest, where that saves instructions and the
segment stays within the RAM it may take.

    Before: every step of a segment in one form, one row a call           a longer ring anywhere may be one too many
    After:  the kernels that gain most by it make 2, 4 or 8 rows a call   rings as long as that needs, the peak as it was

A window that moves two rows a call and a maker of two rows a call are out of step: the ring between them holds one group more than they
would need.  A first call of fewer rows (Step.shift) brings them into step.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from edgec.ir.program import Step, site
from edgec.ir.reach import Run
from edgec.kernels.registry import kernel
from edgec.schedule.segment import Choice
from edgec.schedule.select import TILES, tiles
from edgec.schedule.stream import Net, Range, instructions

WORTH = 2e-5  # savings below this share of all instructions are not looked for


FAR = 1.6  # times the bytes allowed, beyond which shorter first calls do not help


@dataclass
class Regrouper:
    """Prices the segments of one spelling with other rows a call.  net: any form of it."""

    net: Net
    known: dict[Hashable, int] = field(
        default_factory=dict
    )  # shapes of the steps and rows a call -> bytes of their own
    forms: dict[int, list[Step]] = field(default_factory=dict)
    works: dict[tuple[int, int], float] = field(default_factory=dict)  # step and rows a call -> instructions

    def __call__(self, choice: Choice, steps: Sequence[Step], allowed: int, total: float) -> list[Step]:
        """The steps of one segment, each called for as many rows as saves instructions within `allowed` bytes.

        total: predicted instructions of the whole program, against which a saving must be worth looking for.
        """
        now = dict(zip(range(choice.i, choice.j + 1), steps, strict=True))
        if len(now) == 1 and steps[0].group == 0:
            return list(steps)
        for most in reversed(TILES):
            wider = {i: self.widest(i, step, most) for i, step in now.items()}
            gain = sum(self.work(i, now[i]) - self.work(i, wider[i]) for i in now)
            if gain > WORTH * total and (fit := self.fit(choice, wider, allowed)):
                now = fit
                break
        singly = [(self.work(i, step) - self.work(i, s), i, s) for i, step in now.items() for s in self.tiles(i, step)]
        settled: set[int] = set()
        for gain, i, step in sorted(singly, key=lambda found: (-found[0], found[1])):
            if gain > WORTH * total and i not in settled and (fit := self.fit(choice, {**now, i: step}, allowed)):
                now = fit
                settled.add(i)
        return list(now.values())

    def tiles(self, i: int, step: Step) -> list[Step]:
        """Step i as it is and with other rows a call."""
        if i not in self.forms:
            self.forms[i] = tiles(site(self.net.program, step))
        return [step, *self.forms[i]]

    def widest(self, i: int, step: Step, most: int) -> Step:
        """The cheapest form of step i that makes at most so many rows a call."""
        fit = [other for other in self.tiles(i, step) if other.group <= most]
        return min(fit, key=lambda other: self.work(i, other), default=step)

    def total(self, choice: Choice, steps: Sequence[Step]) -> float:
        """Predicted instructions of a segment's steps."""
        return sum(self.work(choice.i + k, step) for k, step in enumerate(steps))

    def work(self, i: int, step: Step) -> float:
        if (i, step.group) not in self.works:
            self.works[i, step.group] = instructions(self.net.program, step, True)
        return self.works[i, step.group]

    def fit(self, choice: Choice, steps: Mapping[int, Step], allowed: int) -> dict[int, Step] | None:
        """The steps, their first calls shortened where that is needed to stay within `allowed` bytes; None where they do not."""
        now = {i: replace(step, shift=0) for i, step in steps.items()}
        least = self.bytes(choice, now)
        if least <= allowed:
            return now
        if least > FAR * allowed or (self.net.pushed and choice.i == 0):
            return None
        for members in self.phases(now):
            for shift in range(1, now[members[0]].group):
                tried = {**now, **{i: replace(now[i], shift=shift) for i in members}}
                needed = self.bytes(choice, tried)
                if needed < least:
                    now, least = tried, needed
        return now if least <= allowed else None

    def phases(self, steps: Mapping[int, Step]) -> list[list[int]]:
        """Steps that must begin alike, because one reads the rows of the other as a run; those whose kernels take any number of rows."""
        found: list[list[int]] = []
        for i, step in steps.items():
            makers = [self.net.maker.get(self.net.bases[name].name, -1) for name in step.inputs]
            runs = [m for m, reach in zip(makers, step.reach, strict=True) if isinstance(reach, Run) and m in steps]
            mine = [members for members in found if step.group > 1 and set(runs) & set(members)]
            if mine:  # a sum reads two makers: all that each of them goes with begins alike
                mine[0] += [*(other for members in mine[1:] for other in members), i]
                found = [members for members in found if not any(members is joined for joined in mine[1:])]
            else:
                found.append([i])
        return [
            members
            for members in found
            if len({steps[i].group for i in members}) == 1
            and steps[members[0]].group > 1
            and all(kernel(steps[i].kernel).units is not None for i in members)
        ]

    def bytes(self, choice: Choice, steps: Mapping[int, Step]) -> int:
        """RAM while the segment runs with these steps."""
        shapes = tuple(self.net.shapes[choice.i : choice.j + 1])  # equal stretches of steps are priced once
        key = (shapes, tuple((step.group, step.shift) for step in steps.values()))
        if key not in self.known:
            span = Range.single(self.net.changed(steps), choice.j)
            while span.i > choice.i:
                span.grow()
            self.known[key] = span.own()
        return self.net.alive_bytes[choice.i] + self.known[key]
