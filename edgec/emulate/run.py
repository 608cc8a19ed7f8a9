"""One compiled model on an emulated board: measured, run on many inputs, or looked into layer by layer."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgec.emulate.boards import emulated_target, run_batch, start_board
from edgec.emulate.counts import layer_instructions, read_counts, write_map
from edgec.emulate.cycles import layer_cycles
from edgec.emulate.plugin import plugin_library
from edgec.errors import InputError
from edgec.harness.commands import crc32, infer, load_input, stack
from edgec.harness.link import Link
from edgec.harness.wire import input_bytes, wire_bytes
from edgec.target import Target
from edgec.toolchain.firmware import FirmwareImage, batch_elf, build_firmware
from edgec.toolchain.package import Package, load_package
from edgec.toolchain.sizes import elf_sections

__all__ = ["Samples", "all_bytes", "build_for_emulation", "dump_layers", "measure", "run_inputs", "steps_of_trace"]

#: Commands on their way at once: the emulated line has flow control.
WINDOW = 64

#: Seconds without a byte; generous, because the machine may be busy with other things.
EMULATOR_TIMEOUT = 60.0

Samples = Mapping[str, Any]


def build_for_emulation(
    folder: Path | str, target: Target, trace: bool = False, **options: Any
) -> tuple[FirmwareImage, Target]:
    """Firmware for the machine that emulates `target`, under DIR/build/emulate, and that machine's target."""
    board = emulated_target(target)
    return build_firmware([folder], board, _folder(folder, board, trace), trace=trace, **options), board


def _folder(folder: Path | str, board: Target, trace: bool, batch: bool = False) -> Path:
    kind = f"{board.name}{'-trace' if trace else ''}{'-batch' if batch else ''}"
    return Path(folder) / "build" / "emulate" / kind


def measure(folder: Path | str, target: Target, inputs: Samples | None = None, **options: Any) -> dict[str, Any]:
    """The document of `edgec bench --emulate --json`: memory from the ELFs and the painted stack, exact instructions of
    the first inference after init, cycles where the CPU's manual has a timing table.

    `inputs`: arrays by input name, samples first, of which the first is used; None: the firmware's own pattern.
    """
    package = load_package(folder)
    image, board = build_for_emulation(folder, target, **options)
    layers = len(package.steps)
    with tempfile.TemporaryDirectory(prefix="edgec-count-") as scratch:
        counted = Path(scratch) / "counts"
        harness = elf_sections(image.elf)[".harness"]
        table = write_map(image.elf, package, Path(scratch) / "map", (harness[0], harness[0] + harness[1]))
        plugin = ["-plugin", f"{plugin_library()},map={table},out={counted}"]
        with start_board(board, image.elf, plugin) as running, Link(running.url, timeout=EMULATOR_TIMEOUT) as link:
            link.synchronise()
            if inputs is not None:
                load_input(link, wire_bytes(package, inputs), WINDOW)
            _, results = infer(link, 1, 0)
            crc, stack_bytes = crc32(link), stack(link) or 0
        blocks = read_counts(counted)
    instructions = layer_instructions(blocks, layers)
    timing = board.timing
    cycles = layer_cycles(blocks, image.elf, timing, layers) if timing else None
    sizes = image.sizes
    ram = {
        "arena": sizes.arena,
        "scratch": sizes.scratch,
        "io": sizes.io,
        "data_bss": sizes.data_bss,
        "stack": stack_bytes,
    }
    data = board.region("data").name
    regions = {**sizes.ram_regions, data: sizes.ram_regions[data] + stack_bytes}
    return {
        "model": package.model_file,
        "target": target.name,
        "board": board.board,
        "macs": package.macs,
        "instructions": sum(instructions),
        "cycles_estimate": sum(cycles) if cycles else None,
        "cycles_model": f"{timing.source}; zero wait states" if timing else None,
        "output_crc32": crc,
        "results": results,
        "ram": {**ram, "total": sum(ram.values()), "regions": regions},
        "flash": {
            "code": sizes.flash_code,
            "weights": sizes.flash_weights,
            "total": sizes.flash_total,
            "regions": sizes.flash_regions,
        },
        "layers": [
            {
                "name": step.name,
                "op": step.op,
                "macs": step.macs,
                "instructions": instructions[index],
                "cycles_estimate": cycles[index] if cycles else None,
            }
            for index, step in enumerate(package.steps)
        ],
        "overhead": {"instructions": instructions[layers], "cycles_estimate": cycles[layers] if cycles else None},
        "toolchain": image.toolchain,
    }


def run_inputs(folder: Path | str, target: Target, inputs: Samples | bytes, timeout: float = 1800.0) -> bytes:
    """Runs every sample in one boot of the emulated board; returns the output bytes of all, one sample after another.

    `inputs`: arrays by input name, samples along the first axis, in the model's own types; or the raw bytes.
    """
    package = load_package(folder)
    raw = all_bytes(package, inputs)
    return _batch(package, target, raw, False, timeout)[0]


def dump_layers(folder: Path | str, target: Target, inputs: Samples | bytes, timeout: float = 1800.0) -> list[bytes]:
    """The output bytes of every step for one sample (the first), in the order of the steps."""
    package = load_package(folder)
    raw = all_bytes(package, inputs)[: package.input_bytes]
    trace = _batch(package, target, raw, True, timeout)[1]
    return steps_of_trace(package, trace)


def steps_of_trace(package: Package, trace: bytes) -> list[bytes]:
    """The output bytes of every step from the trace of one inference (see firmware/harness/batch.c)."""
    steps = [bytearray(step.rows * step.row_bytes) for step in package.steps]
    at = 0
    while at < len(trace):
        index, row, count = (int.from_bytes(trace[at + 4 * n : at + 4 * n + 4], "little") for n in range(3))
        at += 12
        begin = row * package.steps[index].row_bytes
        steps[index][begin : begin + count] = trace[at : at + count]
        at += count
    return [bytes(step) for step in steps]


def all_bytes(package: Package, inputs: Samples | bytes) -> bytes:
    """The input bytes of every sample, one after another.  InputError for bytes that are no whole samples."""
    if isinstance(inputs, bytes):
        if not inputs or len(inputs) % package.input_bytes:
            raise InputError(
                f"{len(inputs)} bytes are not whole samples of {package.input_bytes}",
                hint="give all inputs of every sample",
            )
        return inputs
    count = min((len(array) for array in inputs.values()), default=0)
    return b"".join(input_bytes(package, inputs, index) for index in range(count))


def _batch(package: Package, target: Target, raw: bytes, trace: bool, timeout: float) -> tuple[bytes, bytes]:
    board = emulated_target(target)
    elf = batch_elf(package.path, board, _folder(package.path, board, trace, batch=True), trace)
    with tempfile.TemporaryDirectory(prefix="edgec-batch-") as scratch:
        folder = Path(scratch)
        (folder / "inputs.bin").write_bytes(raw)
        run_batch(board, elf.resolve(), folder, timeout)
        outputs = (folder / "outputs.bin").read_bytes()
        return outputs, (folder / "trace.bin").read_bytes() if trace else b""
