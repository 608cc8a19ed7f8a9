"""`edgec report DIR`: a compiled package explained, alone or against another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from edgec.cli.output import JsonFlag, note, show


def report_command(
    folder: Annotated[Path, Argument(metavar="DIR", help="What edgec compile wrote.")],
    against: Annotated[Path | None, Option(metavar="DIR2", help="Show the differences to this one.")] = None,
    inputs: Annotated[
        Path | None, Option(metavar="DATA.npz", help="Samples for the error of rounding (default: random).")
    ] = None,
    html: Annotated[Path | None, Option(metavar="FILE", help="Also write the page there.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Steps, memory plan and interface of a compiled model."""
    from edgec import api
    from edgec.report import text

    document = api.report(folder, against=against, inputs=inputs)
    from edgec.report.memory import write

    note(f"wrote {', '.join(map(str, write(folder / 'report', document)))}")
    if html is not None:
        from edgec.report.html import page

        html.write_text(page(document), encoding="utf-8")
        note(f"wrote {html}")
    show(document, text.compared if against else text.package, as_json)
