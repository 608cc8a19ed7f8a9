"""GELU from its pieces: by erf (exact) and by tanh (approximate), in whatever order the exporter multiplies."""

from __future__ import annotations

import math

import onnx_ir as ir

from edgec.graph.edit import insert, swap
from edgec.graph.polynomial import Polynomial, close, inner_values, outer_values, polynomial
from edgec.graph.view import is_static, shape

ROOT = math.sqrt(2.0 / math.pi)
# bell: the polynomial in x it is taken of; x times half of (1 + bell) is the GELU
INSIDE: dict[str, Polynomial] = {"Erf": {(1,): math.sqrt(0.5)}, "Tanh": {(1,): ROOT, (3,): ROOT * 0.044715}}
OUTSIDE: Polynomial = {(1, 0): 0.5, (1, 1): 0.5}
KIND = {"Erf": "none", "Tanh": "tanh"}
SINCE = 20


def fuse_gelu(model: ir.Model) -> bool:
    """x/2 * (1 + erf(x / sqrt 2)), or with tanh(sqrt(2/pi) * (x + 0.044715 x^3)) for the erf, becomes one operator.

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
    if model.graph.opset_imports.get("", 0) < SINCE:
        return False
    changed = False
    for node in list(model.graph):
        if node.op_type in INSIDE and not node.domain:
            changed |= _fuse(node)
    return changed


def _fuse(bell: ir.Node) -> bool:
    wanted = INSIDE[bell.op_type]
    x = next((v for v in inner_values(bell.inputs[0]) if close(polynomial(bell.inputs[0], [v]), wanted)), None)
    if x is None or not is_static(x):
        return False
    for value in outer_values(bell.outputs[0]):
        last = value.producer()
        if (
            last is not None
            and is_static(value)
            and shape(value) == shape(x)
            and close(polynomial(value, [x, bell.outputs[0]]), OUTSIDE)
        ):
            settings = {} if KIND[bell.op_type] == "none" else {"approximate": KIND[bell.op_type]}
            return swap(last, insert(last, "Gelu", [x], settings, like=value, name=f"{bell.name}_gelu"))
    return False
