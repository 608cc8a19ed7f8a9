"""The verbs in Python: thin, each one lazy about what it imports, each returning what the command line shows.

`compile` returns an Artifact, whose methods are the verbs that follow, `load` a callable, the others a document: a dict of plain
values, the same that the verb prints with --json.  Errors are those of edgec.errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from edgec.errors import UsageError
from edgec.options import CompileKeywords, make_options

if TYPE_CHECKING:
    import numpy as np

    from edgec.artifact import Artifact
    from edgec.compiler import CompileResult, Progress

    Array = np.ndarray[Any, Any]
    Samples = str | Path | Mapping[str, Array] | Sequence[Array]


def compile(
    model: str | Path,
    out: str | Path | None = None,
    progress: Progress | None = None,
    **options: Unpack[CompileKeywords],
) -> Artifact:
    """Compile an ONNX model to a C library in folder `out` (default build/NAME).

    options: as on the command line with `_` for `-`: target (required), name, calib, ram="320K", flash, optimize,
    input, io, backend, tvm_form, batch, tune, replay, state={"h0": "hn"}, keep_input, keep_constant_channels, dump_stages.
    progress: called with (stage, done, of how many).
    """
    if options.get("target") is None:
        raise UsageError("no target given", "add --target T (target=... in Python); edgec targets lists them")
    stated = make_options(options)
    from edgec.artifact import Artifact
    from edgec.compiler import compile_model

    path = Path(model)
    folder = Path(out) if out is not None else Path("build") / (stated.name or path.stem)
    calibration = None
    if stated.calib is not None:
        from edgec.harness.samples import load_samples

        calibration = partial(load_samples, stated.calib)
    measured = None
    if stated.tune and stated.replay is None and stated.backend == "c":
        from edgec.tune.measure import tuned

        measured = tuned(path, stated, folder, calibration, progress)
    made = compile_model(path, stated, folder, calibration, progress, measured=measured)
    return Artifact(made.dir, made.manifest, made.program, made.summary)


def describe(result: CompileResult) -> dict[str, Any]:
    """A compilation as a document: edgec.json's content, the folder and the compiler's summary."""
    return {"dir": str(result.dir), **result.manifest, "summary": dict(result.summary)}


def analyze(model: str | Path, target: str | None = None, **options: Any) -> dict[str, Any]:
    """What is in a model: operators, MACs, parameters, peak RAM, what is unsupported where, which boards it fits."""
    from edgec.compiler import analyze as analyze_model

    stated = make_options(options if target is None else {**options, "target": target})
    return {"model": str(model), "target": target, **analyze_model(Path(model), target, stated)}


def quantize(
    model: str | Path,
    calib: Samples,
    out: str | Path,
    batch: int = 1,
    state: Mapping[str, str] | Sequence[str] = (),
    progress: Progress | None = None,
    target: str | None = "cortex-m4",
    **options: Any,
) -> dict[str, Any]:
    """A float model as a QDQ model in file `out`, and the report of what that cost.

    calib: DATA.npz or arrays by input name, samples along the first axis; state: "IN=OUT", the output that becomes that input of the
    next sample; target: whose prices of kept nodes the report tells (None: no prices); options: fields of edgec.quant.QuantOptions.
    """
    import onnx_ir

    from edgec.compiler import front, model_inputs, price
    from edgec.harness.samples import check_samples, load_samples
    from edgec.quant import QuantOptions
    from edgec.quant import quantize as quantize_model
    from edgec.target import load_target

    path, stated = Path(model), make_options({"batch": batch, "state": state})
    source = front(path, stated)
    inputs = model_inputs(source, stated)
    if isinstance(calib, (str, Path)):
        samples = load_samples(Path(calib), inputs)
    else:
        arrays = calib if isinstance(calib, Mapping) else {i["name"]: a for i, a in zip(inputs, calib, strict=True)}
        samples = check_samples(arrays, inputs)
    chosen = QuantOptions(**options, states=stated.state)
    priced = None
    if target is not None and (
        chosen.sensitivity or chosen.keep_float or chosen.keep_int16 or chosen.auto_keep is not None
    ):
        priced = partial(price, target=load_target(target))
    made = quantize_model(source, samples, chosen, progress, priced)
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    Path(out).write_bytes(onnx_ir.to_proto(made.model).SerializeToString(deterministic=True))
    return {"model": str(model), "out": str(out), "target": target, **made.report}


def build(
    folder: str | Path,
    samples: Samples | None = None,
    labels: str | Path | Sequence[str] = (),
    trace: bool = False,
) -> dict[str, Any]:
    """Build a compiled package: firmware for its board (for a CPU the emulated one), libraries as a CMake package for 64-bit
    Arm and for this machine, an npm package for WebAssembly.

    samples: what the npm package's page shows, DATA.npz or arrays by input name; without, the ones verify makes.  labels: the names
    of the classes there, or a text file with one on a line.
    trace: firmware that can tell what every layer takes (`bench --port --layers`) and makes (`verify --on URL --layers`).
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    target = manifest["target"]
    board = target.get("board")
    document = {"dir": str(folder), "name": manifest["name"], "target": target["name"], "board": board}
    if target["cpu"] == "wasm":
        return {**document, **_build_web(folder, read_samples(manifest, samples), labels)}
    if samples is not None or labels:
        raise UsageError(
            "samples and labels are for the page of a WebAssembly package",
            "leave them out, or compile with --target wasm32-simd",
        )
    if "tvm_ffi" in manifest or "module" in manifest.get("tvm", {}):
        from edgec.toolchain.ffi import build_module

        return {**document, "artifacts": {"tvm module": str(build_module(folder))}}
    if board is None:
        return {**document, **_build_native(folder, target["name"])}
    from edgec.target import load_target
    from edgec.toolchain.firmware import build_firmware

    image = build_firmware([folder], load_target(target["name"]), folder / "build", trace=trace)
    artifacts = {kind: str(getattr(image, kind)) for kind in ("elf", "bin", "hex", "map")}
    return {**document, "toolchain": image.toolchain, "artifacts": artifacts, "sizes": asdict(image.sizes)}


def flash(
    folder: str | Path,
    *,
    tool: str | None = None,
    probe: str | None = None,
    port: str | None = None,
    only: str | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Write a package's firmware to its board, built first where it is not, and ask the board what it then runs.

    tool: one of edgec.flash's; without, one that is installed and has its probe plugged in.
    probe: which of several: a probe's id, a drive, for gdb the server's host:port.
    port: URL of the serial line; without, the one USB port that is the board's, if there is just one.
    only: weights or code, where the board gives weights a flash region of their own.
    dry_run: say what would be run, run nothing.
    """
    from edgec.flash import flash as flash_board
    from edgec.harness.link import serial_ports
    from edgec.target import load_target
    from edgec.toolchain.package import load_package

    package = load_package(folder)
    target = load_target(package.target)
    if not target.port:
        raise UsageError(f"'{target.name}' is no board to flash", "compile for a board: edgec targets lists them")
    elf = Path(folder) / "build" / "firmware.elf"
    if not elf.is_file() or package.build_hash().encode() not in elf.read_bytes():
        build(folder)
    found = serial_ports(target.serial.usb)
    if port is None and len(found) == 1:
        port = found[0].device
    document = flash_board(
        elf, target, package.build_hash(), tool=tool, probe=probe, port=port, only=only, dry_run=dry_run
    )
    return {"dir": str(folder), **document}


def _build_native(folder: Path, target: str) -> dict[str, Any]:
    import platform

    from edgec.target import load_target
    from edgec.toolchain.cross import cross_compiler
    from edgec.toolchain.native import build_native

    chosen = load_target(target)
    compiler = cross_compiler(chosen)
    files = build_native(folder, chosen, compiler, platform.machine() if chosen.kind == "host" else "aarch64")
    return {"toolchain": compiler.name, "artifacts": {name: str(path) for name, path in files.items()}}


def _build_web(folder: Path, samples: Mapping[str, Array] | None, labels: str | Path | Sequence[str]) -> dict[str, Any]:
    from edgec.emulate.run import all_bytes
    from edgec.frontend.spec import read_labels
    from edgec.target import load_target
    from edgec.toolchain.package import load_package
    from edgec.toolchain.web import build_npm
    from edgec.verify.reference import read_program
    from edgec.verify.samples import default_samples

    package = load_package(folder)
    names = read_labels(Path(labels)) if isinstance(labels, (str, Path)) else labels
    given = default_samples(read_program(folder)) if samples is None else dict(samples)
    files = build_npm(folder, load_target(package.target), all_bytes(package, given), names)
    weights = int(package.manifest.get("weight_bytes", 0))
    modules = {name: path.stat().st_size for name, path in files.items() if path.suffix == ".wasm"}
    beside = {name: size - weights for name, size in modules.items()}
    artifacts = {name: str(path) for name, path in files.items()}
    return {"artifacts": artifacts, "modules": modules, "weights": weights, "beside_weights": beside}


def verify(folder: str | Path, inputs: Samples | None = None, on: str = "host", layers: bool = False) -> dict[str, Any]:
    """Run the compiled code and compare it with the reference and with onnxruntime.  `ok` says whether it agrees.

    inputs: DATA.npz or arrays by input name, samples along the first axis; without, random ones.
    on: host | emulator | URL | auto (the board's USB port).
    """
    folder = Path(folder)
    samples = read_samples(read_manifest(folder), inputs)
    from edgec.verify.check import verify as check

    return {"dir": str(folder), "on": on, **check(folder, samples, on, layers)}


def bench(
    folder: str | Path,
    *,
    port: str | None = None,
    emulate: bool = False,
    runs: int | None = None,
    inputs: Samples | None = None,
    repeats: int = 5,
    window: float = 10.0,
    mlperf: str | None = None,
    against: Sequence[str] = (),
    models: Sequence[str | Path] = (),
    rounds: int | None = None,
) -> dict[str, Any]:
    """What one inference costs: exact instruction counts from the emulator, times from a board, or times beside those of other
    runtimes on this machine (`against`, `models`, `rounds`: see edgec.against.compare).

    port: URL or `auto`, which is meant when nothing else is: the board is found by its USB ids.  Times are the median of
    `repeats` windows of `runs` inferences, by default as many as take `window` seconds, 10 at least.
    mlperf: `performance` or `accuracy`, the sequence of the MLPerf Tiny runner instead; for accuracy `inputs` also holds
    `labels`, and `files` where several samples belong to one file.
    """
    if emulate + bool(against) + (port is not None or mlperf is not None) > 1:
        raise UsageError(
            "--emulate counts instructions, --against races runtimes, --port and --mlperf time a board",
            "leave all but one of them out",
        )
    folder = Path(folder)
    manifest = read_manifest(folder)
    samples = read_samples(manifest, inputs)
    if against:
        from edgec.against.compare import ROUNDS, compare

        return compare(folder, against, [Path(path) for path in models], samples, rounds or ROUNDS)
    if mlperf is not None:
        from edgec.harness.mlperf import run as run_mlperf
        from edgec.harness.samples import load_truth

        return run_mlperf(folder, port or "auto", mlperf, samples, load_truth(inputs), runs)
    if not emulate:
        from edgec.harness.bench import bench as bench_on_board

        return bench_on_board(folder, port or "auto", runs, samples, repeats, window)
    from edgec.target import load_target

    target = load_target(manifest["target"]["name"])
    if target.kind == "platform":
        from edgec.emulate.user import measure_program as measure
    else:
        from edgec.emulate.run import measure
    from edgec.report.explain import keep
    from edgec.report.limits import with_limits

    document = with_limits(measure(folder, target, samples), folder, target)
    keep(folder, document)
    return document


def watch(
    folder: str | Path, *, port: str = "auto", inputs: Samples | None = None, window: float = 1.0
) -> Iterator[dict[str, Any]]:
    """Measures a board until it is told to stop: the document of `bench` after every `window` seconds."""
    from edgec.harness.bench import watch as watch_board

    yield from watch_board(folder, port, read_samples(read_manifest(folder), inputs), window)


def load(folder: str | Path) -> Callable[..., list[Array]]:
    """A package built for the host as a callable: numpy arrays in (in order or by name), a list of numpy arrays out."""
    read_manifest(Path(folder))
    from edgec.verify.load import load as load_library

    library: Callable[..., list[Array]] = load_library(Path(folder))
    return library


def report(folder: str | Path, against: str | Path | None = None, inputs: Samples | None = None) -> dict[str, Any]:
    """A compiled package as a document (see edgec.report.explain); with `against` the two under `this` and `other`.

    inputs: samples on which the error of rounding is told where the model came quantized; without, random ones.
    """
    from edgec.report.explain import explain

    made = [
        explain(Path(path), read_samples(read_manifest(path), inputs)) for path in (folder, against) if path is not None
    ]
    return made[0] if against is None else {"this": made[0], "other": made[1]}


def package(
    folders: Sequence[str | Path], out: str | Path, name: str | None = None, format: str = "all"
) -> dict[str, Any]:
    """Compiled models as one library in folder `out` that build systems take; kernels they share are there once.

    name: of the library (default: of the folder `out`); format: as for compile.
    """
    from edgec.formats.bundle import write_bundle
    from edgec.verify.reference import read_program

    if not folders:
        raise UsageError("no models given", "name one or more folders that edgec compile wrote")
    paths = [Path(folder) for folder in folders]
    made = write_bundle(
        paths,
        [read_manifest(p) for p in paths],
        [read_program(p) for p in paths],
        Path(out),
        name or Path(out).name,
        format,
    )
    return {"dir": str(out), **made}


def targets() -> dict[str, Any]:
    """Everything that can be compiled for."""
    from edgec.report import listing

    return listing.targets()


def ops() -> dict[str, Any]:
    """The ONNX operators edgec compiles, with the step each becomes."""
    from edgec.report import listing

    return listing.ops()


def doctor() -> dict[str, Any]:
    """Tools and packages: what is there, and how to get the rest."""
    from edgec.report.doctor import examine

    return examine()


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """edgec.json of a package folder.  Raises UsageError when it is not one, or is damaged."""
    from edgec.toolchain.package import load_package

    return load_package(Path(folder)).manifest


def read_samples(manifest: Mapping[str, Any], inputs: Samples | None) -> dict[str, Array] | None:
    """Samples from a file, from arrays by name, or from arrays in the order of the model's inputs."""
    if inputs is None:
        return None
    from edgec.harness.samples import check_samples, load_samples

    entries = manifest["inputs"]
    if isinstance(inputs, (str, Path)):
        return load_samples(Path(inputs), entries)
    if not isinstance(inputs, Mapping):
        inputs = {entry["name"]: array for entry, array in zip(entries, inputs, strict=False)}
    return check_samples(inputs, entries)
