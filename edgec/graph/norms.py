"""Normalisation from its pieces, as exporters write it: mean, difference, square, mean, epsilon, root, quotient.

The pieces are recognised by what they mean, not by one order of nodes: squares are Mul or Pow, 1/sqrt is Div, Reciprocal or Pow, the
variance is E(x - Ex)^2 or Ex^2 - (Ex)^2, operands commute, equal subexpressions may be computed twice.  The result has a scale of ones; what
multiplies and shifts behind it is folded in by `norm_affine`.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgec.graph.edit import constant, graph_of, insert, set_attributes, swap
from edgec.graph.norm_parts import Statistics, inverse_root, is_mean, numerator, pair, product, root
from edgec.graph.view import const_array, produced_by, shape, sole_user

RMS_SINCE = 23


def fuse_norms(model: ir.Model) -> bool:
    """(x - mean) / sqrt(variance + epsilon) becomes LayerNormalization, InstanceNormalization (over the pixels of an image) or, without
    the mean, RMSNormalization.

    Before::

        g (float[2, 3, 4] x) => (float[2, 3, 4] y)
        <int64[1] last = {-1}, float two = {2}, float eps = {0.25}, float[4] s = {1, 2, 3, 4}, float[4] b = {0, 1, 0, 1}> {
            mean = ReduceMean (x, last)
            d = Sub (x, mean)
            square = Pow (d, two)
            variance = ReduceMean (square, last)
            more = Add (variance, eps)
            sd = Sqrt (more)
            n = Div (d, sd)
            scaled = Mul (n, s)
            y = Add (scaled, b)
        }

    After::

        g (float[2, 3, 4] x) => (float[2, 3, 4] y)
        <float[4] one = {1, 1, 1, 1}, float[4] s = {1, 2, 3, 4}, float[4] b = {0, 1, 0, 1}> {
            n = LayerNormalization <axis = 2, epsilon = 0.25> (x, one)
            scaled = Mul (n, s)
            y = Add (scaled, b)
        }
    """
    changed = False
    for node in list(model.graph):
        if node.domain or node.graph is None or node.op_type not in ("Mul", "Div"):
            continue
        found, scale = _quotient(node), None
        if found is None and node.op_type == "Mul":  # x * (r * scale)
            found, scale = _scaled_root(node)
        if found is None:
            continue
        made = _norm(node, found)
        if made is None:
            continue
        if scale is not None:
            made = insert(node, "Mul", [made, scale], like=node.outputs[0])
        changed |= swap(node, made)
    return changed


def fuse_shifted_norms(model: ir.Model) -> bool:
    """x * g + (bias - mean * g) with g = scale / sqrt(variance + epsilon), the spelling of TensorFlow and Keras, becomes one normalisation.

    Before::

        g (float[2, 4] x) => (float[2, 4] y)
        <int64[1] last = {1}, float eps = {0.25}, float[4] s = {1, 2, 3, 4}, float[4] b = {0, 1, 0, 1}> {
            mean = ReduceMean <keepdims = 1> (x, last)
            d = Sub (x, mean)
            square = Mul (d, d)
            variance = ReduceMean <keepdims = 1> (square, last)
            more = Add (variance, eps)
            sd = Sqrt (more)
            r = Reciprocal (sd)
            g = Mul (r, s)
            scaled = Mul (x, g)
            moved = Mul (mean, g)
            shift = Sub (b, moved)
            y = Add (scaled, shift)
        }

    After::

        g (float[2, 4] x) => (float[2, 4] y) <float[4] one = {1, 1, 1, 1}, float[4] s = {1, 2, 3, 4}, float[4] b = {0, 1, 0, 1}> {
            n = LayerNormalization <axis = 1, epsilon = 0.25> (x, one)
            scaled = Mul (n, s)
            y = Add (scaled, b)
        }
    """
    changed = False
    for node in list(model.graph):
        if node.domain or node.graph is None or node.op_type not in ("Add", "Sub"):
            continue
        for first, second in pair(node) if node.op_type == "Add" else [(node.inputs[0], node.inputs[1])]:
            changed |= _shifted(node, first, second)
            if node.graph is None:
                break
    return changed


def _quotient(node: ir.Node) -> Statistics | None:
    """What a Div or Mul normalises."""
    if node.op_type == "Div":
        found = root(node.inputs[1])
        return found if found is not None and numerator(node.inputs[0], found) else None
    for value, other in pair(node):
        found = inverse_root(other)
        if found is not None and numerator(value, found):
            return found
    return None


def _scaled_root(node: ir.Node) -> tuple[Statistics | None, ir.Value | None]:
    """x * (r * scale) with a constant scale."""
    for value, other in pair(node):
        found, scale = _gain(other)
        if found is not None and scale is not None and numerator(value, found):
            return found, scale
    return None, None


def _gain(value: ir.Value | None) -> tuple[Statistics | None, ir.Value | None]:
    """1 / sqrt(variance + epsilon), alone or times a constant."""
    found = inverse_root(value)
    if found is not None:
        return found, None
    for factor, other in pair(produced_by(value, "Mul")):
        found = inverse_root(factor)
        if found is not None and const_array(other) is not None:
            return found, other
    return None, None


def _shifted(node: ir.Node, first: ir.Value | None, second: ir.Value | None) -> bool:
    """x * g + second, or x * g - mean * g for a Sub."""
    for x, gain in pair(produced_by(first, "Mul")):
        found, scale = _gain(gain)
        if found is None or not found.centred or x is not found.x:
            continue
        bias: ir.Value | None = None
        if node.op_type == "Sub":
            fits = _is_moved(second, found, gain)
        else:
            fits, bias = _shift(second, found, gain)
        made = _norm(node, found) if fits else None
        if made is None:
            continue
        for op_type, operand in (("Mul", scale), ("Add", bias)):
            if operand is not None:
                made = insert(node, op_type, [made, operand], like=node.outputs[0])
        return swap(node, made)
    return False


def _shift(value: ir.Value | None, found: Statistics, gain: ir.Value | None) -> tuple[bool, ir.Value | None]:
    """bias - mean * gain, -(mean * gain), (-mean) * gain [+ bias]; and the bias."""
    if (node := produced_by(value, "Sub")) is not None:
        return _is_moved(node.inputs[1], found, gain) and const_array(node.inputs[0]) is not None, node.inputs[0]
    for moved, bias in pair(produced_by(value, "Add")):
        if const_array(bias) is not None and _is_minus_moved(moved, found, gain):
            return True, bias
    return _is_minus_moved(value, found, gain), None


def _is_moved(value: ir.Value | None, found: Statistics, gain: ir.Value | None) -> bool:
    return any(is_mean(mean, found) for mean in product(value, gain))


def _is_minus_moved(value: ir.Value | None, found: Statistics, gain: ir.Value | None) -> bool:
    if (node := produced_by(value, "Neg")) is not None:
        return _is_moved(node.inputs[0], found, gain)
    negated = [produced_by(mean, "Neg") for mean in product(value, gain)]
    return any(node is not None and is_mean(node.inputs[0], found) for node in negated)


def _norm(before: ir.Node, found: Statistics) -> ir.Value | None:
    """The operator with a scale of ones, on a transposed value where the axis is not the last."""
    dims = shape(found.x)
    rank, graph = len(dims), graph_of(before)
    trailing = found.axes == tuple(range(rank - len(found.axes), rank))
    if not trailing and len(found.axes) != 1:
        return None
    if found.centred and rank > 3 and found.axes == tuple(range(2, rank)):
        ones = constant(graph, np.ones(dims[1], np.float32), f"{before.name}_scale")
        zeros = constant(graph, np.zeros(dims[1], np.float32), f"{before.name}_bias")
        return insert(before, "InstanceNormalization", [found.x, ones, zeros], {"epsilon": found.epsilon}, like=found.x)
    if not found.centred and len(found.axes) != 1:
        return None
    x, axis = found.x, found.axes[0]
    if not trailing:
        perm = (*(a for a in range(rank) if a != axis), axis)
        x = insert(before, "Transpose", [x], {"perm": perm})
        x.type, x.shape, axis = found.x.type, ir.Shape([dims[p] for p in perm]), rank - 1
    ones = constant(graph, np.ones(shape(x)[axis:], np.float32), f"{before.name}_scale")
    settings = {"axis": axis, "epsilon": found.epsilon}
    made = insert(before, "LayerNormalization" if found.centred else "RMSNormalization", [x, ones], settings, like=x)
    if not found.centred:
        graph.opset_imports[""] = max(graph.opset_imports.get("", 0), RMS_SINCE)
    return (
        made
        if trailing
        else insert(before, "Transpose", [made], {"perm": tuple(np.argsort(perm).tolist())}, like=found.x)
    )


def fuse_group_norm(model: ir.Model) -> bool:
    """Reshape to groups, InstanceNormalization, Reshape back becomes GroupNormalization.

    Before::

        g (float[1, 4, 2, 2] x) => (float[1, 4, 2, 2] y)
        <int64[3] to = {1, 2, -1}, float[2] one = {1, 2}, float[2] zero = {0, 0}, int64[4] back = {1, 4, 2, 2}> {
            a = Reshape (x, to)
            b = InstanceNormalization <epsilon = 0.25> (a, one, zero)
            y = Reshape (b, back)
        }

    After::

        g (float[1, 4, 2, 2] x) => (float[1, 4, 2, 2] y) <float[4] one = {1, 1, 2, 2}, float[4] zero = {0, 0, 0, 0}> {
            y = GroupNormalization <num_groups = 2, epsilon = 0.25> (x, one, zero)
        }
    """
    changed = False
    for node in list(model.graph):
        before = (
            produced_by(node.inputs[0], "Reshape")
            if node.op_type == "InstanceNormalization" and not node.domain
            else None
        )
        after = sole_user(node.outputs[0]) if before is not None else None
        if before is None or after is None or after.op_type != "Reshape" or before.inputs[0] is None:
            continue
        x, numbers = before.inputs[0], [const_array(value) for value in node.inputs[1:3]]
        dims, grouped = shape(x), shape(before.outputs[0])
        fits = len(dims) > 2 and shape(after.outputs[0]) == dims and grouped[0] == dims[0] and dims[1] % grouped[1] == 0
        if not fits or numbers[0] is None or numbers[1] is None:
            continue
        each = dims[1] // grouped[1]
        names = [str(value.name) for value in node.inputs[1:3] if value is not None]
        made = [
            constant(model.graph, np.repeat(a, each), n) for a, n in zip(numbers, names, strict=True) if a is not None
        ]
        settings = {"epsilon": node.attributes["epsilon"].as_float() if "epsilon" in node.attributes else 1e-5}
        plain = insert(
            after, "InstanceNormalization" if each == 1 else "GroupNormalization", [x, *made], settings, like=x
        )
        owner = plain.producer()
        if each > 1 and owner is not None:
            set_attributes(owner, num_groups=grouped[1])
        changed |= swap(after, plain)
    return changed
