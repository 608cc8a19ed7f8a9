"""`edgec bench DIR --emulate | --port URL | --against RUNTIMES`: what one inference costs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from edgec.cli.output import JsonFlag, show, working


def bench_command(
    folder: Annotated[Path, Argument(metavar="DIR", help="What edgec compile wrote.")],
    port: Annotated[str | None, Option(metavar="URL", help="A board: /dev/ttyACM0, socket://host:port, ...")] = None,
    emulate: Annotated[bool, Option("--emulate", help="Run the firmware in QEMU and count instructions.")] = False,
    layers: Annotated[bool, Option("--layers", help="Show every layer.")] = False,
    runs: Annotated[int, Option(metavar="N", help="Inferences to time on a board.", min=1)] = 10,
    inputs: Annotated[Path | None, Option(metavar="DATA.npz", help="Input to run on [a fixed pattern].")] = None,
    against: Annotated[
        str | None,
        Option(
            metavar="LIST", help="Time it beside onnxruntime, litert (host) or onnxruntime-web, litert (WebAssembly)."
        ),
    ] = None,
    model: Annotated[
        list[Path] | None,
        Option(metavar="FILE", help="What those run: .onnx or .tflite; may be repeated [DIR/reference/model.onnx]."),
    ] = None,
    rounds: Annotated[int | None, Option(metavar="N", help="Rounds in which each has its turn [21].", min=3)] = None,
    as_json: JsonFlag = False,
) -> None:
    """Measure RAM, flash, instructions (emulated) or time (on a board, or beside other runtimes)."""
    from edgec import api
    from edgec.report import text

    with working(f"measuring {folder}"):
        document = api.bench(
            folder, port=port, emulate=emulate, runs=runs, inputs=inputs,
            against=[name.strip() for name in (against or "").split(",") if name.strip()], models=model or (), rounds=rounds,
        )  # fmt: skip
    show(document, text.raced if against else partial(text.measured, layers=layers), as_json)
