"""Groups of ONNX nodes that become one step: an operator, a constant bias behind it, its activation, its QuantizeLinear."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, prod
from typing import Any

import numpy as np
import onnx_ir as ir

from edgec.ir.program import Array, Quant
from edgec.ops.base import Tensor

BIASED = frozenset({"Conv", "Gemm", "MatMul"})
CLAMPED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Sub", "Mul", "Div"})


@dataclass
class Group:
    """The nodes of one unit in graph order: core, then what was absorbed.  last: the float value they make; quantize: its absorbed Q nodes."""

    core: ir.Node
    bias: ir.Value | None = None
    lo: float = -inf
    hi: float = inf
    last: ir.Value = field(default=None)  # type: ignore[assignment]
    absorbed: list[ir.Node] = field(default_factory=list)
    quantize: list[ir.Node] = field(default_factory=list)
    others: list[list[ir.Node]] = field(default_factory=list)  # the same for the second and further outputs of core


@dataclass
class LoweredUnit:
    """A Group with its operands lowered: implements ops.base.Unit."""

    node_name: str
    op_type: str
    attrs: dict[str, Any]
    inputs: list[Tensor | None]
    bias: Tensor | None
    lo: float
    hi: float
    out_name: str
    out_shape: tuple[int, ...]
    quant: Quant | None
    out_dtype: str
    outputs: list[tuple[str, tuple[int, ...]]]
    origin: str = ""
    output_quants: list[Quant | None] = field(default_factory=list)
    used: list[bool] = field(default_factory=list)


def constant(value: ir.Value | None) -> Array | None:
    """The array of a constant value, None for a computed one."""
    if value is None or value.const_value is None:
        return None
    return np.asarray(value.const_value.numpy())


def shape_of(value: ir.Value) -> tuple[int, ...]:
    """Static shape; the front guarantees it."""
    assert value.shape is not None, value.name
    return tuple(int(d) for d in value.shape)  # type: ignore[arg-type]


def only_user(value: ir.Value) -> ir.Node | None:
    """The one node that reads a value, if nothing else does."""
    uses = list(value.uses())
    return uses[0].node if len(uses) == 1 and not value.is_graph_output() else None


def clamp_bounds(node: ir.Node) -> tuple[float, float] | None:
    """Bounds of a Relu, or of a Clip whose limits are constants."""
    if node.op_type == "Relu":
        return 0.0, inf
    if node.op_type != "Clip":
        return None
    bounds = [-inf, inf]
    for i, default in ((1, -inf), (2, inf)):
        given = node.inputs[i] if len(node.inputs) > i else None
        array = constant(given)
        if given is not None and array is None:
            return None
        bounds[i - 1] = default if array is None else float(array.reshape(-1)[0])
    return bounds[0], bounds[1]


def _dequantized_constant(value: ir.Value | None) -> bool:
    """A constant, or DequantizeLinear of one."""
    if value is None:
        return False
    producer = value.producer()
    if constant(value) is not None:
        return True
    return producer is not None and producer.op_type == "DequantizeLinear" and constant(producer.inputs[0]) is not None


def _bias_behind(group: Group) -> tuple[ir.Node, ir.Value] | None:
    """An Add of a constant vector along the output channels directly behind the core."""
    user = only_user(group.last)
    if user is None or user.op_type != "Add" or user.domain:
        return None
    other = user.inputs[1] if user.inputs[0] is group.last else user.inputs[0]
    if other is None or other is group.last or not _dequantized_constant(other):
        return None
    shape, out = shape_of(other), shape_of(group.last)
    axis = 1 if group.core.op_type == "Conv" else len(out) - 1
    padded = (1,) * (len(out) - len(shape)) + shape
    if len(padded) != len(out) or prod(shape) != padded[axis] or padded[axis] not in (1, out[axis]):
        return None
    return user, other


def quantizers(value: ir.Value) -> list[ir.Node]:
    """The QuantizeLinear nodes that read a value, if nothing else does and all of them mean the same."""
    users = [use.node for use in value.uses()]
    if value.is_graph_output() or not all(u.op_type == "QuantizeLinear" and u.inputs[0] is value for u in users):
        return []
    params = [
        tuple(None if (c := constant(v)) is None else (c.dtype.str, c.tobytes()) for v in u.inputs[1:]) for u in users
    ]
    return users if all(p == params[0] for p in params) else []


def grow(core: ir.Node) -> Group:
    """The group around a core node: absorbs what only it feeds."""
    group = Group(core, last=core.outputs[0])
    weights = core.inputs[1] if len(core.inputs) > 1 else None
    if core.op_type in BIASED and not core.domain and _dequantized_constant(weights):
        found = _bias_behind(group)
        if found is not None:
            group.absorbed.append(found[0])
            group.bias, group.last = found[1], found[0].outputs[0]
    while core.op_type in CLAMPED and not core.domain:
        user = only_user(group.last)
        bounds = clamp_bounds(user) if user is not None and user.inputs[0] is group.last else None
        if user is None or bounds is None:
            break
        group.lo, group.hi = max(group.lo, bounds[0]), min(max(group.lo, group.hi), bounds[1])
        group.absorbed.append(user)
        group.last = user.outputs[0]
    group.quantize = quantizers(group.last)
    group.others = [quantizers(value) for value in core.outputs[1:]]
    return group


PASSING = frozenset({"QuantizeLinear", "DequantizeLinear", "Pad", "Add", "Sub", "Mul", "Div", "Identity", "Cast"})


def is_image(value: ir.Value) -> bool:
    """Whether a value is planar pixels: what reads it (behind formats, padding and scaling) is a convolution or a pool."""
    users = [use.node for use in value.uses()]
    return bool(users) and all(
        u.op_type in ("Conv", "MaxPool", "AveragePool") or (u.op_type in PASSING and is_image(u.outputs[0]))
        for u in users
    )


def attribute(attr: ir.Attr) -> Any:
    """An ONNX attribute as a Python value."""
    value = attr.value
    if isinstance(value, ir.TensorProtocol):
        return value.numpy()
    return tuple(value) if isinstance(value, list | tuple) else value
