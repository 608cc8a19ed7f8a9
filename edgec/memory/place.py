"""Placement: offsets for the blocks of a program, and a bound that no placement of them goes below.  Source: memory note, sections B and F."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgec.ir.program import Place, Program
from edgec.memory.lifetime import SCRATCH, Block, blocks, lower_bound, uses
from edgec.memory.pack import ALIGN, Packing, Trails, aligned
from edgec.memory.share import shared
from edgec.memory.solve import exact
from edgec.memory.trail import trails

QUICK, THOROUGH = (
    60,
    400,
)  # tries in a row that may fail in repairing: while schedules are compared, and for the one that is taken


@dataclass(frozen=True)
class Placed:
    """A program with offsets.  lower_bound: bytes below which no placement of these segments can go."""

    program: Program
    lower_bound: int


@dataclass(frozen=True)
class Offsets:
    """Where each block starts, the bytes of the arena, and the bytes below which none can be (equal: proven optimal)."""

    at: dict[Block, int]
    size: int
    bound: int


def solve(found: list[Block], pairs: Trails, step: int = ALIGN, thorough: bool = True) -> Offsets:
    """The smallest arena that the greedy orders give, repaired; thorough: with more tries and the exact solver, where it is installed."""
    packing, bound = Packing(found, pairs, step), aligned(lower_bound(found, pairs), step)
    made = packing.smallest(bound, THOROUGH if thorough else QUICK)
    if thorough:
        made, bound = exact(packing, made, bound)
    return Offsets(dict(zip(found, made, strict=True)), packing.size(made), bound)


def place(program: Program, keep_input: bool = False, thorough: bool = False) -> Placed:
    """The program with arena, places and scratch offsets filled in.  thorough: also by the exact solver, where it is installed."""
    found = blocks(program, keep_input)
    life = uses(program, keep_input)
    pairs = trails(program, {name: last for name, (_, last) in life.items()})
    step = 8 if any(b.dtype == "int64" for b in program.buffers) else ALIGN  # C wants 64-bit integers on their boundary
    made = solve(found, pairs, step, thorough)
    at = {block.name: offset for block, offset in made.at.items()}
    at |= {name: at[group[0]] for group in shared(program, life) for name in group[1:]}
    segments = tuple(replace(s, scratch_offset=at.get(f"{SCRATCH}{i}", -1)) for i, s in enumerate(program.segments))
    sizes = {b.name: b.bytes for b in found}
    over: dict[str, list[str]] = {}
    for out, source in pairs:
        if at[out] < at[source] + sizes[source] and at[source] < at[out] + sizes[out]:
            over.setdefault(out, []).append(source)
    places = tuple(Place(b.name, at[b.name], tuple(over.get(b.name, ()))) for b in program.buffers if b.name in at)
    arena = max(aligned(made.size, step), step)
    return Placed(program.with_(places=places, segments=segments, arena=arena, scratch=0), max(made.bound, step))
