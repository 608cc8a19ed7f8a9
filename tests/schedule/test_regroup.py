"""More rows a call: fewer instructions, never more RAM than allowed, plans that stay sound; and what balanced promises."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgec.ir.program import Port, Program, site
from edgec.memory.check import check
from edgec.memory.place import place
from edgec.schedule.budget import SLACK
from edgec.schedule.order import order
from edgec.schedule.plan import CAP, plan, segmented
from edgec.schedule.regroup import Regrouper
from edgec.schedule.segment import choices, cut, with_rings, with_scratch
from edgec.schedule.select import select, tiles
from edgec.schedule.stream import Net
from edgec.schedule.tradeoff import predicted
from tests.conformance.pipelines import Builder, pipelines

DSP = frozenset({"dsp"})
FEW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def bare(program: Program) -> Program:
    """A program as lowering leaves it: no kernels, rings, segments or places."""
    buffers = tuple(replace(b, stored=0) for b in program.buffers)
    steps = tuple(replace(s, kernel="", group=1, scratch=0, inplace=()) for s in program.steps)
    return replace(program, buffers=buffers, steps=steps, segments=(), places=(), arena=0, scratch=0)


@FEW
@given(pipelines().map(bare), st.floats(1.0, 2.0))
def test_wider_calls_save_work_within_the_limit(program: Program, room: float) -> None:
    """Each segment of the smallest cut, regrouped: no slower, within the bytes it may take, and the placed program is sound."""
    forms = [select(order(program), DSP, alone=alone) for alone in (True, False)]
    nets = [Net(form) for form in forms]
    regroup = Regrouper(nets[1])
    made = cut(choices(nets), len(program.steps))
    allowed = round(room * max(choice.bytes for choice in made))
    whole = segmented(forms, made)
    steps = list(whole.steps)
    for choice in made:
        before = steps[choice.i : choice.j + 1]
        after = regroup(choice, before, allowed, 1.0)
        assert regroup.total(choice, after) <= regroup.total(choice, before)
        if after != before:
            assert regroup.bytes(choice, dict(enumerate(after, choice.i))) <= allowed
        steps[choice.i : choice.j + 1] = after
    check(place(with_scratch(with_rings(whole.with_(steps=tuple(steps))))).program)


@FEW
@given(pipelines().map(bare))
def test_a_changed_net_prices_like_a_new_one(program: Program) -> None:
    """Net.changed() of single steps gives the edges, runs and work of a net built from the changed program."""
    made = select(order(program), DSP, alone=False)
    wider = [tiles(site(made, step))[-1] for step in made.steps]
    changed, fresh = Net(made).changed(dict(enumerate(wider))), Net(made.with_(steps=tuple(wider)))
    assert changed.runs == fresh.runs and changed.work == fresh.work
    assert {key: (edge.demand.tolist(), edge.first.tolist()) for key, edge in changed.edges.items()} == {
        key: (edge.demand.tolist(), edge.first.tolist()) for key, edge in fresh.edges.items()
    }


@FEW
@given(pipelines().map(bare))
def test_balanced_is_small_and_fast(program: Program) -> None:
    """Not more than CAP times the smallest arena; where that allows it, not slower than SLACK times layer by layer."""
    small, fast = plan(program, DSP).program, plan(program, DSP, stream=False).program
    made = plan(program, DSP, slack=SLACK).program
    assert made.arena <= CAP * small.arena + 8
    if predicted(made) > SLACK * predicted(fast):
        assert predicted(made) <= predicted(small)


def test_tiles_are_of_kernels_that_read_runs() -> None:
    """A kernel that takes row pointers makes only the rows it names itself."""
    from tests.conformance.block import block

    made = select(block(), frozenset(), alone=False)
    found = {step.name: [t.group for t in tiles(site(made, step))] for step in made.steps}
    assert found["dw"] == [1]
    assert found["expand"] == [1, 2, 4, 8]
    assert tiles(site(made, made.steps[0]))[0] == made.steps[0]


def test_a_sum_begins_like_both_of_its_makers() -> None:
    """It reads the rows of both as runs, so that a first call of fewer rows must be so for all three or for none."""
    builder = Builder((1, 8, 4, 8), 1)
    x = builder.buffers[0]
    y = builder.residual(builder.dense(x, 8), builder.dense(x, 8))
    ports = (Port("x", x.name, x.shape),), (Port("y", y.name, y.shape),)
    made = select(Program("net", tuple(builder.buffers), tuple(builder.steps), *ports), DSP, alone=False)
    wider = {i: replace(step, group=2) for i, step in enumerate(made.steps)}
    assert Regrouper(Net(made)).phases(wider) == [[0, 1, 2]]
