"""int16x8: every operator that takes or makes int16, against exact arithmetic, onnxruntime and, byte for byte, its C."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx.helper as oh
import onnxruntime
import pytest
from onnx import TensorProto

from edgec.arithmetic import rescale, wide_multipliers
from edgec.errors import UnsupportedError
from edgec.ir.program import Array, Buffer, Program, Quant
from edgec.ir.reach import Run
from edgec.ops.borders import rescaling
from edgec.target import load_target
from tests.ops.arm import check_on, emulated, step_by_step
from tests.ops.convolutions import Layer, check, merged
from tests.ops.harness import run_program, run_step
from tests.ops.stub import Case, const, lower
from tests.ops.test_convolutions import LAYERS


def sixteen(quant: Quant) -> Quant:
    """Roughly the same range in 16 bits."""
    return Quant(float(np.float32(quant.scale / 256)), 0, 16)


def forms(layer: Layer) -> list[Layer]:
    """int16 on both sides, on either; and a result that saturates and is clamped."""
    x, y = sixteen(layer.x_quant), sixteen(layer.y_quant)
    both = replace(layer, x_quant=x, y_quant=y)
    fine = Quant(float(np.float32(y.scale / 9)), 0, 16)
    return [both, replace(layer, y_quant=y), replace(layer, x_quant=x), replace(both, y_quant=fine, lo=0.0)]


def check_all(layers: Sequence[Layer]) -> list[Case]:
    cases = [check(layer) for layer in layers]
    compiled(*merged(cases, [layer.x for layer in layers]))
    return cases


def compiled(program: Program, sample: Mapping[str, Array]) -> None:
    """Portable and DSP kernels as host C under sanitizers against the interpreter, every step on its own."""
    for cpu, features in (("host", frozenset[str]()), ("cortex-m4", frozenset({"dsp"}))):
        placed = step_by_step(program, load_target(cpu), True, False)
        run_program(placed, [sample], features, planned=True)


def test_linear_layers_mean_the_exact_sum():
    for layer in LAYERS.values():
        for form in forms(layer):
            check(form)
    check_all([forms(layer)[i % 4] for i, layer in enumerate(LAYERS.values())])


def test_sums_beyond_int32_are_made_in_int64():
    """Largest weights and inputs, and biases at their edge: proven layer by layer, never assumed."""
    names = ["3x3", "groups", "1x1", "depthwise 5x5", "matmul", "gemm"]
    layers = []
    for name in names:
        layer = forms(LAYERS[name])[0]
        full = replace(layer, weight=np.full_like(layer.weight, -128), y_quant=Quant(0.05, 0, 16))
        layers.append(full)
        if layer.bias is not None:
            edge = np.where(np.arange(layer.bias.size) % 2, 2**31 - 1, -(2**31)).astype(np.int32)
            layers.append(replace(layer, bias=edge, y_quant=Quant(1.0, 0, 16)))
    cases = check_all(layers)
    wide = [step.attrs["wide"] for case in cases for step in case.program.steps if "wide" in step.attrs]
    assert True in wide and False in wide


def test_int8_inputs_keep_their_proof():
    layer = replace(LAYERS["3x3"], y_quant=sixteen(LAYERS["3x3"].y_quant))
    layer = replace(layer, bias=np.full(layer.bias.size, 2**31 - 100, np.int32))
    with pytest.raises(UnsupportedError, match="accumulator of output channel"):
        check(layer)


def test_multipliers_leave_room_for_the_sum():
    for bound in (1, 2**15, 2**31, 2**40):
        for top in (1e-9, 0.3, 0.5, 1.0, 900.0):
            m, k = wide_multipliers(np.array([top, -top / 3, 0.0]), bound)
            assert int(np.abs(m).max()) * bound < 2**62 and 1 <= k <= 62
            assert abs(m[0] / 2.0**k - top) <= top * 2.0**-19
    with pytest.raises(ValueError, match="64 bits"):
        wide_multipliers(np.array([0.5]), 2**43)
    assert rescale(np.array([-3, 3]), 1, 1, 0, -9, 9).tolist() == [-1, 2]  # half up


def model(nodes: Sequence[Any], x: Array, y: str, constants: dict[str, Array]) -> Array:
    """onnxruntime on one input, integers in, integers out."""
    types = {"int8": TensorProto.INT8, "int16": TensorProto.INT16}
    init = [
        oh.make_tensor(k, oh.np_dtype_to_tensor_dtype(v.dtype), v.shape, v.reshape(-1)) for k, v in constants.items()
    ]
    ends = (
        [oh.make_tensor_value_info("x", types[str(x.dtype)], x.shape)],
        [oh.make_tensor_value_info("y", types[y], None)],
    )
    made = oh.make_model(oh.make_graph(nodes, "g", *ends, init), opset_imports=[oh.make_opsetid("", 21)], ir_version=10)
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def every(dtype: str) -> Array:
    info = np.iinfo(dtype)
    step = 1 if dtype == "int8" else 37
    return np.append(np.arange(info.min, info.max, step), [info.max] * (3 if dtype == "int16" else 1)).astype(dtype)


@pytest.mark.parametrize(("source", "target"), [("int8", "int16"), ("int16", "int8"), ("int16", "int16")])
@pytest.mark.parametrize("ratio", [1.0, 0.37, 1 / 256, 3.1, 1e7])
def test_requantize_is_the_onnx_pair_but_for_ties(source: str, target: str, ratio: float) -> None:
    zx, zy = 7 if source == "int8" else 0, -3 if target == "int8" else 0
    sx, sy = np.float32(0.01 * ratio), np.float32(0.01)
    x = every(source)[None]
    x = x[:, : x.size // 8 * 8].reshape(4, -1)
    buffers = Buffer("x", source, x.shape, 4), Buffer("y", target, x.shape, 4)
    quants = [Quant(float(s), z, 8 * np.dtype(t).itemsize) for s, z, t in ((sx, zx, source), (sy, zy, target))]
    attrs = rescaling(quants[0], quants[1], quants[1].lowest, quants[1].highest)
    got = run_step("requantize", [x], [buffers[0]], buffers[1], [Run(4)], attrs, {})
    nodes = [
        oh.make_node("DequantizeLinear", ["x", "sx", "zx"], ["f"]),
        oh.make_node("QuantizeLinear", ["f", "sy", "zy"], ["y"]),
    ]
    numbers = {"sx": np.array(sx), "sy": np.array(sy), "zx": np.array(zx, source), "zy": np.array(zy, target)}
    want = model(nodes, x, target, numbers)
    exact = (x.astype(np.float64) - zx) * (float(sx) / float(sy))
    tie = np.abs(exact - np.floor(exact) - 0.5) < 3e-3
    assert np.array_equal(got[~tie], want[~tie])
    assert np.abs(got.astype(int) - want).max() <= 1


def test_float_borders() -> None:
    x = np.concatenate([np.linspace(-400, 400, 997), [np.nan, np.inf, -np.inf, 3e38, -0.0]]).astype(np.float32)[None]
    buffers = Buffer("x", "float32", x.shape, 1), Buffer("y", "int16", x.shape, 1)
    q = run_step("quantize", [x], [buffers[0]], buffers[1], [Run(1)], {"scale": 0.01, "zy": 0}, {})
    assert q[0, -5:-1].tolist() == [-32768, 32767, -32768, 32767]
    back = run_step("dequantize", [q], [buffers[1]], buffers[0], [Run(1)], {"scale": 0.01, "zx": 0}, {})
    inside = np.abs(x) < 327
    assert np.abs(back - x)[inside].max() <= 0.005001


PERM = (0, 2, 3, 1)
X8, X16 = Quant(0.05, 11), Quant(0.05 / 256, 0, 16)
Y8, Y16 = Quant(0.08, -7), Quant(0.08 / 256, 0, 16)
KINDS = [(X16, X16, Y16), (X16, X8, Y16), (X8, X16, Y8), (X8, X8, Y16), (X16, X16, Y8)]


def values(shape: tuple[int, ...], quant: Quant, seed: int = 1) -> Array:
    x = np.random.default_rng([seed, *shape]).integers(quant.lowest, quant.highest + 1, shape).astype(quant.dtype)
    x.reshape(-1)[0], x.reshape(-1)[-1] = quant.lowest, quant.highest
    return x


def real(x: Array, quant: Quant) -> Array:
    return (x.astype(np.float64) - quant.zero_point) * quant.scale


def close(got: Array, exact: Array, quant: Quant, worst: int = 0, tie: float = 2e-3) -> None:
    """Rounded half up, and saturated; near a tie one apart."""
    scaled = exact / quant.scale
    want = np.clip(np.floor(scaled + 0.5) + quant.zero_point, quant.lowest, quant.highest)
    off = np.abs(got.astype(np.int64) - want)
    near = np.abs(scaled - np.floor(scaled) - 0.5) < tie
    assert off[~near].max(initial=0) <= worst and off.max() <= 1


def prelu(a: Array, b: Array) -> Array:
    return np.where(a < 0, a * b, a)


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "PRelu"])
def test_two_operands(op: str) -> None:
    """All mixtures of types, and every way operand b may lie."""
    function = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "PRelu": prelu}[op]
    cases, samples = [], []
    for a, b, y in KINDS:
        for other in ((1, 5, 3, 4), (1, 5, 1, 1), (1, 1, 3, 4), (1, 1, 1, 1)):
            case = lower(op, [((1, 5, 3, 4), a, PERM), (other, b, PERM)], [(1, 5, 3, 4)], quant=y)
            x = [values((1, 5, 3, 4), a), values(other, b, 2)]
            close(case.run(x)[0], function(real(x[0], a), real(x[1], b)), y)
            cases, samples = [*cases, case], [*samples, x]
    compiled(*merged(cases, samples))


ONE = [(X16, Y16), (X16, Y8), (X8, Y16)]
VECTOR = np.array([0.9, -1.7, 0.0, 2.3, 1e-4], np.float32)


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "PRelu"])
def test_constant_operands(op: str) -> None:
    cases, samples = [], []
    vector = np.where(np.abs(VECTOR) < 0.1, np.float32(0.5), VECTOR) if op == "Div" else VECTOR
    for x_quant, y in ONE:
        for k, last in ((vector.reshape(1, 5, 1, 1), True), (vector[:1], True), (vector.reshape(1, 5, 1, 1), False)):
            if not last and op in ("Div", "PRelu"):
                continue
            x = values((1, 5, 3, 4), x_quant)
            given: list[Any] = [((1, 5, 3, 4), x_quant, PERM), const(k, "float32")]
            case = lower(op, given if last else given[::-1], [x.shape], quant=y)
            a, b = real(x, x_quant), k.astype(np.float64)
            a, b = (a, b) if last else (b, a)
            exact = {"Add": a + b, "Sub": a - b, "Mul": a * b}.get(op)
            if exact is None:
                exact = a / b if op == "Div" else prelu(a, b)
            close(case.run([x])[0], exact, y)
            cases, samples = [*cases, case], [*samples, [x]]
    compiled(*merged(cases, samples))


UNARY = {
    "Sigmoid": lambda v: 1 / (1 + np.exp(-v)),
    "Tanh": np.tanh,
    "Gelu": None,
    "SiLU": lambda v: v / (1 + np.exp(-v)),
    "LeakyRelu": lambda v: np.where(v < 0, 0.01 * v, v),
    "Abs": np.abs,
    "Relu": lambda v: np.maximum(v, 0),
}


def test_functions_of_one_value() -> None:
    """Every int16 code: never more than one from the exact result rounded; nothing falls back to float32."""
    from edgec.kernels.functions import evaluate

    cases, samples = [], []
    for op, function in UNARY.items():
        for x_quant, y in ((X16, Quant(2.0**-15, 0, 16)), (X16, Quant(1 / 200, -30)), (X8, Quant(2.0**-13, 0, 16))):
            x = np.resize(every(x_quant.dtype), (1, 7, 260))
            case = lower(op, [(x.shape, x_quant, (0, 1, 2))], [x.shape], quant=y)
            assert all(b.dtype != "float32" for b in case.program.buffers)
            v = real(x, x_quant)
            exact = evaluate("Gelu", v, {}) if function is None else function(v)
            close(case.run([x])[0], exact, y, worst=1 if x_quant.bits == 16 else 0)
            cases, samples = [*cases, case], [*samples, [x]]
    compiled(*merged(cases, samples))


def test_a_function_no_table_is_close_to_is_left_to_float32() -> None:
    from edgec.ops.unary import knot_table

    assert knot_table(lambda v: 1.0 / v, X16, Y16, -32768, 32767) is None
    assert knot_table(np.tanh, X16, Quant(2.0**-15, 0, 16), -32768, 32767) is not None


def test_pools_and_reductions() -> None:
    shape, cases, samples = (1, 5, 7, 6), [], []
    pool = {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 1, 1, 0]}
    for x_quant, y in ONE:
        x = values(shape, x_quant)
        v = real(x, x_quant)
        padded = np.pad(v, ((0, 0), (0, 0), (1, 1), (1, 0)), constant_values=np.nan)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 2), (2, 3))[:, :, ::2]
        source = [(shape, x_quant, PERM)]
        case = lower("AveragePool", source, [windows.shape[:4]], pool, quant=y)
        close(case.run([x])[0], np.nanmean(windows, axis=(4, 5)), y, tie=1e-6)
        whole = lower("GlobalAveragePool", source, [(1, 5, 1, 1)], quant=y)
        close(whole.run([x])[0], v.mean(axis=(2, 3), keepdims=True), y, tie=1e-6)
        cases, samples = [*cases, case, whole], [*samples, [x], [x]]
        if x_quant.bits == 16:
            most = lower("MaxPool", source, [windows.shape[:4]], pool, quant=x_quant)
            assert np.array_equal(real(most.run([x])[0], x_quant), np.nanmax(windows, axis=(4, 5)))
            top = lower("GlobalMaxPool", source, [(1, 5, 1, 1)], quant=x_quant)
            assert np.array_equal(top.run([x])[0], x.max(axis=(2, 3), keepdims=True))
            cases, samples = [*cases, most, top], [*samples, [x], [x]]
    compiled(*merged(cases, samples))


def test_movement_of_int16() -> None:
    shape, cases, samples = (1, 6, 5, 4), [], []
    x = values(shape, X16)
    moves: list[tuple[str, list[Any], tuple[int, ...], dict[str, Any], Array]] = [
        ("Concat", [(shape, X16, PERM), (shape, X16, PERM)], (1, 12, 5, 4), {"axis": 1}, np.concatenate([x, x[:, ::-1]], 1)),
        ("Concat", [(shape, X16, PERM), (shape, X16, PERM)], (1, 6, 10, 4), {"axis": 2}, np.concatenate([x, x[:, ::-1]], 2)),
        ("Slice", [(shape, X16, PERM), const([1, 1]), const([4, 3]), const([1, 3])], (1, 3, 5, 2), {}, x[:, 1:4, :, 1:3]),
        ("Pad", [(shape, X16, PERM), const([0, 0, 1, 0, 0, 0, 0, 2])], (1, 6, 6, 6), {}, np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 2)))),
    ]  # fmt: skip
    for op, inputs, out, attrs, want in moves:
        case = lower(op, inputs, [out], attrs, quant=X16)
        given = [x, np.ascontiguousarray(x[:, ::-1])][: len(case.inputs)]
        assert np.array_equal(case.run(given)[0], want)
        cases, samples = [*cases, case], [*samples, given]
    compiled(*merged(cases, samples))


@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m0plus"])
def test_emulated(cpu: str, tmp_path: Path) -> None:
    """Layers of all forms in one boot: 64-bit sums and products on cores with and without long multiplication."""
    target = emulated(cpu)
    layers = [
        f for name in ("3x3 stride 2, pad at the end", "groups", "depthwise", "gemm") for f in forms(LAYERS[name])
    ]
    cases: list[Case] = [check(layer) for layer in layers]
    samples: list[list[Array]] = [[layer.x] for layer in layers]
    for op in ("Add", "Mul"):
        cases.append(lower(op, [((1, 5, 3, 4), X16, PERM), ((1, 5, 3, 4), X8, PERM)], [(1, 5, 3, 4)], quant=Y16))
        samples.append([values((1, 5, 3, 4), X16), values((1, 5, 3, 4), X8)])
    for op, attrs in (("Tanh", {}), ("AveragePool", {"kernel_shape": [5, 4]})):
        out = (1, 5, 1, 1) if attrs else (1, 5, 5, 4)
        cases.append(lower(op, [((1, 5, 5, 4), X16, PERM)], [out], attrs, quant=Y16))
        samples.append([values((1, 5, 5, 4), X16)])
    program, sample = merged(cases, samples)
    placed = step_by_step(program, target, True, False)
    check_on(target, tmp_path / "package", placed, [sample])
