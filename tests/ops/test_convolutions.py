"""conv2d, depthwise and dense: pages against a naive loop and onnxruntime, portable and DSP C against the pages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.errors import UnsupportedError
from edgec.ir.program import Quant
from tests.ops import ort
from tests.ops.convolutions import Layer, check, conv, dense, merged

DSP = frozenset({"dsp"})
LAYERS = {
    "3x3": conv(1, (1, 5, 7, 6), 6, (3, 3), pads=[1, 1, 1, 1]),
    "3x3 stride 2, pad at the end": conv(2, (1, 3, 8, 9), 8, (3, 3), pads=[0, 0, 1, 1], strides=[2, 2]),
    "batch": conv(3, (2, 4, 5, 5), 5, (3, 2), pads=[1, 0, 1, 1]),
    "dilated": conv(4, (1, 4, 9, 9), 4, (3, 3), pads=[2, 3, 2, 1], dilations=[2, 3]),
    "groups": conv(5, (1, 6, 5, 5), 9, (3, 3), pads=[1, 1, 1, 1], group=3),
    "groups, one column": conv(41, (1, 6, 9, 5), 4, (3, 1), pads=[2, 0, 2, 0], dilations=[2, 1], group=2),
    "window in the padding": conv(6, (1, 2, 3, 3), 3, (2, 2), pads=[3, 3, 3, 3], strides=[2, 2]),
    "10x4": conv(7, (1, 1, 13, 8), 6, (10, 4), pads=[4, 1, 5, 1], strides=[2, 2]),
    "1-D": conv(8, (2, 3, 11), 5, (5,), pads=[2, 1], strides=[2]),
    "1-D dilated": conv(9, (1, 4, 11), 4, (3,), pads=[2, 2], dilations=[2]),
    "1x1": conv(10, (1, 12, 5, 5), 10, (1, 1)),
    "1x1 batch": conv(11, (2, 7, 3, 3), 4, (1, 1)),
    "1x1 stride 2": conv(12, (1, 16, 6, 6), 8, (1, 1), strides=[2, 2]),
    "1x1 one pixel": conv(13, (1, 33, 1, 1), 11, (1, 1)),
    "depthwise": conv(14, (1, 9, 6, 7), 9, (3, 3), pads=[1, 1, 1, 1], group=9),
    "depthwise stride 2": conv(15, (2, 8, 7, 8), 8, (3, 3), pads=[0, 0, 1, 1], strides=[2, 2], group=8),
    "depthwise 5x5": conv(16, (1, 6, 8, 7), 6, (5, 5), pads=[2, 2, 2, 2], group=6),
    "depthwise 7x7 stride 2": conv(17, (1, 4, 9, 9), 4, (7, 7), pads=[3, 3, 3, 3], strides=[2, 2], group=4),
    "depthwise multiplier": conv(18, (1, 3, 5, 5), 6, (3, 3), pads=[1, 1, 1, 1], group=3),
    "depthwise dilated": conv(19, (1, 5, 9, 9), 5, (3, 3), pads=[2, 2, 2, 2], dilations=[2, 2], group=5),
    "depthwise 1-D": conv(20, (1, 6, 9), 6, (3,), pads=[1, 1], group=6),
    "depthwise 3x3 unpadded": conv(21, (1, 4, 5, 9), 4, (3, 3), group=4),
    "depthwise 2x4": conv(22, (1, 12, 5, 9), 12, (2, 4), pads=[1, 2, 0, 1], strides=[1, 3], group=12),
    "matmul": dense(30, (5, 21), 13),
    "matmul tokens": dense(31, (2, 3, 8), 12),
    "matmul 4-D": dense(32, (1, 2, 5, 12), 9),
    "matmul vector": dense(33, (1, 40), 10),
    "gemm": dense(34, (1, 18), 19, "Gemm"),
    "gemm transposed": dense(35, (3, 16), 8, "Gemm", transB=1),
}


def corner(layer: Layer) -> list[Layer]:
    """The same layer at the edges of the arithmetic."""
    big = layer.bias is not None and np.where(np.arange(layer.bias.size) % 3 == 0, 2**30 - 7, layer.bias).astype(
        np.int32
    )
    tiny = np.where(np.arange(np.size(layer.scales)) % 3 == 0, np.float32(1e-11), layer.scales).astype(np.float32)
    fine = Quant(float(np.float32(layer.x_quant.scale * np.max(layer.scales) / 0.4)), layer.y_quant.zero_point)
    left = Quant(float(np.float32(layer.x_quant.scale * np.max(layer.scales) / 2.3)), layer.y_quant.zero_point)
    low = replace(layer, lo=0.0, hi=30 * layer.y_quant.scale)
    full = replace(layer, weight=np.full_like(layer.weight, 127), x_quant=Quant(layer.x_quant.scale, 127))
    least = replace(layer, weight=np.full_like(layer.weight, -128))
    wild = replace(layer, bias=big, scales=tiny) if layer.bias is not None else layer
    shifted = replace(layer, zero_points=np.int8(5))
    return [low, full, least, wild, shifted, replace(layer, y_quant=fine), replace(layer, y_quant=left)]


@pytest.mark.parametrize("name", LAYERS)
def test_pages_mean_the_naive_loop(name):
    check(LAYERS[name])


@pytest.mark.parametrize("name", ["3x3", "groups", "1x1", "depthwise", "depthwise multiplier", "matmul", "gemm"])
def test_pages_at_the_edges_of_the_arithmetic(name):
    for layer in corner(LAYERS[name]):
        check(layer)


@pytest.mark.parametrize("features", [frozenset(), DSP], ids=["c", "dsp"])
def test_c_equals_the_pages(features):
    from tests.ops.harness import run_program

    layers = [*LAYERS.values()]
    cases = [check(layer) for layer in layers]
    program, sample = merged(cases, [layer.x for layer in layers])
    run_program(program, [sample], features)


@pytest.mark.parametrize("features", [frozenset(), DSP], ids=["c", "dsp"])
def test_c_equals_the_pages_at_the_edges(features):
    from tests.ops.harness import run_program

    names = [
        "3x3",
        "groups",
        "1x1",
        "depthwise",
        "depthwise 5x5",
        "depthwise multiplier",
        "matmul",
        "gemm",
        "matmul vector",
    ]
    layers = [edge for name in names for edge in corner(LAYERS[name])]
    program, sample = merged([check(layer) for layer in layers], [layer.x for layer in layers])
    run_program(program, [sample], features)


def test_float_c_equals_the_pages():
    from tests.ops.harness import run_program

    layers = [*LAYERS.values()]
    cases, values = [], []
    for layer in layers:
        x = np.random.default_rng(5).normal(size=layer.shape).astype(np.float32)
        bias = layer.bias
        exact = replace(layer, x_quant=Quant(1.0, 0), bias=bias).real(x.astype(np.float64))
        case = replace(layer, x_quant=Quant(1.0, 0), lo=-1.5).case(exact.shape, real=True)
        np.testing.assert_allclose(case.run([x])[0], np.maximum(exact, -1.5), rtol=1e-4, atol=1e-4)
        cases.append(case)
        values.append(x)
    program, sample = merged(cases, values)
    run_program(program, [sample])


@pytest.mark.parametrize(
    "name", ["3x3", "3x3 stride 2, pad at the end", "groups", "1-D", "1x1", "depthwise", "matmul", "gemm"]
)
def test_pages_agree_with_onnxruntime(name):
    layer = LAYERS[name]
    layer = replace(layer, shape=(8 if "batch" not in name else 2, *layer.shape[1:]))
    constants = {1: layer.real_weight.astype(np.float32)}
    if layer.bias is not None:
        constants[2] = layer.real_bias.astype(np.float32)
    values = [layer.x] + [None] * len(constants)
    theirs = ort.run(layer.op, values, constants, layer.attrs, quants=[layer.x_quant], out_quant=layer.y_quant)[0]
    ort.compare(layer.case(theirs.shape).run([layer.x])[0], theirs)


@settings(max_examples=6, deadline=None)
@given(st.data())
def test_random_convolutions(data):
    from tests.ops.harness import run_program

    layers = []
    for seed in range(8):
        few = st.integers(1, 3)
        kernel = (data.draw(few), data.draw(few))
        size = (data.draw(st.integers(3, 9)), data.draw(st.integers(3, 9)))
        group = data.draw(st.sampled_from([1, 1, 2, 0]))
        channels = data.draw(st.sampled_from([2, 4, 6, 8, 12]))
        groups = group or channels
        attrs = {
            "strides": [data.draw(few), data.draw(few)],
            "group": groups,
            "pads": [data.draw(st.integers(0, 2)) for _ in range(4)],
        }
        layers.append(conv(seed, (1, channels, *size), groups * data.draw(st.integers(1, 5)), kernel, **attrs))
    program, sample = merged([check(layer) for layer in layers], [layer.x for layer in layers])
    run_program(program, [sample], data.draw(st.sampled_from([frozenset(), DSP])))


def test_an_accumulator_that_could_overflow_is_refused_by_name():
    layer = LAYERS["3x3"]
    layer = replace(layer, bias=np.full(layer.bias.size, 2**31 - 100, np.int32))
    with pytest.raises(UnsupportedError, match="accumulator of output channel"):
        check(layer)


def test_a_bias_at_another_scale_is_requantized_half_even_and_saturated():
    from edgec.ops._convolution import integer_bias

    np.testing.assert_array_equal(
        integer_bias(np.array([0.5, 1.5, 1e12, -1e12]), np.ones(4)), [0, 2, 2**31 - 1, -(2**31)]
    )
