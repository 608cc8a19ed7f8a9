"""Everything a report shows of a package, as one document: its manifest, what was measured, its errors, the boards it fits."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgec.report.limits import with_limits
from edgec.schedule.rooms import flash_of, ram_of
from edgec.target import list_targets, load_target
from edgec.toolchain.package import load_package

MEASURED = Path("build", "bench.json")
"""Where `bench` leaves its last document in a package; a new compilation removes it."""


def keep(folder: Path, document: Mapping[str, Any]) -> None:
    """Writes what `bench` measured into the package, whole or not at all; a folder that cannot be written keeps nothing."""
    path = folder / MEASURED
    fresh = path.with_suffix(".new")
    try:
        path.parent.mkdir(exist_ok=True)
        fresh.write_text(json.dumps(document), encoding="utf-8")
        os.replace(fresh, path)
    except OSError:
        return


def explain(folder: Path, samples: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The manifest and beside it `measured` (the last `bench`, or None), `costs` (its layers, or the predicted ones, with limits),
    `quantization` (of the calibration, else of running the model on `samples`; None without rounding) and `boards`."""
    document = dict(load_package(folder).manifest)
    measured = _measured(folder)
    need = _need(document, measured)
    return {
        "dir": str(folder),
        **document,
        "measured": measured,
        "costs": _costs(folder, document, measured),
        "quantization": document.get("quantization") or _errors(folder, document, samples),
        "boards": _boards(need, document["target"]),
        "need": need,
    }


def _measured(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / MEASURED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and "layers" in found else None


def _costs(folder: Path, document: Mapping[str, Any], measured: Mapping[str, Any] | None) -> dict[str, Any]:
    """{"how": measured | predicted | None, "layers": name, op, macs, instructions, limit, hint of each step}."""
    if measured is not None and all(layer.get("instructions") for layer in measured["layers"]):
        return {"how": "measured", "layers": measured["layers"]}
    if not all("predicted" in step for step in document["steps"]):
        return {"how": None, "layers": []}
    layers = [
        {"name": s["name"], "op": s["op"], "macs": s["macs"], "instructions": s["predicted"]["instructions"]}
        for s in document["steps"]
    ]
    target = load_target(document["target"]["name"])
    return {"how": "predicted", "layers": with_limits({"layers": layers}, folder, target)["layers"]}


def _errors(folder: Path, document: Mapping[str, Any], samples: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Noise of rounding by layer of a model that came quantized; None where it cannot be told (no onnxruntime, no rounding)."""
    model = folder / "reference" / "model.onnx"
    if not model.is_file():
        return None
    try:
        import onnx_ir
        import onnxruntime  # noqa: F401
    except ImportError:
        return None
    from edgec.quant.error import rounding_errors
    from edgec.verify.reference import read_program
    from edgec.verify.samples import default_samples

    read = onnx_ir.load(model)
    given = dict(samples) if samples is not None else default_samples(read_program(folder))
    if {str(value.name) for value in read.graph.inputs} - set(given):  # states: their values come from a sequence
        return None
    entries = {entry["name"]: entry for entry in document["inputs"]}
    fitting = {
        str(value.name): _as_model_takes(given[str(value.name)], value.dtype, entries[str(value.name)])
        for value in read.graph.inputs
    }
    layers = rounding_errors(read, fitting)
    return (
        {"samples": len(next(iter(fitting.values()))), "random": samples is None, "layers": layers} if layers else None
    )


def _as_model_takes(array: Any, dtype: Any, entry: Mapping[str, Any]) -> Any:
    """Samples of the library's type in the model's: with `--io quantized` the library takes integers where the model takes floats."""
    import numpy as np

    wanted = dtype.numpy()
    if wanted == np.float32 and array.dtype.kind in "iu" and entry["scale"] is not None:
        return ((array.astype(np.float32) - entry["zero_point"]) * np.float32(entry["scale"])).astype(np.float32)
    return array.astype(wanted, copy=False)


def _need(document: Mapping[str, Any], measured: Mapping[str, Any] | None) -> dict[str, Any]:
    """Bytes of RAM and flash: measured in the linked image, or the arena and the constants alone."""
    if measured is not None and "ram" in measured and "flash" in measured:
        return {"how": "measured", "ram": measured["ram"]["total"], "flash": measured["flash"]["total"]}
    ram = document["arena_bytes"] + document["scratch_bytes"] + document.get("state_bytes", 0)
    return {"how": "planned", "ram": ram, "flash": document["weight_bytes"]}


def _boards(need: Mapping[str, Any], target: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every real and emulated board with its RAM and flash, those with the same core first."""
    found = []
    for name in list_targets():
        board = load_target(name)
        if board.kind == "board":
            fits = need["ram"] <= ram_of(board) and need["flash"] <= flash_of(board)
            entry = {"name": name, "cpu": board.cpu, "emulated": board.qemu is not None, "fits": fits}
            found.append({**entry, "ram": board.ram_bytes, "flash": board.flash_bytes})
    return sorted(found, key=lambda b: (b["cpu"] != target["cpu"], b["ram"]))
