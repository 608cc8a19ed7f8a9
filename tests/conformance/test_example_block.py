"""The block of example.md: one four-step segment, rings, a tile and a trail in 3,072 bytes; and plans that are wrong on purpose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgec.ir.interp import Interpreter
from edgec.ir.program import Array
from edgec.ir.text import constants, parse_program, print_program
from edgec.memory.check import PlanError, check
from edgec.schedule.plan import plan
from edgec.verify.reference import references
from tests.conformance.block import block, layer_by_layer
from tests.conformance.packages import with_kernels, write_package
from tests.ops.harness import run_host, run_program

SHIFTED = {  # y one row too far: it lands on a row of x that the residual still reads; all else moves up by a row
    "arena 3072": "arena 3200",
    "place y 0 over x": "place y 128 over x",
    "place t0 2048": "place t0 2176",
    "place t1 2816": "place t1 2944",
}
SHORT_RING = {"ring 3": "ring 2"}
WRONG_OFFSET = {"place t1 2816": "place t1 2560"}
WRONG = {"trail": SHIFTED, "ring": SHORT_RING, "offset": WRONG_OFFSET}


@pytest.fixture(scope="module")
def samples() -> list[dict[str, Array]]:
    rng = np.random.default_rng(3)
    return [{"x": rng.integers(-128, 128, (1, 16, 16, 8)).astype(np.int8)} for _ in range(3)]


@pytest.fixture(scope="module")
def expected(samples: list[dict[str, Array]]) -> list[Array]:
    """Layer by layer, each tensor in a place of its own."""
    program = plan(layer_by_layer(block())).program
    return [Interpreter(program, references()).run(sample)["y"] for sample in samples]


def test_text_round_trip() -> None:
    program = block()
    text = print_program(program)
    again = parse_program(text, constants(program))
    assert print_program(again) == text
    assert again.arena == 3072


def test_answers_are_worth_comparing(expected: list[Array]) -> None:
    for array in expected:
        values, counts = np.unique(array, return_counts=True)
        assert len(values) > 50
        assert counts.max() < array.size / 2


@pytest.mark.parametrize("features", [frozenset(), frozenset({"dsp"})], ids=["c", "dsp"])
def test_one_segment_equals_layer_by_layer(
    samples: list[dict[str, Array]], expected: list[Array], features: frozenset[str]
) -> None:
    """Check, interpreter and host C under sanitizers, in 3,072 bytes."""
    program = with_kernels(block(), features)
    check(program)
    assert program.arena == 3072
    for got, want in zip(run_program(program, samples, features, planned=True), expected, strict=True):
        np.testing.assert_array_equal(got["y"], want)


def test_the_same_steps_layer_by_layer_in_c(samples: list[dict[str, Array]], expected: list[Array]) -> None:
    program = plan(layer_by_layer(block())).program
    assert program.arena > 3072
    for got, want in zip(run_host(program, samples), expected, strict=True):
        np.testing.assert_array_equal(got["y"], want)


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_plan_is_refused(kind: str) -> None:
    with pytest.raises(PlanError) as caught:
        check(with_kernels(block(changes=WRONG[kind])))
    assert caught.value.hint


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_plan_gives_a_wrong_answer(kind: str, samples: list[dict[str, Array]], expected: list[Array]) -> None:
    """Without the check the one-arena interpreter shows it all the same."""
    got = Interpreter(with_kernels(block(changes=WRONG[kind])), references()).run(samples[0])["y"]
    assert np.count_nonzero(got != expected[0]) > 0


def test_a_trail_on_dead_rows_is_accepted(samples: list[dict[str, Array]], expected: list[Array]) -> None:
    """y one row *before* x lands on rows that nobody reads any more: a row more of arena, and sound."""
    changes = {
        "arena 3072": "arena 3200",
        "place x 0": "place x 128",
        "place t0 2048": "place t0 2176",
        "place t1 2816": "place t1 2944",
    }
    program = with_kernels(block(changes=changes))
    check(program)
    for got, want in zip(run_host(program, samples), expected, strict=True):
        np.testing.assert_array_equal(got["y"], want)


@pytest.mark.slow
def test_on_the_emulated_m4(tmp_path: Path, samples: list[dict[str, Array]], expected: list[Array]) -> None:
    from edgec.emulate.run import run_inputs
    from edgec.target import load_target

    target = load_target("mps2-an386")
    folder = write_package(tmp_path / "block", with_kernels(block(), target.isa), "mps2-an386")
    raw = run_inputs(folder, target, {"x": np.stack([sample["x"] for sample in samples])})
    assert raw == b"".join(array.tobytes() for array in expected)
