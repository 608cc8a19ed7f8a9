"""WebAssembly modules run on many inputs: in wasmtime, inside this process, in node, or in Chromium."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgec.emulate.chromium import browse
from edgec.errors import BuildError, ToolMissingError
from edgec.paths import firmware_dir
from edgec.target import Target, Variant
from edgec.toolchain.npm import node_program
from edgec.toolchain.package import Package, load_package
from edgec.toolchain.wasm import build_module, row_bytes
from edgec.toolchain.web import index_text

__all__ = ["ENGINES", "run_module"]


def run_module(
    folder: Path | str, target: Target, variant: Variant, engine: str, raw: bytes, trace: bool = False
) -> tuple[bytes, bytes]:
    """(output bytes of every sample, trace of them) of input bytes, one sample after another.  engine: one of ENGINES."""
    package = load_package(folder)
    module = build_module(folder, target, variant, trace=trace)
    return ENGINES[engine](package, module, raw)


class _Instance:
    """A module in wasmtime."""

    def __init__(self, package: Package, module: Path) -> None:
        try:
            import wasmtime
        except ImportError as error:
            raise ToolMissingError("wasmtime is not installed", hint="pip install 'edgec[wasm]'") from error
        self.store = wasmtime.Store()
        self.trace = bytearray()
        compiled = wasmtime.Module.from_file(self.store.engine, str(module))
        kind = wasmtime.FuncType([wasmtime.ValType.i32()] * 4, [])
        imported = [wasmtime.Func(self.store, kind, self._heard)] if compiled.imports else []
        self.exports: Mapping[str, Any] = wasmtime.Instance(self.store, compiled, imported).exports(self.store)
        self.memory: Any = self.exports["memory"]
        self.call("_initialize")
        self.call(f"{package.name}_init", 0)

    def _heard(self, step: int, row: int, at: int, count: int) -> None:
        self.trace += b"".join(n.to_bytes(4, "little", signed=True) for n in (step, row, count))
        self.trace += self.memory.read(self.store, at, at + count)

    def call(self, name: str, *arguments: int) -> int:
        return int(self.exports[name](self.store, *arguments) or 0)

    def infer(self, package: Package, data: bytes) -> Iterator[bytes]:
        """The outputs of one sample."""
        at, row = 0, row_bytes(package)
        for tensor in package.inputs:
            if row:
                place = self.call(f"{package.name}_row")
                for first in range(at, at + tensor.bytes, row):
                    self.memory.write(self.store, data[first : first + row], place)
                    self.call(f"{package.name}_push_row", place)
            else:
                self.memory.write(self.store, data[at : at + tensor.bytes], self.call(tensor.function))
            at += tensor.bytes
        if not row:
            self.call(f"{package.name}_run")
        for tensor in package.outputs:
            start = self.call(tensor.function)
            yield bytes(self.memory.read(self.store, start, start + tensor.bytes))


def _wasmtime(package: Package, module: Path, raw: bytes) -> tuple[bytes, bytes]:
    instance = _Instance(package, module)
    size = package.input_bytes
    made = [b"".join(instance.infer(package, raw[at : at + size])) for at in range(0, len(raw), size)]
    return b"".join(made), bytes(instance.trace)


def _node(package: Package, module: Path, raw: bytes) -> tuple[bytes, bytes]:
    node = node_program()
    with _served(package, module, raw) as work:
        files = [str(work / name) for name in ("index.mjs", "module.wasm", "inputs", "outputs", "trace")]
        command = [node, str(work / "run.mjs"), *files]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=1800, check=False
        )
        if done.returncode != 0:
            raise BuildError(f"the module failed in node: {done.stderr.strip()[-300:]}", hint="is node 16.4 or newer?")
        return (work / "outputs").read_bytes(), (work / "trace").read_bytes()


def _chromium(package: Package, module: Path, raw: bytes) -> tuple[bytes, bytes]:
    with _served(package, module, raw) as work:
        found = browse(work, "browser.html", ("/outputs", "/trace"))
        return found["/outputs"], found["/trace"]


@contextmanager
def _served(package: Package, module: Path, raw: bytes) -> Iterator[Path]:
    """A folder with the npm package's index.js (as index.mjs), the module, the inputs, and what runs one over the other."""
    with tempfile.TemporaryDirectory(prefix="edgec-wasm-") as scratch:
        work = Path(scratch)
        shutil.copytree(firmware_dir() / "wasm", work, dirs_exist_ok=True)
        shutil.copyfile(module, work / "module.wasm")
        (work / "index.mjs").write_text(index_text(package), encoding="utf-8")
        (work / "inputs").write_bytes(raw)
        yield work


#: What runs modules: name -> (package, module, input bytes) to (output bytes, trace).
ENGINES = {"wasmtime": _wasmtime, "node": _node, "chromium": _chromium}
