"""Attention, whole: the ONNX operator, Einsum, and QDQ transformer blocks against onnxruntime, in integers only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgec.graph.load import front
from edgec.ir.program import Array, Quant
from edgec.lower import lower
from tests.ops import ort
from tests.ops.attention_block import block, judge, quantized
from tests.ops.harness import run_program
from tests.ops.page_bench import Operand, run_node

A, B = Quant(0.0234375, 3), Quant(0.0517578125, -20)
RNG = np.random.default_rng(31)


@pytest.mark.parametrize(("equation", "left", "right", "const"), [
    ("bnd,dhe->bnhe", (1, 5, 8), (8, 2, 3), True), ("bhid,bhjd->bhij", (1, 2, 5, 8), (1, 2, 4, 8), False),
    ("bhij,bhjd->bihd", (2, 2, 5, 4), (2, 2, 4, 3), False), ("ij,jk", (3, 7), (7, 5), False), ("nd,hdk->hnk", (3, 8), (2, 8, 4), True),
    ("bqhd,bkhd->bhqk", (1, 5, 2, 8), (1, 4, 2, 8), False), ("i,j->ij", (3,), (4,), False),
])  # fmt: skip
def test_einsum(equation: str, left: tuple[int, ...], right: tuple[int, ...], const: bool) -> None:
    x, y = RNG.normal(size=left).astype(np.float32), RNG.normal(size=right).astype(np.float32)
    want = np.einsum(equation, x, y)
    got, _ = run_node("Einsum", [Operand(x), Operand(y, const=const)], want.shape, attrs={"equation": equation})
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    p, q = (RNG.integers(-128, 128, s).astype(np.int8) for s in (left, right))
    out = Quant(0.0513, -7)
    want = ort.run("Einsum", [p, q], {}, {"equation": equation}, quants=[A, B], out_quant=out)[0]
    got, program = run_node(
        "Einsum", [Operand(p, A), Operand(q, B, const=const)], want.shape, out, {"equation": equation}
    )
    ort.compare(got, want, 0.98)
    assert {b.dtype for b in program.buffers} == {"int8"}


def test_einsum_of_one_operand_is_a_transpose() -> None:
    x = RNG.normal(size=(2, 3, 4)).astype(np.float32)
    got, program = run_node("Einsum", [Operand(x)], (4, 2, 3), attrs={"equation": "abc->cab"}, compiled=False)
    np.testing.assert_array_equal(got, x.transpose(2, 0, 1))
    assert program.steps == ()


CASES: list[tuple[dict[str, Any], str | None]] = [
    ({"q_num_heads": 2, "kv_num_heads": 2}, None),
    ({"q_num_heads": 2, "kv_num_heads": 2, "is_causal": 1}, "float"),
    ({"q_num_heads": 4, "kv_num_heads": 2, "scale": 0.3}, "bool"),
    ({"q_num_heads": 4, "kv_num_heads": 1, "is_causal": 1}, None),
    ({"q_num_heads": 4, "kv_num_heads": 4, "softcap": 2.0}, "const"),
    ({}, None),
]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_attention(case: int) -> None:
    attrs, mask = CASES[case]
    heads, keys, s, t, d = attrs.get("q_num_heads", 3), attrs.get("kv_num_heads", 3), 6, 6, 8
    shapes = (
        [(1, s, heads * d), (1, t, keys * d), (1, t, keys * d)]
        if attrs
        else [(1, heads, s, d), (1, keys, t, d), (1, keys, t, d)]
    )
    values: list[Array] = [RNG.normal(size=shape).astype(np.float32) for shape in shapes]
    if mask == "float":
        values.append(RNG.normal(size=(s, t)).astype(np.float32))
    elif mask is not None:
        values.append((RNG.random((1, heads, s, t)) < 0.7) | np.eye(s, t, dtype=bool))
    want = ort.run("Attention", values, {}, attrs, opset=23, out_types=["float32"])[0]
    operands = [Operand(v, const=mask == "const" and i == 3) for i, v in enumerate(values)]
    got, _ = run_node("Attention", operands, want.shape, attrs=attrs)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("tokens", "width", "heads", "hidden"), [(17, 32, 4, 64), (65, 48, 3, 96)])
def test_quantized_block_in_integers_only(tokens: int, width: int, heads: int, hidden: int, tmp_path: Path) -> None:
    """x -> LayerNorm -> Q, K, V -> heads -> softmax -> projection -> residual -> LayerNorm -> erf GELU MLP -> residual."""
    model = block(tokens, width, heads, hidden)
    samples = [RNG.normal(size=(1, tokens, width)).astype(np.float32) for _ in range(4)]
    qdq = quantized(model, samples)
    onnx.save(qdq, tmp_path / "q.onnx")
    program = lower(front(tmp_path / "q.onnx"), "net")
    dtypes = {b.name: b.dtype for b in program.buffers}
    assert {op for s in program.steps if dtypes[s.output] != "int8" for op in [s.op]} == {
        "dequantize"
    }  # the model's float output
    x = samples[0]
    got = run_program(program, [{program.inputs[0].name: x}])[0][program.outputs[0].name]
    want, real = judge(qdq, x), judge(model, x)
    step = np.diff(np.unique(want)).min()
    assert np.abs(got - want).max() <= 2.01 * step and (np.abs(got - want) < step / 2).mean() > 0.99
    assert np.square(got - real).mean() <= 1.01 * np.square(want - real).mean()


def test_a_float_vision_transformer(shared: Path) -> None:
    """interpreter == host C (in run_program), and onnxruntime within 1e-4."""
    path = shared / "models" / "vit_fashion_p7.onnx"
    program = lower(front(path), "net")
    x = RNG.normal(size=(1, 1, 28, 28)).astype(np.float32)
    got = run_program(program, [{program.inputs[0].name: x}])[0][program.outputs[0].name]
    np.testing.assert_allclose(got, judge(onnx.load(path), x), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kwt1_mfcc", "kwt1_raw"])
def test_a_float_keyword_transformer(shared: Path, name: str) -> None:
    path = shared / "models" / f"{name}.onnx"
    program = lower(front(path), "net")
    x = (RNG.normal(size=program.inputs[0].shape) * 0.1).astype(np.float32)
    got = run_program(program, [{program.inputs[0].name: x}])[0][program.outputs[0].name]
    np.testing.assert_allclose(got, judge(onnx.load(path), x), rtol=1e-3, atol=1e-3)
