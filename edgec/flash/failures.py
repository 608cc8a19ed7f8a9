"""What flash tools say when they fail, and what helps."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from edgec.errors import FlashError

__all__ = ["explain"]

#: (what a tool writes, what is the matter, what to try), the first that matches counts.  `{tool}` and `{board}` are filled in.
KNOWN = (
    (
        r"LIBUSB_ERROR_ACCESS|[Pp]ermission denied|insufficient permissions|LIBUSB_ERROR_NOT_SUPPORTED",
        "{tool} may not use the USB device",
        "add a udev rule for the probe (the tool's own, or pyOCD's), plug it in again; or try once as root",
    ),
    (
        r"AP lock|APPROTECT|is (?:locked|secured)|[Rr]ead.?out [Pp]rotect|RDP|[Pp]rotection (?:is )?(?:enabled|active)|flash is protected",
        "{board} is locked against debuggers",
        "unlocking erases all of its flash: pyocd erase --chip, nrfjprog --recover, or in STM32CubeProgrammer set RDP to level 0 (AA)",
    ),
    (
        r"UNEXPECTED|[Uu]nexpected (?:idcode|chip|device)|[Cc]hip ?id.*(?:mismatch|unknown|not)|[Uu]nknown chip|[Ww]rong (?:chip|device|target)"
        r"|does not match|[Dd]evice ID.*not|[Cc]annot identify|family.*(?:cannot|not)|not recogni[sz]ed|was not found in|expected 1 of",
        "{tool} finds another chip than that of {board}, or does not know it",
        "is it the right board? compile for the one that is connected (edgec targets); pyOCD learns chips with `pyocd pack install CHIP`",
    ),
    (
        r"[Nn]o (?:connected|available|target device|debug)|[Nn]o (?:ST-?LINK|DFU capable|device found|accessible|probe|J-Link)"
        r"|[Cc]ouldn't find any|open failed|unable to (?:open|find)|[Cc]annot connect to (?:the )?(?:J-Link|probe)|[Cc]ould not connect"
        r"|No such (?:device|file or directory)|[Cc]onnection (?:refused|timed out)|probe could not be opened",
        "{tool} finds no probe or board",
        "connect it and look at the cable (some only charge), close other programs that use it; with several, name one with --probe ID; "
        "a boot loader must be started first (RP2040, RP2350: hold BOOTSEL while plugging in; Arduino: press reset twice; STM32: BOOT0)",
    ),
    (
        r"[Tt]imed? ?out|no response|SWD|[Tt]arget (?:not|unknown)|in reset|power",
        "{tool} reaches the probe, but not the chip of {board}",
        "is the board powered, and wired to the probe? hold its reset button while the tool connects",
    ),
)  # fmt: skip


def explain(tool: str, board: str, command: Sequence[str], output: str) -> FlashError:
    """The error for a failed tool: its last words in ours, the command to try by hand."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    matter, hint = f"{tool} failed", "run the command by hand to see more"
    for pattern, what, help_ in KNOWN:
        if re.search(pattern, output):
            matter, hint = what.format(tool=tool, board=board), help_
            break
    said = next((line for line in reversed(lines) if re.search(r"[Ee]rror|[Ff]ail|\bE\b|[Nn]o |not ", line)), "")
    said = said or (lines[-1] if lines else "it said nothing")
    return FlashError(f"{matter}: {said[:200]}", hint=f"{hint}\nthe command was: {shlex.join(command)}")
