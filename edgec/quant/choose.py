"""Choosing ranges by measured error: first one method for all values, then one for all results of an operator (in a deep model a
single value's range hardly shows at the output, that of all its twelve softmaxes does), then, value by value, whatever lowers
the output error.

The number of trials is bounded by `effort`, so the time is too; the order is that of the graph, so the result does not
depend on the machine.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgec.quant.assign import Plan
from edgec.quant.judge import Judge
from edgec.quant.observe import Seen
from edgec.quant.options import Progress, silent
from edgec.quant.ranges import Params, candidates

NOTICEABLE = 0.02  # candidates whose scales differ by less are the same
WORTH = 0.99  # a change must lower the error at least to this share: smaller gains do not carry over to other samples


def propose(plan: Plan, seen: Seen) -> dict[str, dict[str, Params]]:
    """Candidates of every group that is not fixed: method -> params."""
    found = {}
    for group, source in plan.groups.source.items():
        if group not in plan.groups.fixed:
            histogram = seen.histograms[source]
            factor = plan.groups.member[source][1]
            made = candidates(histogram, plan.options)
            if group in plan.groups.wide:
                found[group] = dict.fromkeys(made, plan.sixteen(group))
                continue
            found[group] = {name: params.times(1.0 / factor) for name, params in made.items()}
    return found


def uniform(plan: Plan, proposals: Mapping[str, Mapping[str, Params]], method: str) -> Plan:
    """Every group by one method."""
    params = {group: ways[method] for group, ways in proposals.items()}
    plan = plan.with_params({**plan.groups.fixed, **params})
    plan.method = {**dict.fromkeys(plan.groups.fixed, "fixed"), **dict.fromkeys(params, method)}
    return plan


def choose(plan: Plan, seen: Seen, judge: Judge) -> tuple[Plan, float]:
    """The plan by the one method that serves all its values best, and its output error."""
    proposals = propose(plan, seen)
    methods = list(next(iter(proposals.values()), {plan.options.method: None}))
    plans = [uniform(plan, proposals, method) for method in methods]
    session = judge.session(plans[0])
    errors = [session.error(p) for p in plans]
    best = min(range(len(plans)), key=lambda i: errors[i])
    return plans[best], errors[best]


def by_operator(plan: Plan, error: float, seen: Seen, judge: Judge, progress: Progress = silent) -> tuple[Plan, float]:
    """Other methods for all results of one operator wherever that lowers the output error."""
    if plan.options.method != "auto":
        return plan, error
    proposals = propose(plan, seen)
    makers = {str(out.name): unit.core.op_type for unit in plan.units for out in unit.outputs}
    members: dict[str, list[str]] = {}
    for group in proposals:
        members.setdefault(makers.get(plan.groups.source[group], "input"), []).append(group)
    methods = list(next(iter(proposals.values()), {}))
    tries = [(groups, method) for groups in members.values() if len(groups) > 1 for method in methods]
    tries = tries[: plan.options.effort]
    session = judge.session(plan)
    for i, (groups, method) in enumerate(tries):
        changed = {group: proposals[group][method] for group in groups}
        if any(_differ(plan.params[group], params) for group, params in changed.items()):
            other = plan.with_params({**plan.params, **changed})
            measured = session.error(other)
            if measured < error * WORTH:
                other.method = {**plan.method, **dict.fromkeys(groups, method)}
                plan, error = other, measured
        progress("choosing ranges by operator", i + 1, len(tries))
    return plan, error


def refine(plan: Plan, error: float, seen: Seen, judge: Judge, progress: Progress = silent) -> tuple[Plan, float]:
    """Other methods for single values wherever that lowers the output error."""
    if plan.options.method != "auto":
        return plan, error
    tries = _alternatives(plan, propose(plan, seen), seen)
    budget = min(plan.options.effort, len(tries))
    session = judge.session(plan)
    for i, (group, method, params) in enumerate(tries[:budget]):
        other = plan.with_params({**plan.params, group: params})
        measured = session.error(other)
        if measured < error * WORTH:
            other.method = {**plan.method, group: method}
            plan, error = other, measured
        progress("choosing ranges", i + 1, budget)
    return plan, error


def _alternatives(
    plan: Plan, proposals: Mapping[str, Mapping[str, Params]], seen: Seen
) -> list[tuple[str, str, Params]]:
    """Params worth a trial, those first that change a value's own error most."""
    found = []
    for group, ways in proposals.items():
        histogram = seen.histograms[plan.groups.source[group]]
        power = max(histogram.power, 1e-30)
        own = histogram.error(plan.params[group]) / power
        tried = [plan.params[group]]
        for method, params in ways.items():
            if all(_differ(params, other) for other in tried):
                tried.append(params)
                found.append((abs(histogram.error(params) / power - own), group, method, params))
    found.sort(key=lambda entry: -entry[0])
    return [(group, method, params) for _, group, method, params in found]


def _differ(a: Params, b: Params) -> bool:
    return abs(a.scale / b.scale - 1.0) > NOTICEABLE or abs(a.lo - b.lo) > 2 * max(a.scale, b.scale)
