"""Channels that are constant behind a clamp are removed through an average, whatever spells it; the outputs stay the same bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import numpy_helper

import edgec
from edgec.compiler import compile_model
from edgec.ir.interp import Interpreter
from edgec.options import CompileOptions
from tests.ops.harness import references

POOLS = (
    "AveragePool <kernel_shape = [3, 3]>",
    "AveragePool <kernel_shape = [2, 2], strides = [1, 1]>",
    "GlobalAveragePool",
    "AveragePool <kernel_shape = [2, 2], pads = [1, 1, 0, 0]>",
)
DEAD = 5  # of eight channels, below zero before the Relu whatever the input


def net(pool: str) -> onnx.ModelProto:
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> g (float[1, 3, 5, 5] x) => (float[1, 4, H, W] y) '
        f"{{ a = Conv (x, w, b) r = Relu (a) p = {pool} (r) y = Conv (p, v) }}"
    )
    rng = np.random.default_rng(0)
    bias = np.where(np.arange(8) < DEAD, -90, 0.2).astype(np.float32)
    constants = {"w": rng.normal(0, 0.3, (8, 3, 3, 3)), "b": bias, "v": rng.normal(0, 0.3, (4, 8, 1, 1))}
    model.graph.initializer.extend(numpy_helper.from_array(np.float32(v), k) for k, v in constants.items())
    return model


@pytest.mark.parametrize("pool", POOLS)
def test_channels_go_through_an_average(tmp_path: Path, pool: str) -> None:
    samples = {"x": np.random.default_rng(1).normal(0, 1, (8, 3, 5, 5)).astype(np.float32)}
    onnx.save(net(pool), tmp_path / "float.onnx")
    edgec.quantize(tmp_path / "float.onnx", samples, tmp_path / "net.onnx", method="minmax", effort=0, sensitivity=0)
    results, removed = [], []
    for keep in (False, True):
        options = CompileOptions(target="host", keep_constant_channels=keep)
        made = compile_model(tmp_path / "net.onnx", options, tmp_path / "package")
        interpreter = Interpreter(made.program, references())  # type: ignore[arg-type]
        results.append([interpreter.run({"x": one[None]}) for one in 9 * samples["x"]])
        removed.append(made.summary["removed_channels"])
    for one, two in zip(*results, strict=True):
        for name in two:
            np.testing.assert_array_equal(one[name], two[name])
    assert removed == [0 if "pads" in pool else DEAD, 0]
