"""Calibrates the cost model: random models on the emulator, coefficients by least squares, errors on models that were not fitted.

    python examples/calibrate.py measure cortex-m4 --seeds 0:150     counts, kept under build/calibrate (again: only what is missing)
    python examples/calibrate.py fit cortex-m4                       writes targets/cost/cortex-m4.json
    python examples/calibrate.py check cortex-m4 --seeds 1000:1030   errors of whole models, the shared ones included

Each model is compiled with kernels drawn at random from those that can compute its steps, so that all are seen in all shapes.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from random_models import random_model
from scipy.optimize import linprog, nnls

import edgec
from edgec.compiler import compile_model, lowered
from edgec.errors import EdgecError
from edgec.ir.program import Program, site
from edgec.kernels.counts import form
from edgec.kernels.predict import (
    around,
    around_counts,
    code_bytes,
    code_keys,
    code_name,
    counted,
    step_cost,
    stored,
    table,
)
from edgec.kernels.registry import candidates, kernel
from edgec.options import CompileOptions
from edgec.schedule.order import order
from edgec.target import load_target
from edgec.toolchain.sizes import elf_symbols

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "build" / "calibrate"
SHARED = ROOT.parent / "shared" / "models"
HELD_OUT = (
    "kws_int8_qdq",
    "vww_int8_qdq",
    "ic_int8_qdq",
    "ad_int8_qdq",
    "mcunet_vww_int8",
    "vit_fashion_p7",
    "mlp_digits",
    "gru_fsdd",
)
FEWEST = 10  # steps of a kernel's form that must have been seen for it to get coefficients of its own
MOST = 12  # counts with a coefficient, of one kernel
BELIEF = 0.3  # weight of a kernel's own formula, in measured steps
SHORT = 5.0  # price of a byte of code that was not predicted; one too many costs 1: five of six models are not larger
DOUBT = 0.5  # price of a byte beside what nothing measured would say
Pair = tuple[float, float]


def drawn(program: Program, target: str, dice: np.random.Generator) -> dict[str, str]:
    """A kernel for every step: the default half of the time, else any that can compute it."""
    found = {}
    for step in order(program).steps:
        able = candidates(site(program, step), load_target(target).isa, large=True)
        found[step.name] = able[0 if dice.random() < 0.5 else int(dice.integers(len(able)))].name
    return found


def record(program: Program, measured: Mapping[str, Any], elf: Path) -> dict[str, Any]:
    """What the fit needs of one measured model."""
    steps, keys = [], set()
    for step, layer in zip(program.steps, measured["layers"], strict=True):
        at, chosen = site(program, step), kernel(step.kernel)
        keys |= set(code_keys(chosen, at))
        name = f"{chosen.name}/{form(chosen, at)}"
        took = [layer["instructions"], layer["cycles_estimate"] or 0]
        steps.append({"kernel": name, "counts": counted(chosen, at), "took": took})
    between = [measured["overhead"]["instructions"], measured["overhead"]["cycles_estimate"] or 0]
    return {
        "steps": steps,
        "keys": sorted(keys),
        "code": measured["flash"]["total"] - sum(stored(kernel(s.kernel), site(program, s)) for s in program.steps),
        "symbols": symbol_sizes(elf, program.name),
        "pulled": sum(len(s.steps) for s in program.segments if len(s.steps) > 1),
        "around": around_counts(program),
        "between": between,
    }


def measure(target: str, seed: int, folder: Path) -> dict[str, Any] | None:
    """One random model, quantized (one in eight: float), compiled with random kernels, counted.  None if edgec refuses it."""
    kind, model, samples = random_model(seed)
    file = folder / "net.onnx"
    onnx.save(model, file)
    dice = np.random.default_rng(seed)
    optimize = str(dice.choice(["balanced", "speed", "ram"]))
    options = CompileOptions(target=target, optimize=optimize, io=str(dice.choice(["model", "quantized"])))
    try:
        if seed % 8:
            edgec.quantize(file, samples, file, method="minmax", effort=0, sensitivity=0)
        else:
            options = replace(options, io="model")
        names = drawn(lowered(file, options).program, target, dice)
        made = compile_model(file, options, folder / "net", kernels=names)
        counted_ = edgec.bench(folder / "net", emulate=True)
        return record(made.program, counted_, next((folder / "net" / "build").rglob("firmware.elf")))
    except EdgecError as error:
        print(f"seed {seed} ({kind}): {error.message[:100]}", flush=True)
        return None


def kept(target: str) -> Iterator[dict[str, Any]]:
    for file in sorted((KEPT / target).glob("*.json")):
        if found := json.loads(file.read_text()):
            yield found


def relevant(name: str) -> Callable[[str], bool]:
    """Which counts may explain a kernel: block shapes of its instruction set."""
    chosen = kernel(name.split("/")[0])
    if "winograd" in chosen.template:  # its formula counts tiles of its own size
        return lambda count: count in ("call", "formula")
    shapes = {"4x4"} if "mve" in chosen.needs or chosen.op == "matmul" else {"2x4"}
    if chosen.name in ("dense_s8_dsp1", "dense_few_s8_dsp"):
        shapes = {"1x8"}
    foreign = {"2x4", "1x8", "4x4", "tiles"} - shapes
    return lambda count: count.split()[0] not in foreign


def solve(
    rows: list[Mapping[str, float]], took: np.ndarray[Any, Any], usable: Callable[[str], bool] = bool
) -> dict[str, Pair]:
    """Non-negative coefficients with the least relative error, of as few counts as explain what was measured.

    The page's own formula is always among them, and where little was measured it is believed.
    """
    names = sorted(
        {name for row in rows for name, value in row.items() if value and usable(name)},
        key=lambda n: (n != "formula", n),
    )
    weights = 1.0 / np.maximum(took[:, 0], 200.0)
    ratio = took[:, 1].sum() / took[:, 0].sum()
    prior = np.array([[BELIEF * (name == "formula") for name in names]])
    matrix = np.vstack([np.array([[row.get(name, 0.0) for name in names] for row in rows]) * weights[:, None], prior])
    aim = np.vstack([took * weights[:, None], [[prior.sum(), prior.sum() * ratio]]])
    chosen = [0] if names[0] == "formula" else []
    best = nnls(matrix[:, chosen], aim[:, 0])[1] if chosen else float(np.linalg.norm(aim[:, 0]))
    while len(chosen) < max(2, min(MOST, len(rows) // 4)):
        tried = [(nnls(matrix[:, [*chosen, i]], aim[:, 0])[1], i) for i in range(len(names)) if i not in chosen]
        if not tried or min(tried)[0] > 0.95 * best:
            break
        best, picked = min(tried)
        chosen.append(picked)
    found = [nnls(matrix[:, chosen], aim[:, which])[0] for which in range(2)]
    return {names[i]: (float(f"{found[0][n]:.5g}"), float(f"{found[1][n]:.5g}")) for n, i in enumerate(chosen)}


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
    content = {"kernels": kernels, "code": code_sizes(models), "around": around}
    out = ROOT / "targets" / "cost" / f"{target}.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(content, indent=1) + "\n")
    print(f"{out.relative_to(ROOT)}: {len(kernels)} kernels and forms from {len(models)} models")


def code_counts(model: Mapping[str, Any]) -> dict[str, float]:
    """How many functions of each template a model has, and steps, and among these steps that others pull rows from."""
    found: dict[str, float] = {"model": 1.0, "step": float(len(model["steps"])), "pull": float(model["pulled"])}
    for key in model["keys"]:
        found[code_name(key)] = found.get(code_name(key), 0.0) + 1.0
    return found


def errors(target: str, program: Program, measured: Mapping[str, Any]) -> tuple[float, float]:
    """Relative errors of a whole model: instructions, cycles."""
    taken = [step_cost(program, step) for step in program.steps]
    between = around(program)
    instructions = sum(c.instructions for c in taken) + between[0]
    cycles = measured["cycles_estimate"]
    return instructions / measured["instructions"] - 1, (
        sum(c.cycles for c in taken) + between[1]
    ) / cycles - 1 if cycles else 0.0


def check(target: str, seeds: range) -> None:
    """Errors of models that were not fitted, each with the kernels that edgec chooses."""
    assert table(target).kernels, f"fit {target} first"
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name in [*HELD_OUT, *map(str, seeds)]:
            file, kind = SHARED / f"{name}.onnx", "shared"
            try:
                if name.isdigit():
                    kind, model, samples = random_model(int(name))
                    file = folder / "net.onnx"
                    onnx.save(model, file)
                    edgec.quantize(file, samples, file, method="minmax", effort=0, sensitivity=0)
                options = CompileOptions(target=target, optimize=("balanced", "speed")[len(found) % 2])
                made = compile_model(file, options, folder / "net")
                measured = edgec.bench(folder / "net", emulate=True)
            except EdgecError as error:
                print(f"{name}: {error.message[:100]}")
                continue
            off = errors(target, made.program, measured)
            found.append((abs(off[0]), abs(off[1])))
            print(
                f"{kind:12} {name:18} {measured['instructions']:>12,} {100 * off[0]:+6.1f} % {100 * off[1]:+6.1f} %",
                flush=True,
            )
    worst, middle = np.max(found, axis=0), np.median(found, axis=0)
    print(f"{target}: {len(found)} models, instructions off by {100 * middle[0]:.1f} % (median), {100 * worst[0]:.1f} % (worst); "
          f"cycles {100 * middle[1]:.1f} %, {100 * worst[1]:.1f} %")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("measure", "fit", "check"))
    parser.add_argument("target")
    parser.add_argument("--seeds", default="0:120", metavar="A:B")
    given = parser.parse_args()
    seeds = range(*map(int, given.seeds.split(":")))
    if given.what == "fit":
        return fit(given.target)
    if given.what == "check":
        return check(given.target, seeds)
    (KEPT / given.target).mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        out = KEPT / given.target / f"{seed}.json"
        if not out.is_file():
            with tempfile.TemporaryDirectory() as scratch:
                out.write_text(json.dumps(measure(given.target, seed, Path(scratch))))
    return None


if __name__ == "__main__":
    main()
