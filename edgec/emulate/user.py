"""One compiled model as a program under QEMU's user-mode emulation: exact instructions, outputs, memory, of one instruction set."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgec.emulate.counts import layer_instructions, read_counts, write_map
from edgec.emulate.plugin import plugin_library
from edgec.emulate.run import Samples, all_bytes
from edgec.errors import BuildError, ToolMissingError, UsageError
from edgec.target import Target, Variant
from edgec.toolchain.cross import Program, build_program
from edgec.toolchain.package import Package, load_package
from edgec.toolchain.sizes import elf_symbols

__all__ = ["measure_program", "run_program"]

QEMU = {"arm64": "qemu-aarch64"}
PATTERN = (37, 11)  # byte i of the input where none is given: (37*i + 11) mod 256, as the harness has it


def measure_program(folder: Path | str, target: Target, inputs: Samples | None = None) -> dict[str, Any]:
    """The document of `edgec bench --emulate` for a platform: instructions of the first inference of target.measured.

    What is counted is the library of all variants of `target` on a processor that has just the measured one.
    """
    if target.cpu not in QEMU:
        raise UsageError(
            f"nothing counts the instructions of {target.name}: its engines compile it anew",
            "for times: edgec bench DIR --against onnxruntime-web",
        )
    package = load_package(folder)
    variant = next(v for v in target.variants if v.name == target.measured)
    program = _program(package, target, variant, False)
    layers = len(package.steps)
    raw = pattern(package) if inputs is None else all_bytes(package, inputs)[: package.input_bytes]
    with tempfile.TemporaryDirectory(prefix="edgec-count-") as scratch:
        work = Path(scratch)
        names = {symbol.name for file in program.harness for symbol in elf_symbols(file) if symbol.code}
        spans = [(s.address, s.address + s.size) for s in elf_symbols(program.path) if s.code and s.name in names]
        table = write_map(program.path, package, work / "map", *spans)
        plugin = f"{plugin_library()},map={table},out={work / 'counts'},width=4"
        outputs = _run(program, target, variant, work, raw, ["-plugin", plugin])
        blocks = read_counts(work / "counts")
        stack = int(np.fromfile(work / "stack.bin", np.int32)[0])
    instructions = layer_instructions(blocks, layers)
    sizes = {s.name: s.size for s in elf_symbols(program.path) if s.variable}
    own = {name: size for name, size in sizes.items() if name.startswith(f"{package.name}_")}
    ram = {
        "arena": sizes.get("edgec_arena", 0), "scratch": sizes.get(f"{package.name}_scratch", 0), "io": 0,
        "data_bss": sum(own.values()) - own.get(f"{package.name}_scratch", 0), "stack": stack,
    }  # fmt: skip
    return {
        "model": package.model_file,
        "target": target.name,
        "board": None,
        "variant": variant.name,
        "processor": variant.emulated,
        "macs": package.macs,
        "instructions": sum(instructions),
        "cycles_estimate": None,
        "cycles_model": None,
        "output_crc32": f"{zlib.crc32(outputs):08x}",
        "ram": {**ram, "total": sum(ram.values())},
        "flash": _flash(program, package),
        "layers": [
            {"name": s.name, "op": s.op, "macs": s.macs, "instructions": instructions[i], "cycles_estimate": None}
            for i, s in enumerate(package.steps)
        ],
        "overhead": {"instructions": instructions[layers], "cycles_estimate": None},
        "toolchain": program.toolchain,
    }


def pattern(package: Package) -> bytes:
    """The input of the contract where none is given; float elements are that byte as int8, divided by 128."""
    found = b""
    for tensor in package.inputs:
        count = tensor.elements if tensor.dtype == "float32" else tensor.bytes
        data = ((PATTERN[0] * np.arange(count) + PATTERN[1]) % 256).astype(np.uint8)
        if tensor.dtype == "float32":
            found += (data.view(np.int8).astype(np.float32) / 128).tobytes()
        else:
            found += (data & 1 if tensor.dtype == "bool" else data).tobytes()
    return found


def run_program(
    folder: Path | str, target: Target, variant: Variant, raw: bytes, trace: bool = False
) -> tuple[bytes, bytes]:
    """(output bytes of every sample, trace of them; see firmware/harness/batch.c) of input bytes, one sample after another.

    variant: on whose processor; the program is that of all variants of `target`.  Of the host: just this variant, on this machine.
    """
    package = load_package(folder)
    program = _program(package, target, variant, trace)
    with tempfile.TemporaryDirectory(prefix="edgec-user-") as scratch:
        outputs = _run(program, target, variant, Path(scratch), raw)
        return outputs, (Path(scratch) / "trace.bin").read_bytes() if trace else b""


def _program(package: Package, target: Target, variant: Variant, trace: bool) -> Program:
    if target.kind == "host" or package.objects(variant.name):  # what TVM compiled is there for one variant at a time
        target = replace(target, variants=(variant,))
    only = f"-{target.variants[0].name}" if len(target.variants) == 1 else ""
    out = package.path / "build" / f"{target.cpu}{only}{'-trace' if trace else ''}"
    return build_program(package.path, target, out, trace)


def _run(
    program: Program, target: Target, variant: Variant, work: Path, raw: bytes, extra: list[str] | None = None
) -> bytes:
    (work / "inputs.bin").write_bytes(raw)
    command = [str(program.path.resolve())]
    if target.kind != "host":
        qemu = shutil.which(QEMU[target.cpu])
        if qemu is None:
            raise ToolMissingError(f"{QEMU[target.cpu]} is not installed", hint="apt-get install qemu-user")
        command = [qemu, "-cpu", variant.emulated, *(extra or []), *command]
    try:
        done = subprocess.run(
            command, cwd=work, stdin=subprocess.DEVNULL, capture_output=True, timeout=1800, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError("the emulated program did not finish in 1800 s", hint="give it fewer samples") from error
    if done.returncode != 0:
        message = done.stderr.decode(errors="replace").strip()[-300:]
        raise BuildError(
            f"the emulated program failed (exit {done.returncode}) {message}",
            hint="a fault, or the guard words around the arena were overwritten",
        )
    return (work / "outputs.bin").read_bytes()


def _flash(program: Program, package: Package) -> dict[str, int]:
    """Bytes of the model's own functions and constants."""
    mine = [s for s in elf_symbols(program.path) if not s.variable and s.name.startswith(f"{package.name}_")]
    code = sum(s.size for s in mine if s.code)
    weights = sum(s.size for s in mine if not s.code)
    return {"code": code, "weights": weights, "total": code + weights}
