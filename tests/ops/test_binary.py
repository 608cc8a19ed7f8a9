"""Two-operand pages: against onnxruntime and exact real arithmetic; reference, interpreter and host C give the same
bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.ir.program import Array, Quant
from edgec.ops.binary import REAL
from tests.ops import ort
from tests.ops.page_bench import Operand, exact_share, run_node

A, B, Y = Quant(0.0234375, 3), Quant(0.0517578125, -20), Quant(0.0634765625, 5)
SHAPE, PERM = (1, 4, 3, 5), (0, 2, 3, 1)
RNG = np.random.default_rng(7)
AXES = (4, 1, 1)


def codes(*shape: int) -> Array:
    return RNG.integers(-128, 128, shape).astype(np.int8)


def floats(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


OTHERS = {
    "same": Operand(codes(*SHAPE), B, PERM),
    "gate": Operand(codes(1, 4, 1, 1), B, PERM),
    "channel": Operand(codes(*AXES), B),
    "columns": Operand(codes(1, 1, 3, 5), B),
    "row": Operand(codes(3, 1), B),
    "scalar constant": Operand(np.array(1.7, np.float32), const=True),
    "channel constant": Operand(floats(*AXES), const=True),
    "int8 constant": Operand(codes(*AXES), B, const=True),
    "per-channel constant": Operand(codes(*AXES), const=True, scales=np.array([0.1, 0.2, 0.3, 0.01], np.float32)),
    "full constant": Operand(floats(*SHAPE), const=True),
}


def real(o: Operand) -> Array:
    """Exact values of an operand."""
    if o.quant is not None:
        return (o.value.astype(np.float64) - o.quant.zero_point) * o.quant.scale
    return o.value * (1.0 if o.scales is None else o.scales.astype(np.float64).reshape(-1, 1, 1))


def expected(op: str, x: list[Operand]) -> Array:
    with np.errstate(all="ignore"):
        return np.nan_to_num(REAL[op](real(x[0]), real(x[1])), nan=0.0, posinf=1e6, neginf=-1e6)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Max", "Min", "PRelu"])
def test_int8_is_the_rounded_real_result(op: str, other: str, turned: bool) -> None:
    """All broadcasts and kinds of constant, reference only."""
    if op == "PRelu" and turned:
        pytest.skip("the slope is the second operand")
    x = [Operand(codes(*SHAPE), A, PERM), OTHERS[other]]
    x = x[::-1] if turned else x
    got, program = run_node(op, x, SHAPE, Y, compiled=False)
    off, share = exact_share(got, expected(op, x), Y)
    # results differ from the rounded exact ones only next to a tie
    assert off <= 1 and share >= 0.95
    assert all(s.op != "permute" or other in ("channel", "columns", "row") for s in program.steps)


@pytest.mark.parametrize(
    ("op", "other", "turned"),
    [
        ("Add", "same", False),
        ("Sub", "gate", True),
        ("Add", "row", False),
        ("Add", "channel constant", False),
        ("Sub", "int8 constant", True),
        ("Mul", "gate", False),
        ("Mul", "columns", False),
        ("Mul", "per-channel constant", False),
        ("Div", "same", False),
        ("Div", "gate", True),
        ("Max", "same", False),
        ("Min", "channel constant", False),
        ("PRelu", "channel constant", False),
        ("PRelu", "same", False),
        ("PRelu", "gate", False),
        ("PRelu", "row", False),
        ("Mul", "scalar constant", False),
    ],
)
def test_host_c_int8(op: str, other: str, turned: bool) -> None:
    x = [Operand(codes(*SHAPE), A, PERM), OTHERS[other]]
    run_node(op, x[::-1] if turned else x, SHAPE, Y)


@pytest.mark.parametrize(
    ("op", "other", "turned"),
    [
        ("Add", "same", False),
        ("Sub", "gate", True),
        ("Div", "row", False),
        ("Div", "channel constant", True),
        ("PRelu", "channel", False),
    ],
)
def test_host_c_float(op: str, other: str, turned: bool) -> None:
    o = OTHERS[other]
    second = o if o.const else Operand((np.abs(o.value.astype(np.float32)) + 1) / 16, None, o.perm)
    x = [Operand(floats(*SHAPE), None, PERM), second]
    x = x[::-1] if turned else x
    got, _ = run_node(op, x, SHAPE, lo=-2.0, hi=2.5)
    np.testing.assert_allclose(got, np.clip(REAL[op](x[0].value, x[1].value), -2.0, 2.5), rtol=1e-5, atol=1e-6)


def test_float_pow_and_clamp_of_one_side() -> None:
    x = [Operand(np.abs(floats(2, 6)) + 0.1), Operand(floats(2, 6))]
    got, _ = run_node("Pow", x, (2, 6), hi=1.5)
    np.testing.assert_allclose(got, np.minimum(x[0].value ** x[1].value, 1.5), rtol=1e-4)


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Max", "PRelu"])
def test_onnxruntime(op: str) -> None:
    """Every pair of codes: at most one step off, 99.9 % identical where the exact result is no tie."""
    a, b = (v.reshape(256, 256).astype(np.int8) for v in np.meshgrid(np.arange(-128, 128), np.arange(-128, 128)))
    b = np.where(b == B.zero_point, 100, b).astype(np.int8) if op == "Div" else b
    got, _ = run_node(op, [Operand(a, A), Operand(b, B)], (256, 256), Y, compiled=False)
    want = ort.run(op, [a, b], {}, {}, quants=[A, B], out_quant=Y, opset=13)[0]
    scaled = expected(op, [Operand(a, A), Operand(b, B)]) / Y.scale
    clear = np.abs(scaled - np.floor(scaled) - 0.5) > 1e-4
    off = np.abs(got.astype(int) - want.astype(int))
    assert off.max() <= 1 and np.mean(off[clear] == 0) >= 0.999
    if op not in ("Max", "Min"):
        assert clear.mean() > 0.9


def test_divide_by_zero_saturates() -> None:
    a = np.array([[50, 3, -50]], np.int8)
    b = np.full((1, 3), B.zero_point, np.int8)
    got, _ = run_node("Div", [Operand(a, A), Operand(b, B)], (1, 3), Y)
    assert got.tolist() == [[127, Y.zero_point, -128]]


def test_clamp_and_the_same_tensor_twice() -> None:
    """Relu6 behind an addition; x*x of one tensor is a table."""
    x = Operand(codes(3, 7), A)
    got, _ = run_node("Add", [x, Operand(codes(3, 7), B)], (3, 7), Y, lo=0.0, hi=6.0)
    assert got.min() >= Y.zero_point and got.max() <= round(6 / Y.scale) + Y.zero_point


def test_wide_addition() -> None:
    """Tiny factors at extreme zero points leave 32 bits: that variant adds in 64."""
    a, b, y = Quant(0.001, -128), Quant(0.001, -128), Quant(0.5, 0)
    x = [Operand(np.full((2, 9), 127, np.int8), a), Operand(codes(2, 9), b)]
    got, program = run_node("Add", x, (2, 9), y)
    assert program.steps[0].attrs["k"] == 30
    assert exact_share(got, expected("Add", x), y)[0] == 0


shapes = st.sampled_from(
    [((2, 3, 4, 5), (2, 3, 1, 1)), ((2, 3, 4, 5), (4, 1)), ((5,), (3, 1)), ((2, 1, 6), (2, 4, 1)), ((7, 9), (9,))]
)


@settings(max_examples=6, deadline=None)
@given(
    op=st.sampled_from(["Add", "Mul", "Div"]),
    pair=shapes,
    seed=st.integers(0, 99),
    zeros=st.tuples(*[st.integers(-128, 127)] * 3),
)
def test_random_broadcasts(op: str, pair: Any, seed: int, zeros: tuple[int, int, int]) -> None:
    """Batches, lower ranks, both sides stretched; any zero point."""
    rng = np.random.default_rng(seed)
    scales = np.exp2(rng.uniform(-8, 0, 3)).astype(np.float32)
    quants = [Quant(float(s), z) for s, z in zip(scales, zeros, strict=True)]
    x = [Operand(rng.integers(-128, 128, s).astype(np.int8), q) for s, q in zip(pair, quants, strict=False)]
    got, _ = run_node(op, x, np.broadcast_shapes(*pair), quants[2])
    zero = real(x[1]) == 0
    off = np.abs(got.astype(int) - np.clip(np.floor(expected(op, x) / quants[2].scale + 0.5) + zeros[2], -128, 127))
    assert off[~np.broadcast_to(zero, off.shape)].max(initial=0) <= 1


@pytest.mark.parametrize("quantized", [True, False])
def test_constant_that_stretches_the_other_operand(quantized: bool) -> None:
    """It becomes a buffer: in int8 where it is stored so, otherwise the sum is made in float32."""
    x = Operand(codes(1, 6), A)
    const = Operand(codes(4, 6), B, const=True) if quantized else Operand(floats(4, 6), const=True)
    got, program = run_node("Sub", [const, x], (4, 6), Y)
    names = [s.op for s in program.steps]
    assert names == (["constant", "add"] if quantized else ["dequantize", "constant", "add", "quantize"])
    assert exact_share(got, expected("Sub", [const, x]), Y)[0] <= 1
