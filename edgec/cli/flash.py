"""`edgec flash DIR`: the firmware onto the board, with whatever tool and probe there is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from edgec.cli.output import JsonFlag, show, working


def flash_command(
    folder: Annotated[Path, Argument(metavar="DIR", help="What edgec compile wrote.")],
    tool: Annotated[
        str | None,
        Option(
            metavar="TOOL",
            help="pyocd, openocd, probe-rs, stm32cubeprogrammer, st-flash, jlink, uf2, picotool, dfu-util, bossac, gdb "
            "[one that is installed and plugged in].",
        ),
    ] = None,
    probe: Annotated[
        str | None, Option(metavar="ID", help="Which of several probes, ports or drives; for gdb host:port.")
    ] = None,
    port: Annotated[
        str | None, Option(metavar="URL", help="Serial line to ask the board on what it runs [found by USB id].")
    ] = None,
    only: Annotated[str | None, Option(metavar="PART", help="weights or code: write nothing else.")] = None,
    dry_run: Annotated[bool, Option("--dry-run", help="Print the commands, run none.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write the firmware to a board and check over the serial line that it runs."""
    from edgec import api
    from edgec.report import text

    with working(f"flashing {folder}"):
        document = api.flash(folder, tool=tool, probe=probe, port=port, only=only, dry_run=dry_run)
    show(document, text.flashed, as_json)
