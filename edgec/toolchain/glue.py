"""The C file that tells the serial harness about the models: written from the packages' edgec.json."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgec.errors import UsageError
from edgec.paths import firmware_dir
from edgec.toolchain.arenas import Arena, arenas_of
from edgec.toolchain.package import Package, Tensor

__all__ = ["HARNESS_SOURCES", "glue_defines", "wire_format", "write_empty", "write_glue", "write_linker_script"]

HARNESS_SOURCES = ("protocol.c", "extras.c", "words.c", "infer.c", "text.c", "ticks.c", "trace.c", "weights.c")

#: MLPerf Tiny benchmarks: name prefix -> (profile, input elements, output elements, wire format).
BENCHMARKS = {
    "ic": ("ic01", 3072, 10, "EDGEC_WIRE_UINT8"),
    "vww": ("vww01", 27648, 2, "EDGEC_WIRE_UINT8"),
    "kws": ("kws01", 490, 12, "EDGEC_WIRE_RAW"),
    "ad": ("ad01", 640, 640, "EDGEC_WIRE_FLOAT_ERROR"),
}


def wire_format(package: Package) -> tuple[str, str, int]:
    """(profile, wire format, wire bytes) of a package: a benchmark's own where name and shapes are its, else raw."""
    raw = (package.name, "EDGEC_WIRE_RAW", package.input_bytes)
    if len(package.inputs) != 1 or len(package.outputs) != 1:
        return raw
    for prefix, (profile, elements, results, wire) in BENCHMARKS.items():
        named = package.name == prefix or package.name.startswith((f"{prefix}_", f"{prefix}01"))
        if named and (package.inputs[0].elements, package.outputs[0].elements) == (elements, results):
            int8 = package.inputs[0].dtype == "int8"
            if wire == "EDGEC_WIRE_FLOAT_ERROR":
                whole = int8 and package.outputs[0].dtype == "int8" and package.inputs[0].scale is not None
                return (profile, wire, 4 * elements) if whole else (profile, *raw[1:])
            return (profile, wire if int8 else "EDGEC_WIRE_RAW", package.input_bytes)
    return raw


def glue_defines(packages: Sequence[Package], trace: bool) -> list[str]:
    """Preprocessor definitions all harness files are compiled with."""
    floats = any(_wire_is_float(package) for package in packages)
    return [f"EDGEC_TRACE={int(trace)}", f"EDGEC_WIRE_FLOAT={int(floats)}"]


def _wire_is_float(package: Package) -> bool:
    return wire_format(package)[1] == "EDGEC_WIRE_FLOAT_ERROR"


def write_glue(
    packages: Sequence[Package],
    out: Path,
    trace: bool = False,
    with_arena: bool = True,
    raw: bool = False,
    arenas: Sequence[Arena] = (),
) -> Path:
    """Writes the glue.  `with_arena` False: for the empty model; `raw`: the wire carries the model's own bytes; `arenas`: as the linker
    script has them (see arenas_of)."""
    if not packages:
        raise UsageError("firmware needs at least one compiled model", hint="name the folder `edgec compile -o` wrote")
    names = [package.name for package in packages]
    if len(set(names)) != len(names):
        raise UsageError(f"two models are called the same: {', '.join(names)}", hint="compile one with another --name")
    arenas = arenas or arenas_of(packages)
    models = [{**_model(package, trace, raw), "arenas": _arrays(package, arenas, with_arena)} for package in packages]
    return _render(
        "glue.c.j2",
        out,
        models=models,
        trace=trace,
        wire_bytes=max(model["wire_bytes"] for model in models),
        result_bytes=max(model["output_bytes"] for model in models),
        ready_bytes=max(package.inputs[0].elements if _wire_is_float(package) else 0 for package in packages),
        steps=max(1, *(model["steps"] for model in models)),
        arenas=arenas,
        with_arena=with_arena,
    )


def _arrays(package: Package, arenas: Sequence[Arena], with_arena: bool) -> dict[str, Any]:
    """The C arrays of the pieces of a package's arena, in order; one: the arena is one piece.  The empty model needs none."""
    symbols = {arena.name: f"edgec_arena{arena.suffix}" for arena in arenas}
    names = [name for name, _ in package.regions]
    arrays = [symbols[name or arenas[0].name] if with_arena else "edgec_wire" for name in names]
    return {"one": names == [""], "arrays": arrays}


def write_empty(packages: Sequence[Package], out: Path) -> Path:
    """Writes a C file with the same functions as the packages, all empty."""
    models = [
        {**_model(package, False, False), "arenas": _arrays(package, arenas_of([package]), False)}
        for package in packages
    ]
    return _render("empty.c.j2", out, models=models)


def _model(package: Package, trace: bool, raw: bool) -> dict[str, Any]:
    profile, wire, wire_bytes = wire_format(package)
    if raw:
        wire, wire_bytes = "EDGEC_WIRE_RAW", package.input_bytes
    inputs = [_tensor(tensor) for tensor in package.inputs]
    outputs = [_tensor(tensor) for tensor in package.outputs]
    return {
        "name": package.name,
        "header": package.header,
        "profile": profile,
        "wire": wire,
        "wire_bytes": wire_bytes,
        "arena_bytes": package.arena_bytes,
        "steps": len(package.steps),
        "build_hash": package.build_hash(),
        "inputs": inputs,
        "outputs": outputs,
        "tensors": outputs if package.input_rows else inputs + outputs,
        "pushed": inputs[0] if package.input_rows else None,
        "row_bytes": package.inputs[0].bytes // package.input_rows if package.input_rows else 0,
        "row_count": package.input_rows,
        "output_bytes": package.output_bytes,
    }


def _tensor(tensor: Tensor) -> dict[str, Any]:
    quantized = tensor.scale is not None and tensor.dtype != "float32"
    multiplier, shift = _milli(float(tensor.scale or 0.0)) if quantized else (0, 0)
    return {
        "label": "".join(c if c.isalnum() or c in "_.:/-" else "_" for c in tensor.name),
        "function": tensor.function,
        "ctype": "float" if tensor.dtype == "float32" else f"{tensor.dtype}_t",
        "dtype_enum": f"EDGEC_{tensor.dtype.upper()}",
        "elements": tensor.elements,
        "bytes": tensor.bytes,
        "scale_literal": f"{float(tensor.scale or 1.0)!r}f" if tensor.scale else "1.0f",
        "zero_point": tensor.zero_point or 0,
        "milli_multiplier": multiplier,
        "milli_shift": shift,
    }


def _milli(scale: float) -> tuple[int, int]:
    """1000 * scale as multiplier / 2^shift with a 31-bit multiplier; a scale beyond 2^21 or so saturates."""
    mantissa, exponent = math.frexp(1000.0 * scale)
    shift = 31 - exponent
    if shift < 0:
        return min(round(1000.0 * scale), 2**53), 0
    if shift > 61:
        return max(1, round(1000.0 * scale * 2.0**61)), 61
    return max(1, round(mantissa * 2**31)), shift


def _render(template: str, out: Path, **values: Any) -> Path:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(firmware_dir())),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(environment.get_template(template).render(**values), encoding="utf-8")
    return out


def write_linker_script(out: Path, **values: Any) -> Path:
    """Writes the linker script from the target's memory map."""
    return _render("port/cortex_m/link.ld.j2", out, **values)
