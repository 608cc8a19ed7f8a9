"""What is installed on this machine and how to get the rest: every tool and package edgec can use, one row each."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from edgec.backends.tvm import require_tuner, require_tvm
from edgec.errors import ToolMissingError
from edgec.flash.tools import TOOLS as FLASH_TOOLS
from edgec.flash.tools import Tool as FlashTool


@dataclass(frozen=True)
class Tool:
    """A program on PATH.  names: the first one found counts; packages: what Debian calls it."""

    names: tuple[str, ...]
    needed_for: str
    packages: str


@dataclass(frozen=True)
class Package:
    """A Python package by its distribution name.  get: what pip is asked for; loads: raises ToolMissingError where it is installed and
    cannot be used (TVM's two packages must fit each other)."""

    name: str
    needed_for: str
    get: str
    loads: Callable[[], object] | None = None


TOOLS = (
    Tool(("arm-none-eabi-gcc",), "firmware for Cortex-M", "gcc-arm-none-eabi libnewlib-arm-none-eabi"),
    Tool(("qemu-system-arm",), "bench --emulate, verify --on emulator", "qemu-system-arm"),
    Tool(("aarch64-linux-gnu-gcc",), "64-bit Arm (or zig)", "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"),
    Tool(("qemu-aarch64",), "bench --emulate and verify --on qemu-user for 64-bit Arm", "qemu-user"),
    Tool(("node",), "verify --on node; npm for bench --against onnxruntime-web", "nodejs npm"),
    Tool(("gcc", "cc"), "host builds, the instruction counter", "gcc libc6-dev"),
    Tool(("clang",), "host builds with clang, sanitizers", "clang"),
)

PACKAGES = (
    Package("onnx", "reading models", "pip install edgec"),
    Package("onnx_ir", "reading models", "pip install edgec"),
    Package("onnxscript", "rewriting models", "pip install edgec"),
    Package("numpy", "everything", "pip install edgec"),
    Package("jinja2", "writing C", "pip install edgec"),
    Package("pyserial", "boards on a serial line", "pip install edgec"),
    Package("pyelftools", "reading firmware", "pip install edgec"),
    Package("onnxruntime", "verify against the model, calibration", "pip install 'edgec[ort]'"),
    Package("capstone", "cycle estimates", "pip install 'edgec[emulate]'"),
    Package("ortools", "exact memory placement", "pip install 'edgec[solver]'"),
    Package("ai-edge-litert", "bench --against litert", "pip install 'edgec[phone]'"),
    Package("apache-tvm-ffi", "verify --on tvm", "pip install 'edgec[ffi]'"),
    Package("apache-tvm", "compile --backend tvm --tvm-form relax", "pip install 'edgec[tvm]'", require_tvm),
    Package("psutil", "compile --backend tvm --tune (MetaSchedule)", "pip install 'edgec[tvm]'", require_tuner),
    Package("ziglang", "cross-compiling without other toolchains", "pip install 'edgec[zig]'"),
)


def examine() -> dict[str, Any]:
    """`{"tools": [{name, found, version, needed_for, get}]}`: programs first, packages after them."""
    rows = [_tool(tool) for tool in TOOLS] + [_flash_tool(tool) for tool in FLASH_TOOLS.values() if tool.programs]
    rows += [_package(package) for package in PACKAGES]
    return {"tools": rows, "ready": all(row["found"] for row in rows[:3])}


def _tool(tool: Tool) -> dict[str, Any]:
    path = next((found for name in tool.names if (found := shutil.which(name))), None)
    return {
        "name": tool.names[0],
        "found": path is not None,
        "version": _version(path) if path else None,
        "needed_for": tool.needed_for,
        "get": f"apt-get install {tool.packages}",
    }


def _flash_tool(tool: FlashTool) -> dict[str, Any]:
    return {**_tool(Tool(tool.programs, f"flash --tool {tool.name}", "")), "get": tool.get}


def _version(path: str) -> str:
    """The first line a program says of itself; empty when it says nothing in five seconds."""
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, errors="replace", timeout=5, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return next(iter((done.stdout or done.stderr).strip().splitlines()), "")[:80]


def _package(package: Package) -> dict[str, Any]:
    try:
        version: str | None = metadata.version(package.name)
        if package.loads is not None:
            package.loads()
    except (metadata.PackageNotFoundError, ToolMissingError):
        version = None
    return {
        "name": package.name,
        "found": version is not None,
        "version": version,
        "needed_for": package.needed_for,
        "get": package.get,
    }
