"""GRU, LSTM and RNN in float32: every direction and option against onnxruntime, and host C against the reference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgec.errors import UnsupportedError
from edgec.ir.program import Array
from tests.ops.harness import run_program
from tests.ops.recurrent_bench import Case, arrays, feed, float_model, onnx_outputs, program_of

DIRECTIONS = ("forward", "reverse", "bidirectional")
OPTIONS = [
    Case("GRU", attrs={"linear_before_reset": 1}, starts="constant"),
    Case("GRU", attrs={"clip": 0.4}, gain=2.0, time=12),
    Case("GRU", attrs={"clip": 0.4, "linear_before_reset": 1}, gain=2.0, time=12),
    Case("GRU", attrs={"activations": ["HardSigmoid", "Softsign"]}),
    Case(
        "GRU",
        attrs={"activations": ["sigmoid", "LeakyRelu"] * 2, "activation_alpha": [0.2, 0.2]},
        direction="bidirectional",
    ),
    Case("GRU", starts="zero", time=1, hidden=1, inputs=1),
    Case("GRU", lens=True, outputs="H", batch=2),
    Case("GRU", outputs="Y", batch=3, batch_outside=True, direction="bidirectional"),
    Case("GRU", outputs="YH", batch=3, batch_outside=True, direction="reverse", starts="input"),
    Case("LSTM", bias=False, time=40, hidden=17, inputs=9),
    Case("LSTM", peepholes=True, starts="constant", batch=2, direction="bidirectional"),
    Case("LSTM", peepholes=True, starts="input", attrs={"clip": 0.5}, gain=2.0, time=12),
    Case("LSTM", attrs={"input_forget": 1}),
    Case("LSTM", peepholes=True, attrs={"input_forget": 1}, starts="constant"),
    Case("LSTM", outputs="C"),
    Case("LSTM", outputs="YC", batch=3),
    Case("LSTM", outputs="HC", direction="bidirectional"),
    Case(
        "LSTM",
        attrs={"activations": ["HardSigmoid", "Tanh", "Relu"], "activation_alpha": [0.3], "activation_beta": [0.4]},
    ),
    Case("RNN", attrs={"activations": ["Relu"]}),
    Case("RNN", attrs={"activations": ["Sigmoid"]}, starts="constant"),
    Case("RNN", attrs={"clip": 0.3}, gain=2.0),
]


def check(case: Case, seed: int = 0) -> None:
    values = arrays(case, seed)
    model = float_model(case, values)
    sample = feed(model, values)
    want = onnx_outputs(model, sample)
    got = run_program(program_of(model), [sample])[0]
    for name, array in want.items():
        np.testing.assert_allclose(got[name], array, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("op", ["GRU", "LSTM", "RNN"])
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("starts", ["none", "constant", "input"])
def test_directions(op: str, direction: str, starts: str) -> None:
    check(Case(op, batch=2 if starts == "input" else 1, direction=direction, starts=starts))


@pytest.mark.parametrize(
    "case", OPTIONS, ids=lambda c: f"{c.op}-{c.direction}-{c.starts}-{c.outputs}-{'-'.join(c.attrs)}"
)
def test_options(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("op", ["GRU", "LSTM", "RNN"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_batch_in_front(op: str, direction: str) -> None:
    """layout = 1, which onnxruntime does not run: the same numbers with time and batch exchanged."""
    case = Case(op, batch=3, time=4, direction=direction, starts="input")
    values = arrays(case)
    plain = float_model(case, values)
    want = onnx_outputs(plain, feed(plain, values))
    turned = {n: v.transpose(1, 0, 2) if n in ("X", "h0", "c0") else v for n, v in values.items()}
    model = float_model(replace(case, attrs={"layout": 1}), turned)
    got = run_program(program_of(model), [feed(model, turned)])[0]
    for name, array in want.items():
        axes = (2, 0, 1, 3) if name == "Y" else (1, 0, 2)
        np.testing.assert_allclose(got[name], array.transpose(axes), rtol=1e-4, atol=1e-5, err_msg=name)


def test_last_state_is_a_row_of_the_sequence() -> None:
    """Y_h beside Y costs one row copy, not a second sequence."""
    case = Case("GRU")
    program = program_of(float_model(case, arrays(case)))
    assert [s.op for s in program.steps] == ["gru", "slice"]
    assert program.buffer(program.steps[0].output).elements == case.time * case.hidden


def test_only_the_last_state_is_stored() -> None:
    """Without Y the output is one state, however long the sequence."""
    case = Case("LSTM", time=100, outputs="H")
    program = program_of(float_model(case, arrays(case)))
    assert [s.op for s in program.steps] == ["lstm"]
    assert program.buffer(program.steps[0].output).elements == case.hidden


def test_rows_of_a_bidirectional_sequence_join_for_free() -> None:
    """What PyTorch writes behind: Transpose [0,2,1,3] and Reshape to [T,N,2H] move nothing."""
    case = Case("GRU", direction="bidirectional", outputs="Y", batch=2)
    model = float_model(case, arrays(case))
    model.graph.output.pop()
    shape = helper.make_tensor("shape", TensorProto.INT64, [3], [case.time, case.batch, 2 * case.hidden])
    model.graph.initializer.append(shape)
    model.graph.node.append(helper.make_node("Transpose", ["Y"], ["moved"], perm=[0, 2, 1, 3]))
    model.graph.node.append(helper.make_node("Reshape", ["moved", "shape"], ["joined"]))
    model.graph.output.append(helper.make_tensor_value_info("joined", TensorProto.FLOAT, None))
    program = program_of(model)
    assert [s.op for s in program.steps] == ["gru"]
    sample = feed(model, arrays(case))
    want = onnx_outputs(model, sample)["joined"]
    np.testing.assert_allclose(run_program(program, [sample])[0]["joined"], want, rtol=1e-4, atol=1e-5)


def refused(model: onnx.ModelProto, what: str) -> None:
    with pytest.raises(UnsupportedError, match=what):
        program_of(model)


def test_refusals_say_what_to_do() -> None:
    case = Case("GRU", lens=True)
    values = arrays(case)
    model = float_model(case, values)
    lens = next(t for t in model.graph.initializer if t.name == "lens")
    lens.CopyFrom(onnx.numpy_helper.from_array(np.array([3], np.int32), "lens"))
    refused(model, "sequence_lens; leave it out")
    refused(
        float_model(Case("RNN", attrs={"activations": ["ScaledTanh"]}), arrays(Case("RNN"))), "activation ScaledTanh"
    )
    mixed = Case("RNN", direction="bidirectional", attrs={"activations": ["Tanh", "Relu"]})
    refused(float_model(mixed, arrays(mixed)), "the same for both directions")


def samples() -> Array:
    """Log-mel like inputs: quiet, a ramp, noise."""
    rng = np.random.default_rng(7)
    ramp = np.linspace(-3, 3, 48 * 32, dtype=np.float32).reshape(1, 48, 32)
    return np.stack([np.zeros_like(ramp), ramp, *rng.normal(0, 2, (20, 1, 48, 32)).astype(np.float32)]).astype(
        np.float32
    )


def test_gru_fsdd(shared: Path, tmp_path: Path) -> None:
    """A trained spoken-digit GRU, compiled for the host: every layer and all logits within 1e-4 of onnxruntime."""
    from edgec.compiler import compile_model
    from edgec.options import CompileOptions
    from edgec.verify.check import verify

    compile_model(shared / "models" / "gru_fsdd.onnx", CompileOptions(target="host"), tmp_path / "gru")
    for inputs in (None, {"logmel": samples()}):
        verdict = verify(tmp_path / "gru", inputs)
        assert verdict["ok"]
        assert all(row["agree"] == row["samples"] and row["worst"] < 1e-5 for row in verdict["outputs"])
