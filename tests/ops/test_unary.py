"""Functions of one value: every table against the real function, onnxruntime, and the float C against numpy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgec.ir.program import Array, Buffer, Program, Quant
from edgec.ir.reach import Run
from edgec.kernels.functions import FUNCTIONS, evaluate
from edgec.ops.unary import DELEGATED
from tests.ops import ort
from tests.ops.harness import run_program, run_step, single
from tests.ops.page_bench import Operand, exact_share, run_node

ALL = np.arange(-128, 128).astype(np.int8).reshape(8, 32)
X, Y = Quant(0.0390625, -11), Quant(0.0234375, 9)
TAKEN = sorted(FUNCTIONS.keys() - DELEGATED)
FINITE = {"Log": 0.1, "Sqrt": 0.0, "Reciprocal": 0.1, "Acosh": 1.01}  # lower end of the float test's range
UNIT = ("Asin", "Acos", "Atanh")


@pytest.mark.parametrize("name", TAKEN)
def test_table_is_the_real_function(name: str) -> None:
    got, program = run_node(name, [Operand(ALL, X)], ALL.shape, Y, compiled=False)
    assert [s.op for s in program.steps] == ["unary"]
    want = evaluate(name, (ALL.astype(np.float64) - X.zero_point) * X.scale, FUNCTIONS[name].params)
    known = ~np.isnan(want)
    assert exact_share(got[known], np.clip(want[known], -1e6, 1e6), Y) == (0, 1.0)
    assert np.all(got[~known] == Y.zero_point)


EXACT: dict[str, tuple[str, dict[str, Any], Callable[[float], float]]] = {
    "Gelu": ("Gelu", {}, lambda x: x * math.erfc(-x / math.sqrt(2)) / 2),
    "Gelu tanh": (
        "Gelu",
        {"approximate": "tanh"},
        lambda x: x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    ),
    "SiLU": ("SiLU", {}, lambda x: x / (1 + math.exp(-max(x, -700.0)))),
    "Sigmoid": ("Sigmoid", {}, lambda x: 1 / (1 + math.exp(-max(x, -700.0)))),
    "Tanh": ("Tanh", {}, math.tanh),
    "Erf": ("Erf", {}, math.erf),
}


@pytest.mark.parametrize("name", EXACT)
def test_every_input_at_many_scales(name: str) -> None:
    """What transformers use, against the standard library's functions: all 256 inputs, tiny scales to saturating ones, any zero points."""
    op, attrs, function = EXACT[name]
    rng = np.random.default_rng(4)
    for scale in (1e-5, 0.003, 0.0171, 0.05, 0.31, 7.0):
        for step in (0.0007, 0.0079, 0.04, 0.9):
            x, y = (Quant(s, int(rng.integers(-128, 128))) for s in (scale, step))
            got, _ = run_node(op, [Operand(ALL, x)], ALL.shape, y, attrs, compiled=False)
            want = np.vectorize(function)((ALL.astype(np.float64) - x.zero_point) * scale)
            assert exact_share(got, np.clip(want, -1e6, 1e6), y) == (0, 1.0)


ORT_CASES: list[tuple[str, dict[str, Any], list[Array]]] = [
    ("Relu", {}, []),
    ("Clip", {}, [np.float32(-0.5), np.float32(1.25)]),
    ("LeakyRelu", {"alpha": 0.11}, []),
    ("HardSwish", {}, []),
    ("HardSigmoid", {"alpha": 0.25}, []),
    ("Sigmoid", {}, []),
    ("Tanh", {}, []),
    ("Erf", {}, []),
    ("Gelu", {}, []),
    ("Gelu", {"approximate": "tanh"}, []),
    ("Mish", {}, []),
    ("Elu", {"alpha": 0.7}, []),
    ("Selu", {}, []),
    ("Celu", {"alpha": 1.5}, []),
    ("Softplus", {}, []),
    ("Softsign", {}, []),
    ("ThresholdedRelu", {"alpha": 0.3}, []),
    ("Exp", {}, []),
    ("Abs", {}, []),
    ("Neg", {}, []),
    ("Floor", {}, []),
    ("Ceil", {}, []),
    ("Round", {}, []),
    ("Sin", {}, []),
    ("Pow", {}, [np.float32(2.0)]),
]


@pytest.mark.parametrize(("op", "attrs", "constants"), ORT_CASES)
def test_onnxruntime(op: str, attrs: dict[str, Any], constants: list[Array]) -> None:
    operands = [Operand(ALL, X), *(Operand(np.asarray(c), const=True) for c in constants)]
    got, _ = run_node(op, operands, ALL.shape, Y, attrs, compiled=False)
    given = {i + 1: np.asarray(c) for i, c in enumerate(constants)}
    want = ort.run(op, [ALL, *(None for _ in constants)], given, attrs, quants=[X], out_quant=Y, opset=20)[0]
    assert np.abs(got.astype(int) - want).max() <= 1
    assert np.mean(got == want) >= 0.97


@pytest.mark.parametrize("name", ["Relu", "Sigmoid"])
def test_host_c_table(name: str) -> None:
    run_node(name, [Operand(ALL, X)], ALL.shape, Y)


def test_relu_and_clip_keep_the_scale_where_the_model_states_none() -> None:
    got, program = run_node("Clip", [Operand(ALL, X)], ALL.shape, attrs={"min": 0.0, "max": 3.0})
    assert program.buffers[-1].quant == X
    assert got.min() == X.zero_point and got.max() == X.zero_point + round(3.0 / X.scale)


def test_float_expressions() -> None:
    """All float functions in one program: its steps read one input."""
    x = np.linspace(-3, 3, 120, dtype=np.float32).reshape(4, 30)
    source = Buffer("x", "float32", x.shape, 4)
    program: Program | None = None
    for i, name in enumerate(TAKEN):
        low = -0.99 if name in UNIT else FINITE.get(name, -3.0)
        values = np.linspace(low, 0.99 if name in UNIT else 3.0, 120, dtype=np.float32).reshape(4, 30)
        inside, out = Buffer(f"x{i}", "float32", x.shape, 4), Buffer(f"y{i}", "float32", x.shape, 4)
        one = single("unary", [inside], out, [Run(4)], {"function": name, **FUNCTIONS[name].params, "hi": 2.0}, {})
        step = one.steps[0].__class__(**{**vars(one.steps[0]), "name": f"s{i}"})
        program = one if program is None else program.with_(
            buffers=program.buffers + one.buffers, steps=(*program.steps, step),
            inputs=program.inputs + one.inputs, outputs=program.outputs + one.outputs,
        )  # fmt: skip
        SAMPLES[f"x{i}"] = values
    assert program is not None and source.rows == 4
    found = run_program(program, [SAMPLES])[0]
    assert all(np.isfinite(found[f"y{i}"]).all() for i in range(len(TAKEN)))


SAMPLES: dict[str, Array] = {}


def test_lookup_step_in_place_rows() -> None:
    table = np.random.default_rng(1).integers(-128, 128, 256).astype(np.int8)
    x = Buffer("x", "int8", (1, 8, 4, 8), 8)
    got = run_step(
        "unary", [ALL], [x], Buffer("y", "int8", (1, 8, 4, 8), 8), [Run(8)], {"function": "Relu"}, {"table": table}
    )
    assert got.reshape(-1).tolist() == table.tolist()
