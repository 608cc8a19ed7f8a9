"""arm-none-eabi-gcc with newlib: the default for Cortex-M."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from edgec.errors import ToolMissingError
from edgec.target import Target

__all__ = ["GccArm"]


class GccArm:
    """GNU Arm Embedded.  `EDGEC_ARM_GCC` names another binary."""

    name = "arm-none-eabi-gcc"

    @staticmethod
    def available() -> bool:
        """Whether the compiler is on the path."""
        return _find() is not None

    def compiler(self, target: Target) -> list[str]:
        """See Toolchain."""
        return [_require(), *target.flags]

    def linker(self, target: Target) -> tuple[list[str], list[str]]:
        """Links without start files; newlib supplies memcpy, memset and, for float models, libm."""
        command = [
            _require(),
            *target.flags,
            "-nostartfiles",
            "-nostdlib",
            "-Wl,--gc-sections",
        ]
        return command, ["-Wl,--start-group", "-lm", "-lc", "-lgcc", "-Wl,--end-group"]

    def map_flags(self, path: Path) -> list[str]:
        """See Toolchain."""
        return [f"-Wl,-Map={path}"]


def _find() -> str | None:
    return shutil.which(os.environ.get("EDGEC_ARM_GCC", "arm-none-eabi-gcc"))


def _require() -> str:
    found = _find()
    if found is None:
        raise ToolMissingError(
            "arm-none-eabi-gcc is not installed",
            hint="apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi",
        )
    return found
