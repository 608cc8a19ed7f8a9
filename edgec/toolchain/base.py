"""What every toolchain can do, how a tool is run, and which toolchain serves a target."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from edgec.errors import BuildError, ToolMissingError
from edgec.target import Target
from edgec.toolchain import reuse

__all__ = ["WARNINGS", "Toolchain", "compile_objects", "run_tool", "toolchain_for"]

#: What generated code must pass, under gcc and clang.
WARNINGS = ("-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror")
#: Lets the linker leave out what nobody calls.
SECTIONS = ("-ffunction-sections", "-fdata-sections")


class Toolchain(Protocol):
    """A compiler and a linker for bare-metal firmware.  `name` appears in reports."""

    name: str

    def compiler(self, target: Target) -> list[str]:
        """The command that compiles C for `target`, flags of the target included.  ToolMissingError when absent."""

    def linker(self, target: Target) -> tuple[list[str], list[str]]:
        """The command that links, and the libraries that go last."""

    def map_flags(self, path: Path) -> list[str]:
        """What makes the linker write a map file; empty where it cannot."""


def toolchain_for(target: Target) -> Toolchain:
    """arm-none-eabi-gcc where installed, else zig from its wheel.  Raises ToolMissingError with both commands."""
    from edgec.toolchain.gcc_arm import GccArm
    from edgec.toolchain.zig import Zig

    if GccArm.available():
        return GccArm()
    if Zig.available():
        return Zig()
    raise ToolMissingError(
        f"no compiler for {target.cpu}: arm-none-eabi-gcc is not installed",
        hint="apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi   (or: pip install ziglang)",
    )


def compile_objects(
    compiler: Sequence[str],
    jobs: Sequence[tuple[Path, Path]],
    includes: Sequence[Path] = (),
    defines: Sequence[str] = (),
    flags: Sequence[str] = (),
) -> list[Path]:
    """Compiles (source, object) pairs and returns the objects, those compiled before from the cache.  Raises BuildError with the
    compiler's message."""
    stated = [*compiler, *WARNINGS, *SECTIONS, *flags, *(f"-D{define}" for define in defines)]
    command = [*stated, *(f"-I{path}" for path in includes)]
    seen = reuse.Seen(stated, includes)

    def one(job: tuple[Path, Path]) -> Path:
        source, out = job
        out.parent.mkdir(parents=True, exist_ok=True)
        key = seen.key(source)
        if not reuse.take(key, out):
            run_tool([*command, "-c", str(source), "-o", str(out)])
            reuse.keep(key, out)
        return out

    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(one, jobs))


def run_tool(command: Sequence[str], cwd: Path | None = None, timeout: float = 600.0) -> str:
    """Runs a tool and returns its output.  Raises BuildError with the last lines it wrote."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout, check=False)
    except FileNotFoundError as error:
        raise ToolMissingError(f"{command[0]} is not installed", hint="see `edgec doctor`") from error
    except subprocess.TimeoutExpired as error:
        raise BuildError(
            f"{Path(command[0]).name} did not finish in {timeout:.0f} s", hint="try a smaller model"
        ) from error
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        first = next((line for line in lines if "error" in line.lower()), lines[0] if lines else "no message")
        raise BuildError(
            f"{Path(command[0]).name} failed: {first}",
            hint="the command was: " + " ".join(command) + "\n" + "\n".join(lines[-20:]),
        )
    return done.stdout
