"""Recurrent layers: a trained GRU in int8 as close as it has to be, the file that quantize writes, what stays in float."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest

from edgec.api import compile, load, quantize
from edgec.graph.stages import run
from edgec.ir.text import constants, print_program
from edgec.lower import lower
from edgec.quant import QuantOptions
from edgec.quant import quantize as quantize_model
from tests.ops.harness import run_program
from tests.quant.models import Array, parse, randoms, samples


def spectrograms(count: int, seed: int) -> Array:
    """Log-mel like patterns [count, 48, 32]: tones that drift, bursts, two formants, rising noise, plain noise."""
    rng = np.random.default_rng(seed)
    t, f = np.arange(48)[:, None], np.arange(32)[None]

    def tone() -> Array:
        centre = rng.uniform(0, 32) + rng.uniform(-0.5, 0.5) * t
        return np.asarray(np.exp(-(((f - centre) / rng.uniform(1, 5)) ** 2)) * rng.uniform(0.5, 4))

    made = []
    for i in range(count):
        x = tone()
        if i % 5 == 1:
            x = x * ((t // rng.integers(3, 12)) % 2)
        elif i % 5 == 2:
            x = x + tone() * (t > rng.integers(5, 40))
        elif i % 5 == 3:
            x = rng.standard_normal((48, 32)) * np.linspace(0, 2, 48)[:, None] + 1
        elif i % 5 == 4:
            x = rng.standard_normal((48, 32)) + 1
        made.append(x - 1 + 0.2 * rng.standard_normal((48, 32)))
    return np.stack(made).astype(np.float32)


def logits(path: Path, x: Array) -> Array:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"logmel": sample[None]})[0] for sample in x])


def test_gru_fsdd(shared: Path, tmp_path: Path) -> None:
    """Spoken digits: integers between the borders, 98 % the same digit, cosine 0.999 on average (measured: 99 % of 300, 0.9999)."""
    path = shared / "models" / "gru_fsdd.onnx"
    np.savez(tmp_path / "calib.npz", logmel=spectrograms(80, 1))
    test = spectrograms(150, 2)
    want = logits(path, test)
    made = compile(path, tmp_path / "int8", target="host", calib=tmp_path / "calib.npz")
    assert [s.op for s in made.program.steps] == ["quantize", "gru", "gather", "dense", "dequantize"]
    assert {b.dtype for b in made.program.buffers[1:-1]} == {"int8"}
    library = load(tmp_path / "int8")
    got = np.concatenate([library(sample[None])[0] for sample in test])
    assert (got.argmax(-1) == want.argmax(-1)).mean() >= 0.98
    cosine = (got * want).sum(-1) / np.linalg.norm(got, axis=-1) / np.linalg.norm(want, axis=-1)
    assert cosine.mean() >= 0.999 and cosine.min() >= 0.98
    quantize(path, tmp_path / "calib.npz", tmp_path / "gru_fsdd.onnx")
    again = compile(tmp_path / "gru_fsdd.onnx", tmp_path / "again", target="host")
    assert print_program(again.program) == print_program(made.program)
    one, two = constants(again.program), constants(made.program)
    assert all(np.array_equal(one[name], two[name]) for name in two)
    rounded = logits(tmp_path / "gru_fsdd.onnx", test)
    assert np.abs(rounded - got).max() <= 0.02 * np.abs(want).max(), "onnxruntime runs the same model"


def test_gru_fsdd_in_float(shared: Path, tmp_path: Path) -> None:
    path, test = shared / "models" / "gru_fsdd.onnx", spectrograms(30, 3)
    compile(path, tmp_path / "float", target="host")
    library = load(tmp_path / "float")
    got, want = np.concatenate([library(sample[None])[0] for sample in test]), logits(path, test)
    assert np.abs(got - want).max() <= 1e-5 * np.abs(want).max()


SMALL = {"w": (1, 18, 5), "r": (1, 18, 6), "b": (1, 36)}


def gru(attributes: str = "") -> ir.Model:
    text = f"""net (float[1, 7, 5] x) => (float[7, 1, 1, 6] y, float[1, 1, 6] h) {{
        t = Transpose <perm = [1, 0, 2]> (x)
        y, h = GRU <hidden_size = 6{attributes}> (t, w, r, b)
    }}"""
    return parse(text, {name: 0.4 * array for name, array in randoms(3, **SMALL).items()})


@pytest.mark.parametrize("per_channel", [False, True])
def test_what_is_written(per_channel: bool) -> None:
    """W and R int8 along axis 1, B float, Y and Y_h at one scale; the report knows the layer's weights."""
    made = quantize_model(gru(), samples(gru()), QuantOptions(effort=0, per_channel=per_channel))
    stored = {
        str(v.name): v.const_value.numpy() for v in made.model.graph.initializers.values() if v.const_value is not None
    }
    for name, size in (("W", 18), ("R", 18)):
        assert stored[f"gru_1_{name}_q"].dtype == np.int8
        assert stored[f"gru_1_{name}_scale"].shape == ((size,) if per_channel else ())
    assert stored["b"].dtype == np.float32 and stored["y_scale"] == stored["h_scale"]
    entry = next(e for e in made.report["layers"] if e["op"] == "GRU")
    assert entry["macs"] == 7 * 18 * 11 and entry["weight_sqnr_db"] > 30


@pytest.mark.parametrize(
    "attributes", [', activations = ["HardSigmoid", "Tanh"]', ', activations = ["Sigmoid", "Relu"]']
)
def test_activations_without_an_integer_form_stay_in_float(attributes: str) -> None:
    model = gru(attributes)
    made = quantize_model(model, samples(model), QuantOptions(effort=0))
    assert [name for name in made.report["float"] if "gru" in name]
    program = lower(made.model, "net")
    assert next(program.by_name[s.output].dtype for s in program.steps if s.op == "gru") == "float32"


def test_keep_float_and_auto_keep() -> None:
    model = gru()
    kept = quantize_model(model, samples(model), QuantOptions(effort=0, keep_float=("gru_1",))).report
    assert "gru_1" in kept["float"]
    report = quantize_model(model, samples(model), QuantOptions(effort=0, sensitivity=4)).report
    gain = next(g for g in report["sensitivity"] if g["node"] == "gru_1")
    assert gain["weight_bytes"] == 3 * 18 * 11 and gain["macs"] == 7 * 18 * 11


def test_16_bits_are_computed_in_float() -> None:
    """The integer step takes and gives 8 bits; a sequence of 16 goes through float32, never through the wrong kernel."""
    made = {
        f"{name}q": np.clip(np.rint(40 * array), -127, 127).astype(np.int8)
        for name, array in randoms(3, **SMALL).items()
    }
    numbers = {"s": np.float32(2.0**-13), "z": np.int16(0), "ws": np.float32(0.01), "wz": np.int8(0)}
    text = """net (float[7, 1, 5] x) => (float[7, 1, 1, 6] y) {
        a = QuantizeLinear (x, s, z)
        f = DequantizeLinear (a, s, z)
        w = DequantizeLinear (wq, ws, wz)
        r = DequantizeLinear (rq, ws, wz)
        g = GRU <hidden_size = 6> (f, w, r)
        b = QuantizeLinear (g, s, z)
        y = DequantizeLinear (b, s, z)
    }"""
    model = parse(text, {**made, **{name: np.asarray(number) for name, number in numbers.items()}})
    program = lower(model, "net")
    assert next(program.by_name[s.output].dtype for s in program.steps if s.op == "gru") == "float32"
    x = np.random.default_rng(0).standard_normal((7, 1, 5)).astype(np.float32)
    got, want = run_program(program, [{"x": x}])[0]["y"], run(model, {"x": x})["y"]
    assert np.abs(got - want).max() <= 1.01 * 2.0**-13
