"""Random programs in random segments, rings and directions: reference on whole tensors, interpreter and host C give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from edgec.ir.interp import Interpreter
from edgec.ir.program import Array, Port, Program, Segment, site
from edgec.memory.check import check
from edgec.memory.place import place
from edgec.schedule.order import order
from edgec.schedule.plan import plan
from edgec.schedule.segment import with_rings, with_scratch
from edgec.schedule.select import select
from edgec.verify.reference import references
from tests.conformance.pipelines import Builder, pipelines
from tests.ops.harness import run_program

QUICK = settings(
    max_examples=30,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)
DSP = frozenset({"dsp"})


def whole(program: Program, sample: Mapping[str, Array]) -> Array:
    """Every step on whole tensors."""
    values = {p.buffer: sample[p.name] for p in program.inputs}
    for step in program.steps:
        at = site(program, step)
        rows = [values[b.name].reshape(b.rows, -1) for b in at.inputs]
        values[step.output] = np.asarray(references()[step.op](at, 0, at.output.rows, rows)).reshape(at.output.shape)
    return values[program.outputs[0].buffer]


def proven(program: Program, features: frozenset[str]) -> None:
    check(program)
    rng = np.random.default_rng(5)
    samples = [{p.name: rng.integers(-128, 128, p.shape).astype(np.int8) for p in program.inputs} for _ in range(2)]
    for sample, got in zip(samples, run_program(program, samples, features, planned=True), strict=True):
        np.testing.assert_array_equal(got["y"], whole(program, sample))


@QUICK
@given(pipelines())
def test_pipelines(program: Program) -> None:
    proven(program, frozenset())


@settings(QUICK, max_examples=15)
@given(pipelines(DSP))
def test_pipelines_dsp(program: Program) -> None:
    proven(program, DSP)


def built(build: Builder, *segments: Segment, **changes: dict[str, int]) -> Program:
    """What a builder holds with DSP kernels that make several rows a call; changes: fields of a step by its name."""
    last = build.buffers[-1]
    ports = (Port("x", "x", build.buffers[0].shape),), (Port("y", last.name, last.shape),)
    program = select(order(Program("net", tuple(build.buffers), tuple(build.steps), *ports)), DSP, several=True)
    steps = tuple(replace(step, **changes.get(step.name, {})) for step in program.steps)
    program = program.with_(steps=steps, segments=segments)
    return replace(place(with_scratch(with_rings(program))).program, target="host")


def test_a_first_call_of_one_row_of_an_odd_width() -> None:
    """The dense layer otherwise makes pixels by twos only."""
    build = Builder((1, 6, 3, 20), 1)
    build.windowed("depthwise", build.dense(build.buffers[0], 8), (3, 3), (1, 1), (1, 1), 8)
    program = built(build, Segment(("dense_0", "depthwise_1")), dense_0={"group": 2, "shift": 1})
    assert [step.kernel for step in program.steps] == ["dense_s8_dsp", "depthwise3_s8_dsp"]
    proven(program, DSP)


def test_windows_that_skip_the_first_row_backwards() -> None:
    """The last row is made first and still to be read when the first one, which nobody reads, is made."""
    build = Builder((1, 4, 5, 9), 2)
    made = build.windowed("conv2d", build.buffers[0], (3, 2), (2, 2), (1, 1), 9)
    build.windowed("maxpool", made, (2, 2), (1, 1), (2, 1), 9)
    proven(built(build, Segment(("conv2d_0", "maxpool_1"), reverse=True)), DSP)


def unplanned(program: Program) -> Program:
    """The steps and tensors of a placed program as they were lowered."""
    steps = tuple(replace(s, kernel="", group=1, inplace=(), scratch=0) for s in program.steps)
    buffers = tuple(replace(b, stored=0, tile=False) for b in program.buffers)
    return program.with_(steps=steps, buffers=buffers, segments=(), places=(), arena=0, scratch=0)


@settings(QUICK, max_examples=40)
@given(pipelines(longest=6), st.floats(0, 1), st.sampled_from([None, 1.0, 1.03]), st.booleans())
def test_any_budget_gives_the_reference(program: Program, share: float, slack: float | None, keep_input: bool) -> None:
    """From the smallest arena to all tensors at once, and balanced: the plan is sound and computes the reference."""
    lowered = unplanned(program)
    least = plan(lowered, keep_input=keep_input).program.arena
    limit = None if slack else round(least + share * sum(b.bytes for b in lowered.buffers))
    made = plan(lowered, keep_input=keep_input, limit=limit, slack=slack)
    check(made.program, keep_input)
    assert made.lower_bound <= made.program.arena
    sample = {p.name: np.random.default_rng(3).integers(-128, 128, p.shape).astype(np.int8) for p in lowered.inputs}
    got = Interpreter(made.program, references()).run(sample)
    np.testing.assert_array_equal(got["y"], whole(lowered, sample))


@pytest.mark.slow
@settings(QUICK, max_examples=400, phases=tuple(Phase))
@given(pipelines())
def test_many_pipelines(program: Program) -> None:
    proven(program, frozenset())


@pytest.mark.slow
@settings(QUICK, max_examples=400, phases=tuple(Phase))
@given(pipelines(DSP))
def test_many_pipelines_dsp(program: Program) -> None:
    proven(program, DSP)
