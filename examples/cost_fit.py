"""Coefficients of the cost model by least squares, from what `examples/calibrate.py` measured; writes targets/cost/*.json."""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linprog, nnls

from edgec.ir.program import Program, site
from edgec.ir.text import parse_program
from edgec.kernels.counts import form
from edgec.kernels.predict import around_counts, code_bytes, code_keys, code_name, counted, rows_made, stored
from edgec.kernels.registry import all_kernels, kernel
from edgec.toolchain.sizes import elf_symbols

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "build" / "calibrate"
FEWEST = 10  # steps of a kernel's form that must have been seen for it to get coefficients of its own
BELIEF = 0.1  # weight of a kernel's own formula, in measured steps
LEAST = 0.002  # part of a step's instructions below which a count is left out
SHORT = 5.0  # price of a byte of code that was not predicted; one too many costs 1: five of six models are not larger
DOUBT = 0.5  # price of a byte beside what nothing measured would say
EXACT = {f"{name}_mve" for name in ("conv2d_s8", "dense_s8", "depthwise_s8", "avgpool_s8", "maxpool_s8")}
EXACT |= {"conv2d_s8_mve_direct"}  # their formulas count what the assembly has; only the C around it is left to the fit
Pair = tuple[float, float]


def kept(target: str) -> Iterator[dict[str, Any]]:
    """Measured models, each with what is counted of it now: its steps, the drivers, its code."""
    for file in sorted((KEPT / target).glob("*.json")):
        found = json.loads(file.read_text())
        if found:
            with np.load(file.with_suffix(".npz")) as constants:
                yield {**found, **seen(parse_program(found["program"], dict(constants)), found)}


def seen(program: Program, found: Mapping[str, Any]) -> dict[str, Any]:
    """Counts of a measured program."""
    steps, keys, constants, part = [], set(), 0, rows_made(program)
    for step, took in zip(program.steps, found["took"], strict=True):
        at, chosen = site(program, step), kernel(step.kernel)
        keys |= set(code_keys(chosen, at))
        constants += stored(chosen, at)
        made = {name: part[step.name] * count for name, count in counted(chosen, at).items()}
        steps.append({"kernel": f"{chosen.name}/{form(chosen, at)}", "counts": made, "took": took})
    pulled = sum(len(s.steps) for s in program.segments if len(s.steps) > 1)
    around = around_counts(program)
    return {
        "steps": steps,
        "keys": sorted(keys),
        "code": found["flash"] - constants,
        "pulled": pulled,
        "around": around,
    }


def symbol_sizes(elf: Path, name: str) -> dict[str, list[int]]:
    """Bytes of what a linked model has for its steps (functions, parameters), and of the functions of header files."""
    patterns = {
        "step": f"{name}_step_",
        "struct": rf"{name}_p\d",
        "pull": f"{name}_until_",
        "header": r"edgec_(?!mark|model|arena)",
    }
    symbols = [symbol for symbol in elf_symbols(elf) if not symbol.variable and symbol.size]
    return {key: [s.size for s in symbols if re.match(pattern, s.name)] for key, pattern in patterns.items()}


def relevant(name: str) -> Callable[[str], bool]:
    """Which counts may explain a kernel: block shapes of its instruction set."""
    chosen, _, which = (kernel(name.split("/")[0]), *name.partition("/")[1:])
    always = {"call", "formula", "left", "safe", "clamped"}
    if chosen.name in EXACT:
        return lambda count: count in ("call", "formula", "clamped", "4x4 lines", "tap rows")
    if chosen.op in ("gru", "lstm", "rnn"):
        return lambda count: count in ("call", "mac", "product", "gates", "cells", "inputs")
    if "winograd" in chosen.template:
        tile = 2 if "winograd2" in chosen.name else 4
        return lambda count: count in always or count.startswith(f"tiles {tile}")
    if chosen.template == "conv2d_s8_dsp":
        parts = {"pair", *(("slid",) if which == "columns" else ("lined", which))}
        return lambda count: count in always or count.split()[0] in parts
    shapes = {"4x4"} if "mve" in chosen.needs or chosen.op == "matmul" else {"2x4"}
    if chosen.name in ("dense_s8_dsp1", "dense_few_s8_dsp"):
        shapes = {"1x8"}
    foreign = {"2x4", "1x8", "4x4", "tiles", "pair", "slid", "lined", "near", "staged"} - shapes
    return lambda count: count.split()[0] not in foreign


def solve(
    rows: list[Mapping[str, float]], took: np.ndarray[Any, Any], usable: Callable[[str], bool] = bool
) -> dict[str, Pair]:
    """Non-negative coefficients with the least relative error: ridge regression around the page's own formula, which is believed where
    little was measured.  What adds next to nothing to any step is left out."""
    names = sorted({name for row in rows for name, value in row.items() if value and usable(name)})
    weights = 1.0 / np.maximum(took[:, 0], 200.0)
    matrix = np.array([[row.get(name, 0.0) for name in names] for row in rows]) * weights[:, None]
    ratio = took[:, 1].sum() / took[:, 0].sum()
    found = []
    for which, formula in ((0, 1.0), (1, ratio)):
        prior = np.array([formula * (name == "formula") for name in names])
        found.append(ridge(matrix, took[:, which] * weights, prior))
    kept = [n for n in range(len(names)) if max(made[n] * matrix[:, n].max() for made in found) > LEAST]
    return {names[n]: (float(f"{found[0][n]:.5g}"), float(f"{found[1][n]:.5g}")) for n in kept}


def ridge(matrix: np.ndarray[Any, Any], aim: np.ndarray[Any, Any], prior: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Non-negative least squares, each coefficient drawn to its prior in proportion to the largest value of its column."""
    scale = np.maximum(matrix.max(axis=0), 1e-12)
    stacked = np.vstack([matrix / scale, BELIEF * np.eye(len(scale))])
    return np.asarray(nnls(stacked, np.append(aim, BELIEF * prior * scale))[0] / scale)


def code_sizes(models: list[dict[str, Any]]) -> dict[str, float]:
    """Bytes of each function, header and step that explain the code of all models: steps by their symbols, headers by those of their
    functions, kernels (which may be inlined into a step) by the rest.  Near the defaults where little was seen."""
    symbols = [model["symbols"] for model in models]
    usual = {"step": 60, "struct": 75, "pull": 75}  # percent: kernels are inlined into some steps
    known = {
        key: float(np.percentile([n for found in symbols for n in found[key]], part)) for key, part in usual.items()
    }
    counted_ = [code_counts(model) for model in models]
    headers = [{key: n for key, n in found.items() if key.startswith(("isa", "forms"))} for found in counted_]
    kernels = [
        {key: n for key, n in found.items() if key not in above and key not in ("step", "pull")}
        for found, above in zip(counted_, headers, strict=True)
    ]
    shared = [float(sum(found["header"])) for found in symbols]
    each = known["step"] + known["struct"]
    rest = [
        model["code"] - header - each * found["step"] - known["pull"] * found["pull"]
        for model, header, found in zip(models, shared, counted_, strict=True)
    ]
    sizes = {"step": each, "pull": known["pull"], **explained(headers, shared), **explained(kernels, rest)}
    return {name: math.ceil(sizes[name]) for name in sorted(sizes)}


def explained(counted_: list[dict[str, float]], took: list[float]) -> dict[str, float]:
    """Bytes of each name: the least absolute errors, where too little costs more than too much (a linear program)."""
    names = sorted({name for found in counted_ for name in found})
    usual = [300.0 if name == "model" else code_bytes(name, "") for name in names]
    matrix = np.array([[found.get(name, 0.0) for name in names] for found in counted_])
    models, all_ = np.eye(len(took)), np.eye(len(names))
    equal = np.block(
        [
            [matrix, -models, models, np.zeros((len(took), 2 * len(names)))],
            [all_, np.zeros((len(names), 2 * len(took))), -all_, all_],
        ]
    )
    price = np.repeat([0.0, 1.0, SHORT, DOUBT, DOUBT], [len(names), len(took), len(took), len(names), len(names)])
    found = linprog(price, A_eq=equal, b_eq=[*took, *usual]).x
    return dict(zip(names, map(float, found[: len(names)]), strict=True))


def code_counts(model: Mapping[str, Any]) -> dict[str, float]:
    """How many functions of each template a model has, and steps, and among these steps that others pull rows from."""
    found: dict[str, float] = {"model": 1.0, "step": float(len(model["steps"])), "pull": float(model["pulled"])}
    for key in model["keys"]:
        found[code_name(key)] = found.get(code_name(key), 0.0) + 1.0
    return found


def fit(target: str) -> None:
    """Writes the table of a target from everything that was measured."""
    seen: dict[str, list[dict[str, Any]]] = defaultdict(list)
    models = list(kept(target))
    for step in (s for model in models for s in model["steps"] if s["took"][0]):  # 0: the linker folded equal functions
        name, which = step["kernel"].split("/")
        seen[name].append(step)
        if which:
            seen[step["kernel"]].append(step)
    kernels = {}
    for name, steps in sorted(seen.items()):
        if len(steps) >= (FEWEST if "/" in name else 2):
            kernels[name] = solve(
                [s["counts"] for s in steps], np.array([s["took"] for s in steps], float), relevant(name)
            )
    around = solve([m["around"] for m in models], np.array([m["between"] for m in models], float))
    out = ROOT / "targets" / "cost" / f"{target}.json"
    known = json.loads(out.read_text())["kernels"] if out.is_file() else {}
    names = {k.name for k in all_kernels()} - {name.split("/")[0] for name in kernels}
    kernels |= {name: pairs for name, pairs in known.items() if name.split("/")[0] in names}  # not measured this time
    kernels = dict(sorted(kernels.items()))
    content = {"kernels": kernels, "code": code_sizes(models), "around": around}
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(content, indent=1) + "\n")
    print(f"{out.relative_to(ROOT)}: {len(kernels)} kernels and forms from {len(models)} models")
