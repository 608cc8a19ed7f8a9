"""Exact placement with CP-SAT, when the `solver` extra is installed.  The only file that imports ortools.

A long program is solved in windows of time, cut where few blocks are alive.  The optimum of a window alone is a lower bound of the whole;
then the windows are placed one behind the other, each beside what the last one left.  Equal windows (a transformer's blocks) are solved once.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edgec.memory.pack import Packing

EFFORT = 0.3  # deterministic time of all windows together, so that equal inputs give equal plans on any machine
WINDOW_EFFORT = 0.02
WINDOW = 45  # blocks that begin in a window, at least (the last one may have fewer)


def _solver() -> Any:
    """The CP-SAT module, None where it is not installed."""
    try:
        from ortools.sat.python import cp_model
    except ImportError:
        return None
    return cp_model


@dataclass(frozen=True)
class Answer:
    """What the solver says about one window.  at: offsets by block number, None where there are none (or none were found in time);
    bound: bytes that no placement goes below."""

    at: Mapping[int, int] | None
    bound: int


@dataclass
class _Windows:
    """One packing problem, its windows and the effort that is left."""

    cp: Any
    packing: Packing
    effort: float = EFFORT
    known: dict[Hashable, Answer] = field(default_factory=dict)

    def ends(self) -> list[int]:
        """The last segment of each window: where enough blocks have begun, and fewest are alive across the cut."""
        found = self.packing.found
        last = max(b.last for b in found)
        begun, crossing = dict.fromkeys(range(-1, last + 1), 0), dict.fromkeys(range(-1, last + 1), 0)
        for b in found:
            begun[b.first] += 1
            for when in range(b.first, b.last):
                crossing[when] += 1
        ends: list[int] = []
        count, left, best = 0, len(found), None
        for when in range(-1, last + 1):
            count, left = count + begun[when], left - begun[when]
            if count >= WINDOW and (best is None or crossing[when] < crossing[best]):
                best = when
            if best is not None and count >= 2 * WINDOW and left >= WINDOW:
                ends.append(best)
                count, best = sum(begun[w] for w in range(best + 1, when + 1)), None
        return [*ends, last]

    def members(self, first: int, last: int) -> list[int]:
        """Blocks alive in segments first..last."""
        return [i for i, b in enumerate(self.packing.found) if b.first <= last and b.last >= first]

    def smallest(self, window: tuple[int, int], fixed: Mapping[int, int], low: int, high: int) -> Answer:
        """The smallest arena of the window between low and high bytes, with those offsets fixed."""
        return self._solved(window, fixed, low, high, False)

    def within(self, window: tuple[int, int], fixed: Mapping[int, int], top: int) -> Answer:
        """The window inside `top` bytes, what outlives it at one end of the arena, where it is least in the way; or anywhere."""
        answer = self._solved(window, fixed, top, top, True)
        return self._solved(window, fixed, top, top, False) if answer.at is None else answer

    def _solved(self, window: tuple[int, int], fixed: Mapping[int, int], low: int, high: int, walls: bool) -> Answer:
        blocks = self.members(*window)
        key = (self._shape(blocks, window, fixed), low, high, walls)
        if key not in self.known:
            made = self._solve(blocks, window, fixed, low, high, walls)
            local = None if made.at is None else {place: made.at[i] for place, i in enumerate(blocks)}
            self.known[key] = Answer(local, made.bound)
        found = self.known[key]
        return Answer(None if found.at is None else {i: found.at[place] for place, i in enumerate(blocks)}, found.bound)

    def _shape(self, blocks: list[int], window: tuple[int, int], fixed: Mapping[int, int]) -> Hashable:
        """Everything the answer depends on, without names."""
        first, last = window
        local = {i: place for place, i in enumerate(blocks)}
        lives = [
            (max(b.first - first, -1), min(b.last, last + 1) - first) for b in (self.packing.found[i] for i in blocks)
        ]
        sizes = [(self.packing.found[i].bytes, fixed.get(i, -1)) for i in blocks]
        links = [[(local[k.other], k.over, k.under) for k in self.packing.links[i] if k.other in local] for i in blocks]
        return tuple(lives), tuple(sizes), tuple(tuple(sorted(k, key=lambda k: k[0])) for k in links)

    def _solve(
        self, blocks: list[int], window: tuple[int, int], fixed: Mapping[int, int], low: int, high: int, walls: bool
    ) -> Answer:
        cp, packing, step = self.cp, self.packing, self.packing.step
        effort = min(self.effort, WINDOW_EFFORT)
        if effort <= 0:
            return Answer(None, low)
        model, top = cp.CpModel(), high // step
        units = {i: -(-packing.found[i].bytes // step) for i in blocks}
        arena = model.new_int_var(low // step, top, "arena")
        at = {
            i: model.new_constant(fixed[i] // step) if i in fixed else model.new_int_var(0, max(top - units[i], 0), "")
            for i in blocks
        }
        for i in blocks:
            model.add(at[i] + units[i] <= arena)
        self._apart(model, at, units, fixed)
        if walls:
            for i in blocks:
                if i not in fixed and packing.found[i].last > window[1]:
                    bottom = model.new_bool_var("")
                    model.add(at[i] == 0).only_enforce_if(bottom)
                    model.add(at[i] == top - units[i]).only_enforce_if(~bottom)
        else:
            model.minimize(arena)
        solver = cp.CpSolver()
        solver.parameters.max_deterministic_time = effort
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = 1
        status = solver.solve(model)
        self.effort -= solver.response_proto.deterministic_time
        if status == cp.INFEASIBLE:
            return Answer(None, high + step)
        bound = low if walls else max(round(solver.best_objective_bound) * step, low)
        if status not in (cp.OPTIMAL, cp.FEASIBLE):
            return Answer(None, bound)
        return Answer({i: solver.value(at[i]) * step for i in blocks}, bound)

    def _apart(self, model: Any, at: Mapping[int, Any], units: Mapping[int, int], fixed: Mapping[int, int]) -> None:
        """Blocks alive together: apart in either order, or overlapping as far as their trail allows."""
        for i in at:
            for j in self.packing.plain[i]:
                if i < j and j in at and not (i in fixed and j in fixed):
                    model.add_bool_or([_before(model, at[low], units[low], at[high]) for low, high in ((i, j), (j, i))])
            for link in self.packing.links[i]:
                if i < link.other and link.other in at and not (i in fixed and link.other in fixed):
                    self._linked(model, at, units, i, link.other)

    def _linked(self, model: Any, at: Mapping[int, Any], units: Mapping[int, int], i: int, j: int) -> None:
        found, step = self.packing.found, self.packing.step
        ways = [_before(model, at[low], units[low], at[high]) for low, high in ((i, j), (j, i))]
        for out, source in ((i, j), (j, i)):
            trail = self.packing.pairs.get((found[out].name, found[source].name))
            if trail is None:
                continue
            if trail.reverse:  # far ends in bytes: round so that the units never promise more than the bytes
                behind = -(-(trail.bytes + found[source].bytes - found[out].bytes) // step)
                ways.append(_before(model, at[source], behind, at[out]))
            else:
                ways.append(_before(model, at[out], -(-trail.bytes // step), at[source]))
        model.add_bool_or(ways)


def _before(model: Any, one: Any, units: int, other: Any) -> Any:
    """A switch that says: `other` lies at least that many units behind `one`."""
    way = model.new_bool_var("")
    model.add(one + units <= other).only_enforce_if(way)
    return way


def exact(packing: Packing, start: list[int], bound: int) -> tuple[list[int], int]:
    """(offsets, bound): the smallest arena that can be found, `start` if nothing is better, and bytes below which none can be.

    start: offsets of all blocks, from the greedy orders; bound: what is known already.  Without the solver, the arguments.
    """
    cp = _solver()
    size = packing.size(start)
    if cp is None or size <= bound:
        return start, bound
    task = _Windows(cp, packing)
    ends = task.ends()
    windows = [(before + 1, last) for before, last in zip([-2, *ends], ends, strict=False)]
    for window in windows:
        if max(start[i] + packing.found[i].bytes for i in task.members(*window)) > bound:
            answer = task.smallest(window, {}, bound, size)
            bound = max(bound, answer.bound)
            if len(windows) == 1 and answer.at is not None:
                return [answer.at[i] for i in range(len(start))], bound
    return _chained(task, windows, bound, size) or start, bound


def _chained(task: _Windows, windows: list[tuple[int, int]], top: int, size: int) -> list[int] | None:
    """All windows one behind the other in fewer than `size` bytes, if that is found; `top` bytes if it can be.

    A window that cannot be placed beside what is left of the last one is solved together with it, once; then the arena grows.
    """
    placed: list[tuple[tuple[int, int], dict[int, int]]] = []
    for window in windows:
        answer = task.within(window, _all(placed), top)
        if answer.at is None and placed:
            before, _ = placed.pop()
            window = before[0], window[1]
            answer = task.within(window, _all(placed), top)
        if answer.at is None:
            answer = task.smallest(window, _all(placed), top, size - task.packing.step)
        if answer.at is None:
            return None
        placed.append((window, dict(answer.at)))
        top = max(top, *(at + task.packing.found[i].bytes for i, at in answer.at.items()))
    at = _all(placed)
    return [at[i] for i in range(len(at))] if top < size else None


def _all(placed: list[tuple[tuple[int, int], dict[int, int]]]) -> dict[int, int]:
    return {i: at for _, offsets in placed for i, at in offsets.items()}
