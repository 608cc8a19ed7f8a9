"""Program -> the text of a dependency-free C library: header, code, weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgec.emit.drivers import Drivers
from edgec.emit.flash import homes
from edgec.emit.literals import C_TYPES, initialiser
from edgec.emit.names import c_name, comment, unique_names
from edgec.emit.parts import Parts, arena_bytes, collect, environment, region_bytes, table_constants
from edgec.ir.program import ITEM_BYTES, Port, Program
from edgec.ir.pull import pushed_input
from edgec.memory.regions import Room
from edgec.ops.registry import by_name
from edgec.paths import templates_dir

VARIANTS = frozenset({"neon", "x86"})
"""Features of which a library may hold several instruction sets: it can tell which one runs."""


@dataclass(frozen=True)
class Source:
    """The generated files: name -> text; symbols: step name -> C symbol; ports: function names in order of inputs, then outputs;
    weight_bytes: all constant arrays; weight_regions: the same by flash memory, where they lie in several."""

    files: dict[str, str]
    symbols: dict[str, str]
    input_functions: tuple[str, ...]
    output_functions: tuple[str, ...]
    weight_bytes: int
    weight_regions: dict[str, int]


def port_functions(prefix: str, word: str, ports: tuple[Port, ...]) -> tuple[str, ...]:
    """`<name>_input`, or `<name>_input_<port>` where there are several."""
    if len(ports) == 1:
        return (f"{prefix}_{word}",)
    return tuple(f"{prefix}_{word}_{n}" for n in unique_names([p.name for p in ports], word))


def _ports(program: Program, ports: tuple[Port, ...], functions: tuple[str, ...], word: str) -> list[dict[str, object]]:
    macros = [f"{f.upper()}" for f in functions]
    rows: list[dict[str, object]] = []
    for port, function, macro in zip(ports, functions, macros, strict=True):
        buffer = program.by_name[port.buffer]
        quant = f", real = {buffer.quant.scale!r} * (q - {buffer.quant.zero_point})" if buffer.quant else ""
        rows.append(
            {
                "function": function,
                "macro": macro,
                "ctype": C_TYPES[buffer.dtype],
                "bytes": buffer.rows * buffer.row_bytes,
                "elements": buffer.elements,
                "note": comment(f"{word} {port.name!r}: {buffer.dtype} {list(port.shape)}{quant}"),
                "address": f"{program.name}_b_{port.buffer}",
            }
        )
    return rows


def _states(program: Program) -> list[dict[str, object]]:
    """The arrays that live between runs; zero: the byte that a reset fills them with."""
    found: list[dict[str, object]] = []
    for index, state in enumerate(program.states):
        buffer = program.by_name[state.input.buffer]
        found.append(
            {
                "array": f"{program.name}_state_{index}",
                "bytes": buffer.bytes,
                "zero": buffer.quant.zero_point & 255 if buffer.quant is not None else 0,
                "begin": f"{program.name}_b_{buffer.name}",
                "end": f"{program.name}_b_{state.output.buffer}",
                "note": comment(
                    f"{state.output.name!r} becomes {state.input.name!r}: {buffer.dtype} {list(state.input.shape)}"
                ),
            }
        )
    return found


def _push(program: Program) -> dict[str, object] | None:
    """What `<name>_push_row` needs to know, None where the input is given at once."""
    if not pushed_input(program):
        return None
    buffer = program.by_name[program.inputs[0].buffer]
    return {
        "ctype": C_TYPES[buffer.dtype],
        "rows": buffer.rows,
        "stored": buffer.stored_rows,
        "elements": buffer.row_elements,
        "bytes": buffer.row_bytes,
        "address": f"{program.name}_b_{buffer.name}",
    }


def _regions(program: Program) -> list[dict[str, object]]:
    """The arrays of an arena that lies in several memories, fastest first."""
    names = {region.name: c_name(region.name) for region in program.regions}
    sizes = region_bytes(program)
    return [{"name": c, "upper": c.upper(), "memory": comment(name), "bytes": sizes[name]} for name, c in names.items()]


def _constants(parts: Parts, where: Mapping[str, str]) -> list[dict[str, object]]:
    return [
        {
            "name": name,
            "ctype": C_TYPES[str(array.dtype)],
            "count": array.size,
            "values": initialiser(array),
            "bytes": array.size * ITEM_BYTES.get(str(array.dtype), array.itemsize),
            "region": where.get(name, ""),
        }
        for name, array in parts.constants.items()
    ]


def isa_text(features: frozenset[str], extra: Sequence[str] = ()) -> str:
    """The vocabulary headers pasted into the generated code: scalar always, then what the target's features and the kernels add."""
    folder, env = templates_dir() / "isa", environment()
    names = ["scalar"] + [
        n for n in ("dsp", "mve", "neon", "x86", "simd128", "simd") if n in features and (folder / f"{n}.h").exists()
    ]
    texts = []
    for name, *numbers in (header.split() for header in dict.fromkeys((*names, *extra))):
        stated = {key: int(value) for key, value in (number.split("=") for number in numbers)}
        texts.append(env.get_template(f"isa/{name}.h").render(features=features, **stated).lstrip())
    return "\n".join(texts)


@dataclass(frozen=True)
class Model:
    """One program, ready for the templates.  headers: of the vocabulary that its kernels need."""

    name: str
    context: dict[str, Any]
    parts: Parts
    headers: tuple[str, ...]

    def files(self) -> dict[str, str]:
        """NAME.h and NAME_weights.c."""
        env = environment()
        return {
            f"{self.name}.h": env.get_template("model.h.j2").render(self.context),
            f"{self.name}_weights.c": env.get_template("weights.c.j2").render(self.context),
        }


def emit(
    program: Program, features: frozenset[str] = frozenset(), version: str = "", flash: Sequence[Room] = ()
) -> Source:
    """The C library of a placed program whose steps have their kernels.  Same arguments: same bytes.

    flash: the target's memories for constants, fastest first, where it has several.  BudgetError where the constants do not fit.
    """
    made = model(program, features, version, flash)
    prefix, files = made.name, made.files()
    checksum = hashlib.sha256(files[f"{prefix}_weights.c"].encode()).hexdigest()[:16]
    context = {**made.context, "isa": isa_text(features, made.headers), "checksum": checksum, "bundled": False}
    files[f"{prefix}.c"] = environment().get_template("model.c.j2").render(context)
    return Source(
        {name: files[name] for name in (f"{prefix}.h", f"{prefix}.c", f"{prefix}_weights.c")},
        {part.step.name: part.symbol for part in made.parts.steps},
        port_functions(prefix, "input", program.inputs),
        port_functions(prefix, "output", program.outputs),
        made.context["weight_bytes"],
        made.context["weight_sizes"],
    )


def model(
    program: Program,
    features: frozenset[str],
    version: str = "",
    flash: Sequence[Room] = (),
    functions: dict[str, str] | None = None,
) -> Model:
    """Everything the templates need of a program.  functions: kernels that stand in the same file already (see `collect`)."""
    prefix = c_name(program.name)
    parts = collect(program, functions)
    tables = table_constants(parts, prefix)
    drivers = Drivers(program, parts, tables)
    constants = _constants(parts, homes(parts, flash))
    weight_bytes = sum(int(str(c["bytes"])) for c in constants)
    weight_regions = {
        r.name: n for r in flash if (n := sum(int(str(c["bytes"])) for c in constants if c["region"] == r.name))
    }
    macs = {p.step.name: by_name()[p.step.op].macs(p.site) for p in parts.steps}
    input_functions = port_functions(prefix, "input", program.inputs)
    output_functions = port_functions(prefix, "output", program.outputs)
    params = [
        f"static const {p.function}_t {p.params} = {{ {', '.join(f'.{k} = {v}' for k, v in p.initial.items()) or '.unused = 0'} }};"
        for p in parts.steps
    ]
    notes = [
        comment(
            f"{p.index:3d} {p.step.name}: {p.step.op} {p.kernel.name}, {macs[p.step.name]} MAC, makes {p.step.output}"
        )
        for p in parts.steps
    ]
    context = {
        "name": prefix,
        "upper": prefix.upper(),
        "version": version,
        "contract": program.contract,
        "target": comment(program.target or "any C11 compiler"),
        "arena": arena_bytes(program),
        "regions": _regions(program),
        "scratch": program.scratch,
        "uses_math": any("float32" in (b.dtype for b in (*p.site.inputs, p.site.output)) for p in parts.steps),
        "functions": parts.functions,
        "constants": constants,
        "params": params,
        "notes": notes,
        "macros": drivers.macros(),
        "counters": drivers.counters(),
        "counter": drivers.counter,
        "segments": [drivers.segment(i, s) for i, s in enumerate(program.segments)],
        "segment_names": [f"{prefix}_segment_{i:03d}" for i in range(len(program.segments))],
        "inputs": _ports(program, program.inputs, input_functions, "input"),
        "outputs": _ports(program, program.outputs, output_functions, "output"),
        "tap_types": sorted(
            {
                C_TYPES[b.dtype]
                for p in parts.steps
                for i, b in enumerate(p.site.inputs)
                if p.kernel.access_of(i)[:4] == "taps"
            }
        ),
        "macs": sum(macs.values()),
        "push": _push(program),
        "states": _states(program),
        "state_bytes": program.state_bytes,
        "variants": bool(features & VARIANTS),
        "weight_bytes": weight_bytes,
        "weight_regions": list(weight_regions),
        "weight_sizes": weight_regions,
    }
    return Model(prefix, context, parts, tuple(h for p in parts.steps for h in p.kernel.headers(p.site)))
