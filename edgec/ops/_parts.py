"""Parts of a node that is lowered as several simpler ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgec.ir.program import Quant
from edgec.ops.base import Lowering, Tensor, Unit
from edgec.ops.registry import by_onnx


@dataclass
class Part:
    """A unit that stands for no node of its own: implements ops.base.Unit."""

    node_name: str
    op_type: str
    inputs: Sequence[Tensor | None]
    out_name: str
    out_shape: tuple[int, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    quant: Quant | None = None
    bias: Tensor | None = None
    lo: float = -math.inf
    hi: float = math.inf
    out_dtype: str = "float32"
    outputs: Sequence[tuple[str, tuple[int, ...]]] = ()
    output_quants: Sequence[Quant | None] = ()
    used: Sequence[bool] = (True,)


def part(
    unit: Unit,
    ctx: Lowering,
    op_type: str,
    inputs: Sequence[Tensor | None],
    shape: tuple[int, ...],
    suffix: str,
    attrs: Mapping[str, Any] | None = None,
) -> Tensor:
    """Lowers an intermediate float32 value of `unit` through the page of `op_type`."""
    made = Part(unit.node_name, op_type, inputs, f"{unit.out_name}_{suffix}", shape, attrs or {})
    return by_onnx()[op_type].lower(made, ctx)
