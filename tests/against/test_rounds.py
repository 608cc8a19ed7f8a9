"""Times of runtimes in turns: whose turn it is, and what the figures are."""

from __future__ import annotations

import pytest

from edgec.against import rounds


def test_each_has_its_turn_and_begins_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "WARM_UP", 0.0)
    turns: list[str] = []
    runs = {name: (lambda name=name: turns.append(name)) for name in ("a", "b", "c")}
    found = rounds.laps(runs, 4, 0.0)
    assert "".join(turns) == "abc" + "abc" + "bca" + "cab" + "abc"
    assert {name: len(each) for name, each in found.items()} == {"a": 4, "b": 4, "c": 4}
    assert all(wall >= 0 and used >= 0 for each in found.values() for wall, used in each)


def test_slow_and_fast_run_for_as_long() -> None:
    calls = {"slow": 0, "fast": 0}

    def run(name: str, work: int) -> None:
        calls[name] += 1
        sum(range(work))

    found = rounds.laps({"slow": lambda: run("slow", 40_000), "fast": lambda: run("fast", 400)}, 3, 0.01)
    assert calls["fast"] > 5 * calls["slow"]
    assert rounds.ratios(found["slow"], found["fast"])["median"] > 5


def test_ratios_are_taken_round_by_round() -> None:
    """A round that was disturbed as a whole changes no ratio."""
    own, other = [(10.0, 9.0), (100.0, 9.0), (10.0, 9.0)], [(30.0, 27.0), (300.0, 27.0), (40.0, 27.0)]
    assert rounds.ratios(other, own) == {"median": 3.0, "low": 3.0, "high": 3.5, "processor": 3.0}
    assert rounds.spread([4.0, 1.0, 2.0, 3.0]) == {"median": 2.5, "low": 1.75, "high": 3.25, "best": 1.0}
