"""Offsets for the blocks of one memory: the greedy orders, repaired, then the exact solver where it is installed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgec.memory.lifetime import Block, lower_bound
from edgec.memory.pack import ALIGN, Packing, Trails, aligned
from edgec.memory.solve import exact

QUICK, THOROUGH = (
    60,
    400,
)  # tries in a row that may fail in repairing: while schedules are compared, and for the one that is taken


@dataclass(frozen=True)
class Offsets:
    """Where each block starts, the bytes of the arena, and the bytes below which none can be (equal: proven optimal)."""

    at: dict[Block, int]
    size: int
    bound: int


def solve(found: Sequence[Block], pairs: Trails, step: int = ALIGN, thorough: bool = True) -> Offsets:
    """The smallest arena that the greedy orders give, repaired; thorough: with more tries and the exact solver, where it is installed."""
    packing, bound = Packing(found, pairs, step), aligned(lower_bound(found, pairs), step)
    made = packing.smallest(bound, THOROUGH if thorough else QUICK)
    if thorough:
        made, bound = exact(packing, made, bound)
    return Offsets(dict(zip(found, made, strict=True)), packing.size(made), bound)
