"""`edgec verify DIR`: does the compiled code compute what the model means?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from edgec.cli.output import JsonFlag, show, working


def verify_command(
    folder: Annotated[Path, Argument(metavar="DIR", help="What edgec compile wrote.")],
    inputs: Annotated[Path | None, Option(metavar="DATA.npz", help="Samples to compare on [random ones].")] = None,
    on: Annotated[
        str,
        Option(
            metavar="WHERE",
            help="host, tvm, emulator, qemu-user, wasmtime, node, chromium, or a board: its URL, or auto.",
        ),
    ] = "host",
    layers: Annotated[bool, Option("--layers", help="Compare every layer; names the first that differs.")] = False,
    as_json: JsonFlag = False,
) -> int:
    """Compare compiled code with its reference and with onnxruntime."""
    from edgec import api
    from edgec.report import text

    with working(f"verifying {folder} on {on}"):
        document = api.verify(folder, inputs=inputs, on=on, layers=layers)
    show(document, text.verified, as_json)
    return 0 if document["ok"] else 1
