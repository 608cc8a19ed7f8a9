"""Every unary function in one table: its real meaning (float64 numpy, what lookup tables are made from) and its C.

Adding a function is adding a line.  `x` is the value, `p->name` a parameter; C may use libm, only float builds link it.
Source: the ONNX operator specification; SiLU and Gelu also as functions of the domain `edgec`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from edgec.ir.program import Array

Params = Mapping[str, float]
FLOAT_MAX = 3.4028234663852886e38  # a finite stand-in for infinity in attributes and C literals
_erf = np.vectorize(math.erf, otypes=[np.float64])


@dataclass(frozen=True)
class Function:
    """name: ONNX op type; real: float64 array, parameters -> float64 array; c: C expression of x and p->parameter;
    params: their defaults."""

    name: str
    real: Callable[[Array, Params], Array]
    c: str
    params: Params = field(default_factory=dict)


def _sigmoid(x: Array) -> Array:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


def _softplus(x: Array) -> Array:
    return np.asarray(np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x))))


_TANH_GELU = "0.5f * x * (1.0f + tanhf(0.79788456f * (x + 0.044715f * x * x * x)))"
_SOFTPLUS = "fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x)))"
_SELU = {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}

_ROWS = (
    Function("Relu", lambda x, p: np.maximum(x, 0.0), "x > 0.0f ? x : 0.0f"),
    Function("Clip", lambda x, p: np.clip(x, p["min"], p["max"]), "x < p->min ? p->min : x > p->max ? p->max : x",
             {"min": -FLOAT_MAX, "max": FLOAT_MAX}),
    Function("LeakyRelu", lambda x, p: np.where(x < 0, p["alpha"] * x, x),
             "x < 0.0f ? p->alpha * x : x", {"alpha": 0.01}),
    Function("ThresholdedRelu", lambda x, p: np.where(x > p["alpha"], x, 0.0),
             "x > p->alpha ? x : 0.0f", {"alpha": 1.0}),
    Function("HardSigmoid", lambda x, p: np.clip(p["alpha"] * x + p["beta"], 0.0, 1.0),
             "fminf(fmaxf(p->alpha * x + p->beta, 0.0f), 1.0f)", {"alpha": 0.2, "beta": 0.5}),
    Function("HardSwish", lambda x, p: x * np.clip(x / 6.0 + 0.5, 0.0, 1.0),
             "x * fminf(fmaxf(x / 6.0f + 0.5f, 0.0f), 1.0f)"),
    Function("Sigmoid", lambda x, p: _sigmoid(x), "1.0f / (1.0f + expf(-x))"),
    Function("SiLU", lambda x, p: x * _sigmoid(x), "x / (1.0f + expf(-x))"),
    Function("Swish", lambda x, p: x * _sigmoid(p["alpha"] * x), "x / (1.0f + expf(-p->alpha * x))", {"alpha": 1.0}),
    Function("Mish", lambda x, p: x * np.tanh(_softplus(x)), f"x * tanhf({_SOFTPLUS})"),
    Function("Softplus", lambda x, p: _softplus(x), _SOFTPLUS),
    Function("Softsign", lambda x, p: x / (1.0 + np.abs(x)), "x / (1.0f + fabsf(x))"),
    Function("Elu", lambda x, p: np.where(x < 0, p["alpha"] * np.expm1(x), x),
             "x < 0.0f ? p->alpha * expm1f(x) : x", {"alpha": 1.0}),
    Function("Selu", lambda x, p: p["gamma"] * np.where(x < 0, p["alpha"] * np.expm1(x), x),
             "p->gamma * (x < 0.0f ? p->alpha * expm1f(x) : x)", _SELU),
    Function("Celu", lambda x, p: np.where(x < 0, p["alpha"] * np.expm1(x / p["alpha"]), x),
             "x < 0.0f ? p->alpha * expm1f(x / p->alpha) : x", {"alpha": 1.0}),
    Function("Shrink",
             lambda x, p: np.where(x < -p["lambd"], x + p["bias"], np.where(x > p["lambd"], x - p["bias"], 0.0)),
             "x < -p->lambd ? x + p->bias : x > p->lambd ? x - p->bias : 0.0f", {"lambd": 0.5, "bias": 0.0}),
    Function("Tanh", lambda x, p: np.tanh(x), "tanhf(x)"),
    Function("Erf", lambda x, p: _erf(x), "erff(x)"),
    Function("Gelu", lambda x, p: 0.5 * x * (1.0 + _erf(x / math.sqrt(2.0))),
             "0.5f * x * (1.0f + erff(x * 0.70710678f))"),
    Function("GeluTanh",
             lambda x, p: 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3))), _TANH_GELU),
    Function("Exp", lambda x, p: np.exp(x), "expf(x)"),
    Function("Log", lambda x, p: np.log(x), "logf(x)"),
    Function("Sqrt", lambda x, p: np.sqrt(x), "sqrtf(x)"),
    Function("Reciprocal", lambda x, p: 1.0 / x, "1.0f / x"),
    Function("Square", lambda x, p: x * x, "x * x"),
    Function("Pow", lambda x, p: np.power(x, p["exponent"]), "powf(x, p->exponent)", {"exponent": 2.0}),
    Function("Abs", lambda x, p: np.abs(x), "fabsf(x)"),
    Function("Neg", lambda x, p: -x, "-x"),
    Function("Sign", lambda x, p: np.sign(x), "x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : 0.0f"),
    Function("Floor", lambda x, p: np.floor(x), "floorf(x)"),
    Function("Ceil", lambda x, p: np.ceil(x), "ceilf(x)"),
    Function("Round", lambda x, p: np.rint(x), "rintf(x)"),
    Function("Sin", lambda x, p: np.sin(x), "sinf(x)"),
    Function("Cos", lambda x, p: np.cos(x), "cosf(x)"),
    Function("Tan", lambda x, p: np.tan(x), "tanf(x)"),
    Function("Asin", lambda x, p: np.arcsin(x), "asinf(x)"),
    Function("Acos", lambda x, p: np.arccos(x), "acosf(x)"),
    Function("Atan", lambda x, p: np.arctan(x), "atanf(x)"),
    Function("Sinh", lambda x, p: np.sinh(x), "sinhf(x)"),
    Function("Cosh", lambda x, p: np.cosh(x), "coshf(x)"),
    Function("Asinh", lambda x, p: np.arcsinh(x), "asinhf(x)"),
    Function("Acosh", lambda x, p: np.arccosh(x), "acoshf(x)"),
    Function("Atanh", lambda x, p: np.arctanh(x), "atanhf(x)"),
)  # fmt: skip

FUNCTIONS: Mapping[str, Function] = {row.name: row for row in _ROWS}


def evaluate(name: str, x: Array, params: Params) -> Array:
    """The function in float64.  Outside its domain the result is NaN or infinite, without warnings."""
    with np.errstate(all="ignore"):
        return np.asarray(FUNCTIONS[name].real(np.asarray(x, np.float64), params), np.float64)
