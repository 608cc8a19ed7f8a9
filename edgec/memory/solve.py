"""Exact placement with CP-SAT: the smallest arena there is, when the `solver` extra is installed.  The only file that imports ortools."""

from __future__ import annotations

from typing import Any

from edgec.memory.lifetime import Block
from edgec.memory.trail import Trail

SECONDS = 2.0  # deterministic time, so that equal inputs give equal plans on any machine


def _solver() -> Any:
    """The CP-SAT module, None where it is not installed."""
    try:
        from ortools.sat.python import cp_model
    except ImportError:
        return None
    return cp_model


def exact(
    found: list[Block], pairs: dict[tuple[str, str], Trail], bound: int, start: dict[Block, int], size: int, align: int
) -> tuple[dict[Block, int], int] | None:
    """Offsets of the smallest arena between `bound` and `size` (bytes), or None: no solver, no time, or nothing better than `start`.

    found, pairs: as in place.py; start: the greedy offsets, a hint.  Offsets are multiples of `align`.
    """
    cp = _solver()
    if cp is None or size <= bound:
        return None
    model = cp.CpModel()
    top = -(-size // align)
    arena = model.new_int_var(bound // align, top, "arena")
    units = {b: -(-b.bytes // align) for b in found}
    at = {b: model.new_int_var(0, max(top - units[b], 0), b.name) for b in found}
    for block in found:
        model.add(at[block] + units[block] <= arena)
        model.add_hint(at[block], start[block] // align)
    for i, a in enumerate(found):
        for b in found[i + 1 :]:
            if a.meets(b):
                _apart(model, at, units, a, b, pairs, align)
    model.minimize(arena)
    solver = cp.CpSolver()
    solver.parameters.max_deterministic_time = SECONDS
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 1
    status = solver.solve(model)
    if status not in (cp.OPTIMAL, cp.FEASIBLE):
        return None
    offsets = {b: solver.value(at[b]) * align for b in found}
    made = max((offsets[b] + b.bytes for b in found), default=0)
    return (offsets, made) if made < size else None


def _apart(
    model: Any,
    at: dict[Block, Any],
    units: dict[Block, int],
    a: Block,
    b: Block,
    pairs: dict[tuple[str, str], Trail],
    align: int,
) -> None:
    """Two blocks alive together: apart in either order, or overlapping as far as their trail allows."""
    ways = []
    for low, high in ((a, b), (b, a)):
        way = model.new_bool_var("")
        model.add(at[low] + units[low] <= at[high]).only_enforce_if(way)
        ways.append(way)
        trail = pairs.get((low.name, high.name))  # `low` is made over `high`
        if trail is None:
            continue
        way = model.new_bool_var("")
        behind = -(-trail.bytes // align)
        if trail.reverse:  # far ends in bytes: round so that the units never promise more than the bytes
            slack = -(-(trail.bytes + high.bytes - low.bytes) // align)
            model.add(at[low] >= at[high] + slack).only_enforce_if(way)
        else:
            model.add(at[low] + behind <= at[high]).only_enforce_if(way)
        ways.append(way)
    model.add_bool_or(ways)
