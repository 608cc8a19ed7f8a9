"""Softmax: integer arithmetic within 1 LSB of the exact real result on dense sweeps; float32 and LogSoftmax against
numpy."""

from __future__ import annotations

import numpy as np
import pytest

from edgec.ir.program import Array, Quant
from edgec.ops.softmax import exponentials, integer_softmax, output_factor
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
        scaled = exact(q, scale) / output.scale
        want = np.clip(np.floor(scaled + 0.5) + output.zero_point, -128, 127)
        off = np.abs(got - want)
        clear = np.abs(scaled - np.floor(scaled) - 0.5) > 1e-4
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
        run_node("Softmax", [Operand(q, Quant(scale, 0))], q.shape, Quant(1 / 256, zero), features=frozenset({"dsp"}), hi=0.5)


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("quant", [None, Quant(0.0625, 0)])
def test_float(op: str, quant: Quant | None) -> None:
    """float32; LogSoftmax of int8 goes through float32 and back."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(2, 3, 8)).astype(np.float32)
    if quant is None:
        got, _ = run_node(op, [Operand(x)], x.shape, attrs={"axis": -1})
        np.testing.assert_allclose(got, ort.run(op, [x], {}, {"axis": -1})[0], rtol=1e-4, atol=1e-6)
    elif op == "LogSoftmax":
        q = rng.integers(-128, 128, x.shape).astype(np.int8)
        got, program = run_node(op, [Operand(q, quant)], x.shape, quant, {"axis": -1})
        ort.compare(got, ort.run(op, [q], {}, {"axis": -1}, quants=[quant], out_quant=quant, opset=13)[0])
        assert [s.op for s in program.steps] == ["dequantize", "softmax", "quantize"]
