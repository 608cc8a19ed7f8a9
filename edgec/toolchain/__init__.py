"""Compilers and linkers as processes, and the firmware built with them."""

from edgec.toolchain.base import Toolchain, toolchain_for
from edgec.toolchain.firmware import FirmwareImage, build_firmware

__all__ = ["FirmwareImage", "Toolchain", "build_firmware", "toolchain_for"]
