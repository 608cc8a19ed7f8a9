"""DSP kernels that are chosen only sometimes, forced: exact Winograd, rows in groups, odd widths; host C and the emulated Cortex-M4."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgec.ir.program import site
from edgec.kernels.registry import kernel
from edgec.schedule.plan import plan
from edgec.schedule.select import select
from tests.ops.arm import check_on, emulated, step_by_step
from tests.ops.convolutions import check, conv, dense, merged
from tests.ops.harness import run_program
from tests.ops.test_convolutions import DSP, corner

WINOGRAD = [
    conv(40, (1, 4, 8, 8), 4, (3, 3), pads=[1, 1, 1, 1]),
    conv(41, (1, 8, 7, 9), 6, (3, 3), pads=[1, 1, 1, 1]),
    conv(42, (1, 20, 5, 5), 5, (3, 3)),
    conv(43, (1, 16, 6, 13), 9, (3, 3), pads=[1, 0, 1, 2]),
    conv(44, (1, 12, 3, 3), 8, (3, 3), pads=[1, 1, 1, 1]),
    conv(45, (2, 4, 8, 6), 3, (3, 3), pads=[1, 1, 1, 1]),
]
FORMS = ("conv2d_s8_winograd", "conv2d_s8_winograd2")
NARROW = [
    *(conv(50 + w, (1, 6, 5, w), 6, (3, 3), pads=[1, 1, 1, 1], group=6) for w in range(1, 10)),
    *(conv(60 + w, (2, 7, 6, w), 7, (3, 3), pads=[1, 1, 1, 1], strides=[2, 2], group=7) for w in range(2, 10)),
    conv(70, (1, 4, 4, 5), 4, (3, 3), group=4),
    conv(71, (1, 9, 2, 3), 9, (3, 3), pads=[2, 2, 2, 2], group=9),
    *(conv(80 + c, (1, c, 4, 7), 5, (3, 3), pads=[1, 1, 1, 1], strides=[2, 2]) for c in (1, 2, 3, 4)),
    conv(110, (1, 3, 5, 82), 6, (3, 3), pads=[1, 1, 1, 1], strides=[2, 2]),
    conv(111, (1, 1, 4, 43), 5, (2, 5), pads=[0, 2, 1, 2]),
    *(dense(90 + n, (3, 8), n) for n in (1, 2, 3, 4, 6)),
    *(dense(100 + k, (5, k), 7) for k in (1, 4, 12, 16, 20, 31)),
    *(dense(140 + n, (1, 16 + n), n) for n in (9, 10, 11, 12, 13, 20)),
]

UNROLLED = [
    *(
        conv(120 + w, (1, c, 7300 // (w * c) + 2, w), c, (3, 3), pads=[1, 1, 1, 1], group=c)
        for w in range(1, 9)
        for c in (60 + w,)
    ),
    conv(130, (2, 67, 14, 5), 67, (3, 3), pads=[0, 2, 0, 0], group=67),
    conv(131, (2, 66, 13, 7), 66, (3, 3), pads=[2, 0, 1, 2], group=66),
]


def put(layer, channel, values):
    """The layer with those weights in an output channel, scaled so that the largest sums of 8-bit inputs hardly saturate."""
    weight, scales = np.moveaxis(layer.weight.copy(), layer.axis, 0), layer.scales.copy()
    weight[channel] = np.resize(values, weight[channel].shape)
    scales[channel] = (
        127 * layer.y_quant.scale / (layer.x_quant.scale * 260 * np.abs(weight[channel].astype(int)).sum())
    )
    return replace(layer, weight=np.ascontiguousarray(np.moveaxis(weight, 0, layer.axis)), scales=scales)


def signed_least(layer, channel):
    """The layer with a weight of -128 in an odd channel, over a negative weight of the even one beside it."""
    weight = np.moveaxis(layer.weight.copy(), layer.axis, 0)
    weight[channel].reshape(-1)[3], weight[channel - 1].reshape(-1)[3] = -128, -5
    return replace(layer, weight=np.ascontiguousarray(np.moveaxis(weight, 0, layer.axis)))


DEEP = [
    put(conv(150, (1, 60, 4, 5), 10, (3, 3), pads=[1, 1, 1, 1]), 3, [127]),
    put(conv(151, (1, 1100, 3, 3), 7, (1, 1)), 1, [127]),
    put(conv(152, (1, 1320, 2, 4), 10, (1, 1), group=2), 8, [-127]),
    put(dense(153, (1, 1536), 12), 1, [-127]),
    put(dense(154, (1, 2049), 11), 10, [127]),
    put(dense(155, (1, 700), 6, "Gemm", transB=1), 5, [-127]),
    put(dense(156, (3, 1025), 9, "Gemm"), 7, [127]),
]
"""Sums of an odd channel that pass 2^23."""
LEAST = [
    signed_least(conv(160, (1, 8, 4, 5), 6, (3, 3), pads=[1, 1, 1, 1]), 3),
    signed_least(dense(161, (1, 40), 12, "Gemm"), 9),
    signed_least(dense(162, (3, 40), 7), 5),
    signed_least(DEEP[0], 5),
    signed_least(DEEP[3], 9),
]
"""Weights that fit a halfword with the other sign only."""


def steep(layer):
    """Inputs of the layer, half of them the largest."""
    x = layer.x.copy()
    x[..., : (x.shape[-1] + 1) // 2 if layer.op == "Conv" else None] = 127
    return np.where(np.random.default_rng(1).random(x.shape) < 0.01, layer.x, x)


def forced(layers, name):
    """The layers as one program whose steps name that kernel wherever it can compute them."""
    program, sample = merged([check(layer) for layer in layers], [layer.x for layer in layers])
    steps = tuple(replace(s, kernel=name) if kernel(name).when(site(program, s)) else s for s in program.steps)
    return program.with_(steps=steps), sample


@pytest.mark.parametrize("name", FORMS)
def test_winograd_equals_the_page_on_the_host(name):
    layers = [*WINOGRAD, *corner(WINOGRAD[1])]
    program, sample = forced(layers, name)
    assert sum(s.kernel == name for s in program.steps) >= len(WINOGRAD)
    run_program(program, [sample], DSP)


def test_winograd_is_taken_only_where_flash_may_be_spent():
    program, _ = merged([check(WINOGRAD[0])], [WINOGRAD[0].x])
    assert select(program, DSP).steps[0].kernel == "conv2d_s8_dsp"
    assert select(program, DSP, large=True).steps[0].kernel == "conv2d_s8_winograd"


def test_narrow_and_odd_shapes_on_the_host():
    layers = [*NARROW, *corner(NARROW[-5])]
    program, sample = merged([check(layer) for layer in layers], [layer.x for layer in layers])
    run_program(program, [sample], DSP)


@pytest.mark.parametrize(("cpu", "name"), [("cortex-m4", FORMS[0]), ("cortex-m33", FORMS[0]), ("cortex-m4", FORMS[1])])
def test_the_emulated_cortex_m_gives_the_same_bytes(tmp_path, cpu, name):
    target = emulated(cpu)
    program, sample = forced([*WINOGRAD, *corner(WINOGRAD[1]), *NARROW, *corner(NARROW[-5])], name)
    check_on(target, tmp_path / "net", plan(replace(program, target=target.name), target.isa).program, [sample])


@pytest.mark.parametrize("cpu", [None, "cortex-m4"])
def test_depthwise_unrolled_by_columns_makes_four_rows_a_call(tmp_path, cpu):
    name = "depthwise3_s8_dsp4"
    program, sample = forced([*UNROLLED, *corner(UNROLLED[4])], name)
    assert sum(s.kernel == name for s in program.steps) >= len(UNROLLED)
    ready = step_by_step(program, emulated("cortex-m4"), False, True)
    assert 4 in {s.group for s in ready.steps}
    if cpu is None:
        run_program(ready, [sample], DSP, planned=True)
    else:
        check_on(emulated(cpu), tmp_path / "net", ready, [sample])


@pytest.mark.parametrize("cpu", [None, "cortex-m4"])
def test_one_channel_of_extreme_weights_leaves_the_others_packed(tmp_path, cpu):
    target, layers = emulated("cortex-m4"), [*DEEP, *LEAST]
    program, sample = merged([check(layer) for layer in layers], [layer.x for layer in layers])
    _, high = merged([check(layer) for layer in layers], [steep(layer) for layer in layers])
    ready = plan(replace(program, target=target.name), target.isa).program
    assert all("_dsp" in s.kernel for s in ready.steps)
    if cpu is None:
        run_program(ready, [sample, high], DSP, planned=True)
    else:
        check_on(target, tmp_path / "net", ready, [sample, high])
