"""Planning does not grow with the blocks of a transformer: equal stretches of steps are priced once, equal segments walked once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from edgec.ir.program import Buffer, Port, Program, Step
from edgec.ir.reach import All, Run
from edgec.memory import trail
from edgec.memory.check import check
from edgec.schedule import segment
from edgec.schedule.plan import plan
from tests.conftest import ROOT


def blocks(count: int, rows: int = 6) -> Program:
    """x -> copy of all rows -> copy, added to x: the shape of an attention block, count times."""
    buffers, steps = [Buffer("x0", "int8", (1, rows, 5), rows)], []
    attrs = {
        "kind": "add",
        "mode": "same",
        "ma": 1 << 20,
        "mb": 1 << 20,
        "k": 20,
        "za": 0,
        "zb": 0,
        "zy": 0,
        "lo": -128,
        "hi": 127,
    }
    for n in range(count):
        names = f"x{n}", f"a{n}", f"b{n}", f"x{n + 1}"
        buffers += [Buffer(name, "int8", (1, rows, 5), rows) for name in names[1:]]
        steps.append(Step(f"all{n}", "copy", names[:1], names[1], (All(rows),)))
        steps.append(Step(f"copy{n}", "copy", names[1:2], names[2], (Run(rows),)))
        steps.append(Step(f"add{n}", "add", (names[0], names[2]), names[3], (Run(rows), Run(rows)), attrs))
    shape = (1, rows, 5)
    return Program("net", tuple(buffers), tuple(steps), (Port("x", "x0", shape),), (Port("y", f"x{count}", shape),))


def test_more_equal_blocks_are_not_priced_again(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = {"prices": 0, "trails": 0}
    prices, walk = segment.prices, trail._segment

    def priced(*given: object) -> list[int]:
        counted["prices"] += 1
        return prices(*given)  # type: ignore[arg-type]

    def walked(*given: object) -> object:
        counted["trails"] += 1
        return walk(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(segment, "prices", priced)
    monkeypatch.setattr(trail, "_segment", walked)
    plan(blocks(30))
    few = dict(counted)
    counted.update(prices=0, trails=0)
    plan(blocks(60))
    assert counted["prices"] == few["prices"]
    assert counted["trails"] <= few["trails"] + 2


def test_prices_of_equal_stretches_are_those_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memo changes nothing: every range of a repeated program costs what it costs when each step is one of a kind."""
    from edgec.schedule.select import select
    from edgec.schedule.stream import Net

    program = blocks(16)
    forms = [select(program, frozenset(), alone=alone) for alone in (True, False)]
    found = segment.choices([Net(form) for form in forms])
    monkeypatch.setattr(Net, "_shape", lambda self, i: i)
    assert segment.choices([Net(form) for form in forms]) == found


@pytest.mark.slow
def test_a_transformer_of_twelve_blocks_is_planned_in_seconds(tmp_path: Path) -> None:
    """MCUFormer class, about 570 steps: a loose limit in processor seconds."""
    import runpy

    from edgec.compiler import lowered
    from edgec.options import CompileOptions

    made = runpy.run_path(str(ROOT / "examples" / "vit" / "make_vit.py"))
    import onnx

    onnx.save(made["build"](made["SHAPES"]["mcuformer"]), tmp_path / "vit.onnx")
    program = lowered(
        tmp_path / "vit.onnx",
        CompileOptions(target="cortex-m7", input="rows"),
        {"image": made["images"](made["SHAPES"]["mcuformer"], 1)},
    ).program
    start = time.process_time()
    found = plan(program, frozenset({"dsp"}), pushed=True, slack=1.03).program
    assert time.process_time() - start < 20
    check(found)
