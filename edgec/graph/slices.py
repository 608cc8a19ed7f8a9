"""Slices that together are a Split."""

from __future__ import annotations

import onnx_ir as ir

from edgec.graph.edit import constant, substitute, unique
from edgec.graph.view import const_array, consumers, is_static, shape


def slices_to_split(model: ir.Model) -> bool:
    """Several Slices that cut one value along one axis into all its parts become one Split.

    Before::

        g (float[2, 3] x) => (float[2, 1] a, float[2, 2] b)
        <int64[1] zero = {0}, int64[1] one = {1}, int64[1] three = {3}, int64[1] axis = {1}, int64[1] step = {1}> {
            b = Slice (x, one, three, axis, step)
            a = Slice (x, zero, one, axis, step)
        }

    After::

        g (float[2, 3] x) => (float[2, 1] a, float[2, 2] b) <int64[2] sizes = {1, 2}> {
            a, b = Split <axis = 1> (x, sizes)
        }
    """
    changed = False
    values = [*model.graph.inputs, *(value for node in model.graph for value in node.outputs)]
    for value in values:
        by_axis: dict[int, dict[tuple[int, int], ir.Node]] = {}
        for node in consumers(value):
            cut = _cut(node, value)
            if cut is not None:
                by_axis.setdefault(cut[0], {}).setdefault(cut[1:], node)
        for axis, cuts in by_axis.items():
            changed |= _join(model.graph, value, axis, cuts)
    return changed


def _cut(node: ir.Node, value: ir.Value) -> tuple[int, int, int] | None:
    """Axis, start and end of a Slice in normal form with step 1 along one axis that leaves something out."""
    if (
        node.op_type != "Slice"
        or node.domain
        or len(node.inputs) != 5
        or node.inputs[0] is not value
        or not is_static(value)
    ):
        return None
    numbers = [const_array(operand) for operand in node.inputs[1:]]
    if any(array is None or array.size != 1 for array in numbers):
        return None
    start, end, axis, step = (int(array.reshape(-1)[0]) for array in numbers if array is not None)
    size = shape(value)[axis]
    return (axis, start, end) if step == 1 and 0 <= start < end <= size and end - start < size else None


def _join(graph: ir.Graph, value: ir.Value, axis: int, cuts: dict[tuple[int, int], ir.Node]) -> bool:
    ordered = sorted(cuts)
    borders = [0, *(end for _, end in ordered)]
    if [start for start, _ in ordered] != borders[:-1] or borders[-1] != shape(value)[axis]:
        return False
    nodes = [cuts[cut] for cut in ordered]
    first = next(node for node in graph if node in nodes)
    sizes = constant(graph, [end - start for start, end in ordered], f"{first.name}_sizes")
    split = ir.Node(
        "",
        "Split",
        [value, sizes],
        [ir.AttrInt64("axis", axis)],
        num_outputs=len(nodes),
        name=unique(graph, f"{first.name}_split"),
    )
    for index, (node, out) in enumerate(zip(nodes, split.outputs, strict=True)):
        out.name, out.type, out.shape = (
            unique(graph, f"{split.name}_{index}"),
            node.outputs[0].type,
            node.outputs[0].shape,
        )
    graph.insert_before(first, split)
    for node, out in zip(nodes, split.outputs, strict=True):
        if substitute(node.outputs[0], out):
            graph.remove(node, safe=True)
    return True
