"""WebAssembly modules: one file with the model, its weights and its memory, that imports nothing."""

from __future__ import annotations

import sys
from pathlib import Path

from edgec.errors import ToolMissingError
from edgec.target import Target, Variant
from edgec.toolchain.base import compile_objects, run_tool
from edgec.toolchain.package import Package, load_package
from edgec.toolchain.zig import Zig

__all__ = ["build_module", "exports", "row_bytes"]

STACK = 32768
"""Bytes of the module's stack; generated code needs about one."""


def row_bytes(package: Package) -> int:
    """Bytes of a row where the input is pushed by rows, else 0."""
    return package.inputs[0].bytes // package.input_rows if package.input_rows else 0


def exports(package: Package) -> list[str]:
    """The functions of a module: those of the package's header; <name>_row() is where a row to be pushed may be put."""
    if package.input_rows:
        return [f"{package.name}_{part}" for part in ("init", "row", "push_row", "reset")] + [
            t.function for t in package.outputs
        ]
    reset = [f"{package.name}_reset"] if package.manifest.get("states") else []
    ports = [t.function for t in (*package.inputs, *package.outputs)]
    return [f"{package.name}_init", f"{package.name}_run", *reset, *ports]


def build_module(
    folder: Path | str, target: Target, variant: Variant, out: Path | None = None, trace: bool = False
) -> Path:
    """Builds DIR/build/wasm/<name>.<variant>.wasm (or `out`).  It exports the functions of `exports` and `memory`.

    trace: it imports env.<name>_trace(step, row, address, bytes), called after each call of a kernel.
    Errors: ToolMissingError without the ziglang wheel, BuildError.
    """
    if not Zig.available():
        raise ToolMissingError("no compiler for WebAssembly: ziglang is not installed", hint="pip install 'edgec[zig]'")
    package = load_package(folder)
    kind = f"{variant.name}{'-trace' if trace else ''}"
    work = package.path / "build" / "wasm" / kind
    module = out or package.path / "build" / "wasm" / f"{package.name}.{kind}.wasm"
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", target.triple, "-g0", "-fno-sanitize=undefined"]
    defines = [f"{package.name.upper()}_TRACE"] if trace else []
    sources = list(package.sources)
    if package.input_rows:
        sources.append(_written(work / "row.c", _ROW.format(name=package.name, count=row_bytes(package))))
    if trace:
        sources.append(_written(work / "trace.c", _TRACE.replace("NAME", package.name)))
    jobs = [(source, work / f"{source.stem}.o") for source in sources]
    objects = compile_objects(compiler, jobs, [package.path], defines, [*target.flags, *variant.flags])
    objects += package.objects(variant.name)
    link = ["-mexec-model=reactor", "-Wl,--strip-all", "-Wl,--gc-sections", f"-Wl,-z,stack-size={STACK}"]
    link += [f"-Wl,--export={name}" for name in exports(package)]
    module.parent.mkdir(parents=True, exist_ok=True)
    run_tool([*compiler, *variant.flags, *link, *map(str, objects), "-o", str(module)])
    return module


def _written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


# A place in the module's memory for a row on its way in.
_ROW = """void *{name}_row(void);
void *{name}_row(void)
{{
    _Alignas(16) static char row[{count}];
    return row;
}}
"""

# What the traced library calls, handed on to whoever runs the module.
_TRACE = """#include <stddef.h>
__attribute__((import_module("env"), import_name("NAME_trace"))) void edgec_heard(int, int, const void *, int);
void NAME_trace(int step, int row, const void *bytes, size_t count);
void NAME_trace(int step, int row, const void *bytes, size_t count)
{
    edgec_heard(step, row, bytes, (int)count);
}
"""
