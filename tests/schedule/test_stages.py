"""order -> segment -> select -> place: each stage alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgec.errors import UnsupportedError
from edgec.ir.program import Buffer, Port, Program, Segment, Step, default_rows, scratch_layout, site
from edgec.ir.pull import all_calls
from edgec.ir.reach import All, Run
from edgec.kernels.registry import all_kernels, candidates
from edgec.memory.check import check
from edgec.memory.place import place
from edgec.schedule.order import order
from edgec.schedule.plan import alternated, plan
from edgec.schedule.segment import choices, cut, layer_by_layer, with_rings, with_scratch
from edgec.schedule.select import choose, select
from edgec.schedule.stream import Net
from tests.conformance.block import block
from tests.conformance.pipelines import pipelines
from tests.memory.programs import programs, segmented


def chain(*ops: str) -> Program:
    """x -> copy -> copy -> ..., four rows of three."""
    names = ["x", *(f"t{i}" for i in range(len(ops)))]
    buffers = tuple(Buffer(n, "int8", (1, 4, 3), 4) for n in names)
    steps = tuple(Step(f"s{i}", op, (names[i],), names[i + 1], (Run(4),)) for i, op in enumerate(ops))
    return Program("net", buffers, steps, (Port("x", "x", (1, 4, 3)),), (Port("y", names[-1], (1, 4, 3)),))


def test_order_leaves_out_what_no_output_needs() -> None:
    program = chain("copy", "copy")
    dead = Step("dead", "copy", ("t0",), "lost", (Run(4),))
    more = program.with_(steps=(*program.steps, dead), buffers=(*program.buffers, Buffer("lost", "int8", (1, 4, 3), 4)))
    assert order(more) == program


@given(programs())
def test_order_keeps_producers_first(program: Program) -> None:
    made = order(program)
    known = {p.buffer for p in made.inputs}
    for step in made.steps:
        assert set(step.inputs) <= known
        known.add(step.output)
    assert {p.buffer for p in made.outputs} <= known


@given(programs())
def test_every_row_is_made_once_in_order(program: Program) -> None:
    """Whatever the segmentation, the pull order makes each row of each tensor exactly once, first rows first."""
    made = order(program)
    for segments in (layer_by_layer(made).segments, (Segment(tuple(s.name for s in made.steps)),)):
        seen: dict[str, list[int]] = {s.output: [] for s in made.steps}
        for _, call in all_calls(made.with_(segments=segments)):
            seen[call.step.output] += range(call.first, call.stop)
        assert seen == {s.output: list(range(made.by_name[s.output].rows)) for s in made.steps}


def test_pull_order_of_the_example() -> None:
    """expand runs two rows ahead of dw at the start, one row at a time later, and not past the end."""
    made = select(block(), frozenset(), alone=False)
    order_of = [(call.step.name, call.first) for _, call in all_calls(made)]
    assert order_of[:5] == [("expand", 0), ("expand", 1), ("dw", 0), ("project", 0), ("add", 0)]
    assert order_of[5:9] == [("expand", 2), ("dw", 1), ("project", 1), ("add", 1)]
    assert order_of[-3:] == [("dw", 15), ("project", 15), ("add", 15)]


def test_layer_by_layer_is_one_step_a_segment() -> None:
    program = layer_by_layer(chain("copy", "copy"))
    assert [s.steps for s in program.segments] == [("s0",), ("s1",)]


def test_select_takes_the_first_kernel_that_matches_and_keeps_a_named_one() -> None:
    program = layer_by_layer(chain("copy"))
    made = select(program, frozenset())
    first = candidates(site(program, program.steps[0]), frozenset())[0]
    assert made.steps[0].kernel == first.name
    named = program.with_(steps=(replace(program.steps[0], kernel=first.name),))
    assert select(named, frozenset()).steps[0].kernel == first.name


def test_select_refuses_what_no_kernel_computes() -> None:
    with pytest.raises(UnsupportedError) as caught:
        select(layer_by_layer(chain("no_such_operator")), frozenset())
    assert caught.value.hint
    assert caught.value.problems


def test_features_decide() -> None:
    """A kernel is never chosen for a target that lacks what it needs."""
    for needs in {k.needs for k in all_kernels()}:
        for at in (site(p, s) for p in (block(), layer_by_layer(chain("copy"))) for s in p.steps):
            assert all(k.needs <= needs for k in candidates(at, needs))


def test_rows_lie_together_only_in_a_segment_of_one() -> None:
    """A pointwise kernel makes all rows in one call when its step is alone, one row a call in a pipeline."""
    program = block()
    expand = site(program, program.steps[0])
    chosen = candidates(expand, frozenset())[0]
    assert choose(expand, chosen, alone=False, several=False).group == chosen.rows_per_call
    if chosen.units is not None and chosen.access_of(0) == "run":
        assert choose(expand, chosen, alone=True, several=True).group == 0


def test_scratch_holds_tiles_and_the_largest_kernel() -> None:
    program = block()
    steps = tuple(replace(s, scratch={"expand": 40, "dw": 100}.get(s.name, 0)) for s in program.steps)
    made = with_scratch(program.with_(steps=steps))
    tiles, kernels, total = scratch_layout(made, made.segments[0])
    assert tiles == {"t2": 0}
    assert (kernels, total) == (128, 128 + 104)
    assert made.segments[0].scratch == total


@settings(max_examples=60)
@given(programs(), st.lists(st.booleans(), max_size=7))
def test_turned_segments_have_rings_that_hold(program: Program, cuts: list[bool]) -> None:
    """alternated() before with_rings(): running last to first may keep other rows alive."""
    made = alternated(segmented(order(program), cuts))
    check(place(with_scratch(with_rings(made))).program)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(pipelines())
def test_any_choice_of_segments_covers_every_step(program: Program) -> None:
    """The prices are of candidate segments; the cut takes each step once, in order."""
    found = cut(choices([Net(program), Net(program)]), len(program.steps))
    assert [i for c in found for i in range(c.i, c.j + 1)] == list(range(len(program.steps)))


@pytest.mark.parametrize(
    ("shape", "rows"), [((), 1), ((5,), 1), ((2, 5), 2), ((1, 7, 5), 7), ((2, 4, 6, 8), 8), ((1, 2, 3, 4, 5), 6)]
)
def test_default_rows(shape: tuple[int, ...], rows: int) -> None:
    assert default_rows(shape) == rows


def test_in_place_steps_share_bytes() -> None:
    """Three elementwise steps over one tensor need one tensor (and the kept input a second)."""
    ops = [k for k in all_kernels() if k.op == "copy" and 0 in k.inplace]
    if not ops:
        pytest.skip("copy is no in-place kernel")
    assert plan(chain("copy", "copy", "copy")).program.arena == 12
    assert plan(chain("copy", "copy", "copy"), keep_input=True).program.arena == 24


def test_a_plan_says_its_lower_bound() -> None:
    made = plan(chain("copy"))
    assert made.lower_bound <= made.program.arena
    assert np.all(np.array([p.offset for p in made.program.places]) >= 0)


def test_reduction_reads_everything() -> None:
    """A step with reach All is pulled once, after all of its input."""
    program = chain("copy")
    last = Step("all", "copy", ("t0",), "z", (All(4),), group=1)
    more = program.with_(
        steps=(*program.steps, last),
        buffers=(*program.buffers, Buffer("z", "int8", (1, 3), 1)),
        outputs=(Port("z", "z", (1, 3)),),
        segments=(Segment(("s0", "all")),),
    )
    assert [call.step.name for _, call in all_calls(more)] == ["s0"] * 4 + ["all"]
