"""Offsets: blocks that are alive together never share a byte, nothing beats the lower bound, and the exact solver finds the optimum."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.memory import solve as solver
from edgec.memory.lifetime import Block, lower_bound
from edgec.memory.offsets import solve
from edgec.memory.pack import ALIGN, NEVER, Packing, Trails, aligned
from edgec.memory.trail import Trail


@st.composite
def lifetimes(draw: st.DrawFn, most: int = 14, largest: int = 60) -> list[Block]:
    found = []
    for i in range(draw(st.integers(0, most))):
        first = draw(st.integers(-1, 9))
        last = draw(st.integers(first, 10))
        found.append(Block(f"b{i}", draw(st.integers(0, largest)), first, last))
    return found


@st.composite
def trailing(draw: st.DrawFn, found: list[Block]) -> Trails:
    """Trails between blocks of which one begins where the other ends, as outputs over inputs do."""
    pairs: Trails = {}
    for out, source in itertools.permutations(found, 2):
        if out.first == source.last and out.bytes and source.bytes and draw(st.booleans()):
            pairs[(out.name, source.name)] = Trail(draw(st.integers(0, out.bytes - 1)), draw(st.booleans()))
    return pairs


def collisions(offsets: dict[Block, int]) -> list[tuple[Block, Block]]:
    """Brute force: a set of (time, byte) pairs for each block."""
    cells = {b: {(t, at + i) for t in range(b.first, b.last + 1) for i in range(b.bytes)} for b, at in offsets.items()}
    found = list(offsets)
    return [(a, b) for i, a in enumerate(found) for b in found[i + 1 :] if cells[a] & cells[b]]


def excused(offsets: dict[Block, int], pairs: Trails, a: Block, b: Block) -> bool:
    """Whether a trail allows two blocks to share bytes as they lie."""
    return any(
        pairs[(one.name, two.name)].allows(offsets[one], one.bytes, offsets[two], two.bytes)
        for one, two in ((a, b), (b, a))
        if (one.name, two.name) in pairs
    )


def sound(offsets: dict[Block, int], pairs: Trails) -> bool:
    return all(excused(offsets, pairs, a, b) for a, b in collisions(offsets))


def optimum(found: list[Block], pairs: Trails) -> int:
    """The smallest arena: every offset of every block is tried, arena after arena."""

    def fits(at: dict[Block, int], left: list[Block], arena: int) -> bool:
        if not left:
            return True
        block = left[0]
        for start in range(0, arena - block.bytes + 1, ALIGN):
            made = {**at, block: start}
            near = {b: made[b] for b in at if b.meets(block)}
            if all(sound({b: made[b], block: start}, pairs) for b in near) and fits(made, left[1:], arena):
                return True
        return False

    return next(arena for arena in itertools.count(0, ALIGN) if fits({}, found, arena))


@settings(max_examples=60)
@given(lifetimes())
def test_blocks_never_collide(found: list[Block]) -> None:
    packing = Packing(found, {})
    for order in packing.orders():
        at = packing.greedy(order, NEVER)
        assert at is not None
        assert collisions(dict(zip(found, at, strict=True))) == []
        assert all(start >= 0 and start % ALIGN == 0 for start in at)
        assert packing.size(at) >= lower_bound(found, {})


@settings(max_examples=60)
@given(lifetimes(), st.data())
def test_overlaps_only_as_far_as_trails_allow(found: list[Block], data: st.DataObject) -> None:
    """Pairs with a trail may overlap, as far as it says; all others stay apart."""
    names = [block.name for block in found]
    pairs: Trails = {}
    for name in names:
        other = data.draw(st.sampled_from(names))
        if other != name and (other, name) not in pairs:
            pairs[(name, other)] = Trail(data.draw(st.integers(0, 40)), data.draw(st.booleans()))
    made = solve(found, pairs)
    assert made.size == max((at + block.bytes for block, at in made.at.items()), default=0)
    assert sound(made.at, pairs)


@settings(max_examples=40, deadline=None)
@given(lifetimes(most=6, largest=4), st.data())
def test_the_solver_finds_the_optimum_of_small_problems(found: list[Block], data: st.DataObject) -> None:
    """Up to six blocks, with and without trails, against every offset there is; and it knows that it is the optimum."""
    pytest.importorskip("ortools")
    found = [replace(b, bytes=b.bytes * ALIGN) for b in found]
    pairs = data.draw(trailing(found))
    best = optimum(found, pairs)
    packing = Packing(found, pairs)
    worst = [sum(b.bytes for b in found[:i]) for i in range(len(found))]  # one behind the other: nothing to start from
    at, bound = solver.exact(packing, worst, 0)
    assert packing.size(at) == best
    assert bound == best or packing.size(worst) == 0
    assert sound(dict(zip(found, at, strict=True)), pairs)
    made = solve(found, pairs)
    assert (made.size, made.bound) == (best, best)


def repeated(times: int) -> tuple[list[Block], Trails]:
    """A residual chain: x stays while two tensors are made from it, then its successor goes over it."""
    found, pairs = [Block("x0", 400, -1, 4)], {}
    for n in range(times):
        at = 4 * n
        found += [
            Block(f"a{n}", 160, at, at + 1),
            Block(f"b{n}", 240, at + 1, at + 2),
            Block(f"c{n}", 160, at + 2, at + 4),
        ]
        found += [Block(f"s{n}", 40, at + 3, at + 3), Block(f"x{n + 1}", 400, at + 4, at + 8)]
        pairs[(f"x{n + 1}", f"x{n}")] = Trail(0, reverse=bool(n % 2))
    return found, pairs


def exactly(found: list[Block], pairs: Trails) -> tuple[int, int]:
    """(arena, bound) of the solver, from blocks that lie one behind the other."""
    packing = Packing(found, pairs)
    at, bound = solver.exact(packing, [sum(b.bytes for b in found[:i]) for i in range(len(found))], 0)
    assert sound(dict(zip(found, at, strict=True)), pairs)
    return packing.size(at), bound


def test_windows_of_a_long_program_are_placed_one_behind_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut into windows, a chain of twelve equal parts needs the arena of two parts, proven."""
    pytest.importorskip("ortools")
    monkeypatch.setattr(solver, "WINDOW", 10)
    size, bound = exactly(*repeated(2))
    assert size == bound
    assert exactly(*repeated(12)) == (size, bound)


def test_the_brute_force_checker_sees_a_collision() -> None:
    a, b = Block("a", 4, 0, 2), Block("b", 4, 2, 3)
    assert collisions({a: 0, b: 3}) == [(a, b)]
    assert collisions({a: 0, b: 4}) == []
    assert not sound({a: 0, b: 3}, {})
    assert sound({a: 0, b: 0}, {("b", "a"): Trail(0)})


def test_gaps_are_filled() -> None:
    """A short-lived block fits under two long ones that are apart in time."""
    found = [Block("x", 100, 0, 1), Block("y", 100, 2, 3), Block("z", 40, 1, 2)]
    assert solve(found, {}).size == 140 == lower_bound(found, {})


def test_in_place_needs_one_block() -> None:
    found = [Block("x", 100, 0, 1), Block("y", 100, 1, 2)]
    assert solve(found, {("y", "x"): Trail(0)}).size == 100
    assert solve(found, {("y", "x"): Trail(16)}).size == 116
    assert solve(found, {("y", "x"): Trail(16, reverse=True)}).size == 116
    assert solve(found, {}).size == 200


def test_same_blocks_same_arena() -> None:
    found = [Block(f"b{i}", 8, i % 3, i % 3 + 1) for i in range(9)]
    assert solve(found, {}) == solve(found, {})
    assert solve(found, {}).size == solve(list(reversed(found)), {}).size
    assert aligned(5) == 8
