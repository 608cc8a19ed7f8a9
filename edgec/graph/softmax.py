"""Softmax from its pieces: exp of the distance from the largest, over the sum."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgec.graph.edit import insert, swap
from edgec.graph.norm_parts import pair
from edgec.graph.view import attributes, const_array, input_at, is_static, produced_by, scalar


def fuse_softmax(model: ir.Model) -> bool:
    """exp(x - max) / sum(exp(x - max)) along one axis becomes Softmax; the distance from the maximum may be missing.

    Before::

        g (float[2, 4] x) => (float[2, 4] y) <int64[1] last = {1}> {
            top = ReduceMax <keepdims = 1> (x, last)
            d = Sub (x, top)
            e = Exp (d)
            total = ReduceSum <keepdims = 1> (e, last)
            y = Div (e, total)
        }

    After::

        g (float[2, 4] x) => (float[2, 4] y) {
            y = Softmax <axis = 1> (x)
        }
    """
    changed = False
    for node in list(model.graph):
        if node.domain or node.op_type not in ("Div", "Mul"):
            continue
        for exponential, total in _quotient(node):
            exp, axis = produced_by(exponential, "Exp"), _reduced(total, "ReduceSum", exponential)
            if exp is None or axis is None:
                continue
            x = exp.inputs[0]
            distance = produced_by(x, "Sub")
            if distance is not None and _reduced(distance.inputs[1], "ReduceMax", distance.inputs[0]) == axis:
                x = distance.inputs[0]
            changed |= swap(node, insert(node, "Softmax", [x], {"axis": axis}, like=node.outputs[0]))
            break
    return changed


def _quotient(node: ir.Node) -> list[tuple[ir.Value | None, ir.Value | None]]:
    """Dividend and divisor of a / b or a * (1 / b)."""
    if node.op_type == "Div":
        return [(node.inputs[0], node.inputs[1])]
    found = []
    for first, second in pair(node):
        if (inverse := produced_by(second, "Reciprocal")) is not None:
            found.append((first, inverse.inputs[0]))
        elif (inverse := produced_by(second, "Div")) is not None and scalar(inverse.inputs[0]) == 1:
            found.append((first, inverse.inputs[1]))
    return found


def _reduced(value: ir.Value | None, op_type: str, source: ir.Value | None) -> int | None:
    """The one axis, from the front, along which `value` is the sum or the maximum of `source`."""
    node = produced_by(value, op_type)
    if node is None or source is None or node.inputs[0] is not source or not is_static(source) or source.shape is None:
        return None
    axes = const_array(input_at(node, 1))
    if axes is None or axes.size != 1 or not attributes(node)["keepdims"]:
        return None
    return int(np.asarray(axes).reshape(-1)[0]) % source.shape.rank()
