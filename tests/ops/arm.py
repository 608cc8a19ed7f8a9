"""Programs on an emulated Cortex-M board: every output byte against the interpreter."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgec.emit import package
from edgec.emit.c import emit
from edgec.emit.manifest import manifest
from edgec.emulate.run import run_inputs
from edgec.ir.interp import Interpreter
from edgec.ir.program import Array, Program, Segment
from edgec.memory.place import place
from edgec.schedule.segment import with_rings, with_scratch
from edgec.schedule.select import select
from edgec.target import Target, load_target
from tests.ops.forced import Given, apart, batches, joined
from tests.ops.harness import references


def emulated(cpu: str) -> Target:
    """That CPU as a target; skips where it cannot be emulated."""
    for tool in ("qemu-system-arm", "arm-none-eabi-gcc"):
        if not shutil.which(tool):
            pytest.skip(f"needs {tool}")
    return load_target(cpu)


def step_by_step(program: Program, target: Target, alone: bool, several: bool) -> Program:
    """Every step a segment of its own; alone: in as few calls as its kernel likes, else by rows, several at a time or one."""
    chosen = select(replace(program, target=target.name), target.isa, alone=alone, several=several)
    cut = chosen.with_(segments=tuple(Segment((s.name,)) for s in chosen.steps))
    return place(with_scratch(with_rings(cut))).program


def write_package(folder: Path, program: Program, target: Target) -> Path:
    """A package folder as `edgec compile` leaves it, without its reference."""
    source = emit(program, target.isa)
    head = {
        "edgec": "0",
        "model": {"file": "net.onnx", "sha256": "0"},
        "target": {"name": target.name, "cpu": target.cpu, "board": target.board},
        "options": {},
    }
    content = json.dumps(manifest(program, source, head)).encode()
    package.write(folder, {**{k: v.encode() for k, v in source.files.items()}, "edgec.json": content})
    return folder


def check_on(
    target: Target,
    folder: Path,
    program: Program,
    samples: Sequence[Mapping[str, Array]],
    run: Callable[[Path, Target, bytes], bytes] = run_inputs,
) -> None:
    """Runs a placed program on each sample in one boot (`run`: where, if not on an emulated board); fails with the names of the outputs that differ from the interpreter's."""
    wrong = differences(target, folder, program, samples, run)
    assert not wrong, "\n".join(wrong)


def differences(
    target: Target,
    folder: Path,
    program: Program,
    samples: Sequence[Mapping[str, Array]],
    run: Callable[[Path, Target, bytes], bytes] = run_inputs,
) -> list[str]:
    """Outputs of a placed program on each sample, run in one boot, that differ from the interpreter's: their names and how much."""
    write_package(folder, program, target)
    raw = b"".join(np.ascontiguousarray(s[p.name]).tobytes() for s in samples for p in program.inputs)
    got, at, wrong = run(folder, target, raw), 0, []
    interpreter = Interpreter(program, references())  # type: ignore[arg-type]
    makers = {s.output: s for s in program.steps}
    for number, sample in enumerate(samples):
        want = interpreter.run(sample)
        for port in program.outputs:
            expected = want[port.name].tobytes()
            here = got[at : at + len(expected)]
            at += len(expected)
            if here != expected:
                many = sum(a != b for a, b in zip(here, expected, strict=True))
                step = makers.get(port.buffer)
                wrong.append(
                    f"{port.name} ({step.kernel if step else '?'}), sample {number}: {many} of {len(expected)} bytes"
                )
    assert at == len(got)
    return wrong


def check_nodes(
    target: Target,
    folder: Path,
    nodes: Iterable[Given],
    run: Callable[[Path, Target, bytes], bytes] = run_inputs,
) -> None:
    """Nodes that have their kernels, hundreds a boot; fails with all that differ from the interpreter."""
    wrong = []
    for number, batch in enumerate(batches(nodes)):
        whole = joined(batch)
        program = apart(whole.program).with_(target=target.name)
        wrong += differences(target, folder / str(number), program, whole.samples, run)
    assert not wrong, "\n".join(wrong)
