"""Blocks spread over several memories: what is accessed most per byte into the fastest, the rest into the next.

A knapsack in time: each block in turn goes to the lowest offset of the first memory that has room for it while it is alive.  The order is
that of accesses per byte; where the last memory is too small that way, the orders that pack well are tried too, and the cheapest of what
fits is taken.  Then each memory is packed anew by itself, and what now has room in it is drawn in from slower ones.

Outputs lie over inputs only where both are in one memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from edgec.memory.lifetime import Block
from edgec.memory.offsets import solve
from edgec.memory.pack import UNPLACED, Packing, Trails, aligned

BORDER = 16  # regions of the arena begin and end on such a boundary, as arrays of their own do


@dataclass(frozen=True)
class Room:
    """A memory that may hold part of the arena: at most that many bytes; wait_states: cycles an access takes beyond the fastest one's."""

    name: str
    bytes: int
    wait_states: int = 0


@dataclass
class Spread:
    """Blocks by number over the rooms.  at[r][i]: offset of block i in room r, UNPLACED where it lies in another one.  The last room
    takes what has no room anywhere."""

    packing: Packing
    rooms: Sequence[Room]
    heat: Sequence[int]  # accesses of each block
    at: list[list[int]]

    @classmethod
    def first_fit(cls, packing: Packing, rooms: Sequence[Room], heat: Sequence[int], order: Sequence[int]) -> Spread:
        """Each block in turn at the lowest offset of the first room that it fits into."""
        made = cls(packing, rooms, heat, [[UNPLACED] * len(packing.found) for _ in rooms])
        for i in order:
            if not any(made.admitted(i, r) for r in range(len(rooms))):
                made.at[-1][i] = packing.lowest(i, made.at[-1])
        return made

    def admitted(self, i: int, r: int) -> bool:
        """Whether room r has room for block i beside what is there; if so, it is put there."""
        start = self.packing.lowest(i, self.at[r])
        fits = start + self.packing.found[i].bytes <= self.rooms[r].bytes
        if fits:
            self.at[r][i] = start
        return fits

    def members(self, r: int) -> list[int]:
        return [i for i, start in enumerate(self.at[r]) if start != UNPLACED]

    def size(self, r: int) -> int:
        """Bytes of room r that are taken, up to a border."""
        return aligned(max((self.at[r][i] + self.packing.found[i].bytes for i in self.members(r)), default=0), BORDER)

    @property
    def missing(self) -> int:
        """Bytes that the last room is too small by."""
        return max(self.size(len(self.rooms) - 1) - self.rooms[-1].bytes, 0)

    def too_much(self, most: int | None) -> tuple[int, int]:
        """Bytes that do not fit, and bytes that are more than all rooms together may take."""
        total = sum(self.size(r) for r in range(len(self.rooms)))
        return self.missing, 0 if most is None else max(total - most, 0)

    def cost(self) -> tuple[int, int, int]:
        """What is least in the best one: missing bytes, cycles spent waiting, accesses by the rank of their room."""
        ranked = [(self.heat[i], r, room.wait_states) for r, room in enumerate(self.rooms) for i in self.members(r)]
        return self.missing, sum(heat * wait for heat, _, wait in ranked), sum(heat * r for heat, r, _ in ranked)

    def tightened(self, r: int, thorough: bool) -> None:
        """Room r packed anew by itself, if that is smaller."""
        members = self.members(r)
        found = [self.packing.found[i] for i in members]
        names = {block.name for block in found}
        pairs = {pair: trail for pair, trail in self.packing.pairs.items() if names.issuperset(pair)}
        made = solve(found, pairs, self.packing.step, thorough)
        if aligned(made.size, BORDER) < self.size(r):
            for i in members:
                self.at[r][i] = made.at[self.packing.found[i]]

    def draw_in(self, r: int, order: Sequence[int]) -> None:
        """Into room r what fits there from slower rooms."""
        for i in order:
            slower = next((at for at in self.at[r + 1 :] if at[i] != UNPLACED), None)
            if slower is not None and self.admitted(i, r):
                slower[i] = UNPLACED


def spread(
    found: Sequence[Block],
    pairs: Trails,
    rooms: Sequence[Room],
    heat: Mapping[str, int],
    step: int,
    thorough: bool,
    most: int | None = None,
) -> Spread:
    """The blocks over the rooms, fastest first.  heat: accesses by name of block; most: bytes of all rooms together, None for no limit
    (what is least above it is taken where nothing is within it).

    Fewer trails hold where outputs and inputs lie in different rooms, so that all together may take more than one room alone would:
    where that is too much, less of the faster ones is used.
    """
    packing, hot = Packing(found, pairs, step), [heat.get(block.name, 0) for block in found]
    dense = sorted(range(len(found)), key=lambda i: (-hot[i] / max(found[i].bytes, 1), found[i].first, found[i].name))
    best: Spread | None = None
    for offered in _offers(rooms):
        made = _filled(packing, offered, hot, dense, thorough)
        if best is None or made.too_much(most) < best.too_much(most):
            best = made
        if best.too_much(most) == (0, 0):
            break
    assert best is not None
    return best


def _offers(rooms: Sequence[Room]) -> Iterator[list[Room]]:
    """All of the rooms, then less and less of those before the last, then single ones; whole borders."""
    yield [replace(room, bytes=room.bytes // BORDER * BORDER) for room in rooms]
    for part in (3, 2, 1):
        yield [*(replace(room, bytes=room.bytes * part // 4 // BORDER * BORDER) for room in rooms[:-1]), rooms[-1]]
    for only in reversed(rooms[1:]):
        yield [room if room is only else replace(room, bytes=0) for room in rooms]


def _filled(
    packing: Packing, rooms: Sequence[Room], hot: Sequence[int], dense: Sequence[int], thorough: bool
) -> Spread:
    """The blocks by density; where they do not fit that way, by the orders that pack well.  Then each room anew."""
    best = Spread.first_fit(packing, rooms, hot, dense)
    if best.missing:
        tried = [Spread.first_fit(packing, rooms, hot, order) for order in packing.orders()]
        best = min((best, *tried), key=Spread.cost)
    for r in range(len(rooms)):
        best.tightened(r, thorough)
        best.draw_in(r, dense)
    return best
