"""`bench --layers` beside the limits of the target: which limit holds for a layer, and why it is far from it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import edgec
from edgec.errors import EdgecError
from edgec.ir.program import Site, site
from edgec.kernels.registry import candidates, kernel
from edgec.report.limits import kind, reasons, with_limits
from edgec.report.measured import measured
from edgec.target import LIMITS, _limits, list_targets, load_target
from tests.ops.convolutions import Layer, check, conv, dense

DIGITS = Path(__file__).parents[2] / "examples" / "digits" / "digits.onnx"


def chosen(layer: Layer, target: str, name: str = "") -> Site:
    """The one step of a layer, computed by the best kernel of a target or the one called `name`."""
    program = replace(check(layer).program, target=target)
    at = site(program, program.steps[0])
    found = name or candidates(at, load_target(target).isa)[0].name
    return replace(at, step=replace(at.step, kernel=found))


CASES = [
    (dense(0, (1, 64), 36), "cortex-m4", "", "vector", ["36 output channels: 4 over a block of 8"]),
    (dense(1, (1, 64), 32), "cortex-m55", "", "vector", []),
    (dense(2, (3, 41), 8), "cortex-m4", "", "vector", ["41 input channels: 1 over a block of 4"]),
    (
        conv(10, (1, 41, 1, 3), 8, (1, 1)), "cortex-m4", "", "matrix",
        ["3 pixels a call: odd", "41 input channels: 1 over a block of 4"],
    ),
    (conv(3, (1, 8, 5, 5), 16, (3, 3), pads=[1] * 4), "cortex-m4", "conv2d_s8_dsp", "convolution", ["5 pixels a row: odd"]),
    (conv(4, (1, 8, 8, 8), 16, (3, 3), pads=[1] * 4), "cortex-m4", "conv2d_s8_winograd", "winograd4", []),
    (
        conv(5, (1, 3, 8, 8), 16, (3, 3), pads=[1] * 4), "cortex-m4", "conv2d_s8_dsp", "convolution",
        ["3 input channels: a block is 4", "27 inputs an output: few for what is done once an output"],
    ),
    (conv(6, (1, 8, 8, 8), 16, (3, 3), pads=[1] * 4), "cortex-m3", "", "convolution", ["8 pixels a row: 2 over a block of 3"]),
    (conv(7, (1, 6, 8, 8), 6, (3, 3), group=6, pads=[1] * 4), "cortex-m4", "", "depthwise", ["6 channels: 2 over a block of 4"]),
    (conv(8, (1, 8, 9, 9), 8, (3, 3), group=8, strides=[2, 2]), "cortex-m4", "", "depthwise_strided", []),
    (
        conv(9, (1, 64, 8, 8), 16, (3, 3), pads=[1] * 4), "cortex-m4", "conv2d_s8_c", "convolution",
        ["computed by conv2d_s8_c, smaller than conv2d_s8_dsp: see compile --verbose, --optimize speed"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "target", "name", "wanted", "why"), CASES)
def test_reasons_are_the_sizes_that_leave_blocks_open(
    layer: Layer, target: str, name: str, wanted: str, why: list[str]
) -> None:
    at = chosen(layer, target, name)
    assert kind(at) == wanted
    assert reasons(kernel(at.step.kernel), at, load_target(target).isa) == why


def test_a_layer_that_only_the_portable_kernel_takes_says_so() -> None:
    at = chosen(dense(11, (1, 16), 8), "cortex-m4", "dense_s8_c")
    assert reasons(kernel("dense_s8_c"), at, frozenset()) == ["no kernel faster than dense_s8_c takes its numbers"]


def test_every_kernel_names_sizes_that_its_operator_has() -> None:
    """A misspelt block would never be told."""
    known = {"outputs", "inputs", "window", "run", "pixels", "rows", "channels"}
    for layer in (case[0] for case in CASES):
        at = chosen(layer, "cortex-m4")
        assert all(set(found.block(at)) <= known for found in candidates(at, load_target("cortex-m4").isa, large=True))


def test_limits_of_the_targets() -> None:
    assert dict(load_target("mps2-an386").limits)["matrix"] == 0.81  # a board has those of its CPU
    assert all({name for name, _ in load_target(target).limits} <= LIMITS for target in list_targets())
    assert not load_target("host").limits


def test_a_wrong_limit_is_told(tmp_path: Path) -> None:
    with pytest.raises(EdgecError, match="limits takes positive numbers"):
        _limits(tmp_path / "x.toml", {"limits": {"matrices": 1.0}})
    with pytest.raises(EdgecError, match="limits takes positive numbers"):
        _limits(tmp_path / "x.toml", {"limits": {"matrix": 0}})


def test_layers_get_limit_and_hint(tmp_path: Path) -> None:
    """Far layers get a hint, near ones none, and the table shows both; a package without its reference is measured all the same."""
    made = edgec.compile(DIGITS, tmp_path / "digits", target="cortex-m4", name="digits")
    target = load_target("cortex-m4")

    def counted(each: float) -> dict[str, Any]:
        layers = [
            {"name": s["name"], "op": s["op"], "macs": s["macs"], "instructions": round(each * s["macs"])}
            for s in made.manifest["steps"]
        ]
        return with_limits({"model": "digits", "instructions": 1, "layers": layers}, tmp_path / "digits", target)

    near, far = counted(0.5), counted(50.0)
    weighted = [layer for layer in far["layers"] if layer["op"] in ("conv2d", "dense", "depthwise")]
    assert weighted and all(layer["limit"] for layer in weighted)
    assert any(layer["hint"] for layer in weighted) and not any(layer["hint"] for layer in near["layers"])
    assert all(layer["limit"] is None for layer in far["layers"] if layer["op"] == "softmax")
    console = Console(width=200, record=True, file=StringIO())
    console.print(measured(far, layers=True))
    text = console.export_text()
    assert "limit" in text and "Above 1.5 times the limit" in text
    assert next(layer["hint"] for layer in weighted if layer["hint"]) in text
    shutil.rmtree(tmp_path / "digits" / "reference")
    assert all(layer["limit"] is None and layer["hint"] is None for layer in counted(50.0)["layers"])
