"""Constant folding: what does not depend on the inputs is computed now, by onnx's reference evaluator.

Not folded: DequantizeLinear of constants (weights stay int8), random numbers, results beyond a size.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx_ir as ir

from edgec.errors import ModelError
from edgec.graph.edit import constant, graph_of, remove, substitute, swap, unique
from edgec.graph.view import Array, const_array, input_at, is_const, is_static, shape

MAX_FOLDED_BYTES = 2**26
NEVER = frozenset({"DequantizeLinear", "If", "Loop", "Scan", "Dropout", "Multinomial", "Bernoulli"})
RANDOM = "Random"


def fold_constants(model: ir.Model) -> bool:
    """Evaluates nodes whose inputs are all constant, and Shape and Size of static values.  Says whether anything changed.

    Before::

        g (float[2, 3] x) => (float[3, 2] y) <int64[1] two = {2}, int64[1] i = {1}> {
            s = Shape (x)
            n = Gather (s, i)
            t = Concat <axis = 0> (n, two)
            y = Reshape (x, t)
        }

    After::

        g (float[2, 3] x) => (float[3, 2] y) <int64[2] t = {3, 2}> {
            y = Reshape (x, t)
        }
    """
    changed = False
    for node in list(model.graph):
        if node.domain or node.op_type in NEVER or node.op_type.startswith(RANDOM):
            continue
        if any(output.is_graph_output() for output in node.outputs):
            continue
        found = _known(node)
        if found is None and all(value is None or is_const(value) for value in node.inputs) and _small(node):
            found = _evaluate(node, model.opset_imports.get("", 21))
        if found is None:
            continue
        for output, array in zip(node.outputs, found, strict=False):
            if output.uses():
                substitute(output, constant(model.graph, array, str(output.name)))
        remove(node)
        changed = True
    return changed


def _known(node: ir.Node) -> list[Array] | None:
    """Shape and Size need no values, only a static shape."""
    value = input_at(node, 0)
    if node.op_type not in ("Shape", "Size") or value is None or not is_static(value):
        return None
    dims = shape(value)
    if node.op_type == "Size":
        return [np.array(math.prod(dims), np.int64)]
    start, end = node.attributes.get("start"), node.attributes.get("end")
    return [np.array(dims[slice(start.as_int() if start else 0, end.as_int() if end else None)], np.int64)]


def _small(node: ir.Node) -> bool:
    """Whether the result's size is known beforehand and bounded; an unknown one may be anything (Expand, Tile, Range ...)."""
    total = 0
    for output in node.outputs:
        if not output.name:
            continue
        if not is_static(output) or output.dtype is None:
            return node.op_type in ("Cast", "Slice", "Gather", "NonZero", "Where") and all(
                array is None or array.nbytes <= 2**16 for array in map(const_array, node.inputs)
            )
        total += math.prod(shape(output)) * max(int(output.dtype.itemsize), 1)
    return total <= MAX_FOLDED_BYTES


def _evaluate(node: ir.Node, version: int) -> list[Array] | None:
    import onnx
    from onnx.reference import ReferenceEvaluator

    inputs = [value for value in node.inputs if value is not None]
    feeds: dict[str, Any] = {str(value.name): const_array(value) for value in inputs}
    outputs = [output.name for output in node.outputs if output.name]
    proto = ir.serde.serialize_node(node)
    graph = onnx.helper.make_graph(
        [proto],
        "fold",
        [onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for name, a in feeds.items()],
        [onnx.ValueInfoProto(name=name) for name in outputs],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", version)])
    try:
        with np.errstate(all="ignore"):
            found = ReferenceEvaluator(model).run(None, feeds)
    except Exception:  # the evaluator lacks an operator or a case of it: the node simply stays
        return None
    arrays = dict(zip(outputs, (np.asarray(array) for array in found), strict=True))
    return [arrays.get(str(output.name), np.zeros(0, np.float32)) for output in node.outputs]


def fold_branches(model: ir.Model) -> bool:
    """An If whose condition is constant gives way to its branch.

    Before::

        g (float[2] x) => (float[2] y) <bool c = {1}> {
            y = If (c) <
                then_branch = a () => (float[2] p) { p = Relu (x) },
                else_branch = b () => (float[2] q) { q = Neg (x) }
            >
        }

    After::

        g (float[2] x) => (float[2] y) {
            y = Relu (x)
        }
    """
    changed = False
    for node in list(model.graph):
        condition = const_array(input_at(node, 0)) if node.op_type == "If" and not node.domain else None
        if condition is None:
            continue
        branch = node.attributes["then_branch" if condition.reshape(-1)[0] else "else_branch"].as_graph()
        if len(branch.outputs) != len(node.outputs):
            raise ModelError(f"the branches of node {node.name!r} (If) differ in their outputs", "export the model again")
        _inline(node, branch)
        changed = True
    return changed


def _inline(node: ir.Node, branch: ir.Graph) -> None:
    graph = graph_of(node)
    for name, value in list(branch.initializers.items()):
        branch.initializers.pop(name)
        value.name = unique(graph, f"{name}_inlined") if name in graph.initializers else name
        graph.register_initializer(value)
    outputs = list(branch.outputs)
    branch.outputs.clear()
    inner = list(branch)
    branch.remove(inner)
    graph.insert_before(node, inner)
    for old, new in zip(node.outputs, outputs, strict=True):
        if not substitute(old, new):
            made = ir.Node("", "Identity", [new], name=unique(graph, f"{node.name}_identity"))
            made.outputs[0].name = unique(graph, f"{node.name}_out")
            graph.insert_before(node, made)
            substitute(old, made.outputs[0])
    graph.remove(node, safe=True)


def drop_identities(model: ir.Model) -> bool:
    """Removes what changes nothing: Identity, Dropout, Cast to the same type, and shape operators that keep the shape.

    Before::

        g (float[2, 3] x) => (float[2, 3] y) <int64[2] s = {2, 3}> {
            a = Identity (x)
            b = Dropout (a)
            c = Cast <to = 1> (b)
            d = Transpose <perm = [0, 1]> (c)
            e = Reshape (d, s)
            y = Relu (e)
        }

    After::

        g (float[2, 3] x) => (float[2, 3] y) {
            y = Relu (x)
        }
    """
    changed = False
    for node in list(model.graph):
        value = input_at(node, 0)
        if value is not None and not node.domain and _changes_nothing(node, value):
            if node.op_type == "Dropout" and len(node.outputs) > 1 and node.outputs[1].uses():
                continue
            changed |= swap(node, value)
    return changed


def _changes_nothing(node: ir.Node, value: ir.Value) -> bool:
    out = node.outputs[0]
    if node.op_type in ("Identity", "Dropout"):
        return True
    if node.op_type == "Cast":
        return value.dtype is not None and int(value.dtype) == node.attributes["to"].as_int()
    if node.op_type in ("Concat", "Sum", "Max", "Min", "Mean"):
        return len(node.inputs) == 1
    if not (is_static(value) and is_static(out) and shape(value) == shape(out)):
        return False
    if node.op_type == "Transpose":
        perm = node.attributes.get("perm")
        order = tuple(perm.value) if perm else tuple(reversed(range(len(shape(value)))))
        moved = [axis for axis in order if shape(value)[axis] != 1]
        return moved == sorted(moved)
    if node.op_type in ("Pad", "Slice"):
        return _covers_all(node)
    return node.op_type in ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Expand", "Tile")


def _covers_all(node: ir.Node) -> bool:
    """A Pad by nothing; a Slice forwards over everything (the shape is known to be the same)."""
    if node.op_type == "Pad":
        pads = const_array(input_at(node, 1))
        return pads is not None and not pads.any()
    steps = const_array(input_at(node, 4))
    return input_at(node, 4) is None or (steps is not None and bool((steps > 0).all()))
