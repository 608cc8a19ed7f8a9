"""The pipeline, one named stage a line: an ONNX file in, a package folder out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgec.backends.forms import check_form, tvm_files, tvm_form
from edgec.backends.tir import with_tir
from edgec.emit import package
from edgec.emit.c import emit
from edgec.emit.choices import read_choices, with_choices
from edgec.emit.manifest import manifest, reference_files
from edgec.emit.names import c_name
from edgec.errors import UnsupportedError
from edgec.formats.write import Bundle, format_files, wanted_formats
from edgec.frontend import metadata
from edgec.frontend.emit import frontend
from edgec.frontend.spec import Around, parse
from edgec.ir.program import Program, site
from edgec.kernels.base import Cost
from edgec.lower.channels import Removed
from edgec.ops.registry import by_name
from edgec.options import CompileOptions
from edgec.schedule.budget import peak_step, planned
from edgec.schedule.plan import Plan
from edgec.schedule.rooms import flash_of, flash_rooms, ram_of
from edgec.schedule.tradeoff import predicted, tradeoff
from edgec.target import Target, list_targets, load_target

if TYPE_CHECKING:
    import onnx_ir

    from edgec.ir.program import Array

    Samples = Mapping[str, Array]
    Inputs = list[dict[str, Any]]  # name, shape and dtype of each
    Calibration = Samples | Callable[[Inputs], Samples]  # samples, or what reads them once the model's inputs are known
    Progress = Callable[[str, int, int], None]  # stage, done, of how many


QUANTIZATION = "edgec.quantization"
"""Where a model that was calibrated here carries what edgec.json keeps of that."""


@dataclass(frozen=True)
class CompileResult:
    """What compile made.  dir: the package folder; summary: figures for people and `--json`."""

    dir: Path
    manifest: dict[str, Any]
    program: Program
    summary: dict[str, Any]


@dataclass(frozen=True)
class Lowered:
    """A model below the line, with what was removed on the way."""

    model: onnx_ir.Model
    program: Program
    removed: Removed


def front(
    path: Path, options: CompileOptions, calibration: Calibration | None = None, progress: Progress | None = None
) -> onnx_ir.Model:
    """load -> normalise -> fuse -> attention by heads -> (with calibration samples) quantize."""
    from edgec.graph.heads import split_heads
    from edgec.graph.load import load_model
    from edgec.graph.normalize import normalize
    from edgec.graph.qoperator import expand
    from edgec.graph.states import check_states

    model = load_model(path, options.batch)
    note(options, 1, "load", model)
    model = normalize(expand(model))
    check_states(model, options.state)
    note(options, 2, "normalise", model)
    split_heads(model)
    note(options, 3, "heads", model)
    if calibration is None:
        return model
    samples = calibration(model_inputs(model, options)) if callable(calibration) else calibration
    if already_quantized(model):
        return model
    from edgec.quant import QuantOptions, quantize
    from edgec.quant.report import kept

    made = quantize(model, dict(samples), QuantOptions(states=options.state), progress)
    model = normalize_again(made.model)
    model.meta[QUANTIZATION] = kept(made.report)
    note(options, 4, "quantize", model)
    return model


def note(options: CompileOptions, index: int, stage: str, made: onnx_ir.Model | Program) -> None:
    """With `--dump-stages DIR`: what a stage made, as DIR/NN-stage.onnx or, below the line, the program's text in DIR/NN-stage.txt."""
    if options.dump_stages is None:
        return
    if isinstance(made, Program):
        from edgec.ir.text import print_program

        options.dump_stages.mkdir(parents=True, exist_ok=True)
        (options.dump_stages / f"{index:02d}-{stage}.txt").write_text(print_program(made), encoding="utf-8")
        return
    from edgec.graph.stages import dump

    dump(made, options.dump_stages, index, stage)


def normalize_again(model: onnx_ir.Model) -> onnx_ir.Model:
    """A quantized model in normal form, as it would come back from its file."""
    from edgec.graph.normalize import normalize

    return normalize(model)


def already_quantized(model: onnx_ir.Model) -> bool:
    """Whether a model brings its own quantization, which calibration must not replace."""
    return any(node.op_type == "QuantizeLinear" for node in model.graph)


def model_inputs(model: onnx_ir.Model, options: CompileOptions) -> Inputs:
    """Name, shape and type of a normalised model's inputs (states apart): what calibration samples must fit."""
    from edgec.graph.view import dtype, shape

    return [
        {"name": str(v.name), "shape": list(shape(v)), "dtype": dtype(v)}
        for v in model.graph.inputs
        if str(v.name) not in dict(options.state)
    ]


def lowered(
    path: Path, options: CompileOptions, calibration: Calibration | None = None, progress: Progress | None = None
) -> Lowered:
    """Everything above the line, then lower, then constant channels."""
    from edgec.lower import lower
    from edgec.lower.channels import remove_constant_channels

    model = front(path, options, calibration, progress)
    name = c_name(options.name or path.stem)
    program = lower(model, name, options.io == "quantized", options.input == "rows", options.state)
    note(options, 5, "lower", program)
    if options.keep_constant_channels:
        return Lowered(model, program, Removed())
    program, removed = remove_constant_channels(program)
    return Lowered(model, program, removed)


def price(model: onnx_ir.Model, target: Target) -> dict[str, int]:
    """What a normalised model costs on a target, from its plan and the cost formulas: bytes of constants in flash (the code of its
    kernels not counted), bytes of arena, predicted instructions of one inference.  `model` is changed."""
    from edgec.emit.parts import collect
    from edgec.lower import lower
    from edgec.lower.channels import remove_constant_channels

    program, _ = remove_constant_channels(lower(normalize_again(model), "model"))
    made = planned(program, target, CompileOptions(target=target.name))[0].program
    flash = sum(array.nbytes for array in collect(made).constants.values())
    return {"flash_bytes": flash, "ram_bytes": made.arena, "instructions": predicted(made)}


def compile_model(
    path: Path | str,
    options: CompileOptions,
    out: Path | str,
    calibration: Calibration | None = None,
    progress: Progress | None = None,
    kernels: Mapping[str, str] | None = None,
    measured: Mapping[tuple[str, str], Cost] | None = None,
) -> CompileResult:
    """Compiles a model into the folder `out`, written whole or not at all.  Errors: everything in edgec.errors.

    calibration: samples by input name that turn a float model into int8 (see edgec.quant), or a function that gives them for the
    model's inputs; None: compiled as it is.  progress: told of every stage before it starts.
    kernels, measured: see `planned`; without kernels those that --replay names.
    """
    tell = progress or (lambda stage, done, total: None)
    path, out = Path(path), Path(out)
    package.check_destination(out)
    target = load_target(options.target)
    check_form(options, target)
    tell("reading the model", 0, 3)
    low = lowered(path, options, calibration, progress)
    tell("planning memory", 1, 3)
    if kernels is None and options.replay is not None:
        kernels = read_choices(options.replay)
    program = with_tir(low.program) if tvm_form(options, target) == "relax" else low.program
    made, decisions = planned(program, target, options, kernels, measured)
    note(options, 6, "plan", made.program)
    tell("writing C", 2, 3)
    source = emit(made.program, target.isa, package.version(), flash_rooms(target, made.program))
    content = with_choices(
        manifest(made.program, source, heading(path, target, options)), made.program, decisions, measured or {}
    )
    content["arena_lower_bound"] = made.lower_bound
    if QUANTIZATION in low.model.meta:
        content["quantization"] = low.model.meta[QUANTIZATION]
    if made.patched is not None:
        content["patches"] = made.patched.document()
    summary = summarise(content, made, low.removed)
    files = encoded(source.files)
    around, content["frontend"] = frontend(made.program, content, surroundings(low, options), package.version())
    files |= encoded(around)
    content["sources"] += [name for name in around if name.endswith(".c")]
    if options.backend == "tvm":
        files |= tvm_files(content, low.program, made.program, target, options, out)
    if target.kind in ("cpu", "board", "host"):  # WebAssembly and 64-bit Arm become packages when they are built
        bundle = Bundle(
            content["name"], package.version(), [content], content["sources"], [n for n in files if n.endswith(".h")], target.flags
        )
        files |= encoded(format_files(bundle, wanted_formats(options.format)))
    package.write(out, {**files, **reference(low.model, made.program), "edgec.json": _json(content)})
    return CompileResult(out, content, made.program, summary)


def surroundings(low: Lowered, options: CompileOptions) -> Around:
    """What stands around the model: as its file says, and, before that, as the caller does."""
    read = metadata.read(low.model.metadata_props, low.program.inputs, low.program.outputs)
    stated = parse(options.frontend or {})
    return Around({**read.inputs, **stated.inputs}, {**read.labels, **stated.labels})


def heading(path: Path, target: Target, options: CompileOptions) -> dict[str, Any]:
    """The part of edgec.json that says where a package comes from."""
    return {
        "edgec": package.version(),
        "model": {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
        "target": {"name": target.name, "cpu": target.cpu, "board": target.board},
        "options": options.as_dict(),
    }


def encoded(files: Mapping[str, str]) -> dict[str, bytes]:
    """Files as bytes."""
    return {name: content.encode() for name, content in files.items()}


def reference(model: onnx_ir.Model, program: Program) -> dict[str, bytes]:
    """What `verify` checks against: the lowered ONNX model and the program."""
    import onnx_ir

    return {f"reference/{k}": v for k, v in reference_files(program).items()} | {
        "reference/model.onnx": onnx_ir.to_proto(model).SerializeToString(deterministic=True)
    }


def summarise(content: dict[str, Any], made: Plan, removed: Removed) -> dict[str, Any]:
    """Figures of a compilation."""
    return {
        "name": content["name"],
        "target": content["target"]["name"],
        "macs": content["macs"],
        "steps": len(content["steps"]),
        "arena_bytes": made.program.arena,
        "state_bytes": made.program.state_bytes,
        "arena_lower_bound": made.lower_bound,
        "constant_bytes": sum({id(a): a.nbytes for s in made.program.steps for a in s.consts.values()}.values()),
        "removed_channels": removed.channels,
        "all_channels": removed.of,
        "number_formats": sorted({b.dtype for b in made.program.buffers}),
        "inputs": content["inputs"],
        "outputs": content["outputs"],
    }


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=1) + "\n").encode()


def analyze(path: Path | str, target: str | None, options: CompileOptions) -> dict[str, Any]:
    """What is in a model: operators, MACs, parameters, RAM, constant channels, what is unsupported and where, which boards it fits."""
    from collections import Counter

    path = Path(path)
    model = front(path, options)
    found: dict[str, Any] = {
        "operators": dict(Counter(node.op_type for node in model.graph).most_common()),
        "parameters": sum(v.const_value.size for v in model.graph.initializers.values() if v.const_value is not None),
        "unsupported": [],
    }
    try:
        low = lowered(path, options)
        made, _ = planned(low.program, load_target(target or "host"), replace(options, ram=None))
    except UnsupportedError as error:
        return {**found, "unsupported": [list(problem) for problem in error.problems], "hint": error.hint}
    weights = sum(array.nbytes for step in made.program.steps for array in step.consts.values())
    sites = [site(made.program, step) for step in made.program.steps]
    return {
        **found,
        "macs": sum(by_name()[at.step.op].macs(at) for at in sites),
        "peak_ram_bytes": made.program.arena,
        "peak_step": peak_step(made.program),
        "regions": [{"name": region.name, "bytes": region.bytes} for region in made.program.regions],
        "weights_bytes": weights,
        "constant_channels": low.removed.channels,
        "channels": low.removed.of,
        "boards": fitting(made.program.arena, weights),
        "tradeoff": [asdict(point) for point in tradeoff(low.program, load_target(target).isa)] if target else None,
        "layers": [
            {"name": at.step.name, "op": at.step.op, "node": at.step.node, "macs": by_name()[at.step.op].macs(at)}
            for at in sites
        ],
    }


def fitting(ram: int, flash: int, reserve_ram: int = 3072, reserve_flash: int = 24576) -> list[str]:
    """Boards whose memories hold that many bytes and, beside them, stack, kernels and the serial harness (rounded up)."""
    boards = []
    for name in list_targets():
        board = load_target(name)
        if board.kind == "board" and ram + reserve_ram <= ram_of(board) and flash + reserve_flash <= flash_of(board):
            boards.append(name)
    return boards
