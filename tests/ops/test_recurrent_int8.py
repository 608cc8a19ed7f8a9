"""GRU, LSTM and RNN in integers: at most one step from onnxruntime's QDQ run, host C equal to the reference to the byte, no float in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgec.errors import UnsupportedError
from edgec.ir.interp import Interpreter
from edgec.ir.program import Array, Program
from edgec.ops._recurrent_int import fixed, sigmoid, sigmoid_table, tanh
from edgec.ops.registry import by_name
from edgec.schedule.plan import plan
from tests.ops.harness import run_program
from tests.ops.recurrent_bench import Case, arrays, feed, int8_model, onnx_outputs, program_of

INTEGER = {"gru", "lstm", "rnn", "slice", "permute", "copy", "requantize", "constant"}


def compare(got: Mapping[str, Array], want: Mapping[str, Array], share: float) -> None:
    """At most one step apart; `share` of all elements identical."""
    off = np.concatenate([np.abs(got[n].astype(int) - want[n].astype(int)).reshape(-1) for n in want])
    assert off.max() <= 1, f"{off.max()} steps apart"
    assert (off == 0).mean() >= share, f"only {(off == 0).mean():.2%} identical"


def lowered(case: Case, seed: int = 0, per_channel: bool = True) -> tuple[Program, dict[str, Array], dict[str, Array]]:
    """Program, inputs, what onnxruntime makes of them."""
    values = arrays(case, seed)
    model = int8_model(case, values, per_channel)
    sample = feed(model, values)
    program = program_of(model)
    assert {s.op for s in program.steps} <= INTEGER
    assert all(b.dtype == "int8" for b in program.buffers)
    return program, sample, onnx_outputs(model, sample)


@pytest.mark.parametrize("op", ["GRU", "LSTM", "RNN"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("starts", ["none", "constant", "input"])
def test_directions(op: str, direction: str, starts: str) -> None:
    batch = 2 if starts == "input" else 1
    program, sample, want = lowered(Case(op, batch=batch, direction=direction, starts=starts, time=9, hidden=7))
    compare(run_program(program, [sample])[0], want, 0.95)


OPTIONS = [
    Case("GRU", attrs={"linear_before_reset": 1}, starts="constant", time=11),
    Case("GRU", attrs={"linear_before_reset": 1}, direction="bidirectional", batch=2, outputs="H"),
    Case("GRU", attrs={"clip": 0.4, "linear_before_reset": 1}, gain=2.0, time=12),
    Case("GRU", outputs="Y", batch=3, batch_outside=True, direction="bidirectional"),
    Case("GRU", outputs="H", starts="zero", time=1, hidden=1, inputs=1),
    Case("LSTM", bias=False, time=40, hidden=17, inputs=9),
    Case("LSTM", peepholes=True, starts="input", batch=2, direction="bidirectional"),
    Case("LSTM", peepholes=True, starts="input", attrs={"clip": 0.5}, gain=2.0, time=12),
    Case("LSTM", peepholes=True, starts="constant", attrs={"input_forget": 1}),
    Case("LSTM", outputs="C"),
    Case("LSTM", outputs="YC", batch=3),
    Case("RNN", attrs={"activations": ["Relu"]}, gain=0.7, time=20),
    Case("RNN", attrs={"activations": ["Relu"], "clip": 0.5}, starts="input"),
    Case("RNN", attrs={"activations": ["Sigmoid"]}, starts="constant"),
    Case("RNN", attrs={"clip": 0.3}, gain=2.0),
]


@pytest.mark.parametrize(
    "case", OPTIONS, ids=lambda c: f"{c.op}-{c.direction}-{c.starts}-{c.outputs}-{'-'.join(c.attrs)}"
)
@pytest.mark.parametrize("per_channel", [False, True])
def test_options(case: Case, per_channel: bool) -> None:
    program, sample, want = lowered(case, 1, per_channel)
    compare(run_program(program, [sample])[0], want, 0.93)


@pytest.mark.parametrize("op", ["GRU", "LSTM", "RNN"])
@pytest.mark.parametrize("gain", [0.15, 0.5, 1.0, 2.5])
def test_long_sequences_do_not_drift(op: str, gain: float) -> None:
    """300 time steps, 32 hidden: errors of the state do not add up."""
    case = Case(
        op,
        time=300,
        hidden=32,
        inputs=20,
        gain=gain,
        starts="constant",
        attrs={} if op != "GRU" else {"linear_before_reset": 1},
    )
    program, sample, want = lowered(case, 3)
    references = {name: page.reference for name, page in by_name().items()}
    compare(Interpreter(plan(program, frozenset()).program, references).run(sample), want, 0.99)


def edited(model: onnx.ModelProto, changes: Mapping[str, Array]) -> onnx.ModelProto:
    """Constants replaced."""
    for tensor in model.graph.initializer:
        if tensor.name in changes:
            tensor.CopyFrom(onnx.numpy_helper.from_array(changes[tensor.name], tensor.name))
    return model


@pytest.mark.parametrize("op", ["GRU", "LSTM", "RNN"])
def test_weights_with_zero_points(op: str) -> None:
    """int8 and uint8 weights that are not symmetric: wider after the subtraction, the same results."""
    case = Case(op, time=9, hidden=6, direction="bidirectional")
    values = arrays(case, 5)
    model = int8_model(case, values, False)
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    changes = {"W": np.maximum(stored["W"], -120), "W_z": np.int8(-7)}
    changes |= {"R": (stored["R"].astype(int) + 128).astype(np.uint8), "R_z": np.uint8(131)}
    edited(model, changes)
    sample = feed(model, values)
    program = program_of(model)
    assert {s.op for s in program.steps} <= INTEGER
    compare(run_program(program, [sample])[0], onnx_outputs(model, sample), 0.93)


@pytest.mark.parametrize("op", ["GRU", "LSTM", "RNN", "Relu"])
@pytest.mark.parametrize("seed", range(2))
def test_extremes(op: str, seed: int) -> None:
    """All weights and inputs at the ends of int8, scales from tiny to huge: reference and sanitized C agree, nothing overflows."""
    kind = "RNN" if op == "Relu" else op
    attrs = {"activations": ["Relu"]} if op == "Relu" else {}
    case = Case(kind, time=6, hidden=33, inputs=40, starts="input", peepholes=op == "LSTM", attrs=attrs)
    values = arrays(case, seed)
    rng = np.random.default_rng(seed)
    for factor in (1e-6, 1e-2, 30.0):
        model = int8_model(case, values)
        changes: dict[str, Array] = {n: rng.choice([-128, 127], values[n].shape).astype(np.int8) for n in ("W", "R")}
        rows = values["W"].shape[1]
        changes |= {n: np.full(rows, factor, np.float32) for n in ("W_s", "R_s")}
        changes["B"] = (values["B"] * 1e5).astype(np.float32)
        edited(model, changes)
        ports = {p.name: tuple(d.dim_value for d in p.type.tensor_type.shape.dim) for p in model.graph.input}
        samples = [{n: np.full(s, v, np.int8) for n, s in ports.items()} for v in (-128, 127)]
        samples.append({n: rng.choice([-128, 127], s).astype(np.int8) for n, s in ports.items()})
        run_program(program_of(model), samples)


def test_table_functions() -> None:
    """Every 1/4096 from -20 to 20: within 1.6 / 32768 of sigmoid and tanh, odd or symmetric, never falling."""
    a = np.arange(-20 * 65536, 20 * 65536, 16, dtype=np.int64)
    inside = np.clip(a, -(1 << 20), 1 << 20)
    table, real = sigmoid_table().astype(np.int64), a / 65536.0
    s, t = sigmoid(table, inside), tanh(table, inside)
    assert np.abs(s / 65536.0 - 1 / (1 + np.exp(-real))).max() < 1.6 / 65536
    assert np.abs(t / 32768.0 - np.tanh(real)).max() < 1.6 / 32768
    assert (np.diff(s) >= 0).all() and (np.diff(t) >= 0).all()
    assert s.min() >= 1 and s.max() <= 65535 and t.min() >= -32767 and t.max() <= 32767


def test_fixed_factors() -> None:
    for real in (3e-9, 0.4999, 0.5, 1.0, 777.0, 2.0**27.9):
        m, n = fixed(real)
        assert 2**29 <= int(m) < 2**30 and abs(int(m) / 2.0**n / real - 1) < 2**-29
    with pytest.raises(ValueError, match="too large"):
        fixed(2.0**28)


def test_float_where_something_is_not_quantized() -> None:
    """Activations without a table, or a float initial state: float32 between dequantize and quantize, not a refusal."""
    case = Case("GRU", attrs={"activations": ["HardSigmoid", "Tanh"]})
    values = arrays(case)
    model = int8_model(case, values)
    program = program_of(model)
    assert program.buffer(next(s for s in program.steps if s.op == "gru").output).dtype == "float32"
    sample = feed(model, values)
    compare(run_program(program, [sample])[0], onnx_outputs(model, sample), 0.9)


def test_accumulators_that_could_overflow_are_refused() -> None:
    case = Case("LSTM", time=2, hidden=2, inputs=140000, outputs="H")
    values = arrays(case)
    model = int8_model(case, values)
    edited(model, {"W": np.full(values["W"].shape, 127, np.int8)})
    with pytest.raises(UnsupportedError, match="could leave 32 bits"):
        program_of(model)


def test_weights_of_a_trained_gru(shared: Path) -> None:
    """The GRU of gru_fsdd (48 steps, 32 -> 64) with int8 weights on noise: at most one step from onnxruntime."""
    source = onnx.load(str(shared / "models" / "gru_fsdd.onnx"))
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in source.graph.initializer}
    node = next(n for n in source.graph.node if n.op_type == "GRU")
    case = Case("GRU", time=48, inputs=32, hidden=64, attrs={"linear_before_reset": 1})
    values = {**arrays(case), **dict(zip("WRB", (stored[n] for n in node.input[1:4]), strict=True))}
    values["X"] = values["X"] * np.float32(4)
    model = int8_model(case, values)
    sample = feed(model, values)
    compare(run_program(program_of(model), [sample])[0], onnx_outputs(model, sample), 0.99)
