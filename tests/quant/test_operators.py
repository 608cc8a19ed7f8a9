"""Every operator of the quantizer's list: a small float model with it becomes a program of integers alone, close to
float, the same again through a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgec.graph.heads import split_heads
from edgec.graph.load import front
from edgec.graph.normalize import normalize
from edgec.ir.interp import Interpreter
from edgec.ir.program import Program
from edgec.ir.text import print_program
from edgec.lower import lower
from edgec.ops.registry import by_name
from edgec.quant import QuantOptions, quantize
from edgec.quant.runner import Runner
from edgec.schedule.plan import plan
from tests.quant.models import Array, parse, randoms

QUICK = QuantOptions(effort=4, trial_samples=16)
COUNT = 16
BORDER = {"quantize", "dequantize"}  # float steps that are allowed: what makes a model input int8, and a result float


@dataclass(frozen=True)
class Case:
    """graph: signature and body; shapes: of random constants, times gain; constants: the others; positive: inputs are; noise: error
    over signal (RMS) that is allowed (a comparison turns where its operand is rounded over the limit); floats: steps that stay in float."""

    name: str
    graph: str
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    constants: dict[str, Array] = field(default_factory=dict)
    gain: float = 0.4
    positive: bool = False
    noise: float = 0.04
    opset: int = 21
    floats: tuple[str, ...] = ()  # Pow of two activations: no integer formula (edgec/ops/binary.py says why)

    def model(self) -> ir.Model:
        made = {name: array * np.float32(self.gain) for name, array in randoms(3, **self.shapes).items()}
        return parse(f"net {self.graph}", {**made, **self.constants}, self.opset)

    def samples(self, model: ir.Model) -> dict[str, Array]:
        rng = np.random.default_rng(11)
        found: dict[str, Array] = {}
        for value in model.graph.inputs:
            shape = (COUNT, *sizes(value))
            if value.dtype == ir.DataType.INT64:
                found[str(value.name)] = rng.integers(0, 5, shape)
                continue
            if value.name == "mask":
                found["mask"] = np.where(rng.random(shape) < 0.3, -1e9, 0).astype(np.float32)
                continue
            real = rng.standard_normal(shape)
            found[str(value.name)] = (np.abs(real) + 0.1 if self.positive else real).astype(np.float32)
        return found


def sizes(value: ir.Value) -> tuple[int, ...]:
    return tuple(int(d) for d in value.shape or ())  # type: ignore[arg-type]


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


X = "(float[1, 6, 8] x) => (float[1, 6, 8] y)"
IMAGE = "(float[1, 4, 6, 6] x) => (float[1, 4, 6, 6] y)"
ROW = {"s": (8,), "b": (8,)}
LONG = "(float[7, 1, 5] x)"


def recurrent(op: str, gates: int, direction: str, extra: str = "") -> Case:
    """All results used; states as model inputs where `extra` names them."""
    dirs = 2 if direction == "bidirectional" else 1
    shape = {"w": (dirs, gates * 6, 5), "r": (dirs, gates * 6, 6), "b": (dirs, gates * 12)}
    states = f"float[{dirs}, 1, 6]"
    given = "".join(f", {states} {name}" for name in extra.split())
    last = ", yc" if op == "LSTM" else ""
    results = f"float[7, {dirs}, 1, 6] y, {states} yh" + (f", {states} yc" if last else "")
    text = f"""(float[7, 1, 5] x{given}) => ({results}) {{
        y, yh{last} = {op} <hidden_size = 6, direction = "{direction}"> (x, w, r, b{", , " + ", ".join(extra.split()) if extra else ""})
    }}"""
    return Case(f"{op}-{direction}{'-' if extra else ''}{extra.replace(' ', '-')}", text, shape)


CASES = [
    Case("LayerNormalization", f"{X} {{ y = LayerNormalization (x, s, b) }}", ROW),
    Case(
        "RMSNorm",
        f"""{X} <float e = {{1e-5}}, float two = {{2.0}}> {{
            q = Pow (x, two)  m = ReduceMean (q, ax)  a = Add (m, e)  r = Sqrt (a)  d = Div (x, r)
            y = Mul (d, s)
        }}""",
        {"s": (8,)},
        {"ax": ints(-1)},
    ),
    Case("Softmax-last", f"{X} {{ y = Softmax (x) }}"),
    Case("Softmax-axis1", f"{X} {{ y = Softmax <axis = 1> (x) }}"),
    Case("Softmax-channels", f"{IMAGE} {{ y = Softmax <axis = 1> (x) }}"),
    Case("LogSoftmax", f"{X} {{ y = LogSoftmax (x) }}"),
    Case("LogSoftmax-axis1", f"{X} {{ y = LogSoftmax <axis = 1> (x) }}"),
    Case("Gelu", f"{X} {{ y = Gelu (x) }}"),
    Case("Gelu-tanh", f'{X} {{ y = Gelu <approximate = "tanh"> (x) }}'),
    Case(
        "Gelu-erf-parts",
        f"""{X} <float h = {{0.5}}, float one = {{1.0}}, float r = {{1.4142135}}> {{
            d = Div (x, r)  e = Erf (d)  a = Add (e, one)  m = Mul (x, a)  y = Mul (m, h)
        }}""",
    ),
    Case("SiLU", f"{X} {{ g = Sigmoid (x) y = Mul (x, g) }}"),
    Case("MatMul-activations", "(float[1, 6, 8] x, float[1, 8, 5] z) => (float[1, 6, 5] y) { y = MatMul (x, z) }"),
    Case(
        "Gather-embedding",
        """(int64[1, 6] i) => (float[1, 6, 8] y) {
            e = Gather (t, i)  y = MatMul (e, w)
        }""",
        {"t": (5, 8), "w": (8, 8)},
    ),
    Case(
        "Gather",
        """(float[1, 6, 8] x) => (float[1, 2, 8] y) {
            y = Gather <axis = 1> (x, at)
        }""",
        {},
        {"at": ints(4, 1)},
    ),
    Case(
        "class-token",
        """(float[1, 6, 8] x) => (float[1, 7, 8] y) {
            y = Concat <axis = 1> (t, x)
        }""",
        {"t": (1, 1, 8)},
        gain=1.0,
    ),
    Case(
        "Einsum-activations",
        """(float[1, 2, 6, 8] x, float[1, 2, 5, 8] z) => (float[1, 2, 6, 5] y) {
            y = Einsum <equation = "bhid,bhjd->bhij"> (x, z)
        }""",
    ),
    Case(
        "Einsum-weights",
        """(float[1, 6, 8] x) => (float[1, 6, 5] y) {
            y = Einsum <equation = "bnd,de->bne"> (x, w)
        }""",
        {"w": (8, 5)},
    ),
    Case(
        "ArgMax",
        """(float[1, 6, 8] x) => (int64[1, 6] y) {
            m = MatMul (x, w)  y = ArgMax <axis = 2, keepdims = 0> (m)
        }""",
        {"w": (8, 8)},
    ),
    Case("Pow-constant", f"{X} <float three = {{3.0}}> {{ y = Pow (x, three) }}"),
    Case(
        "Pow-activations",
        """(float[1, 6, 8] x, float[1, 6, 8] z) => (float[1, 6, 8] y) {
            y = Pow (x, z)
        }""",
        positive=True,
        floats=("dequantize", "dequantize", "pow", "quantize"),
    ),
    Case("Sqrt", f"{X} {{ y = Sqrt (x) }}", positive=True),
    Case("Exp", f"{X} {{ y = Exp (x) }}"),
    Case("Log", f"{X} {{ y = Log (x) }}", positive=True, noise=0.06),
    Case("Erf", f"{X} {{ y = Erf (x) }}"),
    Case("Where-mask", f"{X} <float low = {{-2.0}}> {{ y = Where (mask, x, low) }}", {}, {"mask": np.tri(6, 8) > 0}),
    Case(
        "Where-activations",
        """(float[1, 6, 8] x, float[1, 6, 8] z) => (float[1, 6, 8] y) <float half = {0.5}> {
            c = Greater (x, half)  y = Where (c, x, z)
        }""",
        noise=0.15,
    ),
    Case("Expand", "(float[1, 1, 8] x) => (float[1, 6, 8] y) { y = Expand (x, to) }", {}, {"to": ints(1, 6, 8)}),
    Case(
        "GroupNormalization",
        f"""{IMAGE} {{
            y = GroupNormalization <num_groups = 2> (x, s, b)
        }}""",
        {"s": (4,), "b": (4,)},
    ),
    Case("InstanceNormalization", f"{IMAGE} {{ y = InstanceNormalization (x, s, b) }}", {"s": (4,), "b": (4,)}),
    *(
        recurrent(op, gates, d, states)
        for op, gates in (("GRU", 3), ("LSTM", 4), ("RNN", 1))
        for d in ("forward", "reverse", "bidirectional")
        for states in ("", "h c" if op == "LSTM" else "h")
    ),
    Case(
        "GRU-last-only",
        f"""{LONG} => (float[1, 1, 6] y) {{
            , y = GRU <hidden_size = 6, linear_before_reset = 1> (x, w, r, b)
        }}""",
        {"w": (1, 18, 5), "r": (1, 18, 6), "b": (1, 36)},
    ),
    Case(
        "GRU-constant-start",
        f"""{LONG} => (float[7, 1, 1, 6] y) {{
            y = GRU <hidden_size = 6> (x, w, r, , , h)
        }}""",
        {"w": (1, 18, 5), "r": (1, 18, 6), "h": (1, 1, 6)},
    ),
    Case(
        "LSTM-peepholes",
        f"""{LONG} => (float[7, 1, 1, 6] y) {{
            y = LSTM <hidden_size = 6> (x, w, r, b, , , , p)
        }}""",
        {"w": (1, 24, 5), "r": (1, 24, 6), "b": (1, 48), "p": (1, 18)},
    ),
    Case(
        "RNN-relu",
        f"""{LONG} => (float[7, 1, 1, 6] y) {{
            y = RNN <hidden_size = 6, activations = ["Relu"]> (x, w, r, b)
        }}""",
        {"w": (1, 6, 5), "r": (1, 6, 6), "b": (1, 12)},
    ),
    Case(
        "ConvTranspose",
        """(float[1, 4, 5, 6] x) => (float[1, 3, 10, 12] y) {
            y = ConvTranspose <strides = [2, 2], kernel_shape = [4, 4], pads = [1, 1, 1, 1]> (x, w, b)
        }""",
        {"w": (4, 3, 4, 4), "b": (3,)},
    ),
    Case(
        "ConvTranspose-groups",
        """(float[1, 4, 5, 6] x) => (float[1, 6, 11, 13] y) {
            c = ConvTranspose <strides = [2, 2], kernel_shape = [3, 3], group = 2> (x, w, b)  y = Relu (c)
        }""",
        {"w": (4, 3, 3, 3), "b": (6,)},
    ),
    Case(
        "ConvTranspose-1d",
        """(float[1, 4, 9] x) => (float[1, 3, 18] y) {
            y = ConvTranspose <strides = [2], kernel_shape = [2]> (x, w)
        }""",
        {"w": (4, 3, 2)},
    ),
    Case("PRelu", f"{IMAGE} {{ y = PRelu (x, s) }}", {"s": (4, 1, 1)}),
    Case("PRelu-computed", "(float[1, 6, 8] x, float[1, 1, 8] z) => (float[1, 6, 8] y) { y = PRelu (x, z) }"),
    Case("DepthToSpace", "(float[1, 4, 6, 6] x) => (float[1, 1, 12, 12] y) { y = DepthToSpace <blocksize = 2> (x) }"),
    Case(
        "TopK",
        """(float[1, 6, 8] x) => (float[1, 6, 3] y, int64[1, 6, 3] at) {
            m = MatMul (x, w)  y, at = TopK (m, k)
        }""",
        {"w": (8, 8)},
        {"k": ints(3)},
    ),
    Case("CumSum", f"{X} {{ y = CumSum (x, one) }}", {}, {"one": ints(1)}),
    Case(
        "ScatterND",
        """(float[1, 6, 8] x, float[2, 8] z) => (float[1, 6, 8] y) {
            y = ScatterND (x, at, z)
        }""",
        {},
        {"at": np.array([[0, 1], [0, 4]], np.int64)},
    ),
]


def float_steps(program: Program) -> list[str]:
    """Steps that compute with float numbers."""
    ports = {port.buffer for port in (*program.inputs, *program.outputs)}
    found = []
    for step in program.steps:
        floats = [n for n in (*step.inputs, step.output) if program.by_name[n].dtype == "float32"]
        if floats and (
            step.op not in BORDER or not {program.base(n).name for n in floats} & {program.base(n).name for n in ports}
        ):
            found.append(step.op)
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_in_integers(case: Case, tmp_path: Path) -> None:
    in_integers(case, tmp_path)


def in_integers(case: Case, tmp_path: Path) -> None:
    """Quantized, lowered, through a file and back, beside the float model; the steps that stay in float are those of the case."""
    model = case.model()
    split_heads(model)
    samples = case.samples(model)
    made = normalize(quantize(model, samples, QUICK).model)
    program = lower(made, "net")
    assert tuple(float_steps(program)) == case.floats
    path = tmp_path / "net.onnx"
    path.write_bytes(ir.to_proto(made).SerializeToString(deterministic=True))
    again = lower(front(path), "net")
    assert print_program(again) == print_program(program), "another program through a file"
    for one, two in zip(again.steps, program.steps, strict=True):
        assert all(np.array_equal(one.consts[name], two.consts[name]) for name in two.consts)
    close(case, model, program, samples)


def close(case: Case, model: ir.Model, program: Program, samples: dict[str, Array]) -> None:
    """The program's answers beside those of the float model in onnxruntime."""
    runner = Interpreter(plan(program).program, {name: op.reference for name, op in by_name().items()})
    noise, power, same, total = 0.0, 0.0, 0, 0
    names = [str(value.name) for value in model.graph.outputs]
    for i, real in enumerate(Runner(model).run(samples, names, range(COUNT))):
        got = runner.run({name: array[i] for name, array in samples.items()})
        for name, value in zip(names, real, strict=True):
            if value.dtype == np.int64:
                same, total = same + int((value == got[name]).sum()), total + value.size
            else:
                noise += float(np.square(value - got[name], dtype=np.float64).sum())
                power += float(np.square(value, dtype=np.float64).sum())
    assert noise <= case.noise**2 * power, f"noise {np.sqrt(noise / power):.2%} of the signal"
    assert same >= 0.9 * total, f"{same} of {total} indices are the same"
