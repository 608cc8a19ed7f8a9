"""Placement: offsets for the blocks of a program, and a bound that no placement of them goes below.  Source: memory note, sections B and F."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgec.ir.program import Place, Program, Region
from edgec.memory.access import accesses
from edgec.memory.lifetime import SCRATCH, Block, blocks, uses
from edgec.memory.offsets import solve
from edgec.memory.pack import ALIGN, UNPLACED, Trails, aligned
from edgec.memory.regions import Room, spread
from edgec.memory.share import shared
from edgec.memory.trail import trails

BORDER = 16  # regions of the arena begin and end on such a boundary, as arrays of their own do


@dataclass(frozen=True)
class Placed:
    """A program with offsets.  lower_bound: bytes below which no placement of these segments can go; missing: bytes for which the
    memories of the target have no room."""

    program: Program
    lower_bound: int
    missing: int = 0


def place(program: Program, keep_input: bool = False, thorough: bool = False, rooms: Sequence[Room] = ()) -> Placed:
    """The program with arena, places and scratch offsets filled in.  thorough: also by the exact solver, where it is installed.

    rooms: memories of the target, fastest first; without any, or where the first has room for everything, the arena is one piece.
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
        regions, at, missing = _spread(program, found, pairs, groups, rooms, step, thorough)
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


def _spread(
    program: Program,
    found: list[Block],
    pairs: Trails,
    groups: list[list[str]],
    rooms: Sequence[Room],
    step: int,
    thorough: bool,
) -> tuple[tuple[Region, ...], dict[str, int], int]:
    """Regions for the rooms that are used, offsets counted through all of them, and bytes for which there is no room."""
    heat = accesses(program)
    heat |= {group[0]: sum(heat[name] for name in group) for group in groups}
    whole = [replace(room, bytes=room.bytes // BORDER * BORDER) for room in rooms]
    made = spread(found, pairs, whole, heat, step, thorough)
    regions: list[Region] = []
    offsets: dict[str, int] = {}
    start = 0
    for r, room in enumerate(rooms):
        if size := aligned(made.size(r), BORDER):
            regions.append(Region(room.name, start, size))
            offsets |= {block.name: start + at for block, at in zip(found, made.at[r], strict=True) if at != UNPLACED}
            start += size
    return tuple(regions), offsets, made.missing
