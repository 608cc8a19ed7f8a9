"""Offsets: blocks that are alive together never share a byte, and nothing beats the lower bound."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.memory.lifetime import Block, lower_bound
from edgec.memory.place import ALIGN, aligned, fits, greedy, orders, solve
from edgec.memory.trail import Trail


@st.composite
def lifetimes(draw: st.DrawFn) -> list[Block]:
    found = []
    for i in range(draw(st.integers(0, 14))):
        first = draw(st.integers(-1, 9))
        last = draw(st.integers(first, 10))
        found.append(Block(f"b{i}", draw(st.integers(0, 60)), first, last))
    return found


def collisions(offsets: dict[Block, int]) -> list[tuple[Block, Block]]:
    """Brute force: a set of (time, byte) pairs for each block."""
    cells = {b: {(t, at + i) for t in range(b.first, b.last + 1) for i in range(b.bytes)} for b, at in offsets.items()}
    found = list(offsets)
    return [(a, b) for i, a in enumerate(found) for b in found[i + 1 :] if cells[a] & cells[b]]


@settings(max_examples=60)
@given(lifetimes())
def test_blocks_never_collide(found: list[Block]) -> None:
    for order in itertools.islice(orders(found, {}, 12), 12):
        offsets, size = greedy(order, {})
        assert set(offsets) == set(found)
        assert collisions(offsets) == []
        assert all(at >= 0 and at % ALIGN == 0 for at in offsets.values())
        assert size == max((at + block.bytes for block, at in offsets.items()), default=0)
        assert size >= lower_bound(found, {})


@settings(max_examples=60)
@given(lifetimes(), st.data())
def test_overlaps_only_as_far_as_trails_allow(found: list[Block], data: st.DataObject) -> None:
    """Pairs with a trail may overlap, as far as it says; all others stay apart."""
    names = [block.name for block in found]
    pairs: dict[tuple[str, str], Trail] = {}
    for name in names:
        other = data.draw(st.sampled_from(names))
        if other != name and (other, name) not in pairs:
            pairs[(name, other)] = Trail(data.draw(st.integers(0, 40)), data.draw(st.booleans()))
    offsets, size = solve(found, pairs) if found else ({}, 0)
    assert size == max((at + block.bytes for block, at in offsets.items()), default=0)
    at = {block.name: offset for block, offset in offsets.items()}
    for a, b in collisions(offsets):
        assert any(
            pair in pairs and pairs[pair].allows(at[pair[0]], one.bytes, at[pair[1]], two.bytes)
            for pair, one, two in (((a.name, b.name), a, b), ((b.name, a.name), b, a))
        )


def test_the_brute_force_checker_sees_a_collision() -> None:
    a, b = Block("a", 4, 0, 2), Block("b", 4, 2, 3)
    assert collisions({a: 0, b: 3}) == [(a, b)]
    assert collisions({a: 0, b: 4}) == []
    assert not fits(a, 0, b, 3, {})
    assert fits(a, 0, b, 4, {})


def test_gaps_are_filled() -> None:
    """A short-lived block fits under two long ones that are apart in time."""
    found = [Block("x", 100, 0, 1), Block("y", 100, 2, 3), Block("z", 40, 1, 2)]
    _, size = solve(found, {})
    assert size == 140 == lower_bound(found, {})


def test_in_place_needs_one_block() -> None:
    found = [Block("x", 100, 0, 1), Block("y", 100, 1, 2)]
    assert solve(found, {("y", "x"): Trail(0)})[1] == 100
    assert solve(found, {("y", "x"): Trail(16)})[1] == 116
    assert solve(found, {("y", "x"): Trail(16, reverse=True)})[1] == 116
    assert solve(found, {})[1] == 200


def test_same_blocks_same_offsets() -> None:
    found = [Block(f"b{i}", 8, i % 3, i % 3 + 1) for i in range(9)]
    assert solve(found, {}) == solve(list(reversed(found)), {})
    assert aligned(5) == 8
