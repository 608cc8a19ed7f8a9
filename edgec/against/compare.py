"""The document of `bench --against`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgec import __version__
from edgec.against import host, web
from edgec.against.question import Question, ask, difference
from edgec.against.rounds import ratios, spread
from edgec.errors import InputError, UsageError
from edgec.ir.program import Array
from edgec.target import load_target
from edgec.toolchain.package import Package

__all__ = ["NAMES", "ROUNDS", "compare"]

NAMES = ("onnxruntime", "litert", "onnxruntime-web")
ROUNDS = 21
SECONDS = 0.05
"""Of one runtime in one round."""

#: Where -> the runtimes there are, the suffix of the model each runs, and how they are measured.
PLACES: dict[str, tuple[dict[str, str], Any]] = {
    "this machine": ({"onnxruntime": ".onnx", "litert": ".tflite"}, host),
    "node": ({"onnxruntime-web": ".onnx", "litert": ".tflite"}, web),
}


def compare(
    folder: Path,
    names: Sequence[str],
    models: Sequence[Path] = (),
    samples: Mapping[str, Array] | None = None,
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
) -> dict[str, Any]:
    """Times the package beside the runtimes `names` (of NAMES): one thread, rounds in which each has its turn.

    models: what they run, MODEL.onnx or MODEL.tflite by suffix; without an .onnx the one in DIR/reference.  samples: as verify's; the
    first is used.  Runtimes that cannot run there are told under `skipped`.  Errors: UsageError, InputError, ToolMissingError, BuildError.
    """
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise UsageError(f"there is no runtime {unknown[0]!r} to measure against", f"known: {', '.join(NAMES)}")
    question = ask(folder, samples)
    where = _place(question)
    known, place = PLACES[where]
    chosen, skipped = _models(names, known, where, [folder / "reference" / "model.onnx", *models])
    found = place.measure(question, chosen, rounds, seconds)
    rows = [
        {
            "name": name,
            "version": f"edgec {__version__}" if name == "edgec" else place.version(name),
            "note": found.notes.get(name, ""),
            "microseconds": spread([wall for wall, _ in laps]),
            "processor_microseconds": spread([used for _, used in laps]),
            "ratio": None if name == "edgec" else ratios(laps, found.laps["edgec"]),
            "difference": None if name == "edgec" else difference(found.answers["edgec"], found.answers[name]),
        }
        for name, laps in found.laps.items()
    ]
    return {
        "model": question.package.model_file,
        "target": question.package.target,
        "macs": question.package.macs,
        "ram": _ram(question.package),
        "where": where,
        "threads": 1,
        "rounds": rounds,
        "seconds": seconds,
        "runtimes": rows,
        "skipped": [{"name": name, "why": why} for name, why in {**skipped, **found.refused}.items()],
    }


def _place(question: Question) -> str:
    target = load_target(question.package.target)
    if target.kind == "host":
        return "this machine"
    if target.cpu == "wasm":
        return "node"
    raise UsageError(
        f"{target.name} does not run beside other runtimes here", "compile with --target host or wasm32-simd"
    )


def _models(
    names: Sequence[str], known: Mapping[str, str], where: str, models: Sequence[Path]
) -> tuple[dict[str, Path], dict[str, str]]:
    """(runtime -> the model it runs, runtime -> why it is left out)."""
    for path in models:
        if not path.is_file() or path.suffix not in known.values():
            raise InputError(
                f"{path} is no model that can be measured", "name a MODEL.onnx or MODEL.tflite that exists"
            )
    by_suffix = {path.suffix: path for path in models}
    chosen: dict[str, Path] = {}
    skipped: dict[str, str] = {}
    for name in names:
        if name not in known:
            skipped[name] = f"not on {where}: " + ("compile for wasm32-simd" if where != "node" else "compile for host")
        elif known[name] not in by_suffix:
            skipped[name] = f"it runs {known[name]} files, and there is none: name one with --model MODEL{known[name]}"
        else:
            chosen[name] = by_suffix[known[name]]
    return chosen, skipped


def _ram(package: Package) -> dict[str, int]:
    """Bytes that an inference of edgec's needs, by the plan; the stack, and what an engine takes for itself, apart."""
    state = int(package.manifest.get("state_bytes", 0))
    parts = {"arena": package.arena_bytes, "scratch": package.scratch_bytes, "state": state}
    return {**parts, "total": sum(parts.values())}
