"""`edgec package DIR... -o OUT`: compiled models as one library for CMake, Zephyr, Arduino, PlatformIO, ESP-IDF and CMSIS-Pack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from edgec.cli.output import JsonFlag, show


def package_command(
    folders: Annotated[list[Path], Argument(metavar="DIR...", help="What edgec compile wrote, one folder or more.")],
    out: Annotated[Path, Option("--out", "-o", metavar="OUT", help="Folder to write.")],
    name: Annotated[str | None, Option(metavar="N", help="Name of the library [the folder's].")] = None,
    format_: Annotated[
        str, Option("--format", metavar="F,..", help="all, none, or some of: cmake, zephyr, arduino, platformio, esp-idf, cmsis-pack.")
    ] = "all",
    as_json: JsonFlag = False,
) -> None:
    """Put compiled models into one library that build systems take; kernels they share are there once."""
    from edgec import api
    from edgec.report import text

    show(api.package(folders, out, name, format_), text.packaged, as_json)
