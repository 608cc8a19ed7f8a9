"""edgec.int8.v1 against exact rational arithmetic, and the two-instruction forms that processors use, by brute force."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.arithmetic import (
    MAX_SHIFT,
    addition,
    dequantize,
    divide_half_even,
    multipliers,
    quantize,
    requantize,
    round_half_up,
    shift_half_even,
)

REAL = st.floats(1e-12, 32767.0, allow_nan=False, allow_infinity=False)
INT32 = st.integers(-(2**31), 2**31 - 1)


def exact(acc: int, m: int, shift: int, zero: int, lo: int, hi: int) -> int:
    """The contract's formula with unlimited integers."""
    return max(lo, min(hi, zero + floor(Fraction(2 * m * acc + 2 ** (31 + shift), 2 ** (32 + shift)))))


@given(st.lists(REAL, min_size=1, max_size=6))
def test_multipliers_are_in_range_and_near(real: list[float]) -> None:
    found = multipliers(np.array(real))
    assert 0 <= found.shift <= MAX_SHIFT
    assert found.m.max() < 2**30
    assert found.m.max() >= 2**29 or found.shift == MAX_SHIFT
    assert found.left == 0 or found.shift == 0
    for m, wanted in zip(found.m.tolist(), real, strict=True):
        value = Fraction(m, 2 ** (31 + found.shift)) * 2**found.left
        step = Fraction(2**found.left, 2 ** (31 + found.shift))
        assert abs(value - Fraction(wanted)) <= step  # half a step, one where the largest is cut to 2^30 - 1


@given(REAL)
def test_multipliers_of_nine(real: float) -> None:
    found = multipliers(np.array([real]), 9)
    assert int(found.m[0]) % 9 == 0
    assert found.m[0] < 2**30


@pytest.mark.parametrize("bad", [np.inf, np.nan, -1.0, 2.0**15])
def test_multipliers_refuse(bad: float) -> None:
    with pytest.raises(ValueError, match="requantization"):
        multipliers(np.array([0.1, bad]))


@pytest.mark.parametrize("top", [2.0**29 / 2**31 - 1e-15, 0.25, 0.5, 0.5 - 2**-40, 1.0, 2**-24, 2.0**-60, 0.0])
def test_multipliers_at_the_edges(top: float) -> None:
    found = multipliers(np.array([top]))
    assert 0 <= found.m[0] < 2**30


@given(INT32, st.integers(0, 2**30 - 1), st.integers(0, MAX_SHIFT), st.integers(-128, 127))
def test_requantize_is_exact(acc: int, m: int, shift: int, zero: int) -> None:
    got = requantize(np.array([acc]), np.array([m], np.int32), shift, 0, zero, -128, 127)
    assert int(got[0]) == exact(acc, m, shift, zero, -128, 127)


@given(st.integers(-(2**20), 2**20), REAL.filter(lambda v: 1e-6 < v < 512))
def test_requantize_is_the_real_value_rounded_once(acc: int, real: float) -> None:
    """No element is further than one rounding from acc * M: within 1/2 plus what 30 bits of multiplier leave."""
    found = multipliers(np.array([real]))
    got = int(requantize(np.array([acc]), found.m, found.shift, found.left, 0, -(2**31), 2**31 - 1).astype(np.int64)[0])
    wanted = acc * real
    if -128 <= wanted <= 127:
        assert abs(got - wanted) <= 0.5 + abs(wanted) * 2.0**-28 + abs(acc) * 2.0**-31 * 2.0**found.left


@settings(max_examples=300)
@given(INT32, st.integers(0, 2**30 - 1), st.integers(0, MAX_SHIFT), st.integers(-128, 127))
def test_the_two_instruction_form(acc: int, m: int, shift: int, zero: int) -> None:
    """SMMLA acc, 2m, (zero << n) + 2^(n-1), then SSAT #8, ASR #n; n = 0 is SMMLAR: the same bits."""
    high = (2 * m * acc + (2**31 if shift == 0 else 0)) >> 32
    added = high + ((zero << shift) + (2 ** (shift - 1) if shift else 0))
    assert max(-128, min(127, added >> shift)) == exact(acc, m, shift, zero, -128, 127)


def test_requantize_extremes() -> None:
    for acc in (-(2**31), -1, 0, 1, 2**31 - 1):
        for m in (0, 1, 2**29, 2**30 - 1):
            for shift in (0, 1, MAX_SHIFT):
                got = int(requantize(np.array([acc]), np.array([m], np.int32), shift, 0, 5, -128, 127)[0])
                assert got == exact(acc, m, shift, 5, -128, 127)


def test_rounding_of_ties_differs_by_rule() -> None:
    ties = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])
    assert round_half_up(ties).tolist() == [-2, -1, 0, 1, 2, 3]
    assert divide_half_even(np.array([-5, -3, -1, 1, 3, 5]), 2).tolist() == [-2, -2, 0, 0, 2, 2]
    assert shift_half_even(np.array([-5, -3, -1, 1, 3, 5]), 1).tolist() == [-2, -2, 0, 0, 2, 2]
    assert shift_half_even(np.array([7]), 0).tolist() == [7]
    assert requantize(np.array([-3, -1, 1, 3]), np.array([2**30 - 1]), 0, 0, 0, -128, 127).tolist() == [-1, 0, 0, 1]


@given(st.integers(-(10**9), 10**9), st.integers(1, 10**4))
def test_divide_half_even_is_exact(num: int, den: int) -> None:
    assert int(divide_half_even(np.array([num]), den)[0]) == round(Fraction(num, den))


@given(st.floats(-1000, 1000, width=32), st.sampled_from([0.1, 0.0235, 1.0]), st.integers(-128, 127))
def test_quantize_as_onnx(value: float, scale: float, zero: int) -> None:
    quotient = np.float32(value) / np.float32(scale)
    wanted = max(-128, min(127, round(float(quotient)) + zero))
    assert int(quantize(np.array([value], np.float32), scale, zero)[0]) == wanted


@given(st.integers(-128, 127), st.floats(1e-4, 10), st.integers(-128, 127))
def test_dequantize_then_quantize_is_identity(q: int, scale: float, zero: int) -> None:
    real = dequantize(np.array([q], np.int8), scale, zero)
    assert real.dtype == np.float32
    assert int(quantize(real, scale, zero)[0]) == q


@given(st.floats(1e-3, 10), st.floats(1e-3, 10), st.floats(1e-3, 10), st.integers(-255, 255), st.integers(-255, 255))
def test_addition(a: float, b: float, y: float, qa: int, qb: int) -> None:
    ma, mb, k = addition(a, b, y)
    assert max(abs(ma), abs(mb)) <= 2**22
    assert max(abs(ma), abs(mb)) >= 2**21 or k == 30
    real = (a * qa + b * qb) / y
    if abs(real) < 128:
        got = (ma * qa + mb * qb + (1 << (k - 1))) >> k
        assert abs(got - real) <= 0.5 + 512 * 2.0**-k


def test_addition_refuses() -> None:
    with pytest.raises(ValueError, match="cannot add"):
        addition(0.0, 0.0, 1.0)
