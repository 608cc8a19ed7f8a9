"""An estimate of cycles: exact execution counts times the timing table of the CPU's technical reference manual.

The model is an in-order core with zero wait states.  It knows the cost of every instruction, the pipeline reload of
taken branches (from counted fall-throughs) and loads that pipeline behind a load.  It does not know caches, wait
states, bus contention, flash prefetch or stalls on dependent addresses; it is an estimate and never called latency.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from edgec.emulate.counts import Block
from edgec.errors import ToolMissingError
from edgec.target import Timing

__all__ = ["block_cycles", "code_reader", "layer_cycles"]

_SINGLE_LOAD = re.compile(r"ldr(b|h|sb|sh)?$")
_SINGLE_ACCESS = re.compile(r"(ldr|str)(b|h|sb|sh)?$")
_BRANCH = ("b", "cbz", "cbnz", "bx", "bl", "blx", "tbb", "tbh")


@dataclass(frozen=True)
class _Instruction:
    key: str
    """What timing rules match: the mnemonic, `_pc` appended when it writes the program counter, `_imm`, `_64`, `_core`."""
    name: str
    registers: int
    conditional: bool
    target: str
    address: frozenset[str]


def layer_cycles(blocks: Sequence[Block], elf: Path, timing: Timing, layers: int) -> list[int]:
    """Estimated cycles by layer; the last entry is the model's overhead.  Raises ToolMissingError without capstone."""
    read = code_reader(elf)
    totals = [0] * (layers + 1)
    for block in blocks:
        straight, taken = block_cycles(read(block.address, sum(block.sizes)), block.address, timing)
        for layer, executions in block.executions.items():
            jumps = executions - block.fallthroughs.get(layer, 0)
            totals[layer] += executions * straight + jumps * taken
    return totals


def block_cycles(code: bytes, address: int, timing: Timing) -> tuple[int, int]:
    """(cycles of one execution that falls through at its end, extra cycles when the last instruction jumps)."""
    total, extra = 0, 0
    previous: _Instruction | None = None
    instructions = _disassemble(code, address)
    for position, instruction in enumerate(instructions):
        cost = _cost(instruction.key, instruction.registers, timing)
        last = position == len(instructions) - 1
        if last and (instruction.conditional or instruction.name in ("cbz", "cbnz")) and instruction.name in _BRANCH:
            extra = timing.taken if instruction.name in ("b", "cbz", "cbnz") else cost - 1
            cost = 1
        if (
            timing.pipelined_loads
            and previous is not None
            and _SINGLE_LOAD.match(previous.key)
            and _SINGLE_ACCESS.match(instruction.name)
            and previous.target not in instruction.address
            and cost > 1
        ):
            cost -= 1
        total += cost
        previous = instruction
    return total, extra


def _cost(key: str, registers: int, timing: Timing) -> int:
    for pattern, cost in timing.rules:
        if _regex(pattern).fullmatch(key):
            values = {"N": registers, "P": timing.pipeline_reload}
            return sum(values[part] if part in values else int(part) for part in cost.split("+"))
    return timing.default


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@cache
def _engine() -> Any:
    try:
        import capstone
    except ImportError as error:
        raise ToolMissingError(
            "the cycle estimate needs the Python package capstone", hint="pip install capstone"
        ) from error
    return capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)


def _disassemble(code: bytes, address: int) -> list[_Instruction]:
    engine = _engine()
    found: list[_Instruction] = []
    at = 0
    while at < len(code):
        for size, where, mnemonic, operands in engine.disasm_lite(code[at:], address + at):
            found.append(_instruction(mnemonic, operands))
            at = where + size - address
        if at < len(code):  # not known to capstone: an ordinary instruction of its size
            at += 4 if code[at + 1] >> 3 in (0x1D, 0x1E, 0x1F) else 2
            found.append(_Instruction("unknown", "unknown", 1, False, "", frozenset()))
    return found


_CONDITIONS = "eq|ne|hs|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le|cs|cc"
_NAMES = "b|bx|bl|blx|ldr|str|ldrb|strb|ldrh|strh|ldrsb|ldrsh|ldrd|strd|pop|push|ldm|stm|mov|add|sub|cmp|mul|mla"
_CONDITIONAL = re.compile(rf"({_NAMES})({_CONDITIONS})$")


def _instruction(mnemonic: str, operands: str) -> _Instruction:
    name = mnemonic.split(".")[0]
    conditional = False
    match = _CONDITIONAL.match(name)
    if match:
        name, conditional = match.group(1), True
    name = {"ldmia": "ldm", "ldmdb": "ldmdb", "stmia": "stm"}.get(name, name)
    listed = re.search(r"\{(.*)\}", operands)
    count = _listed(listed.group(1)) if listed else 1
    target = operands.split(",")[0].strip()
    bracket = re.search(r"\[(.*?)\]", operands)
    address = frozenset(re.findall(r"\b(?:r\d+|sb|sl|fp|ip|sp|lr|pc)\b", bracket.group(1))) if bracket else frozenset()
    key = name
    if name in ("ldrd", "strd"):
        count = 2
    if (listed and re.search(r"\bpc\b", listed.group(1))) or (
        target == "pc" and not name.startswith(("b", "str", "cmp"))
    ):
        key += "_pc"
    elif name.startswith("str") and name != "strd" and len(address) <= 1 and not re.search(r"\], r", operands):
        key += "_imm"
    elif name in ("vldr", "vstr") and target.startswith("d"):
        key += "_64"
    elif name == "vmov" and "[" not in operands and re.search(r"\b(?:r\d+|sb|sl|fp|ip|lr)\b", operands):
        key += "_core"
    return _Instruction(key, name, count, conditional, target, address)


def _listed(registers: str) -> int:
    """Words moved by a register list; a double register is two."""
    count = 0
    for part in registers.split(","):
        ends = re.findall(r"([rsd])(\d+)", part)
        span = int(ends[1][1]) - int(ends[0][1]) + 1 if len(ends) == 2 else 1
        count += span * (2 if ends and ends[0][0] == "d" else 1)
    return count


def code_reader(elf: Path) -> Any:
    """A function (address, bytes) -> code, over the ELF's loadable segments."""
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as stream:
        segments = [
            (int(segment["p_vaddr"]), segment.data())
            for segment in ELFFile(stream).iter_segments()
            if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]
        ]

    def read(address: int, count: int) -> bytes:
        for base, data in segments:
            if base <= address and address + count <= base + len(data):
                return bytes(data[address - base : address - base + count])
        return b""

    return read
