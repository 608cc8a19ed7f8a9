"""`edgec bench DIR [--emulate | --port URL | --against RUNTIMES]`: what one inference costs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from edgec.cli.output import JsonFlag, live, show, show_text, working
from edgec.errors import UsageError


def bench_command(
    folder: Annotated[Path, Argument(metavar="DIR", help="What edgec compile wrote.")],
    port: Annotated[
        str | None,
        Option(metavar="URL", help="A board: /dev/ttyACM0, socket://host:port, ... [auto: found by its USB ids]"),
    ] = None,
    emulate: Annotated[bool, Option("--emulate", help="Run the firmware in QEMU and count instructions.")] = False,
    layers: Annotated[bool, Option("--layers", help="Show every layer (on a board: of edgec build --trace).")] = False,
    runs: Annotated[
        int | None, Option(metavar="N", help="Inferences in a window on a board [--window].", min=1, max=1_000_000)
    ] = None,
    window: Annotated[
        float, Option(metavar="SECONDS", help="Least time of a window, 10 inferences too.", min=0.0)
    ] = 10.0,
    repeats: Annotated[int, Option(metavar="N", help="Windows; their median counts.", min=1)] = 5,
    inputs: Annotated[Path | None, Option(metavar="DATA.npz", help="Input to run on [a fixed pattern].")] = None,
    mlperf: Annotated[
        str | None,
        Option(
            metavar="MODE", help="The MLPerf Tiny runner's sequence: performance, or accuracy (inputs with labels)."
        ),
    ] = None,
    watch: Annotated[bool, Option("--watch", help="A live view of a board, until Ctrl-C.")] = False,
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
    csv: Annotated[bool, Option("--csv", help="Print the layers (or the whole) as CSV.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Measure RAM, flash, instructions (emulated) or time (on a board, or beside other runtimes)."""
    from edgec import api
    from edgec.report.csv import measured_csv
    from edgec.report.measured import measured, raced, scored

    if sum((csv, as_json, watch)) > 1 or (watch and (emulate or mlperf or against)):
        raise UsageError("--watch, --csv and --json exclude each other; --watch needs a board", "leave one of them out")
    render = partial(measured, layers=layers)
    if watch:
        documents = api.watch(folder, port=port or "auto", inputs=inputs, window=min(window, 1.0))
        live(documents, render)
        return
    with working(f"measuring {folder}"):
        document = api.bench(
            folder, port=port, emulate=emulate, runs=runs, inputs=inputs, repeats=repeats, window=window, mlperf=mlperf,
            against=[name.strip() for name in (against or "").split(",") if name.strip()], models=model or (), rounds=rounds,
        )  # fmt: skip
    if csv:
        show_text(measured_csv(document))
    else:
        show(document, raced if against else (scored if mlperf else render), as_json)
