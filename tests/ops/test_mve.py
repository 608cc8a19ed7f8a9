"""Helium kernels of conv2d, depthwise and dense on the emulated Cortex-M55: the interpreter's bytes for every shape.

Many shapes are independent steps of one program: one build and one boot tests them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.ops.arm import emulated, step_by_step
from tests.ops.convolutions import Layer
from tests.ops.harness import run_program
from tests.ops.sweeps import (
    FORMS,
    OPS,
    channel_pairs,
    channels,
    geometries,
    in_chunks,
    large,
    paddings,
    program_of,
    run,
)
from tests.ops.test_convolutions import LAYERS, corner

CPU = "cortex-m55"


def kernels_of(layers: Sequence[Layer]) -> set[str]:
    program, _ = program_of(layers)
    return {s.kernel for s in step_by_step(program, emulated(CPU), True, True).steps if s.op in OPS}


def test_every_layer_kind_and_the_edges_of_the_arithmetic(tmp_path):
    names = ["3x3", "1x1", "depthwise", "depthwise 5x5", "depthwise stride 2", "gemm"]
    edges = [edge for name in names for edge in corner(LAYERS[name])]
    run(tmp_path, [*LAYERS.values(), *edges], emulated(CPU), FORMS[1:])


def test_channel_counts_and_geometries(tmp_path):
    run(tmp_path, [*channels(0)[::4], *geometries()[::5], *large()[::2]], emulated(CPU))


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS, ids=["alone", "several", "single"])
def test_sweep(tmp_path, form):
    in_chunks(tmp_path, [*channels(0), *channels(11), *geometries(), *paddings(), *large()], emulated(CPU), form)


@pytest.mark.slow
def test_every_pair_of_channel_counts(tmp_path):
    in_chunks(tmp_path, channel_pairs(), emulated(CPU), FORMS[1])


@pytest.mark.slow
def test_every_shape_at_the_edges_of_the_arithmetic(tmp_path):
    layers = [edge for layer in (*channels(5)[::3], *geometries()[::3], *large()[1:6]) for edge in corner(layer)]
    in_chunks(tmp_path, layers, emulated(CPU), FORMS[1])


def test_layers_have_helium_kernels():
    wanted = [LAYERS[n] for n in LAYERS if n != "depthwise multiplier"]
    assert {name for name in kernels_of(wanted) if "mve" not in name} == set()


def test_int16_weights_and_multipliers_fall_back():
    shifted = replace(LAYERS["3x3"], zero_points=np.int8(5))
    found = kernels_of([shifted, LAYERS["depthwise multiplier"]])
    assert found and not any("mve" in name for name in found)


def test_the_c_forms_under_sanitizers():
    layers = [*LAYERS.values(), *large()[::3], *geometries()[::6]]
    program, sample = program_of(layers)
    run_program(program, [sample], frozenset({"dsp", "mve"}))
