"""`edgec doctor`: which tools and packages are installed, and how to get the rest."""

from __future__ import annotations

from edgec.cli.output import JsonFlag, show, working


def doctor_command(as_json: JsonFlag = False) -> None:
    """Show what is installed and how to get the rest."""
    from edgec import api
    from edgec.report import text

    with working("looking around"):
        document = api.doctor()
    show(document, text.doctor, as_json)
