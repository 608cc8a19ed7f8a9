"""Activations in one spelling: Relu where a bound is zero, Clip with both limits, two-operand sums and extremes."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgec.graph.edit import constant, graph_of, insert, set_inputs, swap
from edgec.graph.view import const_array, input_at, produced_by, scalar, sole_user

LOWEST, HIGHEST = float(np.finfo(np.float32).min), float(np.finfo(np.float32).max)


def canonical_clip(model: ir.Model) -> bool:
    """Clip states both limits; Min and Max with a constant number are Clips; a Clip at 0 without upper limit is Relu.

    Before::

        g (float[2] x) => (float[2] y) <float[1] six = {6}, float zero = {0}> {
            a = Max (zero, x)
            y = Min (a, six)
        }

    After::

        g (float[2] x) => (float[2] y) <float lo = {0}, float hi = {6}> {
            y = Clip (x, lo, hi)
        }
    """
    changed = False
    for node in list(model.graph):
        if node.domain or node.outputs[0].dtype != ir.DataType.FLOAT:
            continue
        bounds = _bounds(node)
        if bounds is None:
            continue
        source, low, high, exact = bounds
        earlier = source.producer()
        behind = None if earlier is None or sole_user(source) is not node else _bounds(earlier)
        if behind is not None:  # clip(clip(x, a, b), c, d): the later limits have the last word
            source, exact = behind[0], False
            low, high = min(max(behind[1], low), high), min(max(behind[2], low), high)
        relu = low == 0 and high >= HIGHEST
        if exact and (not relu or node.op_type == "Relu"):
            continue
        limits = [] if relu else [constant(graph_of(node), np.array(v, np.float32), f"{node.name}_{n}") for v, n in ((low, "min"), (high, "max"))]
        made = insert(node, "Relu" if relu else "Clip", [source, *limits], like=node.outputs[0], name=node.name or "")
        changed |= swap(node, made)
    return changed


def _bounds(node: ir.Node) -> tuple[ir.Value, float, float, bool] | None:
    """Source, lower and upper limit of anything that clips, and whether it is spelt canonically."""
    source = input_at(node, 0)
    if source is None or node.domain:
        return None
    if node.op_type == "Relu":
        return source, 0.0, HIGHEST, True
    if node.op_type == "Clip":
        given = [input_at(node, 1), input_at(node, 2)]
        numbers = [scalar(value) for value in given]
        if any(value is not None and number is None for value, number in zip(given, numbers, strict=True)):
            return None
        low = LOWEST if numbers[0] is None else max(numbers[0], LOWEST)
        high = HIGHEST if numbers[1] is None else min(numbers[1], HIGHEST)
        exact = all(value is not None and const_array(value) is not None and const_array(value).ndim == 0 for value in given)  # type: ignore[union-attr]
        return source, low, high, exact
    if node.op_type in ("Min", "Max") and len(node.inputs) == 2:
        other = node.inputs[1]
        limit = scalar(other)
        if limit is None:
            source, other, limit = other, source, scalar(source)
        if source is None or limit is None or scalar(source) is not None or not _no_wider(source, other):
            return None
        return (source, LOWEST, limit, False) if node.op_type == "Min" else (source, limit, HIGHEST, False)
    return None


def _no_wider(source: ir.Value, other: ir.Value | None) -> bool:
    """Whether a one-element constant keeps the source's rank under broadcasting."""
    if source.shape is None or other is None or other.shape is None:
        return False
    return other.shape.rank() <= source.shape.rank()


def binary_chains(model: ir.Model) -> bool:
    """Sum, Mean, Min and Max of several values become chains of two-operand nodes (Sum: Add; Mean: Add, then Mul by 1/n).

    Before::

        g (float[2] a, float[2] b, float[2] c) => (float[2] y) {
            y = Sum (a, b, c)
        }

    After::

        g (float[2] a, float[2] b, float[2] c) => (float[2] y) {
            t = Add (a, b)
            y = Add (t, c)
        }
    """
    changed = False
    for node in list(model.graph):
        if node.domain or node.op_type not in ("Sum", "Mean", "Min", "Max") or len(node.inputs) < 2:
            continue
        if node.op_type in ("Min", "Max") and len(node.inputs) == 2:
            continue
        step = "Add" if node.op_type in ("Sum", "Mean") else node.op_type
        total = node.inputs[0]
        assert total is not None
        for value in node.inputs[1:]:
            total = insert(node, step, [total, value])
            total.type = node.outputs[0].type
        if node.op_type == "Mean":
            total = insert(node, "Mul", [total, constant(graph_of(node), 1.0 / len(node.inputs), f"{node.name}_share")])
            total.type = node.outputs[0].type
        total.shape = node.outputs[0].shape
        changed |= swap(node, total)
    return changed


def constant_last(model: ir.Model) -> bool:
    """The constant operand of Add and Mul stands second.

    Before::

        g (float[2] x) => (float[2] y) <float[2] c = {1, 2}> {
            y = Add (c, x)
        }

    After::

        g (float[2] x) => (float[2] y) <float[2] c = {1, 2}> {
            y = Add (x, c)
        }
    """
    changed = False
    for node in model.graph:
        if node.op_type in ("Add", "Mul") and not node.domain and len(node.inputs) == 2:
            first, second = node.inputs
            if const_array(first) is not None and const_array(second) is None and produced_by(second, "Constant") is None:
                set_inputs(node, [second, first])
                changed = True
    return changed
