"""maxpool, avgpool and the reductions: pages against onnxruntime, C against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.errors import UnsupportedError
from edgec.ir.program import Quant
from edgec.ops._layout import channels_last, identity
from tests.ops import ort
from tests.ops.stub import const, lower

Q1, Q2, HALF = (
    Quant(float(np.float32(0.0371)), -11),
    Quant(float(np.float32(0.0289)), 7),
    Quant(float(np.float32(0.0371 / 2)), 3),
)
WINDOWS = [
    {"kernel_shape": [2, 2], "strides": [2, 2]},
    {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]},
    {"kernel_shape": [3, 2], "strides": [1, 2], "pads": [1, 0, 2, 1]},
    {"kernel_shape": [3, 3], "strides": [1, 1], "auto_pad": "SAME_UPPER"},
    {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
    {"kernel_shape": [2, 2], "dilations": [2, 3], "pads": [1, 1, 1, 1]},
]


def values(shape, quant):
    rng = np.random.default_rng(shape)
    return rng.integers(-128, 128, shape).astype(np.int8) if quant else rng.normal(size=shape).astype(np.float32)


def check(op, shape, attrs, quant, out_quant, constants=None, share=0.999, like=False):
    """Page's references against onnxruntime; exact for floats within rounding."""
    x = values(shape, quant)
    theirs = ort.run(op, [x, *([None] * bool(constants))], constants or {}, attrs, quants=[quant], out_quant=out_quant)[
        0
    ]
    extra = [const(v) for v in (constants or {}).values()]
    case = lower(op, [(shape, quant, channels_last(len(shape))), *extra], [theirs.shape], attrs, out_quant)
    ours = case.run([x])[0]
    if like:
        np.testing.assert_array_equal(ours, theirs)
    elif quant:
        whole = x.astype(np.float32) - quant.zero_point
        exact = ort.run(op, [whole, *([None] * bool(constants))], constants or {}, attrs)[0].astype(np.float64)
        exact = exact * quant.scale / out_quant.scale
        tie = np.abs(exact - np.floor(exact) - 0.5) < 1e-4  # onnxruntime's float32 noise decides these
        ort.compare(np.where(tie & (np.abs(ours.astype(int) - theirs) == 1), theirs, ours), theirs, share)
        grid = np.clip(
            np.rint(np.where(np.abs(exact * 2 - np.rint(exact * 2)) < 1e-4, np.rint(exact * 2) / 2, exact))
            + out_quant.zero_point,
            -128,
            127,
        )
        np.testing.assert_array_equal(ours, grid.astype(np.int8))  # half to even of the exact value, ties included
    else:
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    return case, x


@pytest.mark.parametrize("attrs", WINDOWS, ids=str)
@pytest.mark.parametrize("quant", [Q1, None], ids=["int8", "float32"])
def test_max_pool(attrs, quant):
    check("MaxPool", (2, 5, 11, 8), attrs, quant, quant, like=True)


@pytest.mark.parametrize("attrs", WINDOWS, ids=str)
@pytest.mark.parametrize("include", [0, 1])
@pytest.mark.parametrize(
    "quants", [(Q1, Q1), (Q1, Q2), (Q1, HALF), (None, None)], ids=["equal", "other", "half", "float32"]
)
def test_average_pool(attrs, include, quants):
    check("AveragePool", (2, 7, 13, 12), {**attrs, "count_include_pad": include}, *quants)


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
def test_one_dimensional(op):
    check(op, (2, 6, 21), {"kernel_shape": [3], "strides": [2], "pads": [1, 0]}, Q1, Q1)
    check(op, (1, 6, 21), {"kernel_shape": [4], "strides": [3]}, None, None)


def test_exact_ties_round_to_even():
    quant = Quant(0.5, -3)
    x = np.array([[1, 2], [-1, -2], [4, 5], [-128, 127]], np.int8).reshape(1, 4, 1, 2)
    case = lower("AveragePool", [((1, 4, 1, 2), quant, (0, 2, 3, 1))], [(1, 4, 1, 1)], {"kernel_shape": [1, 2]}, quant)
    got = case.run([x])[0].reshape(-1)
    want = [int(np.rint((x[0, c].astype(int) + 3).mean())) - 3 for c in range(4)]
    assert (
        got.tolist()
        == want
        == ort.run("AveragePool", [x], {}, {"kernel_shape": [1, 2]}, quants=[quant], out_quant=quant)[0]
        .reshape(-1)
        .tolist()
    )


def test_resnet_pool_matches_onnxruntime_where_half_up_does_not():
    quant = Quant(float(np.float32(0.0235)), -128)
    check("AveragePool", (8, 64, 8, 8), {"kernel_shape": [8, 8]}, quant, quant)


AXES = [[2, 3], [3], [1], [0, 2], [1, 3], [-1, -2, -3], None]


@pytest.mark.parametrize("axes", AXES, ids=str)
@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("op", ["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"])
def test_reductions_over_any_axes(op, axes, keep):
    constants = {1: np.array(axes, np.int64)} if axes else {}
    out = Quant(Q2.scale * (40 if op == "ReduceSum" else 1), 5)
    for quant, target in ((Q1, out if op in ("ReduceMean", "ReduceSum") else Q1), (None, None)):
        check(op, (2, 6, 5, 4), {"keepdims": keep}, quant, target, constants)


@pytest.mark.parametrize("op", ["GlobalAveragePool", "GlobalMaxPool"])
@pytest.mark.parametrize("shape", [(1, 9, 7, 7), (2, 16, 11), (1, 5, 1, 1)])
def test_global_pools(op, shape):
    check(op, shape, {}, Q1, Q1)
    check(op, shape, {}, None, None)


def test_row_reduction_streams():
    case, _ = check("ReduceMean", (1, 6, 5, 4), {"keepdims": 0}, Q1, Q2, {1: np.array([3])})
    assert [type(r).__name__ for r in case.program.steps[0].reach] == ["Run"]
    assert case.outputs[0].perm == (0, 2, 1)


def test_fused_clamp_and_refusals():
    x = values((1, 4, 4, 4), Q1)
    case = lower("GlobalAveragePool", [(x.shape, Q1, (0, 2, 3, 1))], [(1, 4, 1, 1)], {}, Q1, lo=0.0)
    assert case.run([x])[0].min() >= Q1.zero_point
    with pytest.raises(UnsupportedError, match="fused"):
        lower("MaxPool", [(x.shape, Q1, (0, 2, 3, 1))], [(1, 4, 4, 4)], {"kernel_shape": [1, 1]}, Q1, lo=0.0)
    with pytest.raises(UnsupportedError, match="3 axes"):
        lower("MaxPool", [((1, 2, 3, 3, 3), Q1, identity(5))], [(1, 2, 3, 3, 3)], {"kernel_shape": [1, 1, 1]}, Q1)


@settings(max_examples=8, deadline=None)
@given(st.data())
def test_c_equals_reference(data):
    draw = data.draw
    op = draw(st.sampled_from(["MaxPool", "AveragePool", "ReduceMean", "ReduceMax", "ReduceMin", "GlobalAveragePool"]))
    quant = draw(st.sampled_from([Q1, HALF, None]))
    out_quant = None if quant is None else Q1 if "Max" in op or "Min" in op else draw(st.sampled_from([Q1, Q2]))
    n, c, h, w = draw(
        st.tuples(st.integers(1, 2), st.sampled_from([1, 3, 4, 7, 9]), st.integers(3, 8), st.integers(3, 8))
    )
    if "Pool" in op and "Global" not in op:
        kernel, stride = (
            draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
            draw(st.tuples(st.integers(1, 2), st.integers(1, 3))),
        )
        pads = [draw(st.integers(0, k - 1)) for k in (*kernel, *kernel)]
        attrs = {"kernel_shape": kernel, "strides": stride, "pads": pads, "count_include_pad": draw(st.integers(0, 1))}
        out = [(s + pads[i] + pads[2 + i] - kernel[i]) // stride[i] + 1 for i, s in enumerate((h, w))]
        case = lower(op, [((n, c, h, w), quant, (0, 2, 3, 1))], [(n, c, *out)], attrs, out_quant)
    else:
        axes = [2, 3] if "Global" in op else draw(st.sampled_from([[2, 3], [3], [1], [1, 2], [0]]))
        shape = tuple(1 if i in axes else s for i, s in enumerate((n, c, h, w)))
        case = lower(op, [((n, c, h, w), quant, (0, 2, 3, 1))], [shape], {"axes": axes}, out_quant)
    x = values((n, c, h, w), quant)
    np.testing.assert_allclose(case.run([x], compiled=True)[0], case.run([x])[0], rtol=1e-5)
