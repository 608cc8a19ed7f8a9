"""The units that calibration observes: what lowering makes one integer step of.

unit                       nodes                                              value that is quantized
linear                     Conv/ConvTranspose/Gemm/MatMul with constant       the last one's output
                           weights, constant Add, Relu/Clip behind
recurrent                  GRU, LSTM, RNN with constant weights               those outputs that are used, Y_h like Y
compute                    Add, Mul, Softmax, LayerNormalization, Gelu, ...   its output (after Relu/Clip behind arithmetic)
view                       Reshape, Transpose, Split, MaxPool, Pad, ...       its outputs, at the input's scale
concat                     Concat, Where, ScatterND                           its output, and inputs nobody else reads
reader                     ArgMax, Greater, ...                               none, it reads integers
scaled                     Mul/Div by a positive number                       its output, at a multiple of the input's scale
float                      anything else, or what the caller keeps            none
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod

import onnx_ir as ir

from edgec.errors import UsageError
from edgec.graph.view import const_array, input_at, is_const, scalar, shape, sole_user
from edgec.quant.recurrent import RECURRENT, has_integer_form

CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})
LINEAR = CONVOLUTIONS | {"Gemm", "MatMul"}
CLAMPED = LINEAR | {"Add", "Sub", "Mul", "Div"}
VIEWS = frozenset(
    "Reshape Transpose Flatten Squeeze Unsqueeze Identity Dropout Split Slice Gather Expand Tile Pad DepthToSpace "
    "SpaceToDepth MaxPool GlobalMaxPool Resize ReduceMax ReduceMin TopK".split()
)
WIDE = frozenset({"linear", "compute", "view", "concat", "scaled"})  # kinds whose results may have 16 bits
JOINS = frozenset({"Concat", "Where", "ScatterND"})
READERS = frozenset({"ArgMax", "ArgMin", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"})
COMPUTES = frozenset(
    "Add Sub Mul Div Min Max PRelu Pow Sum Relu Clip LeakyRelu HardSigmoid HardSwish Sigmoid SiLU Swish Mish Softplus Softsign Elu Selu "
    "Celu Tanh Erf Gelu Exp Log Sqrt Reciprocal Abs Neg AveragePool GlobalAveragePool ReduceMean ReduceSum Softmax LogSoftmax "
    "LayerNormalization RMSNormalization GroupNormalization InstanceNormalization CumSum".split()
)


@dataclass(eq=False)
class Unit:
    """core: the operator; nodes: core and what it absorbs, in order; out: what the last of them makes; kind: see above."""

    core: ir.Node
    kind: str
    nodes: list[ir.Node]
    out: ir.Value
    bias_add: ir.Node | None = None
    factor: float = 1.0  # of a scaled unit: output = factor * input
    activations: list[ir.Value] = field(default_factory=list)  # computed float operands of core
    bits: int = 8  # of its results

    @property
    def name(self) -> str:
        return str(self.core.name)

    @property
    def outputs(self) -> list[ir.Value]:
        """Float values that get a quantization."""
        if self.kind == "reader":
            return []
        return [self.out] if len(self.core.outputs) == 1 else used_outputs(self.core)


def is_float(value: ir.Value | None) -> bool:
    """Whether a value is float32."""
    return value is not None and value.dtype == ir.DataType.FLOAT


def used_outputs(core: ir.Node) -> list[ir.Value]:
    """Float results that something reads."""
    return [v for v in core.outputs if is_float(v) and (v.uses() or v.is_graph_output())]


def split_units(model: ir.Model, keep_float: tuple[str, ...] = (), keep_int16: tuple[str, ...] = ()) -> list[Unit]:
    """The units of a normalised float model in graph order.  Raises UsageError for a name to keep that no node has."""
    unknown = {*keep_float, *keep_int16} - {str(node.name) for node in model.graph}
    if unknown:
        raise UsageError(
            f"there is no node {', '.join(map(repr, sorted(unknown)))} in the model",
            "`edgec quantize` without names to keep lists the nodes in its report; an operator's name stands for all its nodes",
        )
    taken: set[ir.Node] = set()
    units: list[Unit] = []
    for node in model.graph:
        if node not in taken:
            unit = _grow(node)
            if any(str(member.name) in keep_float for member in unit.nodes):
                unit.kind = "float"
            elif unit.kind in WIDE and any(str(member.name) in keep_int16 for member in unit.nodes):
                unit.bits = 16
            taken.update(unit.nodes)
            units.append(unit)
    return units


def named_nodes(model: ir.Model, names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of nodes, where a name that no node has but an operator stands for all units of that operator."""
    nodes = {str(node.name) for node in model.graph}
    of_operator: dict[str, list[str]] = {}
    for unit in split_units(model):
        of_operator.setdefault(unit.core.op_type, []).append(unit.name)
    found = (node for name in names for node in ([name] if name in nodes else of_operator.get(name, [name])))
    return tuple(dict.fromkeys(found))


def _grow(core: ir.Node) -> Unit:
    activations = [v for v in core.inputs if is_float(v) and v is not None and not is_const(v)]
    out = next(iter(used_outputs(core)), core.outputs[0])
    unit = Unit(core, _kind(core, activations), [core], out, activations=list(dict.fromkeys(activations)))
    if unit.kind == "scaled":
        unit.factor = _factor(core) or 1.0
    if core.domain or core.op_type not in CLAMPED or unit.kind in ("float", "scaled"):
        return unit
    if unit.kind == "linear" and (add := _bias_behind(unit)) is not None:
        unit.bias_add = add
        _absorb(unit, add)
    while (user := sole_user(unit.out)) is not None and is_clamp(user) and user.inputs[0] is unit.out:
        _absorb(unit, user)
    return unit


def _absorb(unit: Unit, node: ir.Node) -> None:
    unit.nodes.append(node)
    unit.out = node.outputs[0]


def _kind(core: ir.Node, activations: list[ir.Value]) -> str:
    op = core.op_type
    if core.domain not in ("", "ai.onnx", "edgec") or not activations:
        return "float"
    if op in READERS:
        return "reader"
    if not any(map(is_float, core.outputs)):
        return "float"
    if op == "Clip" and not is_clamp(core):
        return "float"
    if op in LINEAR:
        weights = const_array(input_at(core, 1))
        if weights is not None and (op in CONVOLUTIONS or weights.ndim == 2) and core.inputs[0] is activations[0]:
            return "linear"
        return "compute" if op not in CONVOLUTIONS else "float"
    if op in RECURRENT:
        return "recurrent" if has_integer_form(core) else "float"
    if op == "Gather" and core.inputs[0] is not activations[0]:
        return "float"
    if op in VIEWS:
        return "view"
    if op in JOINS:
        return "concat"
    if op == "Einsum":
        return "view" if len(core.inputs) == 1 else "compute"
    if op in ("Mul", "Div") and _factor(core) is not None and sole_clamp(core) is None:
        return "scaled"
    return "compute" if op in COMPUTES else "float"


def _factor(core: ir.Node) -> float | None:
    """The positive number that a Mul or Div multiplies by."""
    a, b = core.inputs[0], core.inputs[1]
    value = scalar(b) if is_const(b) else scalar(a) if core.op_type == "Mul" else None
    if (
        value is None
        or not value > 0
        or prod(shape(core.outputs[0])) != max(prod(shape(v)) for v in (a, b) if v is not None)
    ):
        return None
    return 1.0 / value if core.op_type == "Div" else value


def sole_clamp(node: ir.Node) -> ir.Node | None:
    """The Relu or Clip that alone reads a node's output."""
    user = sole_user(node.outputs[0])
    return user if user is not None and is_clamp(user) else None


def is_clamp(node: ir.Node) -> bool:
    """Relu, or Clip with constant limits."""
    if node.domain or node.op_type not in ("Relu", "Clip"):
        return False
    return all(limit is None or is_const(limit) for limit in node.inputs[1:])


def _bias_behind(unit: Unit) -> ir.Node | None:
    """An Add of a constant vector along the output channels that alone reads the core."""
    user = sole_user(unit.out)
    if user is None or user.op_type != "Add" or user.domain:
        return None
    other = bias_of(user, unit.out)
    if not is_const(other):
        return None
    sizes, out = shape(other), shape(unit.out)
    axis = channel_axis(unit.core)
    padded = (1,) * (len(out) - len(sizes)) + sizes
    fits = len(padded) == len(out) and prod(sizes) == padded[axis] and padded[axis] in (1, out[axis])
    return user if fits else None


def bias_of(add: ir.Node, other: ir.Value) -> ir.Value:
    """The operand of an Add that is not `other`."""
    found = add.inputs[1] if add.inputs[0] is other else add.inputs[0]
    assert found is not None
    return found


def channel_axis(core: ir.Node) -> int:
    """The axis of a linear core's output that holds its channels."""
    return 1 if core.op_type in CONVOLUTIONS else len(shape(core.outputs[0])) - 1


def weight_axis(core: ir.Node) -> int:
    """The axis of a linear core's weights that holds its output channels."""
    return 0 if core.op_type == "Conv" or bool(core.attributes.get_int("transB", 0)) else 1


def weight_groups(core: ir.Node) -> int:
    """How many times the channels along `weight_axis` are repeated in the output: the groups of a transposed convolution."""
    return core.attributes.get_int("group", 1) if core.op_type == "ConvTranspose" else 1


def linear_units(units: list[Unit]) -> Iterator[Unit]:
    """Those with one matrix of weights."""
    return (unit for unit in units if unit.kind == "linear")
