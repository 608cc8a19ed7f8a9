"""Arenas in several memories: plans are sound wherever the borders are, what is damaged is refused, what is used most lies fastest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.ir.interp import Interpreter
from edgec.ir.program import Program, Region
from edgec.memory.access import accesses
from edgec.memory.check import PlanError, check
from edgec.memory.lifetime import Block
from edgec.memory.pack import ALIGN
from edgec.memory.place import Placed, place
from edgec.memory.regions import Room, spread
from edgec.memory.trail import Trail
from edgec.schedule.order import order
from edgec.schedule.segment import with_rings, with_scratch
from tests.memory.programs import REFERENCES, meaning, programs, sample_of, segmented
from tests.memory.test_place import excused, lifetimes, trailing
from tests.memory.test_plans import CUTS, Cuts, agrees
from tests.memory.test_share import chain

ROOMS = st.lists(st.integers(0, 12), min_size=1, max_size=2)
"""Sizes of the faster memories in units of 16 bytes; one large slow memory follows."""


def over(program: Program, cuts: Cuts, sizes: list[int], last: int = 1 << 20) -> Placed:
    """A program placed over memories of those sizes and a last one."""
    where, reverse, rings = cuts
    made = segmented(order(program), where, reverse)
    rooms = [Room(f"m{n}", size, n) for n, size in enumerate([*(16 * size for size in sizes), last])]
    return place(with_scratch(with_rings(made) if rings else made), rooms=rooms)


@settings(max_examples=150, deadline=None)
@given(programs(), CUTS, ROOMS)
def test_a_program_over_several_memories_is_sound(program: Program, cuts: Cuts, sizes: list[int]) -> None:
    """Memories of any size: nothing lies across a border, each holds what it has room for, and every region is poison of its own."""
    placed = over(program, cuts, sizes)
    made = placed.program
    assert placed.missing == 0
    check(made)
    rooms = {f"m{n}": 16 * size for n, size in enumerate(sizes)}
    assert all(region.bytes <= rooms.get(region.name, 1 << 20) for region in made.regions)
    assert made.arena == sum(region.bytes for region in made.parts)
    if not made.regions:
        assert made.arena <= rooms["m0"]
    sample = sample_of(made)
    got = Interpreter(made, REFERENCES).run(sample)
    for name, want in meaning(made, sample).items():
        np.testing.assert_array_equal(got[name], want)


@settings(max_examples=50, deadline=None)
@given(programs(), CUTS)
def test_a_first_memory_with_room_for_all_changes_nothing(program: Program, cuts: Cuts) -> None:
    alone = over(program, cuts, [], 1 << 20)
    assert alone.program.regions == ()
    assert over(program, cuts, [alone.program.arena // 16 + 1]) == alone


@settings(max_examples=150, deadline=None)
@given(programs(), CUTS, ROOMS, st.data())
def test_a_plan_damaged_at_the_borders_is_refused_or_harmless(
    program: Program, cuts: Cuts, sizes: list[int], data: st.DataObject
) -> None:
    """A buffer in another region, across a border or on its neighbour; a border moved or a region taken away."""
    made = over(program, cuts, sizes).program
    if len(made.regions) < 2:
        return
    borders = [region.end for region in made.regions]
    index = data.draw(st.integers(0, len(made.places) - 1))
    place_of = made.places[index]
    size = made.by_name[place_of.buffer].bytes
    border = data.draw(st.sampled_from(borders))
    moved = replace(place_of, offset=border - data.draw(st.integers(-4, size // ALIGN + 1)) * ALIGN)
    wrong = [made.with_(places=(*made.places[:index], moved, *made.places[index + 1 :]))]
    one, two = made.regions[:2]
    shift = data.draw(st.sampled_from([-16, 16]))
    cut = (replace(one, bytes=one.bytes + shift), replace(two, start=two.start + shift, bytes=two.bytes - shift))
    wrong += [made.with_(regions=(*cut, *made.regions[2:])), made.with_(regions=made.regions[:1])]
    for other in wrong:
        try:
            check(other)
        except PlanError as error:
            assert error.hint
            continue
        assert agrees(other, sample_of(other))
    if moved.offset < border < moved.offset + size:
        with pytest.raises(PlanError):
            check(wrong[0])


def test_what_the_check_says_of_regions() -> None:
    """Across a border; regions that overlap, or end behind the arena."""
    net = place(chain(residual=True)).program
    half = net.offsets["x"] + 16
    for regions, words in (
        ((Region("dtcm", 0, half), Region("sram", half, net.arena - half)), "at .* leaves .* or its region: dtcm 0"),
        ((Region("dtcm", 0, net.arena), Region("sram", net.arena - 16, 16)), "'sram' is no piece"),
        ((Region("dtcm", 0, net.arena + 16),), "'dtcm' is no piece"),
    ):
        with pytest.raises(PlanError, match=words):
            check(net.with_(regions=regions))


def test_accesses_follow_the_calls() -> None:
    """A window of three rows reads each row of the input up to three times; the caller has written it once."""
    program = chain(residual=False)
    found = accesses(program)
    row, rows = 16, 9
    assert found["x"] == row * (rows + 3 * rows - 2)
    assert found["w0"] == row * 2 * rows
    assert found["p0"] == row * (rows + 3 * rows - 2)
    assert found["p1"] == row * 2 * rows


def test_the_densest_blocks_lie_in_the_fastest_memory() -> None:
    """Of three that are alive together and do not all fit, the two that are read most for their size; a short one after them too."""
    found = [Block("cold", 400, 0, 3), Block("hot", 100, 0, 3), Block("warm", 100, 0, 3), Block("late", 100, 4, 5)]
    heat = {"cold": 4000, "hot": 90000, "warm": 5000, "late": 100}
    made = spread(found, {}, [Room("fast", 220), Room("slow", 1 << 20, 4)], heat, ALIGN, True)
    assert [made.packing.found[i].name for i in made.members(0)] == ["hot", "warm", "late"]
    assert (made.size(0), made.size(1), made.missing) == (208, 400, 0)


def test_less_of_the_fast_memory_where_all_together_would_be_too_much() -> None:
    """An output over its input takes 608 bytes in one memory; in two, 1008."""
    found = [Block("x", 608, 0, 1), Block("y", 400, 1, 2), Block("hot", 64, 0, 2)]
    pairs, heat = {("y", "x"): Trail(0)}, {"x": 500, "y": 5000, "hot": 9000}
    rooms = [Room("fast", 480), Room("slow", 1 << 20, 4)]
    sizes = [
        [made.size(r) for r in (0, 1)]
        for made in (spread(found, pairs, rooms, heat, ALIGN, True, most) for most in (None, 700, 0))
    ]
    assert sizes == [[464, 608], [64, 608], [64, 608]]


def test_what_packs_well_is_tried_where_what_is_hot_first_leaves_no_room() -> None:
    """By density `hot` goes first, and then neither memory holds `wide`; the other way round all fit."""
    found = [Block("hot", 40, 0, 1), Block("wide", 96, 0, 1)]
    made = spread(found, {}, [Room("fast", 100), Room("slow", 48, 4)], {"hot": 1000, "wide": 100}, ALIGN, True)
    assert (made.members(0), made.members(1), made.missing) == ([1], [0], 0)
    made = spread(found, {}, [Room("fast", 64), Room("slow", 48, 4)], {"hot": 1000, "wide": 100}, ALIGN, True)
    assert made.missing == 48


@settings(max_examples=50, deadline=None)
@given(lifetimes(), st.lists(st.integers(0, 10), min_size=1, max_size=3), st.data())
def test_blocks_of_one_memory_keep_apart(found: list[Block], sizes: list[int], data: st.DataObject) -> None:
    """Whatever blocks, trails and heat: each in one room, together within its size, overlapping only as trails allow."""
    pairs: dict[tuple[str, str], Trail] = data.draw(trailing(found))
    heat = {block.name: data.draw(st.integers(0, 100)) for block in found}
    rooms = [Room(f"m{n}", 16 * size, n) for n, size in enumerate(sizes)]
    made = spread(found, pairs, rooms, heat, ALIGN, False)
    assert all(room.bytes <= whole.bytes for room, whole in zip(made.rooms, rooms, strict=True))
    homes = [i for r in range(len(rooms)) for i in made.members(r)]
    assert sorted(homes) == list(range(len(found)))
    for r, room in enumerate(made.rooms):
        inside = {found[i]: made.at[r][i] for i in made.members(r)}
        assert made.size(r) <= room.bytes + (made.missing if r == len(rooms) - 1 else 0)
        together = [(a, b) for a in inside for b in inside if a.name < b.name and a.meets(b)]
        apart = [inside[a] + a.bytes <= inside[b] or inside[b] + b.bytes <= inside[a] for a, b in together]
        assert all(clear or excused(inside, pairs, a, b) for clear, (a, b) in zip(apart, together, strict=True))
