"""Arithmetic read as a polynomial: whatever order an exporter multiplies and adds in, the coefficients are the same."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import onnx_ir as ir

from edgec.graph.view import scalar

Powers = tuple[int, ...]
Polynomial = dict[Powers, float]
DEEPEST, HIGHEST_POWER = 8, 4
ARITHMETIC = ("Add", "Sub", "Mul", "Div", "Neg", "Pow")


def polynomial(value: ir.Value | None, unknowns: Sequence[ir.Value], deepest: int = DEEPEST) -> Polynomial | None:
    """Coefficients by the powers of the unknowns: 3 x^2 t + 1 is {(2, 1): 3.0, (0, 0): 1.0}.  None if it is no such thing."""
    if value is None or deepest == 0:
        return None
    for index, unknown in enumerate(unknowns):
        if value is unknown:
            return {tuple(int(i == index) for i in range(len(unknowns))): 1.0}
    one: Powers = (0,) * len(unknowns)
    number = scalar(value)
    if number is not None:
        return {one: number}
    node = value.producer()
    if node is None or node.domain or node.op_type not in ARITHMETIC:
        return None
    parts = [polynomial(operand, unknowns, deepest - 1) for operand in node.inputs]
    if any(part is None for part in parts):
        return None
    a = parts[0] or {}
    if node.op_type == "Neg":
        return _times(a, {one: -1.0})
    b = parts[1] or {}
    if node.op_type == "Mul":
        return _times(a, b)
    if node.op_type in ("Add", "Sub"):
        return _plus(a, b if node.op_type == "Add" else _times(b, {one: -1.0}))
    constant = b.get(one) if set(b) == {one} else None
    if constant is None or constant == 0:
        return None
    if node.op_type == "Div":
        return _times(a, {one: 1.0 / constant})
    if constant != int(constant) or not 0 < constant <= HIGHEST_POWER:
        return None
    power = a
    for _ in range(int(constant) - 1):
        power = _times(power, a)
    return power


def _plus(a: Polynomial, b: Polynomial) -> Polynomial:
    return {powers: a.get(powers, 0.0) + b.get(powers, 0.0) for powers in (*a, *b)}


def _times(a: Polynomial, b: Polynomial) -> Polynomial:
    made: Polynomial = {}
    for p, x in a.items():
        for q, y in b.items():
            powers = tuple(i + j for i, j in zip(p, q, strict=True))
            made[powers] = made.get(powers, 0.0) + x * y
    return made


def close(found: Polynomial | None, wanted: Polynomial, tolerance: float = 1e-4) -> bool:
    """Whether the coefficients agree, relative to the wanted ones."""
    return found is not None and set(found) == set(wanted) and all(
        math.isclose(found[powers], number, rel_tol=tolerance) for powers, number in wanted.items()
    )  # fmt: skip


def inner_values(value: ir.Value | None, deepest: int = DEEPEST) -> Iterator[ir.Value]:
    """The value and what it is computed from by arithmetic, nearest first: candidates for the unknown."""
    level = [] if value is None else [value]
    seen: set[ir.Value] = set()
    for _ in range(deepest):
        yield from (v for v in level if v not in seen)
        seen.update(level)
        nodes = [v.producer() for v in level]
        below = [
            v
            for node in nodes
            if node is not None and not node.domain and node.op_type in ARITHMETIC
            for v in node.inputs
        ]
        level = list(dict.fromkeys(v for v in below if v is not None and v.const_value is None and v not in seen))


def outer_values(value: ir.Value, deepest: int = DEEPEST) -> Iterator[ir.Value]:
    """What arithmetic makes of a value, nearest first, as long as one node reads it."""
    for _ in range(deepest):
        uses = [use.node for use in value.uses()]
        if len(uses) != 1 or uses[0].domain or uses[0].op_type not in ARITHMETIC:
            return
        value = uses[0].outputs[0]
        yield value
