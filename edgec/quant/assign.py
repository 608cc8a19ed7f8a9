"""Which values share a scale, and the plan that gives every value its params.

A scale group is a set of values whose integers are the same but for a constant factor: a view and what it shows, an
input of Concat that nobody else reads and the result (one rounding instead of two), x and x times a number, all states of a
recurrent layer and the last one, a state and what it becomes.
Sigmoid, and a Softmax that ends the model, have the fixed params 1/256, -128: their results fill 0..1.  The weights of an attention
are shares of 1 among many tokens, most of them far below: their range is chosen like any other.

The operands of a residual Add keep scales of their own, on purpose: the integer Add multiplies both operands and rounds once, whatever
their scales, so a shared range would save nothing and take resolution from the operand with the smaller values.  An average pool
rounds once as well and has a range of its own.  Concat and MaxPool only copy: there sharing saves a rounding.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import onnx_ir as ir

from edgec.graph.view import Array, is_const
from edgec.quant.options import QuantOptions
from edgec.quant.ranges import Params, params16
from edgec.quant.units import Unit, is_float, split_units

UNIT_RANGE = Params(1.0 / 256.0, -128)
UNIT_RANGE_16 = Params(1.0 / 32768.0, 0, 16)
FIXED = frozenset({"Softmax", "Sigmoid", "HardSigmoid"})
MOVED = frozenset(
    {"Reshape", "Identity", "Transpose"}
)  # what may stand between the last operator and the model's output


@dataclass
class Groups:
    """member: value name -> (group, factor of its scale); source: group -> the value whose histogram stands for it;
    fixed: groups whose params are not chosen; wide: groups of 16 bits."""

    member: dict[str, tuple[str, float]] = field(default_factory=dict)
    source: dict[str, str] = field(default_factory=dict)
    fixed: dict[str, Params] = field(default_factory=dict)
    wide: set[str] = field(default_factory=set)

    def widen(self, value: ir.Value) -> None:
        """Gives the value's group 16 bits."""
        group = self.member[str(value.name)][0]
        self.wide.add(group)
        if group in self.fixed:
            self.fixed[group] = UNIT_RANGE_16

    def add(self, value: ir.Value) -> None:
        name = str(value.name)
        if name not in self.member:
            self.member[name] = (name, 1.0)
            self.source[name] = name
            producer = value.producer()
            if (
                producer is not None
                and producer.op_type in FIXED
                and (producer.op_type != "Softmax" or ends_model(value))
            ):
                self.fixed[name] = UNIT_RANGE

    def join(self, value: ir.Value, to: ir.Value, factor: float = 1.0) -> None:
        """`value` means `factor` times what the same integers of `to` mean."""
        self.add(to)
        group, base = self.member[str(to.name)]
        self.member[str(value.name)] = (group, base * factor)

    def merge(self, group: str, into: str) -> None:
        for name, (own, factor) in list(self.member.items()):
            if own == group:
                self.member[name] = (into, factor)
        del self.source[group]

    def of(self, group: str) -> list[str]:
        return [name for name, (own, _) in self.member.items() if own == group]


def ends_model(value: ir.Value) -> bool:
    """Whether a value is an output of the model, or becomes one by being moved only."""
    return value.is_graph_output() or any(n.op_type in MOVED and ends_model(n.outputs[0]) for n, _ in value.uses())


def scale_groups(units: list[Unit], states: tuple[tuple[str, str], ...] = ()) -> Groups:
    """The scale groups of all values that are quantized.  states: (input, output), the same values at another time."""
    groups = Groups()
    for unit in units:
        if unit.kind == "float":
            continue
        for value in unit.activations:
            groups.add(value)
        for out in unit.outputs:
            if unit.kind in ("view", "scaled"):
                groups.join(out, unit.activations[0], unit.factor)
            elif unit.kind == "recurrent" and out in unit.core.outputs[1:2] and unit.outputs[0] is unit.core.outputs[0]:
                groups.join(out, unit.outputs[0])  # the last of the states in Y: compiled code takes it from there
            else:
                groups.add(out)
    readers = _readers(units)
    for unit in units:
        if unit.kind == "concat":
            for value in unit.activations:
                _share(groups, value, unit, readers)
    for begin, end in states:
        if begin in groups.member and end in groups.member:
            (own, factor), (into, other) = groups.member[begin], groups.member[end]
            if own != into and own not in groups.fixed and factor == other == 1.0:
                groups.merge(own, into)
    integers = {str(out.name) for unit in units if unit.kind != "float" for out in unit.outputs}
    for unit in units:
        if unit.bits == 16:
            for value in (*unit.outputs, *(v for v in unit.activations if str(v.name) not in integers)):
                groups.widen(value)
    return groups


def _readers(units: list[Unit]) -> dict[str, list[Unit]]:
    found: dict[str, list[Unit]] = {}
    for unit in units:
        for value in unit.activations:
            found.setdefault(str(value.name), []).append(unit)
    return found


def _share(groups: Groups, value: ir.Value, concat: Unit, readers: dict[str, list[Unit]]) -> None:
    """Puts an input of Concat into the result's group if no unit but this one computes with it."""
    group, factor = groups.member[str(value.name)]
    into, own = groups.member[str(concat.out.name)]
    if group == into or group in groups.fixed or into in groups.fixed or factor != 1.0 or own != 1.0:
        return
    if all(r is concat or r.kind == "view" for name in groups.of(group) for r in readers.get(name, [])):
        groups.merge(group, into)


@dataclass
class Plan:
    """Everything that is decided about a model.  params: by group; bias: corrected biases of linear units by name;
    peaks: largest magnitude seen of a value, what the params of 16 bits are made from."""

    model: ir.Model
    units: list[Unit]
    groups: Groups
    options: QuantOptions
    params: dict[str, Params] = field(default_factory=dict)
    method: dict[str, str] = field(default_factory=dict)
    bias: dict[str, Array] = field(default_factory=dict)
    peaks: dict[str, float] = field(default_factory=dict)

    def sixteen(self, group: str, other: float = 0.0) -> Params:
        """Params of a group of 16 bits.  other: the peak where the value was not observed."""
        source = self.groups.source[group]
        return params16(self.peaks.get(source, other) / self.groups.member[source][1])

    def of(self, value: ir.Value | str) -> Params:
        """Params of a quantized value."""
        name = value if isinstance(value, str) else str(value.name)
        group, factor = self.groups.member[name]
        return self.params[group] if factor == 1.0 else self.params[group].times(factor)

    def with_params(self, params: dict[str, Params]) -> Plan:
        return replace(self, params=params)

    @property
    def sources(self) -> list[str]:
        """Values whose histograms are needed."""
        return [source for group, source in self.groups.source.items() if group not in self.groups.fixed]


def make_plan(
    model: ir.Model, options: QuantOptions, keep_float: tuple[str, ...], keep_int16: tuple[str, ...] = ()
) -> Plan:
    """Units and scale groups of a model; params are still to be chosen."""
    units = split_units(model, keep_float, keep_int16)
    return Plan(model, units, scale_groups(units, options.states), options)


def constants_of(unit: Unit) -> list[tuple[int, ir.Value]]:
    """Constant float operands of a unit's core."""
    return [(i, v) for i, v in enumerate(unit.core.inputs) if v is not None and is_float(v) and is_const(v)]
