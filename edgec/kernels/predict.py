"""What a step should cost on a CPU: the counts of counts.py times coefficients that were fitted to the emulator's exact counts.

targets/cost/CPU.json, written by `examples/calibrate.py`:

    kernels   "NAME" or "NAME/FORM": for each count [instructions, cycles] that one of it takes
    code      bytes: of a C function by its kernel, of a header file of templates/isa (NAME: each form of it, "forms NAME": what all of them
              call), of a step ("pull": more of one in a pipeline), of a model
    around    [instructions, cycles] of the drivers: for each call, each segment, each inference

Kernels that the table of the target lacks (and targets without a table) are predicted by the formula of the kernel's page.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from edgec.ir.program import Program, Site, Step, site
from edgec.ir.pull import Call, all_calls
from edgec.kernels._counting import calls
from edgec.kernels.base import Cost, Kernel
from edgec.kernels.counts import counts, form
from edgec.kernels.registry import kernel
from edgec.paths import targets_dir
from edgec.target import load_target

CALL = 60.0  # instructions around a kernel call that no table knows
FUNCTION, HEADER, STEP = 500, 400, 110  # bytes of code that no table knows


@dataclass(frozen=True)
class Table:
    """One file of targets/cost, see above."""

    kernels: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
    code: Mapping[str, float] = field(default_factory=dict)
    around: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def of(self, chosen: Kernel, at: Site) -> Mapping[str, tuple[float, float]] | None:
        """Coefficients of the kernel in the form that this step has."""
        return self.kernels.get(f"{chosen.name}/{form(chosen, at)}") or self.kernels.get(chosen.name)


@cache
def table(target: str) -> Table:
    """The table of a target; an empty one for the host and for targets without."""
    name = load_target(target).costs if target else ""
    file = targets_dir() / "cost" / f"{name}.json"
    if not name or not file.is_file():
        return Table()
    data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return Table(data["kernels"], data["code"], data["around"])


def known(chosen: Kernel, at: Site, target: str) -> bool:
    """Whether the kernel was calibrated on the CPU of that target; where none was, whether it is one for SIMD, whose formulas have one unit."""
    costs = table(target)
    return costs.of(chosen, at) is not None if costs.kernels else "simd" in chosen.needs


def predict(chosen: Kernel, at: Site, target: str) -> Cost:
    """Instructions and cycles of one inference of the step, calls included; bytes of its constants, exact."""
    found = table(target).of(chosen, at)
    if found is None:
        cost, called = chosen.cost(at), len(calls(at))
        return Cost(cost.instructions + CALL * called, cost.cycles + 1.4 * CALL * called, cost.flash)
    made = counted(chosen, at)
    instructions, cycles = (sum(made.get(name, 0.0) * each[i] for name, each in found.items()) for i in range(2))
    return Cost(instructions, cycles, chosen.cost(at).flash)


def counted(chosen: Kernel, at: Site) -> dict[str, float]:
    """The counts of a step, and among them what the formula of the kernel's page says, and the results whose requantization takes more."""
    variant, made = chosen.variant(at), at.output.elements
    more = {name: made for name in ("left", "safe") if variant.get(name)}
    return {**counts(at), **more, "formula": chosen.cost(at).instructions}


def stored(chosen: Kernel, at: Site) -> int:
    """Bytes of constants that the kernel makes of the step's weights, exact."""
    return sum(value.nbytes for value in chosen.pack(at).fields.values() if isinstance(value, np.ndarray))


def step_cost(program: Program, step: Step) -> Cost:
    """The same for a step with its kernel."""
    return predict(kernel(step.kernel), site(program, step), program.target)


def rows_made(program: Program) -> dict[str, float]:
    """Of each step: the part of its output rows that the segments make; a pipeline leaves out those behind the last that is asked for."""
    made: Counter[str] = Counter()
    for _, call in all_calls(program):
        if isinstance(call, Call):
            made[call.step.name] += call.stop - call.first
    return {step.name: made[step.name] / program.by_name[step.output].rows for step in program.steps}


def step_costs(program: Program) -> list[Cost]:
    """Costs of all steps with their kernels, of the rows that the segments make."""
    part = rows_made(program)
    every = [(part[step.name], step_cost(program, step)) for step in program.steps]
    return [Cost(share * cost.instructions, share * cost.cycles, cost.flash) for share, cost in every]


def code_keys(chosen: Kernel, at: Site) -> tuple[str, ...]:
    """The C functions that a step needs and may share with others: its kernel's variant, header files with their numbers, what all
    forms of such a file call."""
    variant, headers = json.dumps(sorted(chosen.variant(at).items()), default=str), chosen.headers(at)
    forms = dict.fromkeys(f"forms {header.split()[0]}" for header in headers if " " in header)
    return f"{chosen.name} {variant}", *(f"isa {header}" for header in headers), *forms


def code_bytes(key: str, target: str) -> float:
    """Bytes of code of one of those."""
    name = code_name(key)
    return table(target).code.get(
        name, HEADER if name.startswith("isa") else 0 if name.startswith("forms") else FUNCTION
    )


def code_name(key: str) -> str:
    """The entry of the table for one of code_keys: variants of a kernel and forms of a header file have one together."""
    words = key.split()
    return " ".join(words[:2]) if words[0] in ("isa", "forms") else words[0]


def code_of(keys: Iterable[str], steps: int, target: str) -> float:
    """Bytes of code of a model: functions and headers once each, a wrapper for every step, as if all were in pipelines."""
    known = table(target).code
    each = known.get("step", STEP) + known.get("pull", 0.0)
    return known.get("model", 0.0) + each * steps + sum(code_bytes(key, target) for key in set(keys))


def around(program: Program) -> tuple[float, float]:
    """(instructions, cycles) of one inference between the steps."""
    each = table(program.target).around
    made = around_counts(program)
    return tuple(sum(made[name] * pair[i] for name, pair in each.items()) for i in range(2))  # type: ignore[return-value]


def around_counts(program: Program) -> dict[str, float]:
    """What the drivers do: calls of steps in pipelines, single steps, segments, the inference."""
    part = rows_made(program)
    calls_of = {step.name: part[step.name] * len(calls(site(program, step))) for step in program.steps}
    long = [segment for segment in program.segments if len(segment.steps) > 1]
    return {
        "pipeline call": sum(calls_of[name] for segment in long for name in segment.steps),
        "single call": sum(calls_of[s.steps[0]] for s in program.segments if len(s.steps) == 1),
        "segment": len(program.segments),
        "inference": 1.0,
    }
