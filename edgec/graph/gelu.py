"""GELU from its pieces, as the exporters spell them: by erf (exact) and by tanh (approximate)."""

from __future__ import annotations

import math
from typing import Any

import onnx_ir as ir

from edgec.graph.rewrite import Pattern, apply

ROOT_HALF = {"one": 1.0, "half": 0.5, "k": 1.0 / math.sqrt(2.0)}
ROOT_TWO = {"one": 1.0, "half": 0.5, "k": math.sqrt(2.0)}
TANH = {"one": 1.0, "half": 0.5, "a": 0.044715, "b": math.sqrt(2.0 / math.pi)}


def _by_mul(op: Any, x: Any, one: Any, k: Any) -> Any:
    return op.Add(op.Erf(op.Mul(x, k)), one)


def _by_div(op: Any, x: Any, one: Any, k: Any) -> Any:
    return op.Add(op.Erf(op.Div(x, k)), one)


def _exact(op: Any, x: Any, **_: Any) -> Any:
    return op.Gelu(x)


def _spellings(name: str, bell: Any, numbers: dict[str, float]) -> list[Pattern]:
    return [
        Pattern(f"gelu: (x * {name}) * 0.5", lambda op, x, one, k, half: op.Mul(op.Mul(x, bell(op, x, one, k)), half), _exact, numbers),
        Pattern(f"gelu: (x * 0.5) * {name}", lambda op, x, one, k, half: op.Mul(op.Mul(x, half), bell(op, x, one, k)), _exact, numbers),
        Pattern(f"gelu: x * ({name} * 0.5)", lambda op, x, one, k, half: op.Mul(x, op.Mul(bell(op, x, one, k), half)), _exact, numbers),
    ]  # fmt: skip


def _tanh_bell(op: Any, x: Any, one: Any, a: Any, b: Any, cube: Any) -> Any:
    return op.Add(op.Tanh(op.Mul(op.Add(x, op.Mul(cube, a)), b)), one)


def _approximate(op: Any, x: Any, **_: Any) -> Any:
    return op.Gelu(x, approximate="tanh")


def _tanh_spellings() -> list[Pattern]:
    def third(op: Any, x: Any, three: Any) -> Any:
        return op.Pow(x, three)

    return [
        Pattern(
            "gelu: (x * 0.5) * (1 + tanh(b * (x + a * x^3)))",
            lambda op, x, one, half, a, b, three: op.Mul(op.Mul(x, half), _tanh_bell(op, x, one, a, b, third(op, x, three))),
            _approximate,
            {**TANH, "three": 3.0},
        ),
        Pattern(
            "gelu: x * (0.5 * (1 + tanh(b * (x + a * x^3))))",
            lambda op, x, one, half, a, b, three: op.Mul(x, op.Mul(_tanh_bell(op, x, one, a, b, third(op, x, three)), half)),
            _approximate,
            {**TANH, "three": 3.0},
        ),
    ]


ERF = [*_spellings("(1 + erf(x / sqrt 2))", _by_div, ROOT_TWO), *_spellings("(1 + erf(x * sqrt 0.5))", _by_mul, ROOT_HALF)]


def fuse_gelu(model: ir.Model) -> bool:
    """The pieces of a GELU become one operator.

    Before::

        g (float[2] x) => (float[2] y) <float root = {1.4142135}, float one = {1}, float half = {0.5}> {
            a = Div (x, root)
            b = Erf (a)
            c = Add (b, one)
            d = Mul (x, c)
            y = Mul (d, half)
        }

    After::

        g (float[2] x) => (float[2] y) {
            y = Gelu (x)
        }
    """
    if model.graph.opset_imports.get("", 0) < 20:
        return False
    present = {node.op_type for node in model.graph}
    wanted = [*(ERF if "Erf" in present else ()), *(_tanh_spellings() if {"Tanh", "Pow"} <= present else ())]
    return apply(model, wanted) if wanted else False
