"""The pieces of the generated C that belong to one kernel or one step: functions, parameter structs, constants, call wrappers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

import jinja2
import numpy as np

from edgec.emit.literals import C_TYPES, floating, initialiser, integer
from edgec.ir.program import Array, Program, Site, Step, site
from edgec.ir.reach import Table, Window
from edgec.kernels.base import Kernel, Packed
from edgec.kernels.registry import kernel
from edgec.paths import templates_dir


def environment() -> jinja2.Environment:
    """The template environment: strict, no escaping (C, not HTML), blocks leave no blank lines."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates_dir()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


@dataclass
class StepParts:
    """One step, ready to be emitted.  function: its kernel's C function; params: name of its parameter struct."""

    index: int
    step: Step
    site: Site
    kernel: Kernel
    function: str
    params: str
    symbol: str
    packed: Packed
    initial: dict[str, str] = field(default_factory=dict)


@dataclass
class Parts:
    """All pieces of one model's C."""

    steps: list[StepParts]
    functions: list[str]
    constants: dict[str, Array]
    pads: dict[tuple[str, int], str]


def _field_type(value: int | float | Array) -> str:
    if isinstance(value, np.ndarray):
        return f"const {C_TYPES[str(value.dtype)]} *"
    return "float " if isinstance(value, float) else "int32_t "


def _function(env: jinja2.Environment, prefix: str, name: str, chosen: Kernel, at: Site, packed: Packed) -> str:
    """The C of one kernel: its parameter struct and its template.  prefix: of the library's names that the linker sees."""
    body = env.get_template(f"kernels/{chosen.template}.c.j2").render(function=name, prefix=prefix, **chosen.variant(at))
    if packed.struct:
        return f"typedef {packed.struct} {name}_t;\n\n{body.strip()}\n"
    fields = (
        "".join(f"    {_field_type(value)}{key};\n" for key, value in packed.fields.items()) or "    int32_t unused;\n"
    )
    return f"typedef struct {{\n{fields}}} {name}_t;\n\n{body.strip()}\n"


def pad_value(at: Site, index: int) -> int:
    """What a padding row of input `index` holds: the zero point of an int8 input, zero otherwise."""
    return int(at.step.attrs.get("zx", 0)) if at.inputs[index].dtype == "int8" else 0  # type: ignore[arg-type]


def pad_rows_needed(at: Site, index: int) -> bool:
    """Whether some window of the step reaches above or below its input."""
    reach = at.step.reach[index]
    return isinstance(reach, Window) and any(None in reach.taps(y) for y in range(at.output.rows))


def arena_bytes(program: Program) -> int:
    """Bytes the arena must have: as planned, and what kernels may load behind each of its regions and ignore."""
    return sum(region_bytes(program).values())


def region_bytes(program: Program) -> dict[str, int]:
    """The same by region; "" for an arena in one piece."""
    behind = max((kernel(step.kernel).behind for step in program.steps), default=0)
    return {region.name: region.bytes + behind for region in program.parts}


def collect(program: Program, functions: dict[str, str] | None = None) -> Parts:
    """Renders kernels (one C function for all steps of equal variant), packs parameters, shares equal constants.

    functions: variant -> name of those that stand in the same C file already; new ones are added.
    """
    env = environment()
    prefix = program.name
    parts = Parts([], [], {}, {})
    functions = {} if functions is None else functions
    names: dict[bytes, str] = {}
    pad_sizes: dict[tuple[str, int], int] = {}
    for index, step in enumerate(program.steps):
        at = site(program, step)
        chosen = kernel(step.kernel)
        packed = chosen.pack(at)
        types = [(key, _field_type(value)) for key, value in packed.fields.items()]
        key = json.dumps([chosen.name, sorted(chosen.variant(at).items()), types], default=str)
        if key not in functions:
            count = sum(
                1 for known in functions.values() if known == chosen.name or known.startswith(chosen.name + "_v")
            )
            functions[key] = chosen.name if count == 0 else f"{chosen.name}_v{count + 1}"
            parts.functions.append(_function(env, prefix, functions[key], chosen, at, packed))
        initial = {}
        for name, value in packed.fields.items():
            if isinstance(value, np.ndarray):
                flat = np.ascontiguousarray(value).reshape(-1)
                digest = hashlib.sha256(str(flat.dtype).encode() + flat.tobytes()).digest()
                if digest not in names:
                    names[digest] = f"{prefix}_w{index:03d}_{name}"
                    parts.constants[names[digest]] = flat if flat.size else np.zeros(1, flat.dtype)
                initial[name] = names[digest]
            else:
                initial[name] = floating(value) if isinstance(value, float) else integer(int(value))
        symbol = f"{prefix}_step_{index:03d}_{step.op}"
        parts.steps.append(
            StepParts(index, step, at, chosen, functions[key], f"{prefix}_p{index:03d}", symbol, packed, initial)
        )
        for i, source in enumerate(at.inputs):
            if chosen.access_of(i) == "taps" and pad_rows_needed(at, i):
                pad = (source.dtype, pad_value(at, i))
                pad_sizes[pad] = max(pad_sizes.get(pad, 0), source.row_elements)
    for (dtype, value), size in pad_sizes.items():
        name = f"{prefix}_pad_{dtype}_{'m' if value < 0 else ''}{abs(value)}"
        parts.constants[name] = np.full(size, value, dtype)
        parts.pads[(dtype, value)] = name
    return parts


def table_constants(parts: Parts, prefix: str) -> dict[tuple[int, int], str]:
    """Row tables of steps whose reach is a Table: (step index, input) -> name; entries first, last for each output row."""
    found = {}
    for part in parts.steps:
        for i, reach in enumerate(part.step.reach):
            if isinstance(reach, Table) and part.kernel.access_of(i) != "all":
                name = f"{prefix}_rows{part.index:03d}_{i}"
                pairs = np.stack([np.maximum(reach.first, 0), np.maximum(reach.last, 0)], axis=1)
                parts.constants[name] = pairs.astype(np.int32).reshape(-1)
                found[(part.index, i)] = name
    return found


__all__ = [
    "Parts",
    "StepParts",
    "arena_bytes",
    "collect",
    "environment",
    "initialiser",
    "pad_value",
    "region_bytes",
    "table_constants",
]
