"""zig's C compiler from its pip wheel: one download that cross-compiles for every Cortex-M where GNU Arm is absent.

It brings memcpy and memset but no C library, so float models that need libm cannot be linked with it.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from edgec.errors import ToolMissingError
from edgec.paths import firmware_dir
from edgec.target import Target

__all__ = ["Zig"]


class Zig:
    """`python -m ziglang cc` for thumb-freestanding."""

    name = "zig"

    @staticmethod
    def available() -> bool:
        """Whether the ziglang wheel is installed."""
        return importlib.util.find_spec("ziglang") is not None

    def compiler(self, target: Target) -> list[str]:
        """See Toolchain."""
        libc = firmware_dir() / "freestanding"
        return [*_base(target), "-O2", "-fno-sanitize=undefined", "-g0", f"-isystem{libc}"]

    def linker(self, target: Target) -> tuple[list[str], list[str]]:
        """See Toolchain."""
        return [*_base(target), "-nostartfiles", "-Wl,--gc-sections"], []

    def map_flags(self, path: Path) -> list[str]:
        """See Toolchain."""
        return []


def _base(target: Target) -> list[str]:
    if not Zig.available():
        raise ToolMissingError("the zig compiler is not installed", hint="pip install ziglang")
    triple = "thumb-freestanding-eabihf" if "fpu" in target.isa else "thumb-freestanding-eabi"
    return [sys.executable, "-m", "ziglang", "cc", "-target", triple, f"-mcpu={target.zig_cpu}"]
