"""The pieces of a normalisation: squares, means, roots, each in all its spellings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx_ir as ir

from edgec.graph.view import attributes, const_array, input_at, is_static, produced_by, scalar


@dataclass(frozen=True)
class Statistics:
    """Over which axes (from the front, ascending) of x the mean square, or with `centred` the variance, is formed; epsilon is added to it."""

    x: ir.Value
    axes: tuple[int, ...]
    centred: bool
    epsilon: float = 0.0


def pair(node: ir.Node | None) -> Iterator[tuple[ir.Value | None, ir.Value | None]]:
    """The operands of a commutative node in both orders."""
    if node is not None and len(node.inputs) == 2:
        yield node.inputs[0], node.inputs[1]
        yield node.inputs[1], node.inputs[0]


def product(value: ir.Value | None, factor: ir.Value | None) -> Iterator[ir.Value | None]:
    """What is multiplied by `factor` to give `value`."""
    return (one for one, other in pair(produced_by(value, "Mul")) if other is factor)


def mean(value: ir.Value | None) -> tuple[ir.Value, tuple[int, ...]] | None:
    """x and axes of a mean that keeps its axes."""
    node = produced_by(value, "ReduceMean")
    axes = const_array(input_at(node, 1)) if node is not None else None
    if node is None or axes is None or axes.size == 0 or not attributes(node)["keepdims"]:
        return None
    x = node.inputs[0]
    if x is None or not is_static(x) or x.dtype != ir.DataType.FLOAT or x.shape is None:
        return None
    return x, tuple(sorted(int(axis) % x.shape.rank() for axis in axes))


def is_mean(value: ir.Value | None, found: Statistics) -> bool:
    """Whether a value is the mean that belongs to a variance."""
    return mean(value) == (found.x, found.axes)


def square(value: ir.Value | None) -> ir.Value | None:
    """v of v * v or v ** 2."""
    node = produced_by(value, "Mul")
    if node is not None and node.inputs[0] is node.inputs[1]:
        return node.inputs[0]
    node = produced_by(value, "Pow")
    return node.inputs[0] if node is not None and scalar(node.inputs[1]) == 2 else None


def centre(value: ir.Value | None) -> tuple[ir.Value, tuple[int, ...]] | None:
    """x and axes of x - mean(x)."""
    node = produced_by(value, "Sub")
    found = mean(node.inputs[1]) if node is not None else None
    return found if found is not None and node is not None and found[0] is node.inputs[0] else None


def mean_square(value: ir.Value | None) -> Statistics | None:
    """The mean of squares, or the variance in either form (Ex^2 - (Ex)^2 possibly clipped at 0)."""
    found = mean(value)
    if found is not None:
        inner = square(found[0])
        if inner is None:
            return None
        middle = centre(inner)
        if middle is not None and middle[1] == found[1]:
            return Statistics(middle[0], found[1], True)
        return Statistics(inner, found[1], False)
    clipped = produced_by(value, "Relu")
    node = produced_by(clipped.inputs[0] if clipped is not None else value, "Sub")
    if node is None:
        return None
    squares, middle = mean_square(node.inputs[0]), mean(square(node.inputs[1]))
    if squares is None or squares.centred or middle != (squares.x, squares.axes):
        return None
    return Statistics(squares.x, squares.axes, True)


def _more(value: ir.Value | None) -> Statistics | None:
    """variance + epsilon."""
    for other, epsilon in pair(produced_by(value, "Add")):
        number, found = scalar(epsilon), mean_square(other)
        if number is not None and number >= 0 and found is not None:
            return Statistics(found.x, found.axes, found.centred, number)
    return None


def root(value: ir.Value | None) -> Statistics | None:
    """sqrt(variance + epsilon)."""
    node = produced_by(value, "Sqrt")
    if node is not None:
        return _more(node.inputs[0])
    node = produced_by(value, "Pow")
    return _more(node.inputs[0]) if node is not None and scalar(node.inputs[1]) == 0.5 else None


def inverse_root(value: ir.Value | None) -> Statistics | None:
    """1 / sqrt(variance + epsilon)."""
    if (node := produced_by(value, "Reciprocal")) is not None:
        return root(node.inputs[0])
    if (node := produced_by(value, "Div")) is not None:
        return root(node.inputs[1]) if scalar(node.inputs[0]) == 1 else None
    if (node := produced_by(value, "Pow")) is not None and scalar(node.inputs[1]) == -0.5:
        return _more(node.inputs[0])
    if (node := produced_by(value, "Sqrt")) is not None and (
        inner := produced_by(node.inputs[0], "Reciprocal")
    ) is not None:
        return _more(inner.inputs[0])
    return None


def numerator(value: ir.Value | None, found: Statistics) -> bool:
    """Whether a value is what has this mean square (x) or this variance (x - mean)."""
    return centre(value) == (found.x, found.axes) if found.centred else value is found.x
