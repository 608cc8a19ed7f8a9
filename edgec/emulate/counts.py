"""Executed instructions, exactly: the map the counting plugin is given, and what it counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgec.errors import BuildError, LinkError
from edgec.toolchain.package import Package
from edgec.toolchain.sizes import Symbol, elf_symbols

__all__ = ["Block", "layer_instructions", "per_address", "read_counts", "write_map"]

_HARNESS = -1


@dataclass(frozen=True)
class Block:
    """A run of instructions that is always executed from its start: `sizes` in bytes; `executions` and `fallthroughs`
    (the block right after it ran next) by layer."""

    address: int
    sizes: tuple[int, ...]
    executions: dict[int, int]
    fallthroughs: dict[int, int]


def write_map(elf: Path, package: Package, out: Path, *harness: tuple[int, int]) -> Path:
    """Writes the plugin's map: steps are layers 0..n-1, the model's other entry points and drivers layer n (overhead).

    `harness`: address ranges that are not counted.  Kernels are in no line: they count for the step that called them.
    Raises BuildError when the ELF lacks the markers or a step's symbol.
    """
    every = [symbol for symbol in elf_symbols(elf) if symbol.code]  # a step is there once for each variant of a library
    symbols = {symbol.name: symbol for symbol in every}
    entry = f"{package.name}_{'push_row' if package.input_rows else 'run'}"
    missing = [name for name in ("edgec_mark_start", "edgec_mark_stop", entry) if name not in symbols]
    if missing:
        raise BuildError(
            f"the firmware has no function {', '.join(missing)}", hint="build it with `edgec build`, unstripped"
        )
    layers = len(package.steps)
    lines = [f"{symbols['edgec_mark_start'].address:x} {symbols['edgec_mark_stop'].address:x} {layers}"]
    lines += [f"{low:x} {high:x} {_HARNESS}" for low, high in harness]
    for index, step in enumerate(package.steps):
        # A step may have been cloned (kws_step_000.constprop.0): found by its prefix.
        lines += [_line(symbol, index) for symbol in every if _is(symbol.name, step.symbol)]
    drivers = tuple(f"{package.name}_{part}" for part in ("segment_", "until_", "restart"))
    steps = {step.symbol for step in package.steps}
    for symbol in every:
        driver = _is(symbol.name, entry) or symbol.name.startswith(drivers)
        if driver and symbol.name.split(".")[0] not in steps:
            lines.append(_line(symbol, layers))
    out.write_text("\n".join(lines) + "\n", encoding="ascii")
    return out


def _is(name: str, symbol: str) -> bool:
    return name == symbol or name.startswith(symbol + ".")


def _line(symbol: Symbol, layer: int) -> str:
    return f"{symbol.address:x} {symbol.address + max(symbol.size, 2):x} {layer}"


def read_counts(path: Path) -> list[Block]:
    """What the plugin wrote, blocks at the same address (translated twice) merged.  LinkError when it wrote nothing."""
    if not path.is_file():
        raise LinkError(
            "the emulator never reached the end of the counted inference", hint="does the firmware answer `infer`?"
        )
    merged: dict[tuple[int, tuple[int, ...]], Block] = {}
    block = None
    for line in path.read_text(encoding="ascii").splitlines():
        kind, *fields = line.split()
        if kind == "B":
            key = (int(fields[0], 16), tuple(int(size) for size in fields[2]))
            block = merged.setdefault(key, Block(*key, {}, {}))
        elif block is not None:
            layer, executed, fell = map(int, fields)
            block.executions[layer] = block.executions.get(layer, 0) + executed
            block.fallthroughs[layer] = block.fallthroughs.get(layer, 0) + fell
    return sorted(merged.values(), key=lambda block: (block.address, block.sizes))


def layer_instructions(blocks: Sequence[Block], layers: int) -> list[int]:
    """Executed instructions by layer; the last entry, number `layers`, is the model's overhead."""
    totals = [0] * (layers + 1)
    for block in blocks:
        for layer, executions in block.executions.items():
            totals[layer] += executions * len(block.sizes)
    return totals


def per_address(blocks: Sequence[Block]) -> Counter[int]:
    """Executions of every instruction, by address."""
    counts: Counter[int] = Counter()
    for block in blocks:
        executed, address = sum(block.executions.values()), block.address
        for size in block.sizes:
            counts[address] += executed
            address += size
    return counts
