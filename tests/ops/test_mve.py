"""Which layers Helium kernels serve on the Cortex-M55 (what they compute: the sweeps)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgec.target import load_target
from tests.ops.arm import step_by_step
from tests.ops.convolutions import Layer, case_of, merged
from tests.ops.test_convolutions import LAYERS


def kernels_of(layers: Sequence[Layer]) -> set[str]:
    program, _ = merged([case_of(layer) for layer in layers], [layer.x for layer in layers])
    steps = step_by_step(program, load_target("cortex-m55"), True, True).steps
    return {s.kernel for s in steps if s.op in {"conv2d", "depthwise", "dense"}}


def test_layers_have_helium_kernels():
    wanted = [LAYERS[n] for n in LAYERS if n != "depthwise multiplier"]
    assert {name for name in kernels_of(wanted) if "mve" not in name} == set()


def test_int16_weights_and_multipliers_fall_back():
    shifted = replace(LAYERS["3x3"], zero_points=np.int8(5))
    found = kernels_of([shifted, LAYERS["depthwise multiplier"]])
    assert found and not any("mve" in name for name in found)
