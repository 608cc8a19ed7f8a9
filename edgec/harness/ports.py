"""Which serial port a board is at: by its USB ids, or as the user says."""

from __future__ import annotations

from edgec.errors import UsageError
from edgec.harness.link import UsbPort, serial_ports
from edgec.target import Target

__all__ = ["AUTO", "find_port", "is_emulated"]

AUTO = "auto"


def find_port(target: Target) -> str:
    """The device name of the one plugged-in USB port that carries `target`'s serial line.  Raises UsageError, which lists
    what is there, for none and for several."""
    found = serial_ports(target.serial.usb)
    if len(found) == 1:
        return found[0].device
    if found:
        raise UsageError(
            f"several ports could be the {target.name}: {_listed(found)}", hint="say which one: --port DEVICE"
        )
    known = f" (USB {', '.join(target.serial.usb)})" if target.serial.usb else ", whose USB ids are not known"
    raise UsageError(
        f"no serial port is found for {target.name}{known}; there is: {_listed(serial_ports())}",
        hint="plug the board in, or name the port with --port URL; without a board: edgec bench DIR --emulate",
    )


def is_emulated(target: Target, counter: str, url: str) -> bool:
    """Whether times from this device say nothing about a board.

    `counter`: what the firmware counts time with.  Every Cortex-M from the M3 on has the cycle counter (DWT) that QEMU lacks;
    the smaller ones have none, there a board that QEMU knows counts as emulated unless it is a device of this computer.
    """
    if target.kind not in ("cpu", "board") or counter == "dwt":
        return False
    if "armv6m" not in target.isa:
        return True
    return target.qemu is not None and "://" in url


def _listed(ports: list[UsbPort]) -> str:
    return ", ".join(f"{port.device} ({port.usb} {port.description})" for port in ports) or "no USB serial port at all"
