"""Offsets for blocks: greedy by several orders, the smallest arena wins.  Outputs may lie over inputs as far as their trail allows.

Source: Pisarchyk & Lee 2020 (greedy by size); memory note, sections B and F.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from edgec.ir.program import Place, Program
from edgec.memory.lifetime import SCRATCH, Block, blocks, lower_bound, uses
from edgec.memory.solve import exact
from edgec.memory.trail import Trail, trails

ALIGN = 4
SHUFFLES = 200  # tried while schedules are compared; LAST for the one that is taken
LAST = 2000
Trails = dict[tuple[str, str], Trail]


@dataclass(frozen=True)
class Placed:
    """A program with offsets.  lower_bound: bytes below which no placement of these segments can go."""

    program: Program
    lower_bound: int


def aligned(value: int, step: int = ALIGN) -> int:
    """The next multiple of the arena's alignment."""
    return (value + step - 1) // step * step


def fits(block: Block, at: int, other: Block, there: int, pairs: Trails) -> bool:
    """Whether two blocks alive together may have these offsets."""
    if at + block.bytes <= there or there + other.bytes <= at:
        return True
    over, under = pairs.get((block.name, other.name)), pairs.get((other.name, block.name))
    if over is not None and over.allows(at, block.bytes, there, other.bytes):
        return True
    return under is not None and under.allows(there, other.bytes, at, block.bytes)


def greedy(order: Sequence[Block], pairs: Trails, limit: int | None = None, step: int = ALIGN) -> tuple[dict[Block, int], int]:
    """Each block in turn at the lowest offset that fits all placed ones.  Stops early (with `limit`) when it is no better than that."""
    offsets: dict[Block, int] = {}
    size = 0
    for block in order:
        busy = [(other, at) for other, at in offsets.items() if other.meets(block)]
        tries = {0}
        for other, at in busy:
            tries.add(aligned(at + other.bytes, step))
            over, under = pairs.get((block.name, other.name)), pairs.get((other.name, block.name))
            if over is not None:
                ahead = at + other.bytes + over.bytes - block.bytes
                tries.add(aligned(ahead, step) if over.reverse else (at - over.bytes) // step * step)
            if under is not None:
                tries.add(
                    (at + other.bytes - under.bytes - block.bytes) // step * step
                    if under.reverse
                    else aligned(at + under.bytes, step)
                )
        offset = next(
            t for t in sorted(tries) if t >= 0 and all(fits(block, t, other, at, pairs) for other, at in busy)
        )
        offsets[block] = offset
        size = max(size, offset + block.bytes)
        if limit is not None and size >= limit:
            return offsets, size
    return offsets, size


def orders(found: list[Block], pairs: Trails, shuffles: int) -> Iterator[list[Block]]:
    """Orders worth trying: by size, by life, the fullest segment first (outputs before the inputs they overwrite), then shuffles of that."""
    yield sorted(found, key=lambda b: (-b.bytes, b.first, b.name))
    yield sorted(found, key=lambda b: (-b.bytes * (b.last - b.first + 1), b.first, b.name))
    yield sorted(found, key=lambda b: (-b.last, -b.bytes, b.name))
    yield sorted(found, key=lambda b: (b.first, -b.bytes, b.name))
    whens = range(-1, max((b.last for b in found), default=0) + 1)
    load = {w: sum(b.bytes for b in found if b.first <= w <= b.last) for w in whens}
    outs = {out for out, _ in pairs}
    rank: dict[Block, tuple[int, bool, int]] = {}
    for position, when in enumerate(sorted(load, key=lambda w: -load[w])):
        for block in found:
            if block.first <= when <= block.last:
                rank.setdefault(block, (position, not (block.name in outs and block.first == when), -block.bytes))
    peak = sorted(found, key=lambda b: (rank[b], b.name))
    yield peak
    dice = random.Random(1)
    for _ in range(shuffles):
        keys = {b: (rank[b][0] + dice.choice((0, 0, 1, 2, 5)), dice.random()) for b in peak}
        yield sorted(peak, key=lambda b: keys[b])


def solve(
    found: list[Block], pairs: Trails, step: int = ALIGN, thorough: bool = True
) -> tuple[dict[Block, int], int]:
    """The smallest arena that any of the orders gives; thorough: and the exact solver, where it is installed."""
    bound = lower_bound(found, pairs)
    best: tuple[dict[Block, int], int] | None = None
    for order in orders(found, pairs, LAST if thorough else SHUFFLES):
        offsets, size = greedy(order, pairs, best[1] if best else None, step)
        if best is None or (size < best[1] and len(offsets) == len(found)):
            best = offsets, size
        if best[1] <= aligned(bound, step):
            break
    assert best is not None
    if not thorough or best[1] <= aligned(bound, step):
        return best
    return exact(found, pairs, bound, best[0], best[1], step) or best


def place(program: Program, keep_input: bool = False, thorough: bool = False) -> Placed:
    """The program with arena, places and scratch offsets filled in.  thorough: also by the exact solver, where it is installed."""
    found = blocks(program, keep_input)
    life = uses(program, keep_input)
    pairs = trails(program, {name: last for name, (_, last) in life.items()})
    step = 8 if any(b.dtype == "int64" for b in program.buffers) else ALIGN  # C wants 64-bit integers on their boundary
    offsets, size = solve(found, pairs, step, thorough)
    at = {block.name: offset for block, offset in offsets.items()}
    segments = tuple(replace(s, scratch_offset=at.get(f"{SCRATCH}{i}", -1)) for i, s in enumerate(program.segments))
    sizes = {b.name: b.bytes for b in found}
    over: dict[str, list[str]] = {}
    for out, source in pairs:
        if at[out] < at[source] + sizes[source] and at[source] < at[out] + sizes[out]:
            over.setdefault(out, []).append(source)
    places = tuple(Place(b.name, at[b.name], tuple(over.get(b.name, ()))) for b in program.buffers if b.name in at)
    made = program.with_(places=places, segments=segments, arena=max(aligned(size, step), step), scratch=0)
    return Placed(made, lower_bound(found, pairs))
