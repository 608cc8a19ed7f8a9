"""Quantize, dequantize, requantize, constant, copy: equal to numpy, to onnxruntime, and without undefined behaviour
at the edges."""

from __future__ import annotations

import numpy as np
import onnx.helper as oh
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto

from edgec.arithmetic import dequantize, quantize
from edgec.ir.program import Array, Buffer, Port, Step
from edgec.ir.reach import Run
from tests.ops.harness import run_program, run_step, single

EVERY = {"int8": np.arange(-128, 128).astype(np.int8), "uint8": np.arange(256).astype(np.uint8)}


def step(op: str, x: Array, dtype: str, **attrs: float) -> Array:
    rows = x.shape[0]
    buffers = Buffer("x", str(x.dtype), x.shape, rows), Buffer("y", dtype, x.shape, rows)
    return run_step(op, [x], [buffers[0]], buffers[1], [Run(rows)], attrs, {})


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_quantize_edges(dtype: str) -> None:
    """Ties, infinities, NaN, huge values, both zeros."""
    scale = 0.25
    ties = (np.arange(-300, 300) + 0.5) * scale
    near = np.nextafter(ties.astype(np.float32), np.float32(0))
    odd = [np.inf, -np.inf, np.nan, 3e38, -3e38, 1e-45, -0.0, 0.0]
    x = np.concatenate([ties, near, odd]).astype(np.float32).reshape(8, -1)
    zero = 3 if dtype == "int8" else 140
    got = step("quantize", x, dtype, scale=scale, zy=zero)
    number = ~np.isnan(x)
    with np.errstate(over="ignore"):
        assert np.array_equal(got[number], quantize(x[number], scale, zero, dtype))
    assert np.all(got[~number] == np.iinfo(dtype).min)


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(2.0**-20, 100.0, width=32), zero=st.integers(-128, 127))
def test_quantize_random(seed: int, scale: float, zero: int) -> None:
    x = (np.random.default_rng(seed).normal(size=(3, 50)) * scale * 120).astype(np.float32)
    step("quantize", x, "int8", scale=scale, zy=zero)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_dequantize_is_exact(dtype: str) -> None:
    x = EVERY[dtype].reshape(4, 64)
    got = step("dequantize", x, "float32", scale=0.037, zx=5)
    assert np.array_equal(got, dequantize(x, 0.037, 5))


@pytest.mark.parametrize(
    ("source", "target"), [("int8", "int8"), ("uint8", "int8"), ("int8", "uint8"), ("uint8", "uint8")]
)
def test_requantize_is_the_pair(source: str, target: str) -> None:
    """The same as DequantizeLinear and QuantizeLinear in onnxruntime, for every code."""
    x = EVERY[source].reshape(4, 64)
    zx, zy = (7 if source == "int8" else 120), (-3 if target == "int8" else 131)
    got = step("requantize", x, target, sx=0.5, zx=zx, sy=0.25, zy=zy)
    types = {"int8": TensorProto.INT8, "uint8": TensorProto.UINT8}
    init = [
        oh.make_tensor("sx", 1, [], [0.5]), oh.make_tensor("sy", 1, [], [0.25]),
        oh.make_tensor("zx", types[source], [], [zx]), oh.make_tensor("zy", types[target], [], [zy]),
    ]  # fmt: skip
    nodes = [
        oh.make_node("DequantizeLinear", ["x", "sx", "zx"], ["f"]),
        oh.make_node("QuantizeLinear", ["f", "sy", "zy"], ["y"]),
    ]
    ends = (
        [oh.make_tensor_value_info("x", types[source], x.shape)],
        [oh.make_tensor_value_info("y", types[target], x.shape)],
    )
    model = oh.make_model(oh.make_graph(nodes, "g", *ends, init), opset_imports=[oh.make_opsetid("", 13)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert np.array_equal(got, session.run(None, {"x": x})[0])


@pytest.mark.parametrize(("source", "target", "zx", "zy"), [("uint8", "int8", 0, -128), ("int8", "uint8", -128, 0)])
def test_shift_by_128(source: str, target: str, zx: int, zy: int) -> None:
    x = EVERY[source].reshape(4, 64)
    got = step("requantize", x, target, sx=1.0, zx=zx, sy=1.0, zy=zy)
    assert np.array_equal(got.astype(int), x.astype(int) + zy - zx)


@pytest.mark.parametrize("dtype", ["int8", "float32", "int32", "int64"])
def test_constant(dtype: str) -> None:
    """A constant beside an input (a program without inputs has nothing to wait for)."""
    value = np.arange(24).astype(dtype)
    x = np.arange(6).astype(np.int8).reshape(1, 6)
    program = single("copy", [Buffer("x", "int8", x.shape, 1)], Buffer("z", "int8", x.shape, 1), [Run(1)], {}, {})
    made = Buffer("y", dtype, (1, 4, 3, 2), 4)
    program = program.with_(
        buffers=(*program.buffers, made),
        steps=(*program.steps, Step("fill", "constant", (), "y", (), {}, {"value": value})),
        outputs=(*program.outputs, Port("y", "y", made.shape)),
    )
    found = run_program(program, [{"x": x}])[0]
    assert np.array_equal(found["y"].reshape(-1), value) and np.array_equal(found["z"], x)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "float32"])
def test_copy(dtype: str) -> None:
    x = np.arange(24).reshape(4, 6).astype(dtype)
    assert np.array_equal(step("copy", x, dtype), x)
