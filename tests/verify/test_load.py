"""edgec.load: arrays in, arrays out, and clear words about arrays that do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgec
from edgec.errors import InputError, UsageError
from edgec.verify.load import load
from edgec.verify.reference import read_program, reference
from tests.conformance.block import block
from tests.conformance.packages import with_kernels, write_package


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(1).integers(-128, 128, (1, 16, 16, 8)).astype(np.int8)


def test_by_order_and_by_name(package: Path, x: np.ndarray) -> None:
    model = edgec.load(package)
    by_order, by_name = model(x), model(x=x)
    assert len(by_order) == 1
    assert by_order[0].shape == (1, 16, 16, 8)
    assert by_order[0].dtype == np.int8
    np.testing.assert_array_equal(by_order[0], by_name[0])
    np.testing.assert_array_equal(by_order[0], reference(package).run({"x": x})["y"])
    np.testing.assert_array_equal(x, x.copy())


def test_results_are_copies(package: Path, x: np.ndarray) -> None:
    model = load(package)
    first = model(x)[0]
    kept = first.copy()
    model(np.zeros_like(x))
    np.testing.assert_array_equal(first, kept)


def test_any_memory_layout(package: Path, x: np.ndarray) -> None:
    model = load(package)
    strided = np.asfortranarray(x)
    np.testing.assert_array_equal(model(strided)[0], model(x)[0])


@pytest.mark.parametrize(
    ("arrays", "named", "says"),
    [
        (["int8 [1,16,16,8]", "int8 [1,16,16,8]"], [], "takes 1 input"),
        ([], [], "given: nothing"),
        ([], ["z"], "given: 'z'"),
        (["int8 [1,16,16,8]"], ["x"], "takes 1 input"),
        (["float32 [1,16,16,8]"], [], "takes int8, the array is float32"),
        (["uint8 [1,16,16,8]"], [], "takes int8, the array is uint8"),
        (["int8 [1,16,16]"], [], r"has shape \[1, 16, 16, 8\]"),
        (["int8 [16,16,8]"], [], "has shape"),
        (["int8 [2,16,16,8]"], [], "one call is one inference"),
    ],
)
def test_arrays_that_do_not_fit(package: Path, arrays: list[str], named: list[str], says: str) -> None:
    def made(text: str) -> np.ndarray:
        dtype, shape = text.split()
        return np.zeros([int(n) for n in shape[1:-1].split(",")], dtype)

    model = load(package)
    with pytest.raises(InputError, match=says) as caught:
        model(*map(made, arrays), **{name: made("int8 [1,16,16,8]") for name in named})
    assert caught.value.hint


def test_a_rebuilt_package_is_loaded_anew(tmp_path: Path, x: np.ndarray) -> None:
    """The same path, other weights: not the library that is still mapped."""
    one = load(write_package(tmp_path / "p", with_kernels(block(1)), "host"))(x)[0]
    two = load(write_package(tmp_path / "p", with_kernels(block(2)), "host"))(x)[0]
    assert not np.array_equal(one, two)


def test_trace_hears_every_row_in_order(package: Path, x: np.ndarray) -> None:
    heard: list[tuple[int, int, bytes]] = []
    model = load(package, trace=True)
    model.traced([x], lambda step, row, data: heard.append((step, row, data)))
    meant: list[tuple[int, int, bytes]] = []
    interpreter = reference(package)
    index = {step.name: i for i, step in enumerate(interpreter.program.steps)}
    interpreter.run({"x": x}, lambda step, row, made: meant.append((index[step.name], row, made.tobytes())))
    assert heard == meant
    model(x)  # without a listener
    assert len(heard) == len(meant)


def test_no_package(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        edgec.load(tmp_path)


def test_a_package_without_reference(package: Path) -> None:
    (package / "reference" / "weights.npz").unlink()
    with pytest.raises(UsageError, match="no readable reference") as caught:
        read_program(package)
    assert caught.value.hint
