"""Numbers as C: what is written reads back to the same bits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgec.emit.literals import LINE, floating, initialiser, integer


@given(st.integers(-(2**31), 2**31 - 1))
def test_integers(value: int) -> None:
    text = integer(value)
    assert eval(text) == value
    assert "2147483648" not in text  # an int literal that large is a long


def test_integers_that_do_not_fit() -> None:
    for value in (2**31, -(2**31) - 1):
        with pytest.raises(ValueError, match="int32"):
            integer(value)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_floats_read_back(value: float) -> None:
    text = floating(value)
    assert text.endswith("f")
    back = float.fromhex(text[:-1])
    assert np.float32(back).tobytes() == np.float32(value).tobytes()


def test_special_floats() -> None:
    assert floating(math.inf) == "(1.0f / 0.0f)"
    assert floating(-math.inf) == "(-1.0f / 0.0f)"
    assert floating(math.nan) == "(0.0f / 0.0f)"


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_extremes_of_every_type(dtype: str) -> None:
    info = np.iinfo(dtype)
    text = initialiser(np.array([info.min, 0, info.max], dtype))
    values = [eval(part.strip().rstrip("uUlL").replace("LL", "")) for part in text.strip().rstrip(",").split(",")]
    assert values == [info.min, 0, info.max]


@given(st.lists(st.integers(-128, 127), max_size=200))
def test_lines_are_wrapped(values: list[int]) -> None:
    text = initialiser(np.array(values, np.int8))
    assert all(len(line) <= LINE + 1 for line in text.splitlines())
    assert [int(part) for part in text.replace("\n", " ").split(",") if part.strip()] == values
