"""Runtimes in turns: in each round all of them, one after another, so that a busy moment of the machine meets them all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

__all__ = ["WARM_UP", "Lap", "laps", "ratios", "spread"]

Lap = Sequence[float]
"""Microseconds of one inference: by the clock, and of the processor (all threads of the process)."""

WARM_UP = 0.5
"""Seconds that each runs before the first round: caches are filled, WebAssembly is compiled again by its better compiler."""


def laps(runs: Mapping[str, Callable[[], object]], rounds: int, seconds: float) -> dict[str, list[Lap]]:
    """Runtime -> a Lap for each round; in a round each runs for about `seconds`, and each round begins with the next one."""
    counts = {}
    for name, run in runs.items():
        end = time.perf_counter() + WARM_UP
        best = _lap(run, 1)[0]
        while time.perf_counter() < end:
            best = min(best, _lap(run, 1)[0])
        counts[name] = max(1, round(seconds * 1e6 / max(1.0, best)))
    found: dict[str, list[Lap]] = {name: [] for name in runs}
    order = list(runs)
    for turn in range(rounds):
        first = turn % len(order)
        for name in order[first:] + order[:first]:
            found[name].append(_lap(runs[name], counts[name]))
    return found


def _lap(run: Callable[[], object], count: int) -> Lap:
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(count):
        run()
    return (time.perf_counter() - wall) * 1e6 / count, (time.process_time() - processor) * 1e6 / count


def spread(values: Sequence[float]) -> dict[str, float]:
    """The median, the quartiles around it and the best of some times or ratios."""
    low, median, high = np.percentile(np.asarray(values, float), (25, 50, 75))
    return {"median": float(median), "low": float(low), "high": float(high), "best": float(min(values))}


def ratios(others: Sequence[Lap], own: Sequence[Lap]) -> dict[str, float]:
    """How many times as long the other takes: by the clock, round by round, and (`processor`) by the medians of the processor's time.

    What else runs on the machine stretches the clock's times of a round, and not all alike; the processor's hardly.
    """
    clock = spread([other[0] / mine[0] for other, mine in zip(others, own, strict=True)])
    used = [spread([lap[1] for lap in each])["median"] for each in (others, own)]
    return {
        "median": clock["median"],
        "low": clock["low"],
        "high": clock["high"],
        "processor": used[0] / max(used[1], 1e-9),
    }
