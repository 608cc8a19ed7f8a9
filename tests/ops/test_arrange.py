"""Gather at run time, ArgMax, TopK, CumSum, Scatter, comparisons, Where, Cast: onnxruntime, interpreter and host C."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgec.errors import UnsupportedError
from edgec.ir.program import Array, Quant
from edgec.ops.registry import by_onnx
from tests.ops import ort
from tests.ops.page_bench import Operand, run_node

X, Y = Quant(0.0390625, 7), Quant(0.0625, -4)
RNG = np.random.default_rng(23)


def codes(*shape: int) -> Array:
    return RNG.integers(-128, 128, shape).astype(np.int8)


@pytest.mark.parametrize(("table", "index", "axis"), [
    ((11, 6), (5,), 0), ((11, 6), (1, 4), 0), ((3, 7), (2, 2), 1), ((2, 5, 3, 4), (3,), 1), ((6, 4, 5), (), 0),
])  # fmt: skip
@pytest.mark.parametrize("const", [True, False])
@pytest.mark.parametrize("dtype", ["int64", "int32"])
def test_gather(table: tuple[int, ...], index: tuple[int, ...], axis: int, const: bool, dtype: str) -> None:
    which = np.asarray(RNG.integers(-table[axis], table[axis], index), dtype)
    for value, quant in ((codes(*table), X), (RNG.normal(size=table).astype(np.float32), None)):
        want = np.take(value, which, axis=axis)
        got, program = run_node(
            "Gather", [Operand(value, quant, const=const), Operand(which)], want.shape, quant, {"axis": axis}
        )
        np.testing.assert_array_equal(got, want)
        assert [s.op for s in program.steps] == ["take"]


def test_gather_requantizes_a_constant_table_and_clamps_wild_indices() -> None:
    table, which = codes(9, 4), np.array([3, 100, -100, 8], np.int64)
    got, program = run_node("Gather", [Operand(table, X, const=True), Operand(which)], (4, 4), Y, {"axis": 0})
    real = (table[[3, 8, 0, 8]].astype(np.float32) - X.zero_point) * np.float32(X.scale)
    np.testing.assert_array_equal(got, np.clip(np.rint(real / Y.scale) + Y.zero_point, -128, 127))
    assert [s.op for s in program.steps] == ["take"]


@pytest.mark.parametrize("op", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize(("shape", "axis", "perm"), [
    ((3, 10), 1, None), ((1, 6, 4, 5), 1, (0, 2, 3, 1)), ((1, 6, 4, 5), 2, (0, 2, 3, 1)), ((4, 5, 6), 0, None), ((7,), 0, None),
])  # fmt: skip
@pytest.mark.parametrize("last", [0, 1])
def test_argmax(op: str, shape: tuple[int, ...], axis: int, perm: tuple[int, ...] | None, last: int) -> None:
    for keep in (0, 1):
        attrs = {"axis": axis, "keepdims": keep, "select_last_index": last}
        for value, quant in ((codes(*shape) // 16, X), (RNG.integers(-3, 3, shape).astype(np.float32), None)):
            want = ort.run(op, [value], {}, attrs, out_types=["int64"])[0] if quant is None else None
            real = value.astype(np.float32)
            model = np.asarray(ort_positions(op, real, axis, last))
            model = np.expand_dims(model, axis) if keep else model
            got, _ = run_node(op, [Operand(value, quant, perm)], model.shape, attrs=attrs, compiled=keep != last)
            assert got.dtype == np.int64
            np.testing.assert_array_equal(got, model if want is None else want)


def ort_positions(op: str, x: Array, axis: int, last: int) -> Array:
    x = x if op == "ArgMax" else -x
    return x.shape[axis] - 1 - np.argmax(np.flip(x, axis), axis) if last else np.argmax(x, axis)


@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize(
    ("shape", "axis", "perm"), [((3, 10), -1, None), ((1, 6, 4, 5), 1, (0, 2, 3, 1)), ((2, 9, 3), 1, None)]
)
def test_topk(largest: int, shape: tuple[int, ...], axis: int, perm: tuple[int, ...] | None) -> None:
    k = np.array([4], np.int64)
    out = tuple(4 if a == axis % len(shape) else n for a, n in enumerate(shape))
    attrs = {"axis": axis, "largest": largest}
    for value, quant in ((codes(*shape) // 8, X), (RNG.integers(-9, 9, shape).astype(np.float32), None)):
        want = ort.run(
            "TopK", [value.astype(np.float32), None], {1: k}, attrs, outputs=2, out_types=["float32", "int64"]
        )
        for i in (0, 1):
            outputs = [("y", out), ("i", out)]
            lower = lambda unit, ctx, i=i: by_onnx()["TopK"].lower_all(unit, ctx)[i]  # noqa: E731
            got, _ = run_node(
                "TopK",
                [Operand(value, quant, perm), Operand(k, const=True)],
                out,
                attrs=attrs,
                lower=lower,
                outputs=outputs,
            )
            np.testing.assert_array_equal(got, want[i])


@pytest.mark.parametrize("exclusive", [0, 1])
@pytest.mark.parametrize("reverse", [0, 1])
@pytest.mark.parametrize(
    ("shape", "axis", "perm"), [((3, 40), 1, None), ((2, 6, 3), 1, None), ((1, 6, 4, 5), 1, (0, 2, 3, 1))]
)
def test_cumsum(exclusive: int, reverse: int, shape: tuple[int, ...], axis: int, perm: tuple[int, ...] | None) -> None:
    attrs, where = {"exclusive": exclusive, "reverse": reverse}, np.array(axis, np.int64)
    y = Quant(0.17313, 3)
    q = codes(*shape)
    got, _ = run_node("CumSum", [Operand(q, X, perm), Operand(where, const=True)], shape, y, attrs)
    ort.compare(got, ort.run("CumSum", [q, None], {1: where}, attrs, quants=[X], out_quant=y)[0], 0.97)
    for x in (
        RNG.normal(size=shape).astype(np.float32),
        RNG.integers(-(2**62), 2**62, shape),
        RNG.integers(-9, 9, shape).astype(np.int32),
    ):
        got, _ = run_node("CumSum", [Operand(x, perm=perm), Operand(where, const=True)], shape, attrs=attrs)
        want = ort.run("CumSum", [x, None], {1: where}, attrs)[0]
        np.testing.assert_allclose(got, want, rtol=1e-4 if x.dtype == np.float32 else 0, atol=1e-6)


def test_scatter() -> None:
    index = np.array([[0, 1], [2, -1], [0, 1]], np.int64)
    for data, updates, quant in (
        (codes(3, 4, 5), codes(3, 5), X),
        (*(RNG.normal(size=s).astype(np.float32) for s in ((3, 4, 5), (3, 5))), None),
    ):
        want = np.array(data)
        for (a, b), row in zip(index, updates, strict=True):
            want[a, b] = row
        operands = [Operand(data, quant), Operand(index, const=True), Operand(updates, quant)]
        np.testing.assert_array_equal(run_node("ScatterND", operands, data.shape, quant)[0], want)
    data, updates, where = (
        RNG.normal(size=(3, 5)).astype(np.float32),
        RNG.normal(size=(2, 2)).astype(np.float32),
        np.array([[1, -1], [0, 2]]),
    )
    want = ort.run("ScatterElements", [data, None, updates], {1: where}, {"axis": 1})[0]
    got, _ = run_node(
        "ScatterElements", [Operand(data), Operand(where, const=True), Operand(updates)], data.shape, attrs={"axis": 1}
    )
    np.testing.assert_array_equal(got, want)
    with pytest.raises(UnsupportedError, match="outside"):
        run_node("ScatterND", [Operand(data), Operand(np.array([[3]]), const=True), Operand(updates)], data.shape)
    with pytest.raises(UnsupportedError, match="reduction"):
        run_node(
            "ScatterND",
            [Operand(data), Operand(np.array([[1]]), const=True), Operand(updates)],
            data.shape,
            attrs={"reduction": "add"},
        )


COMPARISONS = ["Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"]


@pytest.mark.parametrize("op", COMPARISONS)
@pytest.mark.parametrize(
    ("left", "right"), [((2, 3, 4), (2, 3, 4)), ((2, 3, 4), (4,)), ((3, 1), (2, 1, 4)), ((2, 3, 4), ())]
)
def test_compare(op: str, left: tuple[int, ...], right: tuple[int, ...]) -> None:
    pairs: list[tuple[Array, Array, Quant | None]] = [
        (RNG.integers(-3, 3, left).astype(t), np.asarray(RNG.integers(-3, 3, right), t), None)
        for t in ("float32", "int64", "int32")
    ]
    pairs.append((codes(*left) // 40, np.asarray(codes(*right) // 40), X))
    for a, b, quant in pairs:
        want = compared(op, a, b) if quant else ort.run(op, [a, b], {}, {}, out_types=["bool"])[0]
        for const in (False, True):
            compiled = (op == "Less") is const and a.dtype != np.int32  # every kernel form once
            got, _ = run_node(op, [Operand(a, quant), Operand(b, quant, const=const)], want.shape, compiled=compiled)
            np.testing.assert_array_equal(got, want)


def compared(op: str, a: Array, b: Array) -> Array:
    numpy = {
        "Equal": np.equal,
        "Greater": np.greater,
        "Less": np.less,
        "GreaterOrEqual": np.greater_equal,
        "LessOrEqual": np.less_equal,
    }
    return np.asarray(numpy[op](a, b))


def test_compare_with_a_real_constant_is_one_table() -> None:
    q, limit = codes(4, 6), np.float32(0.5)
    real = (q.astype(np.float32) - X.zero_point) * np.float32(X.scale)
    got, program = run_node("Greater", [Operand(q, X), Operand(limit, const=True)], q.shape)
    np.testing.assert_array_equal(got, real > limit)
    assert program.steps[0].attrs["kind"] == "table"
    got, _ = run_node("Greater", [Operand(limit, const=True), Operand(q, X)], q.shape)
    np.testing.assert_array_equal(got, limit > real)


@pytest.mark.parametrize("op", ["And", "Or", "Xor", "Not"])
def test_logic(op: str) -> None:
    a, b = RNG.random((3, 4)) < 0.5, RNG.random((3, 4)) < 0.5
    want = {"And": a & b, "Or": a | b, "Xor": a ^ b, "Not": ~a}[op]
    got, _ = run_node(op, [Operand(a), Operand(b)][: 1 if op == "Not" else 2], a.shape)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("constants", ["", "c", "a", "b", "ab", "cb"])
@pytest.mark.parametrize(
    "shapes", [((2, 3, 4), (2, 3, 4), (2, 3, 4)), ((1, 3, 1), (2, 3, 4), ()), ((3, 4), (2, 1, 4), (3, 1))]
)
def test_where(constants: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    condition = RNG.random(shapes[0]) < 0.5
    for make, quant in (
        (lambda s: np.asarray(RNG.normal(size=s), np.float32), None),
        (lambda s: np.asarray(codes(*s)), X),
    ):
        a, b = make(shapes[1]), make(shapes[2])
        want = np.where(condition, a, b)
        operands = [
            Operand(condition, const="c" in constants),
            *(Operand(v, quant, const=n in constants) for v, n in ((a, "a"), (b, "b"))),
        ]
        got, _ = run_node("Where", operands, want.shape, quant)
        np.testing.assert_array_equal(got, want)


def test_where_brings_both_sides_to_the_output_scale() -> None:
    """A masked score: the constant saturates at the lowest code, as QuantizeLinear of it does."""
    condition, q, low = RNG.random((4, 6)) < 0.5, codes(4, 6), np.float32(-1e9)
    got, program = run_node("Where", [Operand(condition), Operand(q, X), Operand(low, const=True)], q.shape, Y)
    real = np.where(condition, (q.astype(np.float32) - X.zero_point) * np.float32(X.scale), low)
    np.testing.assert_array_equal(got, np.clip(np.rint(real / Y.scale) + Y.zero_point, -128, 127))
    assert [s.op for s in program.steps] == ["requantize", "where"]


CASTS: list[tuple[Any, str]] = [
    (np.array([[-3.7, 2.5, 1e20, -1e20, np.nan, 0.0]], np.float32), "int32"),
    (np.array([[-3.7, 2.5, 1e9, 0.3]], np.float32), "int64"),
    (np.array([[-3.7, 0.0, 1e9, 0.3]], np.float32), "bool"),
    (np.array([[-3, 0, 2**40 + 5]], np.int64), "float32"),
    (np.array([[-3, 0, 2**40 + 5]], np.int64), "int32"),
    (np.array([[True, False]]), "float32"),
    (np.array([[True, False]]), "int64"),
    (np.array([[-3, 0, 7]], np.int32), "bool"),
]


@pytest.mark.parametrize("case", range(len(CASTS)))
def test_cast(case: int) -> None:
    x, target = CASTS[case]
    got, _ = run_node("Cast", [Operand(x)], x.shape, out_dtype=target)
    with np.errstate(all="ignore"):
        want = x.astype(target)
    if case == 0:
        want = np.array([[-3, 2, 2**31 - 1, -(2**31), 0, 0]], np.int32)
    assert got.dtype == np.dtype(target)
    np.testing.assert_array_equal(got, want)
