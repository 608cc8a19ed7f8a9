"""`edgec build DIR`: firmware for a board, libraries for 64-bit Arm and the host, an npm package for WebAssembly."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from edgec.cli.output import JsonFlag, show, working


def build_command(
    folder: Annotated[Path, Argument(metavar="DIR", help="What edgec compile wrote.")],
    samples: Annotated[
        Path | None, Option(metavar="DATA.npz", help="Samples for the page of a WebAssembly package.")
    ] = None,
    labels: Annotated[
        Path | None, Option(metavar="FILE", help="Names of the classes for that page, one on a line.")
    ] = None,
    trace: Annotated[
        bool, Option("--trace", help="Firmware whose layers can be timed and compared one by one on the board.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Build firmware (ELF, bin, hex) for a board, libraries for 64-bit Arm and the host, or an npm package for WebAssembly."""
    from edgec import api
    from edgec.report import text

    with working(f"building {folder}"):
        document = api.build(folder, samples, labels or (), trace)
    show(document, text.built, as_json)
