"""Random programs in random segments, rings and directions: reference on whole tensors, interpreter and host C give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from edgec.ir.program import Array, Program, site
from edgec.memory.check import check
from edgec.verify.reference import references
from tests.conformance.pipelines import pipelines
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
