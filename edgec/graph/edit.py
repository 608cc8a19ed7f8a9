"""Changing an `onnx_ir` graph: the few moves every pass is made of.

All of them keep three promises: graph inputs and outputs keep their names, new names are unique, and nodes stay in
topological order (a new node goes before the one it is made for).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from edgec.graph.view import Array

_NAMES = "edgec.names"


def graph_of(node: ir.Node) -> ir.Graph:
    """The graph a node stands in."""
    assert isinstance(node.graph, ir.Graph)
    return node.graph


def unique(graph: ir.Graph, wanted: str) -> str:
    """`wanted`, or `wanted_2`, `wanted_3` ... if a value or node is called so already."""
    names: set[str] | None = graph.meta.get(_NAMES)
    if names is None:
        values = [*graph.inputs, *graph.initializers.values()]
        values += [output for node in graph.all_nodes() for output in node.outputs]
        names = {value.name or "" for value in values} | {node.name or "" for node in graph.all_nodes()}
        graph.meta[_NAMES] = names
    name, count = wanted, 1
    while name in names:
        count += 1
        name = f"{wanted}_{count}"
    names.add(name)
    return name


def constant(graph: ir.Graph, array: Array | Sequence[int] | float, name: str) -> ir.Value:
    """A new initialiser; Python integers become int64, Python floats float32."""
    if not isinstance(array, np.ndarray):
        array = np.array(array, np.float32 if isinstance(array, float) else np.int64)
    tensor = ir.Tensor(np.ascontiguousarray(array).reshape(array.shape), name=unique(graph, name))
    value = ir.Value(name=tensor.name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
    graph.register_initializer(value)
    return value


def insert(
    before: ir.Node,
    op_type: str,
    inputs: Sequence[ir.Value | None],
    attributes: Mapping[str, Any] | None = None,
    like: ir.Value | None = None,
    name: str = "",
    after: bool = False,
) -> ir.Value:
    """Adds a one-output node before (or after) a node and returns its output.  like: a value of the same shape and type."""
    graph = graph_of(before)
    label = unique(graph, name or f"{before.name}_{op_type.lower()}")
    node = ir.Node("", op_type, list(inputs), ir.convenience.convert_attributes(dict(attributes or {})), name=label)
    node.outputs[0].name = unique(graph, f"{label}_out")
    if like is not None:
        node.outputs[0].shape, node.outputs[0].type = like.shape, like.type
    if after:
        graph.insert_after(before, node)
    else:
        graph.insert_before(before, node)
    return node.outputs[0]


def substitute(old: ir.Value, new: ir.Value) -> bool:
    """Everything that read `old` reads `new`; a graph output keeps its name.  False (and no change) where that cannot be."""
    if old is new:
        return False
    if old.is_graph_output():
        if new.is_graph_input() or new.is_graph_output() or new.is_initializer() or new.producer() is None:
            return False
        name = old.name
        old.name = f"{name}_replaced"
        new.name = name
        if new.shape is None:
            new.shape = old.shape
        if new.type is None:
            new.type = old.type
        old.replace_all_uses_with(new, replace_graph_outputs=True)
        return True
    old.replace_all_uses_with(new)
    return True


def swap(node: ir.Node, new: ir.Value) -> bool:
    """Replaces a one-output node by a value, and removes the node."""
    if not substitute(node.outputs[0], new):
        return False
    remove(node)
    return True


def remove(node: ir.Node) -> None:
    """Takes a node nobody reads out of its graph."""
    graph_of(node).remove(node, safe=True)


def set_attributes(node: ir.Node, **attributes: Any) -> bool:
    """Sets attributes; None deletes.  Says whether anything changed."""
    changed = False
    for name, value in attributes.items():
        known = node.attributes.get(name)
        if value is None:
            changed |= node.attributes.pop(name, None) is not None
        elif known is None or (tuple(known.value) if isinstance(known.value, list | tuple) else known.value) != value:
            node.attributes[name] = ir.convenience.convert_attribute(name, value)
            changed = True
    return changed


def set_inputs(node: ir.Node, inputs: Sequence[ir.Value | None]) -> None:
    """Gives a node exactly these inputs (trailing absent ones dropped)."""
    kept = list(inputs)
    while kept and kept[-1] is None:
        kept.pop()
    node.resize_inputs(len(kept))
    for index, value in enumerate(kept):
        node.replace_input_with(index, value)
