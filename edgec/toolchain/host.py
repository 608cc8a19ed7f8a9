"""The compiler of this machine: shared libraries of packages (for ctypes), the harness on standard input and output."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from edgec.errors import BuildError, ToolMissingError
from edgec.paths import firmware_dir
from edgec.toolchain.base import compile_objects, run_tool
from edgec.toolchain.glue import HARNESS_SOURCES, glue_defines, write_glue
from edgec.toolchain.package import Package, load_package
from edgec.toolchain.variants import Compiler

__all__ = ["build_harness", "build_shared", "host_compiler", "native_compiler"]

SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g")


def host_compiler() -> str:
    """gcc, clang or cc (`EDGEC_CC` overrides).  Raises ToolMissingError."""
    for name in (os.environ.get("EDGEC_CC"), "gcc", "clang", "cc"):
        if name and shutil.which(name):
            return name
    raise ToolMissingError("no C compiler for this machine", hint="apt-get install gcc")


def native_compiler() -> Compiler:
    """The compiler of this machine for libraries of several variants."""
    name = host_compiler()
    return Compiler(name, (name,), ("ar",))


@cache
def this_processor(compiler: str) -> tuple[tuple[str, ...], str]:
    """Flags that make the compiler use all that this processor has, and a digest of what that is; () where it has no such flag."""
    for flag in ("-march=native", "-mcpu=native"):
        with contextlib.suppress(BuildError):
            macros = run_tool([compiler, flag, "-dM", "-E", "-x", "c", os.devnull])
            return (flag,), hashlib.sha256(macros.encode()).hexdigest()
    return (), ""


def build_shared(
    folder: Path | str,
    sanitize: bool = False,
    trace: bool = False,
    out: Path | None = None,
    optimize: str = "-O2",
    extra: tuple[Path, ...] = (),
) -> Path:
    """Builds a package as a shared library and returns its path (DIR/build/host/lib<name>.so unless `out` is given).

    A package for the host is compiled for this very processor; others, to be tried here, plainly.

    `sanitize`: with ASan and UBSan (load it in a process that preloads libasan).  `trace`: with <NAME>_TRACE; set the
    exported function pointer `<name>_trace_hook(int step, int row, const void *bytes, size_t count)` to get the rows.
    `extra`: C files beside the package's own.
    """
    package = load_package(folder)
    kind = (
        "host"
        + ("-asan" if sanitize else "")
        + ("-trace" if trace else "")
        + "".join(f"-{source.stem}" for source in extra)
    )
    work = package.path / "build" / kind
    library = out or work / f"lib{package.name}.so"
    sources = [*package.sources, *extra]
    upper = package.name.upper()
    defines = [f"{upper}_TRACE"] if trace else []
    if trace:
        work.mkdir(parents=True, exist_ok=True)
        hook = work / "trace_hook.c"
        hook.write_text(_TRACE_HOOK.replace("NAME", package.name))
        sources.append(hook)
    stamp = work / "stamp"
    flags, processor = [optimize], ""
    if package.manifest["target"]["cpu"] == "host":
        native, processor = this_processor(host_compiler())
        # At -O3 gcc 12 warns, of no line, of loops that a constant count never enters.
        flags = ["-O3", *native, "-Wno-error"]
    state = f"{_digest(package, extra)} {host_compiler()} {flags} {processor} {library}"
    if library.is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == state:
        return library
    objects = compile_objects(
        [host_compiler()],
        [(source, work / (source.stem + ".o")) for source in sources],
        includes=[package.path],
        defines=defines,
        flags=[*flags, "-fPIC", *(SANITIZE if sanitize else ())],
    )
    library.parent.mkdir(parents=True, exist_ok=True)
    linked = map(str, (*objects, *package.objects()))
    run_tool([host_compiler(), "-shared", *(SANITIZE if sanitize else ()), *linked, "-o", str(library), "-lm"])
    stamp.write_text(state, encoding="utf-8")
    return library


def _digest(package: Package, extra: tuple[Path, ...]) -> str:
    """Of all that the library is built from."""
    digest = hashlib.sha256()
    for source in (*package.sources, package.path / package.header, *package.objects(), *extra):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def build_harness(
    folders: list[Path],
    out: Path,
    sanitize: bool = False,
    trace: bool = False,
    board: Sequence[Path] = (),
    flags: Sequence[str] = (),
    compiler: str | None = None,
) -> Path:
    """Builds the serial harness with the packages for this machine; it speaks the protocol on stdin and stdout.

    `board`: C files in place of main.c and the port (a fuzzer's, a test's); `flags`: more for compiling and linking.
    """
    packages: list[Package] = [load_package(folder) for folder in folders]
    out.mkdir(parents=True, exist_ok=True)
    glue = write_glue(packages, out / "glue.c", trace=trace)
    root = firmware_dir()
    flags = ["-O1", *(SANITIZE if sanitize else ()), *flags]
    command = [compiler or host_compiler()]
    harness = [root / "harness" / name for name in HARNESS_SOURCES]
    harness += [glue, *(board or (root / "harness/main.c", root / "port/posix/port.c"))]
    includes = [root / "harness", *(package.path for package in packages)]
    objects = compile_objects(
        command,
        [(source, out / "edgec-harness.d" / f"{source.stem}.o") for source in harness],
        includes,
        glue_defines(packages, trace),
        flags,
    )
    for package in packages:
        upper = package.name.upper()
        defines = [f"{upper}_SHARED_ARENA", *([f"{upper}_TRACE"] if trace else [])]
        jobs = [(source, out / package.name / f"{source.stem}.o") for source in package.sources]
        objects += [*compile_objects(command, jobs, [package.path], defines, flags), *package.objects()]
    program = out / "harness"
    run_tool([*command, *flags, *map(str, objects), "-o", str(program), "-lm"])
    return program


_TRACE_HOOK = """#include <stddef.h>
void (*NAME_trace_hook)(int step, int row, const void *bytes, size_t count);
void NAME_trace(int step, int row, const void *bytes, size_t count);
void NAME_trace(int step, int row, const void *bytes, size_t count)
{
    if (NAME_trace_hook != NULL) {
        NAME_trace_hook(step, row, bytes, count);
    }
}
"""
