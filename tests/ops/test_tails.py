"""What channel counts that fill no block of a kernel cost on the emulated cores: at most 1.5 times those of the next smaller multiples of
four, by instructions a multiply-accumulate."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from edgec.emulate.run import measure
from edgec.schedule.select import select
from tests.ops.arm import emulated, write_package
from tests.ops.convolutions import Layer, conv, dense
from tests.ops.forced import apart, joined
from tests.ops.sweep_layers import given

TAIL = 1.5
CHUNK = 250  # layers of one firmware


def layer(kind: str, cin: int, cout: int) -> Layer:
    """One of few pixels: what a tail costs shows."""
    match kind:
        case "vector":
            return dense(1, (1, cin), cout)
        case "1x1":
            return conv(1, (1, cin, 6, 8), cout, (1, 1))
        case "3x3":
            return conv(1, (1, cin, 6, 8), cout, (3, 3), pads=[1, 1, 1, 1])
    return conv(1, (1, cin, 6, 8), cin, (3, 3), pads=[1, 1, 1, 1], group=cin)


def per_mac(folder: Path, cpu: str, layers: list[Layer]) -> list[float]:
    """Instructions a multiply-accumulate of each layer with the kernel it gets."""
    target = emulated(cpu)
    program = joined([given(one) for one in layers]).program
    program = program.with_(outputs=program.outputs[:1])  # the others would travel over the serial line
    chosen = select(replace(program, target=target.name), target.isa)
    package = write_package(folder, apart(chosen), target)
    return [found["instructions"] / found["macs"] for found in measure(package, target)["layers"]]


KINDS = ("vector", "1x1", "3x3", "depthwise")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cpu", ("cortex-m4", "cortex-m55"))
def test_channel_counts_that_fill_no_block_cost_little_more(cpu: str, kind: str, tmp_path: Path) -> None:
    counts = range(8, 41)
    pairs = [(c, c) for c in counts] if kind == "depthwise" else list(itertools.product(counts, repeat=2))
    values = [
        value
        for first in range(0, len(pairs), CHUNK)
        for value in per_mac(tmp_path / str(first), cpu, [layer(kind, *pair) for pair in pairs[first : first + CHUNK]])
    ]
    cost = dict(zip(pairs, values, strict=True))
    slow = {pair: cost[pair] / cost[pair[0] // 4 * 4, pair[1] // 4 * 4] for pair in pairs}
    assert {pair: round(ratio, 2) for pair, ratio in slow.items() if ratio > TAIL} == {}
