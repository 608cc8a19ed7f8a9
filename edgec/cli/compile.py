"""`edgec compile MODEL.onnx --target T -o DIR`: the package folder with the C library."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from edgec.cli.output import JsonFlag, advancing, note, show
from edgec.options import PROJECT_FILE, read_project


def compile_command(
    model: Annotated[Path, Argument(metavar="MODEL.onnx", help="The trained model, float or quantized.")],
    target: Annotated[str | None, Option("--target", "-t", metavar="T", help="What for: see edgec targets.")] = None,
    out: Annotated[Path | None, Option("--out", "-o", metavar="DIR", help="Folder to write [build/NAME].")] = None,
    name: Annotated[str | None, Option(metavar="N", help="Prefix of all C names [from the file name].")] = None,
    calib: Annotated[Path | None, Option(metavar="DATA.npz", help="Samples that quantize a float model.")] = None,
    ram: Annotated[str | None, Option(metavar="SIZE", help="RAM the model may use: 320K, 1M, 327680.")] = None,
    flash: Annotated[str | None, Option(metavar="SIZE", help="Flash the model may use.")] = None,
    optimize: Annotated[str | None, Option(metavar="FOR", help="balanced, speed, ram or flash [balanced].")] = None,
    input_: Annotated[str | None, Option("--input", metavar="KIND", help="tensor, or rows pushed singly.")] = None,
    io: Annotated[str | None, Option(metavar="KIND", help="model, or quantized: no float at the borders.")] = None,
    backend: Annotated[str | None, Option(metavar="B", help="c or tvm [c].")] = None,
    batch: Annotated[int | None, Option(metavar="N", help="Pins a symbolic first dimension [1].")] = None,
    tvm_form: Annotated[
        str | None, Option(metavar="F", help="With tvm: library, or relax (needs TVM), or auto [auto].")
    ] = None,
    tune: Annotated[
        int, Option(metavar="[N]", help="Choose kernels by measuring; with --backend tvm: N trials of MetaSchedule.")
    ] = 0,
    state: Annotated[
        list[str] | None,
        Option(metavar="IN=OUT", help="Keep a state inside: output OUT becomes input IN of the next run; repeatable."),
    ] = None,
    replay: Annotated[Path | None, Option(metavar="FILE", help="Kernels as an edgec.json chose them.")] = None,
    keep_input: Annotated[bool, Option("--keep-input", help="Never overwrite the input buffer.")] = False,
    keep_constant_channels: Annotated[
        bool, Option("--keep-constant-channels", help="Keep channels that are provably constant.")
    ] = False,
    format_: Annotated[
        str | None, Option("--format", metavar="F,..", help="cmake, zephyr, arduino, platformio, esp-idf, cmsis-pack [all].")
    ] = None,
    frontend: Annotated[
        Path | None, Option(metavar="FILE.toml", help="Pixels, sound, labels around the model [edgec.toml].")
    ] = None,
    dump_stages: Annotated[Path | None, Option(metavar="DIR", help="Write the model after every pass.")] = None,
    verbose: Annotated[bool, Option("--verbose", "-v", help="Show the kernel of every layer, and why.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Compile a model to a C library for a target."""
    from edgec import api
    from edgec.report import text

    options = read_project(Path())
    if options:
        note(f"options from {PROJECT_FILE}: {', '.join(sorted(options))}")
    stated = {
        "target": target,
        "name": name,
        "calib": calib,
        "ram": ram,
        "flash": flash,
        "optimize": optimize,
        "input": input_,
        "io": io,
        "backend": backend,
        "tvm_form": tvm_form,
        "batch": batch,
        "tune": tune or None,
        "state": state or None,
        "replay": replay,
        "keep_input": keep_input or None,
        "keep_constant_channels": keep_constant_channels or None,
        "dump_stages": dump_stages,
        "format": format_,
        "frontend": frontend,
    }
    options |= {option: value for option, value in stated.items() if value is not None}
    with advancing(f"compiling {model.name}", quiet=as_json) as progress:
        result = api.compile(model, out, progress, **options)
    show(api.describe(result), partial(text.compiled, verbose=verbose), as_json)
