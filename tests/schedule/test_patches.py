"""Patches: the same bytes from strips of columns, whatever the windows; less RAM where rings are wide; nothing where it is not needed."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from onnx import TensorProto, helper

from edgec.api import compile, verify
from edgec.errors import BudgetError
from edgec.ir.interp import Interpreter
from edgec.ir.program import Program
from edgec.memory.check import check
from edgec.schedule.order import order
from edgec.schedule.patches import STRIPS, in_strips, patchings, region
from edgec.schedule.plan import least_peak, plan
from edgec.verify.reference import references
from edgec.verify.samples import default_samples
from tests.conformance.graphs import models
from tests.conformance.pipelines import pipelines
from tests.conformance.test_random_graphs import whole
from tests.conformance.test_random_pipelines import unplanned

QUICK = settings(
    max_examples=40,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)


def same_in_strips(program: Program) -> int:
    """Every end and number of strips on whole tensors, the last of them also planned; returns how many there are."""
    sample = {name: array[0] for name, array in default_samples(program).items()}
    want = whole(program, sample)
    start, ends = region(program)
    made = [other for end in ends for strips in STRIPS if (other := in_strips(program, start, end, strips)) is not None]
    for other in made:
        for name, got in whole(other, sample).items():
            np.testing.assert_array_equal(got, want[name])
    if made:
        placed = plan(made[-1]).program
        check(placed)
        for name, got in Interpreter(placed, references()).run(sample).items():
            np.testing.assert_array_equal(got.reshape(-1), want[name].reshape(-1))
    return len(made)


@QUICK
@given(pipelines(longest=6))
def test_windows_and_residuals(program: Program) -> None:
    """Odd widths, strides, dilations, uneven padding, batches, tensors read twice."""
    same_in_strips(order(unplanned(program)))


@QUICK
@given(models())
def test_operators_of_models(model: onnx.ModelProto) -> None:
    """Average pools with their borders, concatenations, tables, quantization, outputs in the middle."""
    same_in_strips(order(lowered_model(model)))


def lowered_model(model: onnx.ModelProto) -> Program:
    import onnx_ir

    from edgec.graph.normalize import normalize
    from edgec.lower import lower

    return lower(normalize(onnx_ir.from_proto(model)), "net")


def stack(tmp_path: Path, width: int = 51) -> tuple[Path, Path]:
    """Three convolutions of many channels on a small grey image, then a pool: rings are most of the RAM.  With calibration samples."""
    rng = np.random.default_rng(3)
    nodes, weights, last, channels = [], [], "x", 1
    for i, (out, stride) in enumerate([(16, 1), (16, 1), (16, 2), (8, 2)]):
        w = rng.normal(0, 0.4 / np.sqrt(channels), (out, channels, 3, 3)).astype(np.float32)
        weights.append(onnx.numpy_helper.from_array(w, f"w{i}"))
        nodes.append(
            helper.make_node("Conv", [last, f"w{i}"], [f"c{i}"], strides=[stride] * 2, pads=[1] * 4, name=f"conv{i}")
        )
        nodes.append(helper.make_node("Relu", [f"c{i}"], [f"r{i}"]))
        last, channels = f"r{i}", out
    nodes.append(helper.make_node("GlobalAveragePool", [last], ["y"]))
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", (1, 1, 20, width)), ("y", (1, 8, 1, 1)))
    ]
    graph = helper.make_graph(nodes, "stack", ports[:1], ports[1:], weights)
    path = tmp_path / "stack.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    np.savez(tmp_path / "calib.npz", x=rng.uniform(-1, 1, (8, 1, 20, width)).astype(np.float32))
    return path, tmp_path / "calib.npz"


def test_only_where_nothing_else_fits(tmp_path: Path) -> None:
    """A budget below the smallest exact schedule is met by recomputation that is told, and the bytes on the board are the reference's."""
    path, calib = stack(tmp_path)
    exact = compile(path, tmp_path / "exact", target="cortex-m4", calib=calib, io="quantized", optimize="ram")
    arena = exact.program.arena
    enough = compile(path, tmp_path / "enough", target="cortex-m4", calib=calib, io="quantized", ram=str(arena + 768))
    assert "patches" not in exact.manifest and "patches" not in enough.manifest
    made = compile(path, tmp_path / "made", target="cortex-m4", calib=calib, io="quantized", ram=str(arena + 768 - 200))
    assert made.program.arena <= arena - 200
    patches = made.manifest["patches"]
    assert patches["recomputed_macs"] == made.manifest["macs"] - exact.manifest["macs"] > 0
    assert patches["recomputed_percent"] == round(100 * patches["recomputed_macs"] / exact.manifest["macs"], 1)
    assert made.summary["constant_bytes"] <= 1.02 * exact.summary["constant_bytes"]  # strips share their weights
    sample = {name: array[0] for name, array in default_samples(exact.program).items()}
    want, got = (Interpreter(p, references()).run(sample) for p in (exact.program, made.program))
    np.testing.assert_array_equal(got["y"], want["y"])
    again = compile(path, tmp_path / "again", target="cortex-m4", calib=calib, io="quantized", replay=tmp_path / "made")
    assert again.manifest["patches"] == patches and again.manifest["kernels"] == made.manifest["kernels"]
    document = verify(tmp_path / "made", on="emulator")
    assert document["ok"] and document["mismatching_bytes"] == 0


def test_the_least_recomputation_first_and_what_patches_would_reach(tmp_path: Path) -> None:
    path, calib = stack(tmp_path)
    options = {"target": "cortex-m4", "calib": calib, "io": "quantized", "optimize": "ram"}
    program = compile(path, tmp_path / "out", **options).program
    tried = patchings(order(unplanned(program)), program.arena)
    assert [p.extra for p in tried] == sorted(p.extra for p in tried)
    least = min(least_peak(p.program, frozenset()) for p in tried)
    assert least < program.arena
    with pytest.raises(BudgetError, match="the peak is at step .*; patches would need about") as caught:
        compile(path, tmp_path / "small", **options, ram=str(least * 3 // 4 + 768))
    found = re.search(r"about (\d+) bytes$", caught.value.args[0])
    assert found is not None and int(found[1]) < program.arena
    with pytest.raises(BudgetError, match="patches would not fit either"):
        compile(path, tmp_path / "tiny", **options, ram="1K")
