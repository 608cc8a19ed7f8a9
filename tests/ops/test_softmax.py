"""Softmax and LogSoftmax: integer arithmetic within 1 LSB of the exact real result on dense sweeps; float32 against
onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest

from edgec.ir.program import Array, Quant
from edgec.ops.softmax import (
    LAST_EXPONENT,
    ONE,
    exponentials,
    integer_log_softmax,
    integer_softmax,
    logarithms,
    output_factor,
)
from tests.ops import ort
from tests.ops.page_bench import Operand, run_node

USUAL = Quant(1 / 256, -128)


def exact(q: Array, scale: float) -> Array:
    """Real softmax of int8 rows in float64."""
    e = np.exp((q.astype(np.float64) - q.max(axis=1, keepdims=True)) * scale)
    return np.asarray(e / e.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("depth", [1, 2, 3, 7, 10, 31, 64, 257, 1001, 5000])
@pytest.mark.parametrize(
    "output", [USUAL, Quant(0.0023, -128), Quant(0.01, 3), Quant(1 / 255, -100), Quant(0.00001, -128), Quant(1.5, 0)]
)
def test_dense_sweep(depth: int, output: Quant) -> None:
    """Scales from tiny to large, uniform, peaked and constant rows."""
    rng = np.random.default_rng(depth)
    count = max(2, 600 // depth)
    for scale in (1e-5, 0.003, 0.02, 0.1, 0.5, 3.0):
        rows = [
            rng.integers(-128, 128, (count, depth)),
            np.clip(rng.normal(-100, 20, (count, depth)), -128, 127),
            np.full((1, depth), 55),
        ]
        q = np.concatenate(rows).astype(np.int8)
        q[0, depth // 2] = 127
        got = integer_softmax(q, exponentials(scale), *output_factor(output.scale), output.zero_point, -128, 127)
        close(got, exact(q, scale) / output.scale, output.zero_point, 1e-4)


PAIRS = np.stack(np.meshgrid(*[np.arange(-128, 128)] * 2), -1).reshape(-1, 2).astype(np.int8)


@pytest.mark.parametrize("scale", [1e-6, 0.0039, 0.0271, 0.31, 11.0])
def test_every_pair(scale: float) -> None:
    """Softmax and LogSoftmax of all 65536 rows of two values."""
    for output in (USUAL, Quant(0.0023, -128), Quant(0.013, 3)):
        got = integer_softmax(PAIRS, exponentials(scale), *output_factor(output.scale), output.zero_point, -128, 127)
        close(got, exact(PAIRS, scale) / output.scale, output.zero_point, 1e-4)
    for output in (Quant(0.05, 127), Quant(0.4, 100), Quant(0.0031, 127)):
        m, factor = min(round(2.0**20 * scale / output.scale), ONE), output_factor(output.scale)
        got = integer_log_softmax(PAIRS, exponentials(scale), logarithms(), m, *factor, output.zero_point, -128, 127)
        scaled = np.log(np.maximum(exact(PAIRS, scale), 1e-300)) / output.scale
        close(got, scaled, output.zero_point, 1e-3 + 2.0**-18 / output.scale)


def close(got: Array, scaled: Array, zero: int, margin: float) -> None:
    """Never more than one step from the exact real result (in steps) rounded, and equal to it unless that is within `margin` of a tie."""
    off = np.abs(got - np.clip(np.floor(scaled + 0.5) + zero, -128, 127))
    clear = np.abs(scaled - np.floor(scaled) - 0.5) > margin
    assert off.max() <= 1 and not off[clear].any()


@pytest.mark.parametrize(
    "case",
    [((3, 10), 1, None), ((1, 6, 2, 4), 1, (0, 2, 3, 1)), ((1, 6, 2, 4), 2, (0, 2, 3, 1)), ((2, 5, 9), -1, None)],
)
def test_axes_onnxruntime_and_host_c(case: tuple[tuple[int, ...], int, tuple[int, ...] | None]) -> None:
    shape, axis, perm = case
    q = np.random.default_rng(3).integers(-128, 128, shape).astype(np.int8)
    x = Quant(0.0703125, 12)
    got, _ = run_node("Softmax", [Operand(q, x, perm)], shape, USUAL, {"axis": axis})
    want = ort.run("Softmax", [q], {}, {"axis": axis}, quants=[x], out_quant=USUAL, opset=13)[0]
    ort.compare(got, want, 0.98)


@pytest.mark.parametrize("depth", [2, 1001])
def test_host_c_ends_of_the_range(depth: int) -> None:
    q = np.full((4, depth), -128, np.int8)
    q[1], q[2, 0], q[3, ::2] = 127, 127, 5
    for out in (Quant(0.0005, -128), Quant(1.5, 0)):
        run_node("Softmax", [Operand(q, Quant(0.25, 0))], q.shape, out)


@pytest.mark.parametrize("depth", [1, 3, 8, 50, 227])
@pytest.mark.parametrize("zero", [-128, -100, 127])
def test_words(depth: int, zero: int) -> None:
    """The kernel of words: tails, any zero point, a limit, rows of one value."""
    q = np.random.default_rng(depth).integers(-128, 128, (4, depth)).astype(np.int8)
    q[1], q[2] = -128, 127
    for scale in (0.25, 1e-4):
        run_node(
            "Softmax", [Operand(q, Quant(scale, 0))], q.shape, Quant(1 / 256, zero), features=frozenset({"dsp"}), hi=0.5
        )


@pytest.mark.parametrize("depth", [1, 2, 3, 7, 31, 257, 1001, 5000])
@pytest.mark.parametrize(
    "output", [Quant(0.05, 127), Quant(0.4, 127), Quant(1e-7, 127), Quant(2.0**30, 0), Quant(0.1, -128)]
)
def test_logarithms_dense_sweep(depth: int, output: Quant) -> None:
    rng = np.random.default_rng(depth)
    count = max(2, 600 // depth)
    factor, exponent = output_factor(output.scale)
    factor, exponent = (0, LAST_EXPONENT) if exponent > LAST_EXPONENT else (factor, exponent)
    for scale in (1e-5, 0.02, 0.1, 3.0):
        q = np.concatenate([rng.integers(-128, 128, (count, depth)), np.full((1, depth), 55)]).astype(np.int8)
        q[0, depth // 2] = 127
        m = min(round(2.0**20 * scale / max(output.scale, 2.0**-20)), ONE)
        numbers = (exponentials(scale), logarithms(), m, factor, exponent)
        got = integer_log_softmax(q, *numbers, output.zero_point, -128, 127)
        scaled = np.log(np.maximum(exact(q, scale), 1e-300)) / max(output.scale, 2.0**-20)
        close(got, scaled, output.zero_point, 1e-3 + 2.0**-18 / output.scale)


@pytest.mark.parametrize("shape", [((2, 3, 8), -1), ((3, 1), 1), ((1, 6, 5), 1), ((2, 301), 1)])
@pytest.mark.parametrize("output", [Quant(0.0625, 127), Quant(0.3, 0), Quant(2.0**-20, 127), Quant(2.0**30, -128)])
def test_logarithms_host_c(shape: tuple[tuple[int, ...], int], output: Quant) -> None:
    """All integers, as onnxruntime has it."""
    sizes, axis = shape
    q, x = np.random.default_rng(5).integers(-128, 128, sizes).astype(np.int8), Quant(0.0625, 3)
    got, program = run_node("LogSoftmax", [Operand(q, x)], sizes, output, {"axis": axis})
    assert {s.op for s in program.steps} <= {"softmax", "permute"}
    ort.compare(got, ort.run("LogSoftmax", [q], {}, {"axis": axis}, quants=[x], out_quant=output, opset=13)[0], 0.98)


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
def test_float(op: str) -> None:
    x = np.random.default_rng(5).normal(size=(2, 3, 8)).astype(np.float32)
    got, _ = run_node(op, [Operand(x)], x.shape, attrs={"axis": -1})
    np.testing.assert_allclose(got, ort.run(op, [x], {}, {"axis": -1})[0], rtol=1e-4, atol=1e-6)
