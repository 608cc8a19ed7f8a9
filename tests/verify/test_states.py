"""States kept inside the library (`state=`): a sequence of calls equals onnxruntime with the state fed back, reset begins anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest

from edgec.api import compile, load, quantize, read_manifest, verify
from edgec.errors import UnsupportedError, UsageError
from edgec.ir.interp import Interpreter
from edgec.ir.program import Program
from edgec.ir.text import constants, parse_program, print_program
from edgec.memory.check import PlanError, check
from edgec.verify.reference import reference, references
from tests.quant.models import Array, parse, randoms

GRU = (
    """net (float[1, 1, 5] x, float[1, 1, 6] h) => (float[1, 3] y, float[1, 1, 6] hn) {
        s, hn = GRU <hidden_size = 6> (x, w, r, b, , h)
        f = Reshape (hn, flat)
        y = MatMul (f, o)
    }""",
    {"w": (1, 18, 5), "r": (1, 18, 6), "b": (1, 36), "o": (6, 3)},
    {"flat": np.array([1, 6])},
    {"h": "hn"},
)
LSTM = (
    """net (float[2, 1, 5] x, float[1, 1, 6] h, float[1, 1, 6] c) => (float[2, 1, 1, 6] y, float[1, 1, 6] hn, float[1, 1, 6] cn) {
        y, hn, cn = LSTM <hidden_size = 6> (x, w, r, b, , h, c)
    }""",
    {"w": (1, 24, 5), "r": (1, 24, 6), "b": (1, 48)},
    {},
    {"h": "hn", "c": "cn"},
)
FIFO = (  # a causal convolution over time whose last two columns wait for the next frame
    """net (float[1, 4, 3] x, float[1, 4, 2] old) => (float[1, 5, 3] y, float[1, 4, 2] new) {
        all = Concat <axis = 2> (old, x)
        new = Slice (all, from, to, axis)
        a = Conv <kernel_shape = [3]> (all, w, b)
        y = Relu (a)
    }""",
    {"w": (5, 4, 3), "b": (5,)},
    {"from": np.array([3]), "to": np.array([5]), "axis": np.array([2])},
    {"old": "new"},
)
NETS = {"gru": GRU, "lstm": LSTM, "fifo": FIFO}
STEPS = 40


def model_of(net: str, folder: Path) -> Path:
    text, shapes, others, _ = NETS[net]
    made = {name: array * np.float32(0.4) for name, array in randoms(3, **shapes).items()}
    path = folder / f"{net}.onnx"
    path.write_bytes(ir.to_proto(parse(text, {**made, **others})).SerializeToString())
    return path


def sequence(net: str) -> Array:
    shape = {"gru": (1, 1, 5), "lstm": (2, 1, 5), "fifo": (1, 4, 3)}[net]
    return np.random.default_rng(5).standard_normal((STEPS, *shape)).astype(np.float32)


def fed_back(path: Path, frames: Array, states: dict[str, str]) -> Array:
    """What onnxruntime makes of a sequence."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    state = {i.name: np.zeros(i.shape, np.float32) for i in session.get_inputs() if i.name in states}
    found = []
    for frame in frames:
        y, *ends = session.run(["y", *states.values()], {"x": frame, **state})
        state = dict(zip(states, ends, strict=True))
        found.append(y)
    return np.stack(found)


@pytest.mark.parametrize("calibrated", [False, True])
@pytest.mark.parametrize("net", list(NETS))
def test_a_sequence_of_calls(net: str, calibrated: bool, tmp_path: Path) -> None:
    path, frames, states = model_of(net, tmp_path), sequence(net), NETS[net][3]
    np.savez(tmp_path / "calib.npz", x=frames)
    given = {"calib": tmp_path / "calib.npz"} if calibrated else {}
    made = compile(path, tmp_path / "out", target="host", state=states, **given)
    library = load(tmp_path / "out")
    got = np.stack([library(frame)[0] for frame in frames])
    want = fed_back(path, frames, states)
    noise = np.sqrt(np.square(got - want).mean() / np.square(want).mean())
    assert noise <= (0.03 if calibrated else 1e-5)
    library.reset()  # type: ignore[attr-defined]
    assert np.array_equal(library(frames[0])[0], got[0]) and not np.array_equal(library(frames[0])[0], got[0])
    meaning = Interpreter(made.program, references())
    meant = np.stack([meaning.run({"x": frame})["y"] for frame in frames])
    assert np.array_equal(meant, got) if calibrated else np.allclose(meant, got, rtol=0, atol=1e-5)
    assert verify(tmp_path / "out", {"x": frames})["ok"]
    if calibrated:
        ops = [s.op for s in made.program.steps if s.op in ("quantize", "dequantize", "requantize")]
        assert ops == ["quantize", "dequantize"], "one scale for a state and what it becomes"


def test_what_the_package_says(tmp_path: Path) -> None:
    path = model_of("lstm", tmp_path)
    made = compile(path, tmp_path / "out", target="host", state=["h=hn", "c=cn"])
    manifest = read_manifest(tmp_path / "out")
    assert [i["name"] for i in manifest["inputs"]] == ["x"] and [o["name"] for o in manifest["outputs"]] == ["y"]
    assert [(s["input"], s["output"], s["bytes"]) for s in manifest["states"]] == [("h", "hn", 24), ("c", "cn", 24)]
    assert manifest["state_bytes"] == made.summary["state_bytes"] == 48
    assert "void lstm_reset(void);" in (tmp_path / "out" / "lstm.h").read_text()
    text = print_program(made.program)
    assert parse_program(text, constants(made.program)) == made.program
    assert reference(tmp_path / "out").program.states == made.program.states


def test_the_same_through_a_quantized_file(tmp_path: Path) -> None:
    """`quantize` with states, then `compile` of its file: the bytes of `compile --calib`."""
    path, frames, states = model_of("gru", tmp_path), sequence("gru"), NETS["gru"][3]
    np.savez(tmp_path / "calib.npz", x=frames)
    quantize(path, tmp_path / "calib.npz", tmp_path / "gru_q.onnx", state=["h=hn"])
    one = compile(path, tmp_path / "one", target="host", name="m", state=states, calib=tmp_path / "calib.npz")
    two = compile(tmp_path / "gru_q.onnx", tmp_path / "two", target="host", name="m", state=states)
    assert print_program(one.program) == print_program(two.program)
    library = load(tmp_path / "two")
    got = np.stack([library(frame)[0] for frame in frames])
    want = fed_back(tmp_path / "gru_q.onnx", frames, states)
    step = np.abs(want[want != 0]).min()
    assert np.abs(got - want).max() <= 2.01 * step


def test_two_scales_meet(tmp_path: Path) -> None:
    """A model quantized without saying so has two scales for a state: one requantize step brings it back."""
    path, frames = model_of("gru", tmp_path), sequence("gru")
    calib = {"x": frames, "h": np.random.default_rng(1).uniform(-2, 2, (STEPS, 1, 1, 6)).astype(np.float32)}
    quantize(path, calib, tmp_path / "q.onnx")
    made = compile(tmp_path / "q.onnx", tmp_path / "out", target="host", state={"h": "hn"})
    assert "requantize" in [s.op for s in made.program.steps]
    assert verify(tmp_path / "out", {"x": frames})["ok"]


@pytest.mark.parametrize("pair", [["h=nothing"], ["nothing=hn"], ["h=y"], ["h=hn", "h=hn"], ["h"], ["=hn"]])
def test_wrong_pairs(pair: list[str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="state") as caught:
        compile(model_of("gru", tmp_path), tmp_path / "out", target="host", state=pair)
    assert caught.value.hint


def test_not_by_rows(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="states"):
        compile(model_of("gru", tmp_path), tmp_path / "out", target="host", state=["h=hn"], input="rows")


def test_the_check_sees_an_overwritten_state(tmp_path: Path) -> None:
    """The next state over the one still to be read, or at another scale: no sound plan."""
    made = compile(model_of("fifo", tmp_path), tmp_path / "out", target="host", state=["old=new"]).program
    check(made)
    begin, end = made.states[0].input.buffer, made.states[0].output.buffer
    at = {p.buffer: p.offset for p in made.places}
    moved = tuple(
        p.__class__(p.buffer, at[made.base(end).name], p.over) if p.buffer == made.outputs[0].buffer else p
        for p in made.places
    )
    with pytest.raises(PlanError):
        check(made.with_(places=moved))
    assert begin != end
    other = Program.with_(
        made,
        buffers=tuple(b if b.name != begin else b.__class__(b.name, "int8", b.shape, b.rows) for b in made.buffers),
    )
    with pytest.raises(PlanError):
        check(other)
