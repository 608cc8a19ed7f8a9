"""The one door to onnxscript's rewriter: patterns written as algebra, applied to a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import onnx_ir as ir

from edgec.graph.view import scalar

FUNCTION_DOMAIN = "edgec"


@dataclass(frozen=True)
class Pattern:
    """A fusion.

    match, make: functions (op, *values) that build the pattern and what replaces it; numbers: names of pattern variables
    that must be constants of one element with the given value (relative tolerance 1e-4); function: the replacement is a
    call of a model-local function of domain `edgec` whose body is the matched graph, so the model stays plain ONNX.
    """

    name: str
    match: Callable[..., Any]
    make: Callable[..., Any]
    numbers: Mapping[str, float] = field(default_factory=dict)
    function: bool = False


def apply(model: ir.Model, patterns: Sequence[Pattern]) -> bool:
    """Applies patterns (operands of Add and Mul in either order) in place.  Says whether anything matched."""
    from onnxscript.rewriter import RewriteRule, RewriteRuleSet

    def condition(numbers: Mapping[str, float]) -> Callable[..., bool]:
        def holds(context: Any, **values: Any) -> bool:
            # The bodies of functions made earlier are what the patterns look for: a match there would call itself.
            if isinstance(context.graph_or_function, ir.Function):
                return False
            return all(_is_number(values.get(name), wanted) for name, wanted in numbers.items())

        return holds

    rules = [
        RewriteRule(p.match, p.make, condition(p.numbers), name=p.name, as_function=p.function) for p in patterns
    ]
    return bool(RewriteRuleSet(rules, commute=True).apply_to_model(model))


def _is_number(value: ir.Value | None, wanted: float) -> bool:
    found = scalar(value)
    return found is not None and abs(found - wanted) <= 1e-4 * abs(wanted)
