"""Which units cost most accuracy, and which to keep in int16 or float32."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from edgec.quant.assign import Plan, make_plan
from edgec.quant.judge import Judge, squared
from edgec.quant.options import Progress, silent
from edgec.quant.ranges import Params
from edgec.quant.units import LINEAR, Unit
from edgec.quant.weights import float_weights, macs

CANDIDATES = 24
FORMS = ("int16", "float32")
ENOUGH = 0.7  # int16 is taken if it recovers at least this share of what float32 recovers
SPREAD = 0.5  # noise is spread over the model where the best single unit leaves more than this share of it
OPERATOR_WORTH = 0.9  # all results of an operator in int16 must lower the error at least to this share


@dataclass(frozen=True)
class Gain:
    """What keeping one unit brings.  error: output error with it in float32; loss: in the unit of `auto_keep`; int16_error,
    int16_loss: the same for int16; weight_bytes: flash that float32 costs more (its weights are not int8); macs:
    multiply-accumulates that become float."""

    node: str
    error: float
    loss: float
    weight_bytes: int
    macs: int
    int16_error: float
    int16_loss: float


def kept(plan: Plan, keep: Mapping[str, str], bare: bool = False) -> Plan:
    """The same plan with further nodes in another form (name -> int16 or float32).  bare: without those that the options keep."""
    options = replace(plan.options, keep_float=(), keep_int16=()) if bare else plan.options
    floats, wides = ([name for name, form in keep.items() if form == wanted] for wanted in ("float32", "int16"))
    made = make_plan(plan.model, options, (*options.keep_float, *floats), (*options.keep_int16, *wides))
    made.peaks = plan.peaks
    made.params = {group: made.groups.fixed.get(group) or _params(plan, made, group) for group in made.groups.source}
    made.method = {group: plan.method.get(group, "given") for group in made.params}
    made.bias = {
        unit.name: plan.bias[unit.name] for unit in made.units if unit.kind == "linear" and unit.name in plan.bias
    }
    return made


def _params(plan: Plan, made: Plan, group: str) -> Params:
    """What a group of `made` has in `plan`, or its 16-bit form."""
    before = plan.of(group)
    return made.sixteen(group, max(-before.lo, before.hi)) if group in made.groups.wide else before


def all_int8(plan: Plan) -> Plan:
    """The plan that keeps nothing, for its price: what was kept in float32 has no params, any will do."""
    made = make_plan(plan.model, plan.options, ())
    some = Params(1.0 / 16.0, 0)
    known = {group: plan.of(group) if group in plan.groups.member else some for group in made.groups.source}
    made.params = {
        group: made.groups.fixed.get(group) or (some if params.bits == 16 else params)
        for group, params in known.items()
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
    """What each of these units alone would bring in either form, best first."""
    units = {unit.name: unit for unit in plan.units}
    found = []
    for i, name in enumerate(suspects[:CANDIDATES]):
        (wide_error, wide_loss), (error, loss) = (loss_of(kept(plan, {name: form}), judge) for form in FORMS)
        found.append(Gain(name, error, loss, *_price(units[name]), wide_error, wide_loss))
        progress("sensitivity", i + 1, min(len(suspects), CANDIDATES))
    return sorted(found, key=lambda gain: min(gain.error, gain.int16_error))


def _price(unit: Unit) -> tuple[int, int]:
    return 3 * sum(real.size for real in float_weights(unit)), macs(unit)


def auto_keep(
    plan: Plan, suspects: list[str], judge: Judge, progress: Progress = silent
) -> tuple[Plan, dict[str, str]]:
    """Keeps units in int16 or float32, the most helpful first, until the loss is within options.auto_keep; name -> form.

    int16 comes first, the cheaper form in flash and RAM (half the bytes of float32 values, a quarter of its weights); float32 where
    int16 recovers less than ENOUGH of what float32 does, and does not bring the loss within bounds.  Where no single unit helps
    much, as in a deep residual model, whole operators without weights get int16 before.
    """
    allowed = plan.options.auto_keep
    error, loss = loss_of(plan, judge)
    if allowed is None or loss <= allowed:
        return plan, {}
    found = gains(plan, suspects, judge, progress)
    keep, best, start = dict[str, str](), plan, error
    if min((min(gain.error, gain.int16_error) for gain in found), default=0.0) > SPREAD * start:
        keep, best, error, loss = widen_operators(plan, judge, (error, loss), allowed, progress)
    for gain in found:
        if loss <= allowed:
            break
        enough = start - gain.int16_error >= ENOUGH * (start - gain.error)
        for form in FORMS if gain.int16_error < start else ("float32",):
            tried = kept(plan, {**keep, gain.node: form})
            new_error, new_loss = loss_of(tried, judge)
            if new_error < error and (form == "float32" or enough or new_loss <= allowed):
                keep, best, error, loss = {**keep, gain.node: form}, tried, new_error, new_loss
                break
    return best, keep


def widen_operators(
    plan: Plan, judge: Judge, before: tuple[float, float], allowed: float, progress: Progress = silent
) -> tuple[dict[str, str], Plan, float, float]:
    """int16 for all results of an operator without weights, that operator first which alone helps most; what is kept, the plan, its
    error and loss.  before: error and loss of the plan."""
    members: dict[str, list[str]] = {}
    for unit in plan.units:
        if unit.kind == "compute" and unit.bits == 8 and unit.core.op_type not in LINEAR:
            members.setdefault(unit.core.op_type, []).append(unit.name)
    forms = [dict.fromkeys(names, "int16") for names in members.values() if len(names) > 1]
    alone = []
    for i, form in enumerate(forms):
        alone.append((loss_of(kept(plan, form), judge)[0], i))
        progress("sensitivity by operator", i + 1, len(forms))
    keep, best, (error, loss) = dict[str, str](), plan, before
    for _, i in sorted(alone):
        tried = kept(plan, {**keep, **forms[i]})
        new_error, new_loss = loss_of(tried, judge)
        if new_error < error * OPERATOR_WORTH:
            keep, best, error, loss = {**keep, **forms[i]}, tried, new_error, new_loss
        if loss <= allowed:
            break
    return keep, best, error, loss
