"""Compilers for platforms (an operating system on another processor): static and shared libraries, and runnable programs."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from edgec.errors import ToolMissingError
from edgec.paths import firmware_dir
from edgec.target import Target, Variant
from edgec.toolchain.base import compile_objects, run_tool
from edgec.toolchain.glue import glue_defines, write_glue
from edgec.toolchain.package import load_package

__all__ = ["Program", "build_program", "cross_compiler"]

#: Debian's cross compiler of a family, where one is installed.
GNU = {"arm64": "aarch64-linux-gnu-gcc"}
_BATCH = ("infer.c", "text.c", "batch.c")


@dataclass(frozen=True)
class Program:
    """A program that runs a package over files (see firmware/harness/batch.c).  `harness`: object files that are not the model's."""

    path: Path
    harness: tuple[Path, ...]
    toolchain: str


def cross_compiler(target: Target) -> tuple[str, list[str]]:
    """(name, command) of the C compiler for a platform: the distribution's cross compiler, else zig from its wheel."""
    gnu = GNU.get(target.cpu, "")
    if gnu and shutil.which(gnu):
        return gnu, [gnu]
    if importlib.util.find_spec("ziglang") is not None:
        triple = target.triple.replace(
            "-android", "-musl"
        )  # objects are the same; Android's own C library is not in zig
        return "zig", [sys.executable, "-m", "ziglang", "cc", "-target", triple, "-g0"]
    raise ToolMissingError(
        f"no C compiler for {target.name}: {gnu} is not installed",
        hint=f"apt-get install gcc-{target.cpu.replace('arm64', 'aarch64')}-linux-gnu   (or: pip install 'edgec[zig]')",
    )


def build_program(folder: Path, target: Target, variant: Variant, out: Path, trace: bool = False) -> Program:
    """Links a package for one variant of a platform into a static program that reads inputs.bin and writes outputs.bin."""
    package = load_package(folder)
    name, compiler = cross_compiler(target)
    out.mkdir(parents=True, exist_ok=True)
    glue = write_glue([package], out / "glue.c", trace=trace, raw=True)
    root = firmware_dir()
    harness = [root / "harness" / source for source in _BATCH]
    harness += [root / "port/posix" / source for source in ("port.c", "files.c")] + [glue]
    flags = [*target.flags, *variant.flags]
    others = compile_objects(
        compiler,
        [(source, out / "harness" / f"{source.stem}.o") for source in harness],
        [root / "harness", package.path],
        glue_defines([package], trace),
        flags,
    )
    upper = package.name.upper()
    defines = [f"{upper}_SHARED_ARENA", *([f"{upper}_TRACE"] if trace else [])]
    jobs = [(source, out / "library" / f"{source.stem}.o") for source in package.sources]
    objects = [*compile_objects(compiler, jobs, [package.path], defines, flags), *package.objects(variant.name)]
    program = out / "program"
    run_tool([*compiler, "-static", *map(str, others + objects), "-o", str(program), "-lm"])
    return Program(program, tuple(others), name)
