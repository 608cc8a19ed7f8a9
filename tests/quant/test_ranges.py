"""Ranges: 0 is always exact, methods do what they say, histograms tell the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgec.arithmetic import dequantize, quantize
from edgec.quant.observe import BINS
from edgec.quant.options import METHODS, QuantOptions
from edgec.quant.ranges import Histogram, candidates, params_for

REAL = st.floats(-1e4, 1e4, allow_nan=False, width=32)


@given(REAL, REAL, st.booleans())
def test_zero_is_exact_and_the_range_is_covered(a: float, b: float, symmetric: bool) -> None:
    params = params_for(min(a, b), max(a, b), symmetric)
    assert -128 <= params.zero_point <= 127
    assert (
        dequantize(quantize(np.float32(0.0), params.scale, params.zero_point), params.scale, params.zero_point) == 0.0
    )
    for end in (min(a, b), max(a, b)):
        assert params.lo - params.scale <= end <= params.hi + params.scale
    assert params.zero_point == 0 or not symmetric


def test_a_relu_result_uses_all_levels() -> None:
    assert params_for(0.0, 6.0).zero_point == -128


def seen(values: np.ndarray) -> Histogram:  # type: ignore[type-arg]
    made = Histogram(float(values.min()), float(values.max()), np.zeros(BINS, np.int64))
    for part in np.array_split(values.astype(np.float32), 5):
        made.add(part)
    return made


def true_error(values: np.ndarray, scale: float, zero: int) -> float:  # type: ignore[type-arg]
    back = dequantize(quantize(values.astype(np.float32), scale, zero), scale, zero)
    return float(np.mean((back.astype(np.float64) - values) ** 2))


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("method", [m for m in METHODS if m != "auto"])
def test_expected_error_is_the_true_one(method: str, relu: bool) -> None:
    values = np.random.default_rng(1).standard_t(4, 200_000)
    values = np.maximum(values, 0) if relu else values
    histogram = seen(values)
    params = candidates(histogram, QuantOptions(method=method))[method]
    measured = true_error(values, params.scale, params.zero_point)
    assert histogram.error(params) == pytest.approx(measured, rel=0.1)
    assert histogram.power == pytest.approx(float(np.mean(values**2)), rel=0.01)


def test_mse_is_the_least_of_all() -> None:
    values = np.random.default_rng(2).standard_t(3, 100_000)
    histogram = seen(values)
    errors = {
        name: true_error(values, p.scale, p.zero_point) for name, p in candidates(histogram, QuantOptions()).items()
    }
    assert errors["mse"] <= min(errors.values()) * 1.02
    assert errors["minmax"] > 1.1 * errors["mse"]


def test_percentile_clips_that_share() -> None:
    values = np.random.default_rng(3).standard_normal(100_000)
    params = candidates(seen(values), QuantOptions(method="percentile", percentile=99.0))["percentile"]
    assert np.mean((values < params.lo) | (values > params.hi)) == pytest.approx(0.01, abs=0.002)


def test_a_value_that_never_changes() -> None:
    for value in (0.0, 3.0, -2.0):
        for params in candidates(seen(np.full(100, value)), QuantOptions()).values():
            assert params.scale > 0
            assert dequantize(
                quantize(np.float32(value), params.scale, params.zero_point), params.scale, params.zero_point
            ) == pytest.approx(value, rel=1e-5)
