"""Which units cost most accuracy, and which to leave in float32."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from edgec.quant.assign import Plan, make_plan
from edgec.quant.judge import Judge, squared
from edgec.quant.options import Progress, silent
from edgec.quant.units import Unit
from edgec.quant.weights import float_weights, macs

CANDIDATES = 24


@dataclass(frozen=True)
class Gain:
    """What leaving one unit in float32 brings.  error: output error then; loss: in the unit of `auto_keep`; weight_bytes: flash it
    costs more (float32 instead of int8 weights); macs: multiply-accumulates that become float."""

    node: str
    error: float
    loss: float
    weight_bytes: int
    macs: int


def kept(plan: Plan, keep: Iterable[str]) -> Plan:
    """The same plan with further nodes left in float32."""
    names = tuple(dict.fromkeys([*plan.options.keep_float, *keep]))
    made = make_plan(plan.model, plan.options, names)
    made.params = {group: made.groups.fixed.get(group) or plan.of(group) for group in made.groups.source}
    made.method = {group: plan.method.get(group, "given") for group in made.params}
    made.bias = {
        unit.name: plan.bias[unit.name] for unit in made.units if unit.kind == "linear" and unit.name in plan.bias
    }
    return made


def loss_of(plan: Plan, judge: Judge) -> tuple[float, float]:
    """(output error, loss): loss in percentage points of changed top-1, for other models in percent of the output's RMS."""
    answers = judge.session(plan).answers(plan)
    changed = judge.disagreement(answers)
    if changed is None:
        noise = (
            sum(squared(a[0], b[0]) for a, b in zip(answers, judge.expected, strict=True)) / judge.power[0]
            if judge.names
            else 0.0
        )
        changed = 100.0 * float(np.sqrt(noise))
    return judge.noise(answers), changed


def gains(plan: Plan, suspects: list[str], judge: Judge, progress: Progress = silent) -> list[Gain]:
    """What each of these units alone would bring in float32, best first."""
    units = {unit.name: unit for unit in plan.units}
    found = []
    for i, name in enumerate(suspects[:CANDIDATES]):
        error, loss = loss_of(kept(plan, [name]), judge)
        found.append(Gain(name, error, loss, *_price(units[name])))
        progress("sensitivity", i + 1, min(len(suspects), CANDIDATES))
    return sorted(found, key=lambda gain: gain.error)


def _price(unit: Unit) -> tuple[int, int]:
    return 3 * sum(real.size for real in float_weights(unit)), macs(unit)


def auto_keep(plan: Plan, suspects: list[str], judge: Judge, progress: Progress = silent) -> tuple[Plan, list[str]]:
    """Leaves units in float32, the most helpful first, until the loss is within options.auto_keep; and their names."""
    allowed = plan.options.auto_keep
    error, loss = loss_of(plan, judge)
    if allowed is None or loss <= allowed:
        return plan, []
    names: list[str] = []
    best = plan
    for gain in gains(plan, suspects, judge, progress):
        tried = kept(plan, [*names, gain.node])
        new_error, new_loss = loss_of(tried, judge)
        if new_error < error:
            names, best, error, loss = [*names, gain.node], tried, new_error, new_loss
        if loss <= allowed:
            break
    return best, names
