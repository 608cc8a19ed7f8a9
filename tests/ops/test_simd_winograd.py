"""Exact Winograd in SIMD: the interpreter's bytes in plain C under sanitizers and in WebAssembly, and when it is chosen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgec.ir.program import Program, site
from edgec.kernels.registry import kernel
from edgec.options import CompileOptions
from edgec.schedule.budget import planned
from edgec.target import load_target
from tests.ops.convolutions import Layer, case_of, conv, merged
from tests.ops.forced import Given, forced
from tests.ops.sweep_layers import given
from tests.ops.test_convolutions import corner
from tests.ops.test_simd import check as check_on
from tests.ops.test_sweep_host import check as check_on_host

NAME = "conv2d_s8_simd_winograd"
FEATURES = frozenset({"simd", "simd128"})
SMALL = [
    conv(1, (1, 8, 8, 8), 8, (3, 3), pads=[1, 1, 1, 1]),
    conv(2, (1, 16, 7, 9), 24, (3, 3), pads=[1, 1, 1, 1]),
    conv(3, (1, 20, 5, 5), 4, (3, 3)),
    conv(4, (1, 4, 6, 13), 12, (3, 3), pads=[1, 0, 1, 2]),
    conv(5, (1, 8, 1, 1), 8, (3, 3), pads=[1, 1, 1, 1]),
    conv(6, (1, 8, 3, 2), 8, (3, 3), pads=[4, 3, 0, 6]),
    conv(7, (1, 8, 19, 70), 8, (3, 3), pads=[0, 0, 2, 0]),
    conv(8, (1, 8, 39, 6), 8, (3, 3), pads=[1, 1, 1, 1]),
    conv(9, (2, 8, 32, 31), 8, (3, 3), pads=[1, 1, 1, 1]),
    conv(10, (3, 16, 12, 5), 8, (3, 3), pads=[1, 1, 1, 1]),
]
LARGE = replace(conv(11, (1, 72, 9, 10), 40, (3, 3), pads=[1, 1, 1, 1]), bias=None)
"""Whole and partial tiles, rows in one call and in several, images of a batch together and apart, padding of all kinds, channels that fill their vectors and
that do not."""


def nodes() -> list[Given]:
    """Each layer with the kernel, and one at the edges of the arithmetic."""
    layers = [*SMALL, replace(LARGE, weight=LARGE.weight // 4), *corner(SMALL[1])]
    made = [
        one for n, layer in enumerate(layers) for one in forced(given(layer), FEATURES, lambda k: k.name == NAME, n)
    ]
    assert len(made) >= len(SMALL) + 4
    return made


def test_plain_c_gives_the_bytes_of_the_interpreter() -> None:
    check_on_host(FEATURES, nodes())


def test_webassembly_gives_the_bytes_of_the_interpreter(tmp_path: Path) -> None:
    check_on("wasm32-simd", tmp_path, nodes())


@pytest.mark.parametrize(
    "layer",
    [
        conv(1, (1, 10, 8, 8), 8, (3, 3)),
        conv(2, (1, 8, 8, 8), 6, (3, 3)),
        conv(3, (1, 8, 8, 8), 8, (3, 3), strides=[2, 2]),
        conv(4, (1, 8, 8, 8), 8, (3, 3), dilations=[2, 2]),
        conv(5, (1, 16, 8, 8), 16, (3, 3), group=2),
        conv(6, (1, 8, 8, 8), 8, (5, 3)),
        replace(LARGE, weight=LARGE.weight * 0 + 127),
    ],
)
def test_layers_it_does_not_take(layer: Layer) -> None:
    program = case_of(layer).program
    assert not kernel(NAME).when(site(program, program.steps[0]))


def picked(program: Program, target: str, **options: object) -> tuple[str, int]:
    """(kernel, bytes of arena) of a program of one convolution."""
    plan, decisions = planned(program, load_target(target), CompileOptions(target, **options))  # type: ignore[arg-type]
    return decisions[0].chosen.kernel, plan.program.arena


def test_it_is_taken_where_it_pays_and_its_scratch_may_be_spent() -> None:
    layer = conv(1, (1, 32, 16, 16), 32, (3, 3), pads=[1, 1, 1, 1])
    program, _ = merged([case_of(layer)], [layer.x])
    assert picked(program, "wasm32-simd")[0] == picked(program, "wasm32-simd", optimize="speed")[0] == NAME
    for options in ({"optimize": "ram"}, {"optimize": "flash"}, {"ram": 24_000}, {"optimize": "speed", "ram": 24_000}):
        name, arena = picked(program, "wasm32-simd", **options)
        assert name == "conv2d_s8_simd" and arena < 24_000
    assert picked(program, "linux-arm64")[0] == "conv2d_s8_simd"
    few = conv(2, (1, 64, 2, 2), 64, (3, 3), pads=[1, 1, 1, 1])
    assert picked(merged([case_of(few)], [few.x])[0], "wasm32-simd")[0] == "conv2d_s8_simd"
