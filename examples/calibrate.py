"""Calibrates the cost model: random models on the emulator, coefficients by least squares, errors on models that were not fitted.

    python examples/calibrate.py measure cortex-m4 --seeds 0:150     counts, kept under build/calibrate (again: only what is missing)
    python examples/calibrate.py fit cortex-m4                       writes targets/cost/cortex-m4.json
    python examples/calibrate.py check cortex-m4                     errors of whole models that were not fitted, the shared ones too

Each model is measured with kernels drawn at random from those that can compute its steps, so that all are seen in all shapes, and
checked with those that edgec chooses.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from cost_fit import KEPT, ROOT, fit, symbol_sizes
from random_models import random_model

import edgec
from edgec.compiler import CompileResult, compile_model, lowered
from edgec.errors import EdgecError
from edgec.ir.program import Program, site
from edgec.ir.text import constants, print_program
from edgec.kernels.predict import around, code_keys, code_of, step_costs, stored
from edgec.kernels.registry import candidates, kernel
from edgec.options import CompileOptions
from edgec.schedule.order import order
from edgec.target import load_target

SHARED = ROOT.parent / "shared" / "models"
HELD_OUT = range(2000, 2016)
"""Seeds that are never fitted."""
MINMAX: dict[str, Any] = {"method": "minmax", "effort": 0, "sensitivity": 0}
CHECKED: dict[str, dict[str, Any]] = {
    **{f"{name}_int8_qdq": {} for name in ("kws", "vww", "ic", "ad")},
    **dict.fromkeys(("vit_fashion_p7", "vit_fashion_p4", "gru_fsdd", "mlp_digits", "kwt1_mfcc"), MINMAX),
    "mcunet_vww_int8": {},
    "mobilenetv2_224_ptq": {},
}
"""Models of ../shared: how the float ones are quantized, nothing for those that are."""
SLOW = 2.5
"""Kernels that take so many times the instructions of the fastest are not worth measuring."""
QUANTITIES = ("instructions", "cycles", "flash", "scratch")


def drawn(program: Program, target: str, dice: np.random.Generator) -> dict[str, str]:
    """A kernel for every step: the default half of the time, else any that can compute it and is not said to be much slower."""
    found = {}
    for step in order(program).steps:
        at = site(program, step)
        able = candidates(at, load_target(target).isa, large=True)
        least = min(k.cost(at).instructions for k in able)
        near = [k for k in able if k.cost(at).instructions <= SLOW * least]
        found[step.name] = (able[0] if dice.random() < 0.5 else near[int(dice.integers(len(near)))]).name
    return found


def record(program: Program, measured: Mapping[str, Any], elf: Path) -> dict[str, Any]:
    """What the fit needs of one measured model, beside its constants."""
    return {
        "program": print_program(program),
        "took": [[layer["instructions"], layer["cycles_estimate"] or 0] for layer in measured["layers"]],
        "between": [measured["overhead"]["instructions"], measured["overhead"]["cycles_estimate"] or 0],
        "flash": measured["flash"]["total"],
        "symbols": symbol_sizes(elf, program.name),
    }


def measure(target: str, seed: int, out: Path) -> None:
    """One random model, quantized (one in eight: float), compiled with random kernels, counted, written to `out`; an empty file if edgec
    refuses it."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        kind, model, samples = random_model(seed)
        file = folder / "net.onnx"
        onnx.save(model, file)
        dice = np.random.default_rng(seed)
        optimize = str(dice.choice(["balanced", "speed", "ram"]))
        options = CompileOptions(target=target, optimize=optimize, io=str(dice.choice(["model", "quantized"])))
        try:
            if seed % 8:
                edgec.quantize(file, samples, file, **MINMAX)
            else:
                options = replace(options, io="model")
            names = drawn(lowered(file, options).program, target, dice)
            made = compile_model(file, options, folder / "net", kernels=names)
            counted = edgec.bench(folder / "net", emulate=True)
        except EdgecError as error:
            print(f"seed {seed} ({kind}): {error.message[:100]}", flush=True)
            out.write_text("{}")
            return
        np.savez_compressed(out.with_suffix(".npz"), **constants(made.program))
        elf = next((folder / "net" / "build").rglob("firmware.elf"))
        out.write_text(json.dumps(record(made.program, counted, elf)))


@dataclass(frozen=True)
class Quality:
    """One model that was not fitted: its figures as predicted and as measured, in the order of QUANTITIES."""

    kind: str
    name: str
    predicted: tuple[float, ...]
    measured: tuple[float, ...]

    @property
    def errors(self) -> tuple[float, ...]:
        """Predicted against measured, in percent; nan where nothing was measured."""
        pairs = zip(self.predicted, self.measured, strict=True)
        return tuple(100 * (p / m - 1) if m else 0.0 if p == 0 else float("nan") for p, m in pairs)


def predicted(made: CompileResult) -> tuple[float, ...]:
    """Instructions, cycles, flash, scratch of a compiled model as the tables have them."""
    program, between = made.program, around(made.program)
    costs = step_costs(program)
    sites = [(kernel(step.kernel), site(program, step)) for step in program.steps]
    code = code_of((key for chosen, at in sites for key in code_keys(chosen, at)), len(sites), program.target)
    flash = code + sum(stored(chosen, at) for chosen, at in sites)
    scratch = max((step["predicted"]["scratch"] for step in made.manifest["steps"]), default=0)
    work = (sum(c.instructions for c in costs) + between[0], sum(c.cycles for c in costs) + between[1])
    return *work, flash, scratch


def model_of(name: str) -> tuple[str, Path]:
    """(kind, file) of a checked model: quantized where it is not, kept from run to run."""
    file = SHARED / f"{name}.onnx"
    if not name.isdigit() and not CHECKED[name]:
        return "shared", file
    kept = KEPT / "models" / f"{name}.onnx"
    kind = "shared"
    if name.isdigit():
        kind, model, samples = random_model(int(name))
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        if name.isdigit():
            onnx.save(model, kept)
            edgec.quantize(kept, samples, kept, **MINMAX)
        else:
            given = onnx.load(file).graph.input[0]
            shape = [d.dim_value or 1 for d in given.type.tensor_type.shape.dim]
            values = np.random.default_rng(0).normal(0, 1, (8, *shape[shape[0] == 1 :])).astype(np.float32)
            edgec.quantize(file, {given.name: values}, kept, **MINMAX)
    return kind, kept


def counted_once(folder: Path, target: str, name: str) -> dict[str, Any]:
    """The measurement of a compiled model; what was measured of the same C before is not measured again."""
    digest = hashlib.sha256()
    for file in sorted([*folder.glob("*.c"), *folder.glob("*.h")]):
        digest.update(file.read_bytes())
    kept = KEPT / "checked" / target / f"{name}-{digest.hexdigest()[:16]}.json"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(edgec.bench(folder, emulate=True)))
    return dict(json.loads(kept.read_text()))


def qualities(target: str, names: list[str], layers: bool = False) -> Iterator[Quality]:
    """Predictions and counts of models with the kernels that edgec chooses.  layers: prints them layer by layer too."""
    for number, name in enumerate(names):
        try:
            kind, file = model_of(name)
            options = CompileOptions(target=target, name="net", optimize=("balanced", "speed")[number % 2])
            with tempfile.TemporaryDirectory() as scratch:
                made = compile_model(file, options, Path(scratch) / "net")
                counted = counted_once(Path(scratch) / "net", target, name)
        except EdgecError as error:
            print(f"{name}: {error.message[:100]}")
            continue
        figures = (counted["instructions"], counted["cycles_estimate"] or 0, counted["flash"]["total"])
        if layers:
            tell_layers(made.program, counted)
        yield Quality(kind, name, predicted(made), (*figures, max(step.scratch for step in made.program.steps)))


def tell_layers(program: Program, counted: Mapping[str, Any]) -> None:
    """Layers that are far off, by what they add to the error of the model."""
    total = counted["instructions"]
    for step, cost, layer in zip(program.steps, step_costs(program), counted["layers"], strict=True):
        off = cost.instructions - layer["instructions"]
        if abs(off) > 0.003 * total:
            share, own = 100 * off / total, 100 * off / max(layer["instructions"], 1)
            print(
                f"    {step.name:28} {step.kernel:22} {layer['instructions']:>10,} {own:+6.1f} % {share:+6.1f} % of all"
            )


def check(target: str, names: list[str], layers: bool) -> None:
    """The table of errors, and their medians and extremes."""
    print(f"{target:31} {'instructions':>12} " + "  ".join(f"{name:>12}" for name in QUANTITIES))
    found = []
    for quality in qualities(target, names, layers):
        found.append(np.abs(quality.errors))
        errors = "  ".join("           -" if np.isnan(e) else f"{e:+10.1f} %" for e in quality.errors)
        print(f"{quality.kind:12} {quality.name:18} {quality.measured[0]:>12,} {errors}", flush=True)
    for what, value in (("median", np.nanmedian(found, axis=0)), ("worst", np.nanmax(found, axis=0))):
        print(f"{what:44} " + "  ".join(f"{e:10.1f} %" for e in value))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("measure", "fit", "check"))
    parser.add_argument("target")
    parser.add_argument("--seeds", metavar="A:B", help="random models; check: 2000:2016, never fitted")
    parser.add_argument("--models", metavar="NAMES", help="check: these of the shared models, comma-separated; none: -")
    parser.add_argument("--layers", action="store_true", help="check: layers that are far off, too")
    given = parser.parse_args()
    seeds = range(*map(int, given.seeds.split(":"))) if given.seeds else None
    if given.what == "fit":
        return fit(given.target)
    if given.what == "check":
        shared = [
            name for name in CHECKED if (given.models is None or name in given.models.split(",")) and SHARED.is_dir()
        ]
        return check(given.target, [*shared, *map(str, seeds if seeds is not None else HELD_OUT)], given.layers)
    (KEPT / given.target).mkdir(parents=True, exist_ok=True)
    for seed in range(150) if seeds is None else seeds:
        if not (out := KEPT / given.target / f"{seed}.json").is_file():
            measure(given.target, seed, out)
    return None


if __name__ == "__main__":
    main()
