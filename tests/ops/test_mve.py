"""Helium kernels of conv2d, depthwise and dense on the emulated Cortex-M55: the interpreter's bytes for every shape.

Many shapes are independent steps of one program: one build and one boot tests them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.ops.arm import check_on, emulated, step_by_step
from tests.ops.convolutions import Layer, conv, dense, merged
from tests.ops.harness import run_program
from tests.ops.stub import Case
from tests.ops.test_convolutions import LAYERS, corner

CPU = "cortex-m55"
FORMS = [(True, True), (False, True), (False, False)]
OPS = {"conv2d", "depthwise", "dense"}


def case_of(layer: Layer) -> Case:
    """The layer lowered; its output shape computed here, not by a naive convolution."""
    if layer.op != "Conv":
        outputs = layer.weight.shape[0 if layer.attrs.get("transB") else 1]
        return layer.case((*layer.shape[:-1], int(outputs)))
    spatial = len(layer.shape) - 2
    pads = layer.attrs.get("pads", [0] * 2 * spatial)
    strides, dilations = (layer.attrs.get(n, [1] * spatial) for n in ("strides", "dilations"))
    sizes = []
    for i in range(spatial):
        extent = (layer.weight.shape[2 + i] - 1) * dilations[i] + 1
        sizes.append((layer.shape[2 + i] + pads[i] + pads[spatial + i] - extent) // strides[i] + 1)
    return layer.case((layer.shape[0], layer.weight.shape[0], *sizes))


def run(folder: Path, layers: Sequence[Layer], forms: Sequence[tuple[bool, bool]] = FORMS[:1]) -> None:
    """All layers in one program, in each form of calls; every step has a Helium kernel."""
    target = emulated(CPU)
    program, sample = merged([case_of(layer) for layer in layers], [layer.x for layer in layers])
    for number, (alone, several) in enumerate(forms):
        placed = step_by_step(program, target, alone, several)
        check_on(target, folder / f"net{number}", placed, [sample])


def kernels_of(layers: Sequence[Layer]) -> set[str]:
    target = emulated(CPU)
    program, _ = merged([case_of(layer) for layer in layers], [layer.x for layer in layers])
    return {s.kernel for s in step_by_step(program, target, True, True).steps if s.op in OPS}


def square(
    seed: int, cin: int, cout: int, kernel: Sequence[int], size: Sequence[int] = (4, 6), **attrs: object
) -> Layer:
    return conv(seed, (1, cin, *size), cout, kernel, **attrs)


def channels(seed: int) -> list[Layer]:
    """A 3x3, a 1x1 and a depthwise layer of every channel count 1..40, output counts scattered over 1..40."""
    made = []
    for c in range(1, 41):
        o = (c * 7 + seed) % 40 + 1
        made.append(square(100 + c, c, o, (3, 3), pads=[1, 1, 1, 1]))
        made.append(square(200 + c, c, o, (1, 1)))
        made.append(square(300 + c, c, c, (3, 3), pads=[1, 1, 1, 1], group=c) if c > 1 else square(3, 1, 3, (1, 3)))
    return made


def geometries() -> list[Layer]:
    """Kernels, strides, dilations and paddings, asymmetric ones among them."""
    made = []
    kernels = [(1, 1), (3, 3), (5, 5), (7, 7), (1, 3), (3, 1), (2, 4), (4, 2), (5, 3), (1, 7), (8, 2)]
    for seed, kernel in enumerate(kernels):
        for stride in (1, 2, 3):
            for dilation in (1, 2):
                reach = [(k - 1) * dilation + 1 for k in kernel]
                size = [r + 4 + (seed + stride) % 3 for r in reach]
                pads = [reach[0] // 2, (reach[1] - 1) // 2, (reach[0] - 1) // 2, reach[1] // 2]
                attrs = {"strides": [stride, stride], "dilations": [dilation, dilation], "pads": pads}
                cin, cout = [(3, 5), (1, 8), (16, 6), (20, 4)][(seed + stride + dilation) % 4]
                made.append(square(400 + seed, cin, cout, kernel, size, **attrs))
                made.append(square(500 + seed, 9, 9, kernel, size, group=9, **attrs))
    return made


def large() -> list[Layer]:
    """Odd large ones, batches, groups, long rows."""
    return [
        square(600, 251, 37, (1, 1), (3, 3)),
        square(601, 67, 131, (3, 3), (3, 5), pads=[1, 1, 1, 1]),
        square(602, 147, 18, (3, 3), (4, 4), pads=[0, 0, 1, 1], strides=[2, 2]),
        square(603, 3, 33, (3, 3), (9, 61), pads=[1, 1, 1, 1]),
        square(604, 3, 8, (3, 3), (9, 62), pads=[0, 0, 1, 1], strides=[2, 2]),
        square(605, 1, 64, (10, 4), (49, 10), pads=[4, 1, 5, 1], strides=[2, 2]),
        square(606, 251, 251, (3, 3), (3, 3), pads=[1, 1, 1, 1], group=251),
        square(607, 19, 19, (3, 3), (7, 53), pads=[1, 1, 1, 1], group=19),
        square(608, 21, 21, (3, 3), (8, 24), pads=[1, 1, 1, 1], group=21),
        square(609, 18, 18, (3, 3), (9, 25), pads=[0, 0, 1, 1], strides=[2, 2], group=18),
        square(610, 40, 28, (3, 3), (5, 5), pads=[1, 1, 1, 1], group=4),
        square(611, 6, 6, (3, 3), (5, 5), pads=[1, 1, 1, 1], group=2),
        conv(612, (3, 5, 4, 7), 9, (3, 3), pads=[1, 1, 1, 1]),
        conv(613, (3, 5, 5, 9), 5, (3, 3), pads=[1, 1, 1, 1], group=5),
        dense(614, (1, 6272), 10),
        dense(615, (1, 640), 128),
        dense(616, (7, 129), 65),
        dense(617, (5, 144), 3),
        dense(618, (6, 160), 5),
        dense(619, (1, 1), 1),
    ]


def test_every_layer_kind_and_the_edges_of_the_arithmetic(tmp_path):
    names = ["3x3", "1x1", "depthwise", "depthwise 5x5", "depthwise stride 2", "gemm"]
    edges = [edge for name in names for edge in corner(LAYERS[name])]
    run(tmp_path, [*LAYERS.values(), *edges], FORMS[1:])


def test_channel_counts_and_geometries(tmp_path):
    run(tmp_path, [*channels(0)[::4], *geometries()[::5], *large()[::2]], FORMS[:1])


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS, ids=["alone", "several", "single"])
def test_sweep(tmp_path, form):
    for number, layers in enumerate((channels(0), channels(11), geometries(), large())):
        for first in range(0, len(layers), 60):
            run(tmp_path / f"{number}_{first}", layers[first : first + 60], [form])


@pytest.mark.slow
def test_every_shape_at_the_edges_of_the_arithmetic(tmp_path):
    layers = [edge for layer in (*channels(5)[::3], *geometries()[::3], *large()[1:6]) for edge in corner(layer)]
    for first in range(0, len(layers), 80):
        run(tmp_path / str(first), layers[first : first + 80], FORMS[1:2])


def test_layers_have_helium_kernels():
    wanted = [LAYERS[n] for n in LAYERS if n != "depthwise multiplier"]
    assert {name for name in kernels_of(wanted) if "mve" not in name} == set()


def test_int16_weights_and_multipliers_fall_back():
    shifted = replace(LAYERS["3x3"], zero_points=np.int8(5))
    found = kernels_of([shifted, LAYERS["depthwise multiplier"]])
    assert found and not any("mve" in name for name in found)


def test_the_c_forms_under_sanitizers():
    layers = [*LAYERS.values(), *large()[::3], *geometries()[::6]]
    program, sample = merged([case_of(layer) for layer in layers], [layer.x for layer in layers])
    run_program(program, [sample], frozenset({"dsp", "mve"}))
