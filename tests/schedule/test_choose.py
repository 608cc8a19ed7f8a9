"""Which kernels are chosen: within the flash there is, with shared code counted once, replayed, and explained."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

import edgec
from edgec.errors import BudgetError, UsageError
from edgec.ir.program import Program, site
from edgec.kernels.predict import code_of, predict, stored, table
from edgec.kernels.registry import kernel
from edgec.options import CompileOptions
from edgec.schedule.budget import planned
from edgec.schedule.choose import ROOM, Choice, Wanted, choose, named, options
from edgec.target import load_target
from tests.ops.arm import write_package
from tests.ops.convolutions import check, conv, dense, merged

M4 = load_target("cortex-m4")
DIGITS = Path(__file__).parents[2] / "examples" / "digits" / "digits.onnx"


@pytest.fixture(scope="module")
def program() -> Program:
    """Three 3x3 convolutions of different sizes, side by side."""
    layers = [
        conv(n, (1, c, 8, 8), o, (3, 3), pads=[1, 1, 1, 1]) for n, (c, o) in enumerate(((8, 8), (16, 16), (32, 24)))
    ]
    made, _ = merged([check(layer) for layer in layers], [layer.x for layer in layers])
    return replace(made, target="cortex-m4")


def picked(program: Program, **wanted: object) -> list[str]:
    return [d.chosen.kernel for d in choose(program, M4.isa, Wanted(**wanted))]


def total(program: Program, **wanted: object) -> tuple[float, float]:
    """(predicted instructions, bytes of flash) of a choice."""
    w = Wanted(**wanted)
    made = options(program, M4.isa, w)
    at = {d.step: made[d.step].index(d.chosen) for d in choose(program, M4.isa, w)}
    choice = Choice(made, program.target, at)
    return choice.work, choice.flash


def test_speed_takes_the_fastest_and_flash_the_smallest(program: Program) -> None:
    assert set(picked(program, optimize="speed")) == {"conv2d_s8_winograd"}
    assert not any("winograd" in name for name in picked(program, optimize="flash"))
    assert (
        total(program, optimize="flash")[1] <= total(program, optimize="ram")[1] <= total(program, optimize="speed")[1]
    )


def test_a_limit_is_kept_and_no_single_step_could_be_faster_within_it(program: Program) -> None:
    w = Wanted(optimize="speed")
    made = options(program, M4.isa, w)
    least, most = total(program, optimize="flash")[1], total(program, optimize="speed")[1]
    before = None
    for part in range(5):
        limit = round(least + (most - least) * part / 4) + 1
        work, flash = total(program, optimize="speed", flash=limit)
        assert flash <= limit
        assert before is None or work <= before
        before = work
        every = (
            Choice(made, program.target, dict(zip(made, at, strict=True)))
            for at in product(*(range(len(c)) for c in made.values()))
        )
        best = min(choice.work for choice in every if choice.flash <= limit)
        assert work <= 1.05 * best  # the search is greedy; here it finds nearly the optimum


def test_balanced_stays_within_plain_weights_and_room(program: Program) -> None:
    made = options(program, M4.isa, Wanted())
    least = sum(min(c.cost.flash for c in cands) for cands in made.values())
    plain = Choice.of(made, program.target, "plain").flash
    assert total(program, optimize="balanced")[1] <= max(least + ROOM, plain)


def test_too_little_flash_is_an_error_that_names_the_largest_step(program: Program) -> None:
    with pytest.raises(BudgetError, match="--flash allows 2000") as caught:
        choose(program, M4.isa, Wanted(flash=2000))
    assert program.steps[2].name in caught.value.hint


def test_measured_costs_go_before_predicted_ones(program: Program) -> None:
    step = program.steps[0]
    slow = {
        (step.name, name): predict(kernel("conv2d_s8_c"), site(program, step), "cortex-m4")
        for name in ("conv2d_s8_winograd",)
    }
    decisions = choose(program, M4.isa, Wanted("speed", measured=slow))
    assert decisions[0].chosen.kernel == "conv2d_s8_winograd2"


def test_flash_of_constants_is_exact(program: Program) -> None:
    step = program.steps[1]
    packed = kernel("conv2d_s8_winograd2").pack(site(program, step)).fields
    assert stored(kernel("conv2d_s8_winograd2"), site(program, step)) == packed["weight"].nbytes + packed["bias"].nbytes


def test_targets_without_a_table_get_the_default(program: Program) -> None:
    assert not table("").kernels
    chosen = named(replace(program, target=""), choose(replace(program, target=""), M4.isa, Wanted("speed")))
    assert {step.kernel for step in chosen.steps} == {"conv2d_s8_dsp"}


def test_a_choice_is_written_and_replayed(tmp_path: Path) -> None:
    first = edgec.compile(DIGITS, tmp_path / "a", target="cortex-m4", name="digits", optimize="speed")
    assert all(
        set(step["predicted"]) == {"instructions", "cycles", "flash", "scratch"} for step in first.manifest["steps"]
    )
    explained = [step for step in first.manifest["steps"] if step.get("runner_up")]
    assert explained
    assert all(step["why"] for step in explained)
    again = edgec.compile(
        DIGITS, tmp_path / "b", target="cortex-m4", name="digits", optimize="flash", replay=tmp_path / "a"
    )
    assert again.manifest["kernels"] == first.manifest["kernels"]
    smallest = edgec.compile(DIGITS, tmp_path / "c", target="cortex-m4", name="digits", optimize="flash")
    assert smallest.manifest["kernels"] != first.manifest["kernels"]
    with pytest.raises(UsageError, match="cannot compute"):
        edgec.compile(DIGITS, tmp_path / "d", target="cortex-m0plus", replay=tmp_path / "a" / "edgec.json")
    with pytest.raises(UsageError, match="no choice"):
        edgec.compile(DIGITS, tmp_path / "d", target="cortex-m4", replay=DIGITS)


@pytest.mark.parametrize("optimize", ["balanced", "speed", "flash"])
def test_code_is_not_predicted_much_smaller_than_it_is_linked(optimize: str, tmp_path: Path) -> None:
    """What the flash limits are held against: all bytes of a linked model beside the harness, within 300 B from below."""
    if not shutil.which("arm-none-eabi-gcc"):
        pytest.skip("needs arm-none-eabi-gcc")
    layers = [
        conv(0, (1, 8, 8, 8), 16, (3, 3), pads=[1] * 4),
        conv(1, (1, 16, 9, 9), 16, (3, 3), group=16),
        dense(2, (1, 64), 24),
    ]
    cases = [check(layer) for layer in layers]
    made, _ = merged(cases, [layer.x for layer in layers])
    options_ = CompileOptions(target="cortex-m4", optimize=optimize)
    planned_, decisions = planned(made, M4, options_)
    write_package(tmp_path / "net", planned_.program, M4)
    sizes = edgec.build(tmp_path / "net")["sizes"]
    keys = (key for d in decisions for key in d.chosen.code)
    predicted = code_of(keys, len(decisions), "cortex-m4") + sum(d.chosen.cost.flash for d in decisions)
    assert sizes["flash_total"] - 300 <= predicted <= 1.5 * sizes["flash_total"]
