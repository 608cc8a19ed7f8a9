"""Products of two activations: batches, broadcasting, transposed right operands, Gemm; int8 against onnxruntime, C
against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.errors import UnsupportedError
from edgec.ir.program import Quant
from edgec.ops.matmul import lower_matmul
from tests.ops import ort
from tests.ops.page_bench import Operand, run_node

A, B = Quant(0.0234375, 3), Quant(0.0517578125, -20)
RNG = np.random.default_rng(11)
SHAPES = [
    ((3, 7), (7, 5)),
    ((2, 3, 7), (2, 7, 5)),
    ((2, 3, 7), (7, 5)),
    ((1, 2, 3, 7), (1, 2, 7, 5)),
    ((2, 2, 3, 7), (2, 1, 7, 5)),
    ((3, 7), (2, 7, 5)),
    ((2, 1, 3, 7), (4, 7, 5)),
    ((3, 7), (7,)),
    ((7,), (2, 7, 5)),
]


def codes(*shape: int) -> np.ndarray:  # type: ignore[type-arg]
    return RNG.integers(-128, 128, shape).astype(np.int8)


def output(k: int) -> Quant:
    """A scale that covers most of a random sum."""
    return Quant(float(np.float32(A.scale * B.scale * 70 * 70 * k**0.5 / 50)), -7)


@pytest.mark.parametrize(("left", "right"), SHAPES)
def test_int8(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    a, b = codes(*left), codes(*right)
    y = output(left[-1])
    want = ort.run("MatMul", [a, b], {}, {}, quants=[A, B], out_quant=y, opset=13)[0]
    got, _ = run_node("MatMul", [Operand(a, A), Operand(b, B)], want.shape, y, lower=lower_matmul)
    ort.compare(got, want, 0.99 if want.size > 99 else 0.9)


def test_int8_closeness() -> None:
    a, b = codes(64, 96), codes(96, 64)
    y = output(96)
    want = ort.run("MatMul", [a, b], {}, {}, quants=[A, B], out_quant=y, opset=13)[0]
    got, _ = run_node("MatMul", [Operand(a, A), Operand(b, B)], want.shape, y, lower=lower_matmul, compiled=False)
    ort.compare(got, want, 0.999)


@pytest.mark.parametrize(("left", "right"), SHAPES[1:6])
def test_float(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    a, b = RNG.normal(size=left).astype(np.float32), RNG.normal(size=right).astype(np.float32)
    got, _ = run_node("MatMul", [Operand(a), Operand(b)], np.matmul(a, b).shape, lower=lower_matmul, hi=2.0)
    np.testing.assert_allclose(got, np.minimum(np.matmul(a, b), 2.0), rtol=1e-4, atol=1e-5)


def test_a_right_operand_stored_transposed_is_read_in_place() -> None:
    """Queries times keys: Transpose renamed the axes of the keys, no copy is made."""
    a, b = codes(2, 4, 6, 8), codes(2, 4, 8, 6)
    y = output(8)
    got, program = run_node("MatMul", [Operand(a, A), Operand(b, B, (0, 1, 3, 2))], (2, 4, 6, 6), y, lower=lower_matmul)
    assert [s.op for s in program.steps] == ["matmul"]
    ort.compare(got, ort.run("MatMul", [a, b], {}, {}, quants=[A, B], out_quant=y, opset=13)[0], 0.99)


@pytest.mark.parametrize("k", [1, 3, 4, 7, 8, 13, 16])
@pytest.mark.parametrize("turned", [False, True])
def test_dsp_kernel(k: int, turned: bool) -> None:
    """Tails of rows and columns, extremes of operands and zero points, both layouts of the right operand."""
    for n in (1, 4, 5, 11):
        for x in (A, Quant(A.scale, -128), Quant(A.scale, 127)):
            a, b = codes(2, 3, k), codes(2, k, n)
            a[0], b[0] = -128, 127
            operands = [Operand(a, x), Operand(b, Quant(B.scale, x.zero_point), (0, 2, 1) if turned else None)]
            _, program = run_node("MatMul", operands, (2, 3, n), output(k), lower=lower_matmul, features=frozenset({"dsp"}), compiled=n != 4)
            if min(k, n) > 1:
                assert program.steps[-1].attrs["transposed"] == int(turned)


def test_constant_left_operand_is_stored() -> None:
    a, b = codes(3, 7), codes(2, 7, 5)
    y = output(7)
    got, program = run_node("MatMul", [Operand(a, A, const=True), Operand(b, B)], (2, 3, 5), y, lower=lower_matmul)
    assert [s.op for s in program.steps] == ["constant", "matmul"]
    ort.compare(got, ort.run("MatMul", [a, b], {}, {}, quants=[A, B], out_quant=y, opset=13)[0], 0.9)


@pytest.mark.parametrize("transposed", [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_gemm(transposed: tuple[int, int]) -> None:
    a, b, c = codes(4, 6), codes(6, 5), RNG.normal(size=5).astype(np.float32)
    attrs = {"alpha": 0.5, "beta": 2.0, "transA": transposed[0], "transB": transposed[1]}
    a, b = (np.ascontiguousarray(v.T) if t else v for v, t in zip((a, b), transposed, strict=True))
    y = output(6)
    want = ort.run("Gemm", [a, b, None], {2: c}, attrs, quants=[A, B], out_quant=y, opset=13)[0]
    got, _ = run_node(
        "Gemm", [Operand(a, A), Operand(b, B), Operand(c, const=True)], (4, 5), y, attrs, lower=lower_matmul
    )
    ort.compare(got, want, 0.9)


def test_sums_that_leave_32_bits_are_refused() -> None:
    a, b = np.zeros((1, 40000), np.int8), np.zeros((40000, 1), np.int8)
    with pytest.raises(UnsupportedError, match="32 bits"):
        run_node("MatMul", [Operand(a, Quant(1.0, -128)), Operand(b, Quant(1.0, -128))], (1, 1), A, lower=lower_matmul)


@settings(max_examples=4, deadline=None)
@given(m=st.integers(1, 5), k=st.integers(1, 9), n=st.integers(1, 5), batch=st.integers(1, 3), seed=st.integers(0, 99))
def test_random_shapes(m: int, k: int, n: int, batch: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(-128, 128, s).astype(np.int8) for s in ((batch, m, k), (batch, k, n)))
    run_node("MatMul", [Operand(a, A), Operand(b, B)], (batch, m, n), output(k), lower=lower_matmul, lo=0.0)
