"""One spelling per operator: whatever opset (11 and up) the file uses, attributes and inputs afterwards stand as in opset 21.

The changes of form since opset 11 are few, so they are stated here rather than left to onnx's C++ converter, which knows
neither the com.microsoft domain nor operators newer than its target.  A model that uses an operator or attribute that
came after opset 21 keeps its own opset number; the forms are the same.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnx_ir as ir

from edgec.errors import ModelError, UnsupportedError
from edgec.graph.edit import constant, graph_of, insert, set_attributes, set_inputs, substitute, unique
from edgec.graph.view import Array, const_array, input_at

CANONICAL = 21
REDUCTIONS: tuple[str, ...] = ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum")
REDUCTIONS += ("ReduceLogSumExp", "ReduceSumSquare")


def canonical(model: ir.Model) -> None:
    """Rewrites attribute forms to input forms and Constant nodes to initialisers, in place; then sets the opset number.

    Before (opset 11)::

        g (float[1, 3, 4] x) => (float[4] y) {
            m = ReduceMean <axes = [1], keepdims = 0> (x)
            y = Squeeze <axes = [0]> (m)
        }

    After::

        g (float[1, 3, 4] x) => (float[4] y) <int64[1] one = {1}, int64[1] zero = {0}> {
            m = ReduceMean <keepdims = 0> (x, one)
            y = Squeeze (m, zero)
        }
    """
    version = model.opset_imports.get("", CANONICAL)
    for graph in model.graphs():
        for node in list(graph):
            if node.op_type == "Constant" and not node.domain:
                lift_constant(node)
            elif not node.domain and node.op_type in FORMS:
                FORMS[node.op_type](node, version)
    needed = max((_since(node, version) for node in model.graph.all_nodes() if not node.domain), default=CANONICAL)
    model.graph.opset_imports[""] = CANONICAL if needed <= CANONICAL else version
    model.ir_version = 10 if needed <= CANONICAL else max(model.ir_version, 10)


def _since(node: ir.Node, version: int) -> int:
    """The opset a node needs: above CANONICAL only if its older form lacks an attribute or an input it uses."""
    if version <= CANONICAL:
        return CANONICAL
    try:
        old = onnx.defs.get_schema(node.op_type, CANONICAL, "")
    except onnx.defs.SchemaError:
        return version
    fits = set(node.attributes) <= set(old.attributes) and len(node.inputs) <= old.max_input
    return CANONICAL if fits else version


def lift_constant(node: ir.Node) -> None:
    """A Constant node, however spelt, becomes an initialiser of its graph."""
    made: Array | None = None
    for name, attribute in node.attributes.items():
        if name == "value":
            made = np.asarray(attribute.as_tensor().numpy())
        elif name in ("value_float", "value_floats"):
            made = np.array(attribute.value, np.float32)
        elif name in ("value_int", "value_ints"):
            made = np.array(attribute.value, np.int64)
    if made is None:
        form = ", ".join(node.attributes) or "no value"
        raise UnsupportedError(
            f"the Constant node {node.name!r} holds {form}", "use a tensor of numbers", ((node.name or "", "Constant", form),)
        )
    graph = graph_of(node)
    if node.outputs[0].is_graph_output():
        return
    name = str(node.outputs[0].name)
    node.outputs[0].name = unique(graph, f"{name}_node")
    value = ir.Value(name=name, const_value=ir.Tensor(made, name=name), shape=ir.Shape(made.shape))
    assert value.const_value is not None
    value.type = ir.TensorType(value.const_value.dtype)
    graph.register_initializer(value)
    substitute(node.outputs[0], value)
    graph.remove(node, safe=True)


def _ints(node: ir.Node, name: str) -> tuple[int, ...] | None:
    attribute = node.attributes.get(name)
    return None if attribute is None else tuple(int(v) for v in attribute.value)


def _attribute_to_input(node: ir.Node, name: str, index: int) -> None:
    """Moves an integer-list attribute to an int64 constant input."""
    values = _ints(node, name)
    if values is None:
        return
    inputs = [*node.inputs, *[None] * (index + 1 - len(node.inputs))]
    inputs[index] = constant(graph_of(node), values, f"{node.name}_{name}")
    set_inputs(node, inputs)
    set_attributes(node, **{name: None})


def _axes(node: ir.Node, version: int) -> None:
    _attribute_to_input(node, "axes", 1)


def _split(node: ir.Node, version: int) -> None:
    _attribute_to_input(node, "split", 1)
    if input_at(node, 1) is None and "num_outputs" not in node.attributes:
        set_attributes(node, num_outputs=len(node.outputs))


def _dropout(node: ir.Node, version: int) -> None:
    """Inference only: the ratio is of no use."""
    training = const_array(input_at(node, 2))
    if training is not None and training.any():
        raise UnsupportedError(
            f"node {node.name!r} (Dropout) is in training mode", "export in eval mode", ((node.name or "", "Dropout", "training mode"),)
        )
    set_attributes(node, ratio=None, seed=None)
    set_inputs(node, [node.inputs[0]])


def _batch_norm(node: ir.Node, version: int) -> None:
    training = node.attributes.get("training_mode")
    if (training is not None and training.as_int()) or (version < 14 and len(node.outputs) > 1):
        reason = "training mode"
        raise UnsupportedError(
            f"node {node.name!r} (BatchNormalization) is in {reason}", "export in eval mode", ((node.name or "", "BatchNormalization", reason),)
        )
    set_attributes(node, spatial=None, training_mode=None)


def _softmax(node: ir.Node, version: int) -> None:
    """Before opset 13 the axes from `axis` on were taken together; for the last axis that is the same thing."""
    axis = node.attributes.get("axis")
    if version >= 13:
        return
    found = 1 if axis is None else axis.as_int()
    value = node.inputs[0]
    if found == -1:
        set_attributes(node, axis=-1)
        return
    rank = None if value is None or value.shape is None else value.shape.rank()
    if rank is not None and found % rank == rank - 1:
        set_attributes(node, axis=-1)
        return
    out = node.outputs[0]
    original = insert(node, "Shape", [value], name=f"{node.name}_shape")
    flat = insert(node, "Flatten", [value], {"axis": found}, name=f"{node.name}_flat")
    node.replace_input_with(0, flat)
    set_attributes(node, axis=-1)
    shaped = insert(node, "Reshape", [None, original], name=f"{node.name}_unflat", after=True)
    if not substitute(out, shaped):
        raise ModelError(f"node {node.name!r} (Softmax) cannot be rewritten", "export with opset 13 or newer")
    producer = shaped.producer()
    assert producer is not None
    out.shape = None
    producer.replace_input_with(0, out)


def _group_norm(node: ir.Node, version: int) -> None:
    """Before opset 21 scale and bias had one value a group, now one a channel."""
    value, groups = node.inputs[0], node.attributes.get("num_groups")
    if version >= 21 or value is None or value.shape is None or groups is None or not isinstance(value.shape[1], int):
        return
    for index in (1, 2):
        array, name = const_array(input_at(node, index)), f"{node.name}_{('scale', 'bias')[index - 1]}"
        if array is not None and array.size == groups.as_int() != value.shape[1]:
            wide = np.repeat(array.reshape(-1), value.shape[1] // groups.as_int())
            node.replace_input_with(index, constant(graph_of(node), wide, name))


FORMS: dict[str, Callable[[ir.Node, int], None]] = {
    "Squeeze": _axes,
    "Unsqueeze": _axes,
    "Split": _split,
    "GroupNormalization": _group_norm,
    "Dropout": _dropout,
    "BatchNormalization": _batch_norm,
    **dict.fromkeys(REDUCTIONS, _axes),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax"), _softmax),
}
