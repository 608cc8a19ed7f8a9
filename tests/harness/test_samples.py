"""DATA.npz to arrays the library takes, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgec.errors import InputError
from edgec.harness.samples import check_samples, load_samples


def entry(name: str = "x", dtype: str = "float32", shape: tuple[int, ...] = (1, 2, 3), **more: Any) -> dict[str, Any]:
    return {"name": name, "dtype": dtype, "shape": list(shape), "scale": None, "zero_point": None, **more}


def refused(arrays: dict[str, Any], *entries: dict[str, Any]) -> InputError:
    with pytest.raises(InputError) as caught:
        check_samples(arrays, entries)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("given", [(5, 2, 3), (5, 1, 2, 3)])
def test_samples_replace_a_first_dimension_of_one(given: tuple[int, ...]) -> None:
    array = np.arange(30, dtype=np.float32).reshape(given)
    out = check_samples({"x": array, "labels": np.zeros(5)}, [entry()])
    assert list(out) == ["x"] and out["x"].shape == (5, 1, 2, 3)
    assert np.array_equal(out["x"].ravel(), array.ravel())


def test_samples_stand_before_other_first_dimensions() -> None:
    assert check_samples({"x": np.zeros((5, 4, 3), np.float32)}, [entry(shape=(4, 3))])["x"].shape == (5, 4, 3)
    refused({"x": np.zeros((4, 3), np.float32)}, entry(shape=(4, 3)))


def test_files_with_names_and_without(tmp_path: Path) -> None:
    array = np.zeros((5, 2, 3), np.float32)
    np.savez(tmp_path / "named.npz", x=array)
    np.savez(tmp_path / "unnamed.npz", array)
    np.save(tmp_path / "single.npy", array)
    for name in ("named.npz", "unnamed.npz", "single.npy"):
        assert load_samples(tmp_path / name, [entry()])["x"].shape == (5, 1, 2, 3)
    with pytest.raises(InputError, match="no array for model input 'a'"):
        load_samples(tmp_path / "unnamed.npz", [entry("a"), entry("b")])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"text", b"\x93NUMPY\x01\x00"])
def test_unreadable_files(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(InputError):
        load_samples(path, [entry()])
    with pytest.raises(InputError, match="does not exist"):
        load_samples(tmp_path / "none.npz", [entry()])
    np.savez(path, x=np.array([{}], dtype=object))
    with pytest.raises(InputError):
        load_samples(path, [entry()])


def test_real_values_are_quantized_for_an_integer_input() -> None:
    real = np.array([[0.24, 0.25, 0.75], [-100, 100, -0.25]], np.float64)
    out = check_samples({"x": real}, [entry(dtype="int8", shape=(1, 3), scale=0.5, zero_point=3)])["x"]
    assert out.dtype == np.int8
    assert out.reshape(2, 3).tolist() == [[3, 3, 5], [-128, 127, 3]]


def test_integers_that_fit_are_taken() -> None:
    out = check_samples({"x": np.array([[1, -3]], np.int64)}, [entry(dtype="int8", shape=(1, 2))])["x"]
    assert out.dtype == np.int8
    assert "-3..200" in refused({"x": np.array([[200, -3]])}, entry(dtype="int8", shape=(1, 2))).message


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((5, 2, 4), np.float32), "takes [samples, 2, 3]"),
        (np.zeros((2, 3), np.float32), "takes [samples, 2, 3]"),
        (np.zeros((0, 2, 3), np.float32), "no samples"),
        (np.float32(1), "takes [samples, 2, 3]"),
        (np.full((1, 2, 3), np.nan, np.float32), "NaN"),
        (np.full((1, 2, 3), np.inf), "NaN or infinity"),
        (np.zeros((1, 2, 3), np.uint8), "takes float32"),
        (np.zeros((1, 2, 3), "U1"), "takes float32"),
    ],
)
def test_arrays_that_do_not_fit(array: Any, says: str) -> None:
    assert says in refused({"x": array}, entry()).message


def test_hints_know_the_usual_mistakes() -> None:
    assert "transpose" in refused({"x": np.zeros((5, 3, 2), np.float32)}, entry()).hint
    assert "array[None]" in refused({"x": np.zeros((2, 3), np.float32)}, entry()).hint
    two = {"a": np.zeros((5, 3), np.float32), "b": np.zeros((4, 3), np.float32)}
    assert "different numbers" in refused(two, entry("a", shape=(1, 3)), entry("b", shape=(1, 3))).message
    assert "'x'" in refused({"X": np.zeros((5, 2, 3), np.float32)}, entry()).hint
