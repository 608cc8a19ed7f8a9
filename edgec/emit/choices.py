"""What edgec.json says of the kernels: what was chosen, what it should cost, what came second and why; and reading that again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgec.errors import UsageError
from edgec.ir.program import Program
from edgec.kernels.base import Cost
from edgec.kernels.predict import around, step_costs, table
from edgec.schedule.choose import Candidate, Decision


def costs(cost: Cost, scratch: int) -> dict[str, int]:
    """A cost as whole numbers: instructions, cycles, bytes of constants, bytes of scratch."""
    return {
        "instructions": round(cost.instructions),
        "cycles": round(cost.cycles),
        "flash": cost.flash,
        "scratch": scratch,
    }


def decided(decision: Decision) -> dict[str, Any]:
    """The entries of a step: what its kernel and the runner-up take (in a pipeline), and why it is not the other."""

    def entry(candidate: Candidate) -> dict[str, Any]:
        measured = {"measured": True} if candidate.measured else {}
        return {"kernel": candidate.kernel, **costs(candidate.cost, candidate.scratch), **measured}

    other = decision.runner_up
    return {"choice": entry(decision.chosen), "runner_up": entry(other) if other else None, "why": decision.why}


def with_choices(
    content: dict[str, Any],
    program: Program,
    decisions: Sequence[Decision],
    measured: Mapping[tuple[str, str], Cost] = MappingProxyType({}),
) -> dict[str, Any]:
    """edgec.json with `kernels` (what --replay takes), `predicted` of the whole model and of every step as it is called.

    measured: what --tune counted; kept as `measured`: step -> kernel -> [instructions, cycles].
    """
    by_step = {decision.step: decision for decision in decisions}
    taken = step_costs(program)
    for entry, cost, step in zip(content["steps"], taken, program.steps, strict=True):
        decision = by_step.get(step.name)
        if decision is not None and decision.chosen.kernel == step.kernel:
            entry |= decided(decision)
            cost = Cost(cost.instructions, cost.cycles, decision.chosen.cost.flash)
        entry["predicted"] = costs(cost, step.scratch)
    instructions, cycles = around(program)
    total = Cost(sum(c.instructions for c in taken) + instructions, sum(c.cycles for c in taken) + cycles)
    predicted = {
        "instructions": round(total.instructions),
        "cycles": round(total.cycles),
        "calibrated": bool(table(program.target).kernels),
    }
    if measured:
        counted: dict[str, dict[str, list[float]]] = {}
        for (step_name, name), cost in measured.items():
            counted.setdefault(step_name, {})[name] = [cost.instructions, cost.cycles]
        content = {**content, "measured": counted}
    return {**content, "kernels": {d.step: d.chosen.kernel for d in decisions}, "predicted": predicted}


def read_choices(file: Path) -> dict[str, str]:
    """Kernels by step of an edgec.json.  UsageError if it is none."""
    file = file / "edgec.json" if file.is_dir() else file
    try:
        kernels = json.loads(file.read_text(encoding="utf-8"))["kernels"]
        return {str(step): str(name) for step, name in kernels.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{str(file)!r} holds no choice of kernels: {error!r}", "give an edgec.json of this version"
        ) from error
