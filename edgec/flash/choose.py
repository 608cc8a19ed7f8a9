"""Which tool flashes a board: one that serves it, is installed, and has its probe plugged in."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from edgec.errors import FlashError, ToolMissingError, UsageError
from edgec.flash.tools import TOOLS, Tool
from edgec.flash.uf2 import find_volumes
from edgec.target import Target

__all__ = ["choose_tool", "program_of", "tools_for", "usb_devices"]

USB = Path("/sys/bus/usb/devices")


def usb_devices(root: Path = USB) -> set[str]:
    """Vendor and product ids (`0483:374b`) of the USB devices of this computer: from Linux, elsewhere of its serial ports."""
    if not root.is_dir():
        from edgec.harness.link import serial_ports

        return {port.usb for port in serial_ports()}
    return {
        f"{vendor.read_text().strip()}:{(vendor.parent / 'idProduct').read_text().strip()}"
        for vendor in root.glob("*/idVendor")
    }


def tools_for(target: Target) -> dict[str, str]:
    """Names of the tools that serve a board, the best first, each with what its file says to it."""
    unknown = sorted(set(dict(target.flash)) - set(TOOLS))
    if unknown:
        raise UsageError(f"the file of {target.name} names unknown flash tools: {unknown}", f"known: {sorted(TOOLS)}")
    return {**dict(target.flash), "gdb": ""}


def choose_tool(target: Target, wanted: str | None, dry: bool) -> tuple[Tool, str]:
    """(tool, what the board's file says to it).  Raises UsageError for one that does not serve the board, ToolMissingError when none
    is installed, FlashError when no probe is plugged in.  `dry`: nothing need be plugged in or installed."""
    serving = tools_for(target)
    if wanted is not None:
        if wanted not in serving:
            known = "is no flash tool edgec knows" if wanted not in TOOLS else f"does not flash {target.name}"
            raise UsageError(f"'{wanted}' {known}", hint=f"for {target.name}: {', '.join(serving)}")
        if not dry:
            program_of(TOOLS[wanted])
        return TOOLS[wanted], serving[wanted]
    over_usb = [TOOLS[name] for name in serving if name != "gdb"]
    installed = [tool for tool in over_usb if not tool.programs or _find(tool) is not None]
    there = usb_devices()
    for tool in installed:
        if _plugged(tool, serving[tool.name], there):
            return tool, serving[tool.name]
    if dry:
        tool = next(iter([*(tool for tool in installed if tool.programs), *over_usb, TOOLS["gdb"]]))
        return tool, serving[tool.name]
    if not over_usb:
        raise UsageError(
            f"the file of {target.name} names no tool that flashes it",
            hint="any debugger's server will do: --tool gdb --probe HOST:PORT; emulated: edgec bench DIR --emulate",
        )
    if not any(tool.programs for tool in installed):
        get = "; ".join(f"{tool.name}: {tool.get}" for tool in over_usb if tool.get)
        raise ToolMissingError(f"nothing is installed that flashes {target.name}", hint=f"one of these will do: {get}")
    raise FlashError(
        f"no board or debug probe for {target.name} is plugged in",
        hint=f"connect it and look at the cable (some only charge); installed are {_names(installed)}; "
        "name one with --tool to try all the same",
    )


def program_of(tool: Tool) -> str:
    """The path of the tool's executable, "" where it needs none.  Raises ToolMissingError with how to get it."""
    found = _find(tool)
    if tool.programs and found is None:
        raise ToolMissingError(f"{tool.programs[0]} is not installed", hint=f"get it: {tool.get}")
    return found or ""


def _find(tool: Tool) -> str | None:
    return next((found for name in tool.programs if (found := shutil.which(name))), None)


def _plugged(tool: Tool, argument: str, there: set[str]) -> bool:
    if tool.name == "uf2":
        return bool(find_volumes(argument.split()[1]))
    wanted = argument.split() if tool.usb == ("{}",) else tool.usb
    return not there.isdisjoint(wanted)


def _names(tools: Sequence[Tool]) -> str:
    return ", ".join(tool.name for tool in tools)
