"""Compilers for platforms (an operating system on another processor), and runnable programs made with them."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from edgec.errors import ToolMissingError
from edgec.paths import firmware_dir
from edgec.target import Target
from edgec.toolchain.base import compile_objects, run_tool
from edgec.toolchain.glue import glue_defines, write_glue
from edgec.toolchain.host import native_compiler
from edgec.toolchain.package import load_package
from edgec.toolchain.variants import Compiler, library_objects

__all__ = ["Program", "build_program", "cross_compiler"]

#: Prefix of the distribution's cross compiler of a family, where one is installed.
GNU = {"arm64": "aarch64-linux-gnu-"}
_BATCH = ("infer.c", "text.c", "batch.c")


@dataclass(frozen=True)
class Program:
    """A program that runs a package over files (see firmware/harness/batch.c).  `harness`: object files that are not the model's."""

    path: Path
    harness: tuple[Path, ...]
    toolchain: str


def cross_compiler(target: Target) -> Compiler:
    """The C compiler for a platform: the distribution's cross compiler, else zig from its wheel; for the host its own.

    Errors: ToolMissingError.
    """
    if target.kind == "host":
        return native_compiler()
    gnu = GNU.get(target.cpu, "")
    if gnu and shutil.which(f"{gnu}gcc"):
        return Compiler(f"{gnu}gcc", (f"{gnu}gcc",), (f"{gnu}ar",))
    if importlib.util.find_spec("ziglang") is not None:
        triple = target.triple.replace("-android", "-musl")  # objects are the same; Android's C library is not in zig
        zig = (sys.executable, "-m", "ziglang")
        return Compiler("zig", (*zig, "cc", "-target", triple, "-g0"), (*zig, "ar"))
    raise ToolMissingError(
        f"no C compiler for {target.name}: {gnu}gcc is not installed",
        hint=f"apt-get install gcc-{target.cpu.replace('arm64', 'aarch64')}-linux-gnu   (or: pip install 'edgec[zig]')",
    )


def build_program(folder: Path, target: Target, out: Path, trace: bool = False) -> Program:
    """Links a package, as a library of all variants of `target`, into a static program that reads inputs.bin and writes outputs.bin."""
    package = load_package(folder)
    compiler = cross_compiler(target)
    out.mkdir(parents=True, exist_ok=True)
    glue = write_glue([package], out / "glue.c", trace=trace, raw=True)
    root = firmware_dir()
    harness = [root / "harness" / source for source in _BATCH]
    harness += [root / "port/posix" / source for source in ("port.c", "files.c")] + [glue]
    jobs = [(source, out / "harness" / f"{source.stem}.o") for source in harness]
    program, stamp = out / "program", out / "stamp"
    state = f"{_digest([*harness, package.path / package.header, *package.sources])} {compiler} {target} {trace}"
    if not (program.is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == state):
        flags = compiler.flags(target, target.variants[0])
        includes = [root / "harness", package.path]
        others = compile_objects(compiler.command, jobs, includes, glue_defines([package], trace), flags)
        others += library_objects(package, target, compiler, out / "library", trace, shared_arena=True)
        run_tool([*compiler.command, "-static", *map(str, others), "-o", str(program), "-lm"])
        stamp.write_text(state, encoding="utf-8")
    return Program(program, tuple(made for _, made in jobs), compiler.name)


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()
