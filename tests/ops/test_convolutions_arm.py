"""conv2d, depthwise and dense on the emulated Cortex-M4: the assembly gives the interpreter's bytes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from edgec.emit import package
from edgec.emit.c import emit
from edgec.emit.manifest import manifest
from edgec.emulate.run import run_inputs
from edgec.ir.interp import Interpreter
from edgec.schedule.plan import plan
from edgec.target import load_target
from tests.ops.convolutions import check, merged
from tests.ops.harness import references
from tests.ops.test_convolutions import LAYERS, corner

EDGES = ["3x3", "1x1", "depthwise", "depthwise 5x5", "gemm"]


def package_and_run(folder, program, sample, target):
    """The program planned for a target, packaged and run on its emulated board: (output bytes, placed program)."""
    if not shutil.which("qemu-system-arm") or not shutil.which("arm-none-eabi-gcc"):
        pytest.skip("needs qemu-system-arm and arm-none-eabi-gcc")
    program = plan(replace(program, target=target.name), target.isa).program
    source = emit(program, target.isa)
    head = {
        "edgec": "0",
        "model": {"file": "net.onnx", "sha256": "0"},
        "target": {"name": target.name, "cpu": target.cpu, "board": target.board},
        "options": {},
    }
    content = json.dumps(manifest(program, source, head)).encode()
    package.write(folder / "net", {**{k: v.encode() for k, v in source.files.items()}, "edgec.json": content})
    raw = b"".join(np.ascontiguousarray(sample[p.name]).tobytes() for p in program.inputs)
    return run_inputs(folder / "net", target, raw), program


@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m33"])
def test_the_emulated_cortex_m_gives_the_interpreters_bytes(tmp_path, cpu):
    layers = [*LAYERS.values(), *(edge for name in EDGES for edge in corner(LAYERS[name]))]
    program, sample = merged([check(layer) for layer in layers], [layer.x for layer in layers])
    got, program = package_and_run(tmp_path, program, sample, load_target(cpu))
    want = Interpreter(program, references()).run(sample)
    assert got == b"".join(want[p.name].tobytes() for p in program.outputs)
