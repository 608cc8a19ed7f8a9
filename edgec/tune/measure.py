"""Measures the candidates of every step on the target's emulated board, all steps at once: image k holds the k-th candidate of each.

So as many images are built as the step with the most candidates has.  What was counted is kept in edgec.json (`measured`) and taken
from there when the same model is tuned again for the same target with the same version.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgec.compiler import encoded, heading, lowered
from edgec.emit import package
from edgec.emit.c import emit
from edgec.emit.manifest import manifest
from edgec.emulate.boards import emulated_target
from edgec.emulate.run import measure
from edgec.kernels.base import Cost
from edgec.options import CompileOptions
from edgec.schedule.budget import scheduled
from edgec.schedule.choose import Wanted
from edgec.schedule.choose import options as candidates_of
from edgec.schedule.order import order
from edgec.schedule.rooms import flash_rooms
from edgec.target import load_target

if TYPE_CHECKING:
    from edgec.compiler import Calibration, Progress

Measured = dict[tuple[str, str], Cost]
_DECIDES = (
    "target",
    "calib",
    "ram",
    "optimize",
    "input",
    "io",
    "batch",
    "state",
    "keep_input",
    "keep_constant_channels",
)
"""Options that change what a step is, or how it is called."""


def tuned(
    path: Path,
    options: CompileOptions,
    out: Path,
    calibration: Calibration | None = None,
    progress: Progress | None = None,
) -> Measured:
    """Instructions and cycles by (step, kernel), for the steps that have a choice.

    UsageError for targets that no board is emulated for; ToolMissingError without QEMU or the compiler.
    """
    target = load_target(options.target)
    emulated_target(target)
    head = json.loads(json.dumps(heading(path, target, options)))
    known = kept(out, head)
    if known is not None:
        return known
    program = order(replace(lowered(path, options, calibration, progress).program, target=target.name))
    choices = {name: made for name, made in candidates_of(program, target.isa, Wanted()).items() if len(made) > 1}
    images = max((len(made) for made in choices.values()), default=0)
    found: Measured = {}
    for number in range(images):
        if progress is not None:
            progress("measuring kernels", number, images)
        kernels = {name: made[min(number, len(made) - 1)].kernel for name, made in choices.items()}
        steps = tuple(replace(step, kernel=kernels.get(step.name, "")) for step in program.steps)
        made = scheduled(program.with_(steps=steps), target, options).program
        source = emit(made, target.isa, package.version(), flash_rooms(target, made))
        with tempfile.TemporaryDirectory(prefix="edgec-tune-") as scratch:
            folder = Path(scratch) / "package"
            content = json.dumps(manifest(made, source, head)).encode()
            package.write(folder, {**encoded(source.files), "edgec.json": content})
            layers = measure(folder, target)["layers"]
        for step, layer in zip(made.steps, layers, strict=True):
            if (
                kernels.get(step.name) == step.kernel and layer["instructions"]
            ):  # 0: the linker folded it into an equal function
                found[step.name, step.kernel] = Cost(layer["instructions"], layer["cycles_estimate"] or 0.0)
    return found


def kept(out: Path, head: Mapping[str, Any]) -> Measured | None:
    """What an earlier tuning of the same model, target, options and version left in `out`; None if there is none."""
    try:
        old = json.loads((out / package.MARK).read_text(encoding="utf-8"))
        same = all(old[key] == head[key] for key in ("edgec", "model", "target"))
        same = same and all(old["options"].get(key) == head["options"].get(key) for key in _DECIDES)
        entries = old["measured"].items()
    except (OSError, ValueError, KeyError, AttributeError):
        return None
    return {(step, name): Cost(*pair) for step, pairs in entries for name, pair in pairs.items()} if same else None
