"""conv2d, depthwise and dense as they are planned, on emulated cores with DSP instructions: the interpreter's bytes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgec.schedule.plan import plan
from tests.ops.arm import check_on, emulated
from tests.ops.convolutions import check, merged
from tests.ops.test_convolutions import LAYERS, corner

EDGES = ["3x3", "1x1", "depthwise", "depthwise 5x5", "gemm"]


@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m33"])
def test_the_emulated_cortex_m_gives_the_interpreters_bytes(tmp_path, cpu):
    target = emulated(cpu)
    layers = [*LAYERS.values(), *(edge for name in EDGES for edge in corner(LAYERS[name]))]
    program, sample = merged([check(layer) for layer in layers], [layer.x for layer in layers])
    check_on(target, tmp_path / "net", plan(replace(program, target=target.name), target.isa).program, [sample])
