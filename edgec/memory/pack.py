"""Offsets for blocks by greedy orders and repair: no solver, no knowledge of programs.

Outputs may lie over inputs as far as their trail allows.  Source: Pisarchyk & Lee 2020 (greedy by size); ruin and recreate, Schrimpf 2000.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from edgec.memory.lifetime import Block
from edgec.memory.trail import Trail

ALIGN = 4
UNPLACED = -1
NEVER = 1 << 62
Trails = dict[tuple[str, str], Trail]


def aligned(value: int, step: int = ALIGN) -> int:
    """The next multiple of the arena's alignment."""
    return (value + step - 1) // step * step


@dataclass(frozen=True)
class Link:
    """Block `other`, which may share bytes with the one that holds this link.  over: where that one is made over `other`; under: where
    `other` is made over it."""

    other: int
    over: Trail | None
    under: Trail | None


@dataclass
class Packing:
    """The blocks, numbered, with what each meets.  Offsets are lists of bytes by number, UNPLACED for a block that has none yet.

    plain[i]: blocks alive together with block i that must keep apart from it; links[i]: those that may overlap it.
    """

    found: Sequence[Block]
    pairs: Trails
    step: int = ALIGN
    plain: list[list[int]] = field(init=False)
    links: list[list[Link]] = field(init=False)

    def __post_init__(self) -> None:
        count = len(self.found)
        self.plain, self.links = [[] for _ in range(count)], [[] for _ in range(count)]
        alive: list[int] = []
        for i in sorted(range(count), key=lambda i: self.found[i].first):
            alive = [j for j in alive if self.found[j].last >= self.found[i].first]
            for j in alive:
                one, two = self.found[i].name, self.found[j].name
                over, under = self.pairs.get((one, two)), self.pairs.get((two, one))
                if over is None and under is None:
                    self.plain[i].append(j)
                    self.plain[j].append(i)
                else:
                    self.links[i].append(Link(j, over, under))
                    self.links[j].append(Link(i, under, over))
            alive.append(i)

    def lowest(self, i: int, at: Sequence[int]) -> int:
        """The lowest offset for block i beside all that are placed."""
        size, step, found = self.found[i].bytes, self.step, self.found
        busy = sorted([(at[j], at[j] + found[j].bytes) for j in self.plain[i] if at[j] >= 0])
        links = [link for link in self.links[i] if at[link.other] >= 0]
        if not links:
            return _gap(busy, size, 0, step)
        tries = {0, *(aligned(end, step) for _, end in busy)}
        for link in links:
            start, end = at[link.other], at[link.other] + found[link.other].bytes
            tries.add(aligned(end, step))
            if link.over is not None:
                ahead = end + link.over.bytes - size
                tries.add(aligned(ahead, step) if link.over.reverse else (start - link.over.bytes) // step * step)
            if link.under is not None:
                ahead = end - link.under.bytes - size
                tries.add(ahead // step * step if link.under.reverse else aligned(start + link.under.bytes, step))
        for t in sorted(tries):
            if t >= 0 and t == _gap(busy, size, t, step) and all(self.allows(i, t, link, at) for link in links):
                return t
        raise AssertionError("behind everything there is room")

    def allows(self, i: int, t: int, link: Link, at: Sequence[int]) -> bool:
        """Whether block i may start at t beside a block that it may overlap."""
        size, there, other = self.found[i].bytes, at[link.other], self.found[link.other].bytes
        if t + size <= there or there + other <= t:
            return True
        if link.over is not None and link.over.allows(t, size, there, other):
            return True
        return link.under is not None and link.under.allows(there, other, t, size)

    def greedy(self, order: Sequence[int], limit: int, at: list[int] | None = None) -> list[int] | None:
        """Each block in turn at the lowest offset beside all placed ones (those of `at`, if given); None once a block ends at or above
        `limit`."""
        at = [UNPLACED] * len(self.found) if at is None else list(at)
        for i in order:
            at[i] = self.lowest(i, at)
            if at[i] + self.found[i].bytes >= limit:
                return None
        return at

    def size(self, at: Sequence[int]) -> int:
        """Bytes of the arena with those offsets."""
        return max((start + b.bytes for start, b in zip(at, self.found, strict=True)), default=0)

    def orders(self) -> Iterator[list[int]]:
        """Orders worth trying: the fullest segment first (outputs before the inputs they overwrite), by size, by life, by time."""
        found, numbers = self.found, range(len(self.found))
        yield sorted(numbers, key=self.fullest_first().__getitem__)
        yield sorted(numbers, key=lambda i: (-found[i].bytes, found[i].first, found[i].name))
        yield sorted(
            numbers,
            key=lambda i: (-found[i].bytes * (found[i].last - found[i].first + 1), found[i].first, found[i].name),
        )
        yield sorted(numbers, key=lambda i: (-found[i].last, -found[i].bytes, found[i].name))
        yield sorted(numbers, key=lambda i: (found[i].first, -found[i].bytes, found[i].name))

    def fullest_first(self) -> list[tuple[int, bool, int, str]]:
        """A key for each block: the rank of the fullest segment it lives in, inputs behind outputs, small ones behind large ones."""
        load: dict[int, int] = {}
        for b in self.found:
            for when in range(b.first, b.last + 1):
                load[when] = load.get(when, 0) + b.bytes
        rank = {when: position for position, when in enumerate(sorted(load, key=lambda w: (-load[w], w)))}
        outs = {out for out, _ in self.pairs}
        keys = []
        for b in self.found:
            fullest = min(range(b.first, b.last + 1), key=rank.__getitem__)
            keys.append((rank[fullest], not (b.name in outs and b.first == fullest), -b.bytes, b.name))
        return keys

    def smallest(self, bound: int, failures: int) -> list[int]:
        """The smallest arena of all orders, then repaired: the best of them first."""
        made = [at for at in (self.greedy(order, NEVER) for order in self.orders()) if at is not None]
        made.sort(key=self.size)
        best = made[0]
        for at in made:
            if self.size(best) <= bound:
                break
            best = min(best, self.repaired(at, bound, failures), key=self.size)
        return best

    def around(self, at: Sequence[int], size: int, reach: int) -> list[int]:
        """The first block that ends at `size`, and all that live within `reach` segments of it."""
        ends = (i for i, start in enumerate(at) if start + self.found[i].bytes == size)
        culprit = min((self.found[i] for i in ends), key=lambda b: (b.first, b.name))
        first, last = culprit.first - reach, culprit.last + reach
        return [i for i, b in enumerate(self.found) if b.first <= last and first <= b.last]

    def repaired(self, at: list[int], bound: int, failures: int) -> list[int]:
        """Offsets with a lower top: the blocks around one that ends at the top are taken out and put back in another order, until the
        arena is `bound` bytes or that many tries in a row have failed."""
        dice, size, keys, failed = random.Random(1), self.size(at), self.fullest_first(), 0
        while size > bound and failed < failures:
            window = self.around(at, size, dice.choice((0, 1, 2, 4, 8)))
            noise = {i: (keys[i][0] + dice.choice((0, 0, 1, 2, 5)), dice.random()) for i in window}
            emptied = list(at)
            for i in window:
                emptied[i] = UNPLACED
            made = self.greedy(sorted(window, key=noise.__getitem__), size, emptied)
            failed = failed + 1 if made is None else 0
            if made is not None:
                at, size = made, self.size(made)
        return at


def _gap(busy: list[tuple[int, int]], size: int, t: int, step: int) -> int:
    """The lowest offset from t on where `size` bytes touch none of the busy spans (sorted by their start)."""
    for start, end in busy:
        if end > t and start - t < size:
            t = aligned(end, step)
    return t
