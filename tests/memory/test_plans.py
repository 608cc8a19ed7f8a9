"""Random programs, placed: the independent check accepts them, the one-arena interpreter agrees with whole tensors, and what is
damaged afterwards is refused unless it is harmless."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from edgec.ir.interp import Interpreter
from edgec.ir.program import Array, Place, Program
from edgec.memory.check import PlanError, check
from edgec.memory.lifetime import blocks, uses
from edgec.memory.place import place
from edgec.schedule.order import order
from edgec.schedule.segment import with_rings, with_scratch
from tests.memory.programs import REFERENCES, meaning, programs, sample_of, segmented, turnable

Cuts = tuple[list[bool], bool, bool]
CUTS = st.tuples(st.lists(st.booleans(), max_size=7), st.booleans(), st.booleans())


def placed(program: Program, cuts: Cuts, keep_input: bool = False) -> Program:
    """cuts: where segments end, whether they run last to first, whether tensors inside them are rings."""
    where, reverse, rings = cuts
    made = segmented(order(program), where, reverse)
    return place(with_scratch(with_rings(made) if rings else made), keep_input).program


def agrees(program: Program, sample: dict[str, Array]) -> bool:
    got = Interpreter(program, REFERENCES).run(sample)
    return all(np.array_equal(got[name], want) for name, want in meaning(program, sample).items())


@settings(max_examples=200)
@given(programs(), CUTS, st.booleans())
def test_a_placed_program_is_sound(program: Program, cuts: Cuts, keep_input: bool) -> None:
    made = placed(program, cuts, keep_input)
    check(made, keep_input)
    interpreter = Interpreter(made, REFERENCES)
    sample = sample_of(made)
    got = interpreter.run(sample)
    for name, want in meaning(made, sample).items():
        np.testing.assert_array_equal(got[name], want)
    if keep_input:
        for port in made.inputs:
            kept = interpreter.bytes(made.offsets[port.buffer], 0, made.by_name[port.buffer].bytes, port.name)
            assert kept.tobytes() == sample[port.name].tobytes()


@settings(max_examples=300)
@given(programs(), CUTS, st.data())
def test_a_moved_buffer_is_refused_or_harmless(program: Program, cuts: Cuts, data: st.DataObject) -> None:
    """What the check accepts gives the right answer, whatever the plan: it is a proof, not a comparison with the planner."""
    made = placed(program, cuts)
    index = data.draw(st.integers(0, len(made.places) - 1))
    offset = data.draw(st.integers(-4, made.arena + 4))
    moved = Place(made.places[index].buffer, offset)
    damaged = made.with_(places=(*made.places[:index], moved, *made.places[index + 1 :]))
    try:
        check(damaged)
    except PlanError as error:
        assert error.hint
        return
    assert agrees(damaged, sample_of(damaged))


def broken(made: Program, kind: str, pick: int) -> Program | None:
    """The placed program with one thing changed that the offsets were not made for; None where there is no such thing to change."""
    segments = list(made.segments)
    at = pick % max(len(segments), 1)
    if kind == "ring shrunk":
        rings = [b for b in made.buffers if b.stored_rows > 1 and not b.view_of and not b.tile]
        chosen = rings[pick % len(rings)] if rings else None
        less = tuple(replace(b, stored=b.stored_rows - 1) if b is chosen else b for b in made.buffers)
        return made.with_(buffers=less) if chosen else None
    if kind == "segments swapped":
        if at + 1 >= len(segments) or not independent(made, segments[at].steps, segments[at + 1].steps):
            return None
        segments[at : at + 2] = [segments[at + 1], segments[at]]
    elif kind == "segment reversed":
        if not segments or not turnable(made, segments[at].steps):
            return None
        segments[at] = replace(segments[at], reverse=not segments[at].reverse)
    elif kind == "segments joined":
        if at + 1 >= len(segments) or segments[at].reverse != segments[at + 1].reverse:
            return None
        one, two = segments[at : at + 2]
        scratch = max((one.scratch, one.scratch_offset), (two.scratch, two.scratch_offset))
        segments[at : at + 2] = [
            replace(one, steps=one.steps + two.steps, scratch=scratch[0], scratch_offset=scratch[1])
        ]
    elif kind == "scratch moved":
        if not segments or not segments[at].scratch:
            return None
        segments[at] = replace(segments[at], scratch_offset=max(made.arena - segments[at].scratch, 0) // 8 * 8)
    elif kind == "group changed":
        chosen_step = made.steps[pick % len(made.steps)]
        grown = replace(chosen_step, group=0 if chosen_step.group else 1)
        return made.with_(steps=tuple(grown if s is chosen_step else s for s in made.steps))
    return made.with_(segments=tuple(segments))


def independent(made: Program, first: tuple[str, ...], second: tuple[str, ...]) -> bool:
    outputs = {made.step_by_name[name].output for name in first}
    return not any(made.base(n).name in outputs for name in second for n in made.step_by_name[name].inputs)


KINDS = ("ring shrunk", "segments swapped", "segment reversed", "segments joined", "scratch moved", "group changed")


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_plan_is_refused_or_harmless(kind: str) -> None:
    """One change of every kind, on many plans: some must be refused, and all that pass give the right answer."""
    refused = accepted = 0

    @settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(programs(), CUTS, st.integers(0, 30))
    def run(program: Program, cuts: Cuts, pick: int) -> None:
        nonlocal refused, accepted
        wrong = broken(placed(program, cuts), kind, pick)
        if wrong is None:
            return
        try:
            check(wrong)
        except PlanError:
            refused += 1
            return
        accepted += 1
        assert agrees(wrong, sample_of(wrong))

    run()
    assert refused, f"no plan was refused, {accepted} were harmless"


@settings(max_examples=200)
@given(programs(), CUTS, st.data())
def test_rings_are_refused_or_right(program: Program, cuts: Cuts, data: st.DataObject) -> None:
    """Any tensor made and read in one segment may be a ring of any size: the check says which sizes are enough."""
    made = with_scratch(segmented(order(program), cuts[0], cuts[1]))
    ends = {made.base(p.buffer).name for p in (*made.inputs, *made.outputs)}
    inner = [b for b in made.buffers if b.name not in ends and b.rows > 1]
    assume(inner)
    buffer = data.draw(st.sampled_from(inner))
    ring = replace(buffer, stored=data.draw(st.integers(1, buffer.rows - 1)))
    made = place(made.with_(buffers=tuple(ring if b is buffer else b for b in made.buffers))).program
    try:
        check(made)
    except PlanError:
        return
    assert agrees(made, sample_of(made))


@settings(max_examples=100)
@given(programs(), CUTS)
def test_a_smaller_arena_or_less_scratch_is_refused(program: Program, cuts: Cuts) -> None:
    made = placed(program, cuts)
    used = max(made.offsets[name] + made.by_name[name].bytes for name in uses(made))
    for wrong in (
        made.with_(arena=used - 1),
        made.with_(places=made.places[1:]),
        made.with_(segments=tuple(replace(s, scratch=s.scratch - 1) if s.scratch else s for s in made.segments)),
    ):
        if wrong == made:
            continue
        try:
            check(wrong)
        except PlanError:
            continue
        raise AssertionError("accepted")


@given(programs())
def test_inputs_and_outputs_live_long_enough(program: Program) -> None:
    made = segmented(order(program), [])
    life = uses(made, keep_input=True)
    end = len(made.segments)
    assert all(life[p.buffer] == (-1, end) for p in made.inputs)
    assert all(life[p.buffer][1] == end for p in made.outputs)
    names = [block.name for block in blocks(made)]
    assert len(names) == len(set(names))
