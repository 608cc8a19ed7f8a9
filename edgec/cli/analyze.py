"""`edgec analyze MODEL.onnx`: what is in a model, what of it edgec cannot compile, and which boards it fits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from edgec.cli.output import JsonFlag, show, working


def analyze_command(
    model: Annotated[Path, Argument(metavar="MODEL.onnx", help="The trained model, float or quantized.")],
    target: Annotated[str | None, Option("--target", "-t", metavar="T", help="Judge it for this target.")] = None,
    batch: Annotated[int, Option(metavar="N", help="Pins a symbolic first dimension.")] = 1,
    as_json: JsonFlag = False,
) -> None:
    """Operators, MACs, parameters, peak RAM, what is unsupported and where."""
    from edgec import api
    from edgec.report import text

    with working(f"reading {model.name}"):
        document = api.analyze(model, target=target, batch=batch)
    show(document, text.analyzed, as_json)
