"""Execution order: the search agrees with brute force, and a branching program whose stated order is bad needs less memory."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings

from edgec.ir.program import Buffer, Port, Program, Step
from edgec.ir.reach import All
from edgec.memory.check import check
from edgec.schedule.order import order, peak, reordered
from edgec.schedule.plan import plan
from tests.memory.programs import programs


def topological(program: Program) -> list[Program]:
    """The program in every order that has producers first."""
    ends = {p.buffer for p in program.inputs}
    found = []
    for steps in itertools.permutations(program.steps):
        made = set(ends)
        if all(set(s.inputs) <= made and not made.add(s.output) for s in steps):  # type: ignore[func-returns-value]
            found.append(program.with_(steps=steps))
    return found


def branches(*widths: tuple[int, ...]) -> Program:
    """x -> for each branch a chain of tensors of those widths -> one concatenation of all; first all heads, then all seconds, ..."""
    rows = 4
    buffers = [Buffer("x", "int8", (1, rows, 8), rows)]
    steps: list[tuple[int, Step]] = []
    ends = []
    for b, chain in enumerate(widths):
        before = "x"
        for n, width in enumerate(chain):
            name = f"b{b}_{n}"
            buffers.append(Buffer(name, "int8", (1, rows, width), rows))
            steps.append((n, Step(f"s{b}_{n}", "mix", (before,), name, (All(rows),))))
            before = name
        ends.append(before)
    buffers.append(Buffer("y", "int8", (1, rows, 8), rows))
    made = [step for _, step in sorted(steps, key=lambda s: s[0])]
    made.append(Step("join", "mix", tuple(ends), "y", (All(rows),) * len(ends)))
    return Program("net", tuple(buffers), tuple(made), (Port("x", "x", (1, rows, 8)),), (Port("y", "y", (1, rows, 8)),))


@settings(max_examples=60, deadline=None)
@given(programs(longest=6))
def test_the_search_finds_the_best_of_all_orders(program: Program) -> None:
    made = order(program)
    best = min(peak(p) for p in topological(made))
    found = reordered(made)
    assert peak(found) == best
    assert sorted(s.name for s in found.steps) == sorted(s.name for s in made.steps)
    assert any(p.steps == found.steps for p in topological(made))
    assert found == made or best < peak(made)


@pytest.mark.parametrize(
    "widths", [((64, 4), (64, 4), (64, 4)), ((4, 64, 4), (80, 2), (40, 40, 1)), ((16, 2), (64, 2))]
)
def test_branches_one_after_another(widths: tuple[tuple[int, ...], ...]) -> None:
    """Inception-like: all wide tensors first is the worst order, branch by branch the best."""
    given = branches(*widths)
    made = reordered(given)
    assert peak(made) < peak(given)
    if len(given.steps) <= 8:
        assert peak(made) == min(peak(p) for p in topological(given))
    assert reordered(given) == made


def test_a_narrow_beam_still_orders() -> None:
    given = branches(*(((96, 3, 1),) * 8))
    assert peak(reordered(given, width=4)) == peak(reordered(given)) < peak(given)
    assert reordered(given, keep_input=True) != given


def test_the_plan_takes_the_better_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that need all rows do not stream: with every wide tensor made first, all of them must be stored."""
    given = branches((64, 8), (64, 8), (64, 8))
    copies = tuple(replace(s, op="copy") for s in given.steps if s.name != "join")
    ends = tuple(Port(f"y{b}", f"b{b}_1", (1, 4, 8)) for b in range(3))
    program = given.with_(steps=copies, outputs=ends)
    made = plan(program).program
    check(made)
    monkeypatch.setattr("edgec.schedule.plan.reordered", lambda program, keep_input: program)
    assert made.arena < plan(program).program.arena
