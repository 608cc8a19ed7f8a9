"""Where compiled code can run to be checked: this machine, an emulated board, or whatever answers at a URL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from edgec.errors import LinkError, UsageError
from edgec.ir.program import Array
from edgec.toolchain.package import Package, load_package
from edgec.verify.load import load

if TYPE_CHECKING:
    from edgec.harness.bench import Board

Samples = Mapping[str, Array]


class Device(Protocol):
    """Runs a package.  samples: ONNX input name -> [samples, *shape] in the library's own types."""

    def run(self, samples: Samples) -> list[dict[str, Array]]:
        """ONNX output name -> array, for each sample."""

    def trace(self, samples: Samples, index: int) -> list[bytes]:
        """What every step wrote for sample `index`: all its output rows, one behind the other."""


class Host:
    """The package as a shared library of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.package = load_package(folder)
        self.model: Callable[..., list[Array]] = load(folder)

    def run(self, samples: Samples) -> list[dict[str, Array]]:
        names = [t.name for t in self.package.outputs]
        return [dict(zip(names, self.model(*self._one(samples, i)), strict=True)) for i in range(count(samples))]

    def trace(self, samples: Samples, index: int) -> list[bytes]:
        steps = [bytearray(step.rows * step.row_bytes) for step in self.package.steps]

        def heard(step: int, row: int, data: bytes) -> None:
            start = row * self.package.steps[step].row_bytes
            steps[step][start : start + len(data)] = data

        load(self.folder, trace=True).traced(self._one(samples, index), heard)
        return [bytes(step) for step in steps]

    def _one(self, samples: Samples, index: int) -> list[Array]:
        return [samples[t.name][index] for t in self.package.inputs]


class Ffi(Host):
    """The package as a TVM module of this machine."""

    def __init__(self, folder: Path) -> None:
        from edgec.verify.ffi import load_module

        super().__init__(folder)
        self.model = load_module(folder)


class Emulator:
    """Firmware on the emulated board of the package's target."""

    def __init__(self, folder: Path) -> None:
        from edgec.target import load_target

        self.folder = folder
        self.package = load_package(folder)
        self.target = load_target(self.package.target)

    def run(self, samples: Samples) -> list[dict[str, Array]]:
        from edgec.emulate.run import run_inputs

        raw = run_inputs(self.folder, self.target, dict(samples))
        size = self.package.output_bytes
        return [outputs(self.package, raw[i * size : (i + 1) * size]) for i in range(count(samples))]

    def trace(self, samples: Samples, index: int) -> list[bytes]:
        from edgec.emulate.run import dump_layers

        return dump_layers(
            self.folder, self.target, {name: array[index : index + 1] for name, array in samples.items()}
        )


class Platform:
    """A platform's build under an emulated processor (`qemu-user`) or in a WebAssembly engine (`wasmtime`, `node`, `chromium`)."""

    def __init__(self, folder: Path, on: str, variant: str = "") -> None:
        from edgec.target import load_target

        self.folder, self.on = folder, on
        self.package = load_package(folder)
        self.target = load_target(self.package.target)
        names = [v.name for v in self.target.variants]
        where = {"arm64": ("qemu-user",), "wasm": ("wasmtime", "node", "chromium")}.get(
            self.target.cpu, ("host", "emulator")
        )
        if on not in where:
            raise UsageError(f"{self.target.name} does not run on {on}", f"verify --on {' or '.join(where)}")
        if (variant or self.target.measured) not in names:
            raise UsageError(f"{self.target.name} has no variant {variant!r}", f"variants: {', '.join(names)}")
        self.variant = self.target.variants[names.index(variant or self.target.measured)]

    def run(self, samples: Samples) -> list[dict[str, Array]]:
        raw, size = self._run(samples, False)[0], self.package.output_bytes
        return [outputs(self.package, raw[i * size : (i + 1) * size]) for i in range(count(samples))]

    def trace(self, samples: Samples, index: int) -> list[bytes]:
        from edgec.emulate.run import steps_of_trace

        one = {name: array[index : index + 1] for name, array in samples.items()}
        return steps_of_trace(self.package, self._run(one, True)[1])

    def _run(self, samples: Samples, trace: bool) -> tuple[bytes, bytes]:
        from edgec.emulate.run import all_bytes
        from edgec.emulate.user import run_program
        from edgec.emulate.wasm import run_module

        raw = all_bytes(self.package, dict(samples))
        if self.on == "qemu-user":
            return run_program(self.folder, self.target, self.variant, raw, trace)
        return run_module(self.folder, self.target, self.variant, self.on, raw, trace)


class Remote:
    """A device that runs this package's firmware, over its serial line; layers need a trace build of it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.package = load_package(folder)
        self.url = url

    def run(self, samples: Samples) -> list[dict[str, Array]]:
        from edgec.harness.bench import connected
        from edgec.harness.commands import infer, output_bytes

        found = []
        with connected(self.package, self.url) as board:
            for index in range(count(samples)):
                self._load(board, samples, index)
                infer(board.link, 1, 0)
                found.append(outputs(self.package, output_bytes(board.link)))
        return found

    def trace(self, samples: Samples, index: int) -> list[bytes]:
        from edgec.harness.bench import connected
        from edgec.harness.commands import dump

        steps = [bytearray(step.rows * step.row_bytes) for step in self.package.steps]
        with connected(self.package, self.url) as board:
            if not board.info.trace:
                raise LinkError(
                    "the firmware on the device cannot tell its layers apart",
                    "edgec build DIR --trace, then edgec flash DIR, then verify again",
                )
            self._load(board, samples, index)
            for number, row, offset, data in dump(board.link):
                start = row * self.package.steps[number].row_bytes + offset
                steps[number][start : start + len(data)] = data
        return [bytes(step) for step in steps]

    def _load(self, board: Board, samples: Samples, index: int) -> None:
        from edgec.harness.commands import load_input
        from edgec.harness.wire import wire_bytes

        load_input(board.link, wire_bytes(self.package, dict(samples), index), checked=True)


def count(samples: Samples) -> int:
    """Number of samples."""
    return min((len(array) for array in samples.values()), default=0)


def outputs(package: Package, raw: bytes) -> dict[str, Array]:
    """Output arrays of one inference from their bytes, one output behind the other."""
    found, at = {}, 0
    for tensor in package.outputs:
        found[tensor.name] = np.frombuffer(raw[at : at + tensor.bytes], tensor.dtype).reshape(tensor.shape)
        at += tensor.bytes
    return found


def device(folder: Path, on: str) -> Device:
    """`host`, `tvm`, `emulator`, `qemu-user`, `wasmtime`, `node`, `chromium` (each of these with /VARIANT), or a URL, or `auto`."""
    where, _, variant = on.partition("/")
    if on == "host":
        return Host(folder)
    if on == "tvm":
        return Ffi(folder)
    if on == "emulator":
        return Emulator(folder)
    if where in ("qemu-user", "wasmtime", "node", "chromium"):
        return Platform(folder, where, variant)
    return Remote(folder, on)


__all__ = ["Device", "Emulator", "Ffi", "Host", "Platform", "Remote", "Samples", "count", "device", "outputs"]
