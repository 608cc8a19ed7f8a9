"""What the pages of the Helium kernels say that steps take, against what the emulator counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgec.emulate.run import measure
from edgec.ir.program import Quant, site
from edgec.kernels._counting import calls
from edgec.kernels.registry import kernel
from edgec.schedule.select import select
from tests.ops.arm import emulated, write_package
from tests.ops.convolutions import conv, dense
from tests.ops.forced import Given, apart, joined
from tests.ops.sweep_layers import given
from tests.ops.sweep_nodes import node, operand

AROUND = 12
"""Instructions of a call that the formula of a product leaves open: the C around the assembly."""


def compared(folder: Path, nodes: Sequence[Given]) -> list[tuple[str, float, int, int]]:
    """(kernel, instructions by its page, those counted, calls) of each step on the Cortex-M55."""
    target = emulated("cortex-m55")
    program = joined(nodes).program
    program = program.with_(outputs=program.outputs[:1])  # the others would travel over the serial line
    chosen = apart(select(replace(program, target=target.name), target.isa))
    took = [layer["instructions"] for layer in measure(write_package(folder, chosen, target), target)["layers"]]
    sites = [(step.kernel, site(chosen, step)) for step in chosen.steps]
    return [
        (name, kernel(name).cost(at).instructions, count, len(calls(at)))
        for (name, at), count in zip(sites, took, strict=True)
    ]


def test_products_take_what_their_page_says(tmp_path: Path) -> None:
    """All rests of channels and pixels, with and without incomplete vectors, written out and as loops."""
    rows = ((1, 17, 9), (2, 16, 10), (3, 33, 11), (4, 48, 8), (5, 100, 13), (7, 200, 14), (9, 192, 15), (6, 640, 1))
    for name, said, counted, called in compared(tmp_path, [given(dense(1, (n, k), o)) for n, k, o in rows]):
        assert name == "dense_s8_mve" and abs(counted - said) <= AROUND * called, (name, said, counted)


def test_windows_take_about_what_their_page_says(tmp_path: Path) -> None:
    """Columns scattered and copied, depthwise in its forms, pools of few and many channels."""
    layers = [
        *(conv(1, (1, cin, 12, 14), 9, (3, 3)) for cin in (3, 8, 16, 20)),
        conv(1, (1, 5, 12, 13), 8, (1, 1), strides=[2, 2]),
        *(conv(1, (1, c, 12, 24), c, (3, 3), group=c) for c in (8, 33)),
        conv(1, (1, 20, 11, 11), 20, (3, 3), group=20, strides=[2, 2]),
        conv(1, (1, 16, 12, 12), 16, (5, 5), group=16),
    ]
    pools = []
    for c in (8, 35):
        x = operand(c, (1, c, 12, 12), "int8")
        attrs = {"kernel_shape": [3, 3], "strides": [3, 3]}
        pools += [node("MaxPool", [x], (1, c, 4, 4), x.quant, attrs)]
        pools += [node("AveragePool", [x], (1, c, 4, 4), quant, attrs) for quant in (x.quant, Quant(0.0713, 3))]
    for name, said, counted, _ in compared(tmp_path, [*map(given, layers), *pools]):
        assert "_mve" in name and abs(said / counted - 1) < 0.08, (name, said, counted)
