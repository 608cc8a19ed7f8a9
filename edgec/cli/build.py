"""`edgec build DIR`: firmware for a board, a shared library for the host."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument

from edgec.cli.output import JsonFlag, show, working


def build_command(
    folder: Annotated[Path, Argument(metavar="DIR", help="What edgec compile wrote.")],
    as_json: JsonFlag = False,
) -> None:
    """Build firmware (ELF, bin, hex) for a board, or a shared library for the host."""
    from edgec import api
    from edgec.report import text

    with working(f"building {folder}"):
        document = api.build(folder)
    show(document, text.built, as_json)
