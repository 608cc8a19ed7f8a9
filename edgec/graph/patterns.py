"""Semantic fusions, each one line of algebra: what exporters write out in pieces becomes the operator that was meant.

Fusions into a standard operator replace it; those ONNX (at opset 21) has no name for become functions of domain `edgec`.
"""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from edgec.graph.rewrite import FUNCTION_DOMAIN, Pattern, apply

SIXTH = 1.0 / 6.0
RELU6 = {"three": 3.0, "low": 0.0, "high": 6.0}


def _relu6(op: Any, x: Any, three: Any, low: Any, high: Any) -> Any:
    return op.Clip(op.Add(x, three), low, high)


def _hard_sigmoid(op: Any, x: Any, **_: Any) -> Any:
    return op.HardSigmoid(x, alpha=SIXTH, beta=0.5)


def _hard_swish(op: Any, x: Any, **_: Any) -> Any:
    return op.HardSwish(x)


HARD = (
    Pattern(
        "hard-swish: x * relu6(x + 3) / 6",
        lambda op, x, three, low, high, six: op.Div(op.Mul(x, _relu6(op, x, three, low, high)), six),
        _hard_swish,
        {**RELU6, "six": 6.0},
    ),
    Pattern(
        "hard-swish: x * relu6(x + 3) * (1/6)",
        lambda op, x, three, low, high, sixth: op.Mul(op.Mul(x, _relu6(op, x, three, low, high)), sixth),
        _hard_swish,
        {**RELU6, "sixth": SIXTH},
    ),
    Pattern(
        "hard-sigmoid: relu6(x + 3) / 6",
        lambda op, x, three, low, high, six: op.Div(_relu6(op, x, three, low, high), six),
        _hard_sigmoid,
        {**RELU6, "six": 6.0},
    ),
    Pattern(
        "hard-sigmoid: relu6(x + 3) * (1/6)",
        lambda op, x, three, low, high, sixth: op.Mul(_relu6(op, x, three, low, high), sixth),
        _hard_sigmoid,
        {**RELU6, "sixth": SIXTH},
    ),
    Pattern("hard-swish: x * hard_sigmoid(x)", lambda op, x: op.Mul(x, op.HardSigmoid(x, alpha=SIXTH, beta=0.5)), _hard_swish),
)

UNIT = {"low": 0.0, "high": 1.0, "half": 0.5}
SOFT_STEP = (
    Pattern(
        "hard-sigmoid: clip(x / 6 + 1/2, 0, 1)",
        lambda op, x, six, half, low, high: op.Clip(op.Add(op.Div(x, six), half), low, high),
        _hard_sigmoid,
        {**UNIT, "six": 6.0},
    ),
    Pattern(
        "hard-sigmoid: clip(x * (1/6) + 1/2, 0, 1)",
        lambda op, x, sixth, half, low, high: op.Clip(op.Add(op.Mul(x, sixth), half), low, high),
        _hard_sigmoid,
        {**UNIT, "sixth": SIXTH},
    ),
)

MISH = Pattern("mish: x * tanh(softplus(x))", lambda op, x: op.Mul(x, op.Tanh(op.Softplus(x))), lambda op, x: op.Mish(x))

SILU = Pattern(
    "silu: x * sigmoid(x)",
    lambda op, x: op.Mul(x, op.Sigmoid(x)),
    lambda op, x: op.SiLU(x, _domain=FUNCTION_DOMAIN),
    function=True,
)


def fuse_activations(model: ir.Model) -> bool:
    """HardSwish, HardSigmoid, Mish and SiLU from their pieces.

    Before::

        g (float[2] x) => (float[2] y) <float three = {3}, float lo = {0}, float hi = {6}, float six = {6}> {
            a = Add (x, three)
            b = Clip (a, lo, hi)
            c = Div (b, six)
            d = Mul (x, c)
            s = Sigmoid (d)
            y = Mul (s, d)
        }

    After::

        g (float[2] x) => (float[2] y) {
            d = HardSwish (x)
            y = edgec.SiLU (d)
        }
    """
    present = {node.op_type for node in model.graph}
    wanted: list[Pattern] = []
    if "Mul" in present or "Div" in present:
        wanted += HARD if present & {"Clip", "HardSigmoid"} else ()
        wanted += (SILU,) if "Sigmoid" in present else ()
        wanted += (MISH,) if "Softplus" in present else ()
    wanted += SOFT_STEP if "Clip" in present else ()
    return apply(model, wanted) if wanted else False
