"""What the small schedules cost: exact emulated instructions of balanced against layer by layer, with the same kernels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgec import compiler
from edgec.emit import package
from edgec.emit.c import emit
from edgec.emit.manifest import manifest
from edgec.emulate.run import measure
from edgec.ir.program import Program
from edgec.options import CompileOptions
from edgec.schedule import budget
from edgec.schedule.choose import named
from edgec.schedule.order import order
from edgec.schedule.plan import plan
from edgec.schedule.tradeoff import predicted
from edgec.target import load_target

# model, target, input, most times the instructions of layer by layer, most bytes of RAM in all
CASES = [
    ("kws_int8_qdq", "mps2-an386", "tensor", 1.02, 9216),
    ("vww_int8_qdq", "mps2-an386", "tensor", 1.01, 33 * 1024),
    ("vww_int8_qdq", "mps2-an386", "rows", 1.05, 19 * 1024),
    ("ic_int8_qdq", "mps2-an386", "tensor", 1.01, 20 * 1024),
    ("ic_int8_qdq", "mps2-an386", "rows", 1.01, 17 * 1024),
    ("ad_int8_qdq", "mps2-an386", "tensor", 1.01, 2867),
    ("mcunet_vww_int8", "mps2-an386", "tensor", 1.02, 27 * 1024),
    ("mcunet_vww_int8", "mps2-an386", "rows", 1.02, 21 * 1024),
    ("mobilenetv2_224_ptq", "mps2-an386-big", "tensor", 1.01, 205 * 1024),
    ("mobilenetv2_224_ptq", "mps2-an386-big", "rows", 1.01, 133 * 1024),
]


def measured(model: Path, program: Program, options: CompileOptions, folder: Path) -> dict[str, Any]:
    """The emulated figures of a planned program."""
    target = load_target(options.target)
    source = emit(program, target.isa, package.version())
    made = manifest(program, source, compiler.heading(model, target, options))
    package.write(folder, {**compiler.encoded(source.files), "edgec.json": json.dumps(made).encode()})
    return measure(folder, target)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "target", "entry", "most", "ram"), CASES)
def test_balanced_against_layer_by_layer(
    shared: Path, tmp_path: Path, name: str, target: str, entry: str, most: float, ram: int
) -> None:
    """The ratio of counts stays within the bound, the RAM within its limit, and predictions give the ratio to three percent."""
    model = shared / "models" / f"{name}.onnx"
    options = CompileOptions(target=target, io="quantized", input=entry, name="net")
    program, isa = compiler.lowered(model, options).program, load_target(target).isa
    made, decisions = budget.planned(program, load_target(target), options)
    layers = plan(named(order(replace(program, target=target)), decisions), isa, stream=False).program
    small = measured(model, made.program, options, tmp_path / "small")
    loose = measured(model, layers, options, tmp_path / "loose")
    ratio = small["instructions"] / loose["instructions"]
    assert small["output_crc32"] == loose["output_crc32"]
    assert ratio <= most
    assert small["ram"]["total"] <= ram
    assert ratio == pytest.approx(predicted(made.program) / predicted(layers), abs=0.03)
