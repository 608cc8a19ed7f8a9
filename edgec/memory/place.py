"""Placement: offsets for the blocks of a program, and a bound that no placement of them goes below.  Source: memory note, sections B and F."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgec.ir.program import Place, Program, Region
from edgec.memory.access import accesses
from edgec.memory.lifetime import SCRATCH, Block, blocks, uses
from edgec.memory.offsets import solve
from edgec.memory.pack import ALIGN, Trails, aligned
from edgec.memory.regions import Room, Spread, spread
from edgec.memory.share import shared
from edgec.memory.trail import trails


@dataclass(frozen=True)
class Placed:
    """A program with offsets.  lower_bound: bytes below which no placement of these segments can go; missing: bytes for which the
    memories of the target have no room."""

    program: Program
    lower_bound: int
    missing: int = 0


def place(
    program: Program,
    keep_input: bool = False,
    thorough: bool = False,
    rooms: Sequence[Room] = (),
    most: int | None = None,
) -> Placed:
    """The program with arena, places and scratch offsets filled in.  thorough: also by the exact solver, where it is installed.

    rooms: memories of the target, fastest first; without any, or where the first has room for everything, the arena is one piece;
    most: bytes of all together (0: as few as can be).
    """
    found = blocks(program, keep_input)
    life = uses(program, keep_input)
    pairs = trails(program, {name: last for name, (_, last) in life.items()})
    groups = shared(program, life)
    step = 8 if any(b.dtype == "int64" for b in program.buffers) else ALIGN  # C wants 64-bit integers on their boundary
    made = solve(found, pairs, step, thorough)
    at = {block.name: offset for block, offset in made.at.items()}
    arena, bound, missing = max(aligned(made.size, step), step), max(made.bound, step), 0
    regions: tuple[Region, ...] = ()
    if rooms and arena > rooms[0].bytes:
        heat = accesses(program)
        heat |= {group[0]: sum(heat[name] for name in group) for group in groups}
        parts = spread(found, pairs, rooms, heat, step, thorough, most)
        (regions, at), missing = _regions(parts), parts.missing
        arena = sum(region.bytes for region in regions)
    at |= {name: at[group[0]] for group in groups for name in group[1:]}
    segments = tuple(replace(s, scratch_offset=at.get(f"{SCRATCH}{i}", -1)) for i, s in enumerate(program.segments))
    over = _overlaps(found, pairs, at)
    places = tuple(Place(b.name, at[b.name], tuple(over.get(b.name, ()))) for b in program.buffers if b.name in at)
    placed = program.with_(places=places, segments=segments, arena=arena, scratch=0, regions=regions)
    return Placed(placed, bound, missing)


def _overlaps(found: Sequence[Block], pairs: Trails, at: dict[str, int]) -> dict[str, list[str]]:
    """The inputs that each output lies over as they are placed."""
    sizes = {b.name: b.bytes for b in found}
    over: dict[str, list[str]] = {}
    for out, source in pairs:
        if at[out] < at[source] + sizes[source] and at[source] < at[out] + sizes[out]:
            over.setdefault(out, []).append(source)
    return over


def _regions(made: Spread) -> tuple[tuple[Region, ...], dict[str, int]]:
    """Regions for the rooms that are used, and offsets counted through all of them."""
    regions: list[Region] = []
    offsets: dict[str, int] = {}
    start = 0
    for r, room in enumerate(made.rooms):
        offsets |= {made.packing.found[i].name: start + made.at[r][i] for i in made.members(r)}
        if size := made.size(r):
            regions.append(Region(room.name, start, size))
            start += size
    return tuple(regions), offsets
