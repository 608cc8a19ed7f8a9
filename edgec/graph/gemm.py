"""Gemm in one form: y = x @ W + b with W [K, N] constant (float or DequantizeLinear of integers) and b [N]; else MatMul and Add."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgec.graph.edit import constant, graph_of, insert, remove, set_attributes, set_inputs, swap
from edgec.graph.view import Array, attributes, const_array, input_at, is_const, is_static, produced_by, shape


def transpose_constant(model: ir.Model) -> bool:
    """Transpose of a dequantized constant becomes the dequantized transposed constant: weights stay integers in place.

    Before::

        g (float[1, 2] x) => (float[1, 3] y) <int8[3, 2] q = {1, 2, 3, 4, 5, 6}, float[3] s = {1, 2, 4}> {
            d = DequantizeLinear <axis = 0> (q, s)
            t = Transpose (d)
            y = MatMul (x, t)
        }

    After::

        g (float[1, 2] x) => (float[1, 3] y) <int8[2, 3] q = {1, 3, 5, 2, 4, 6}, float[3] s = {1, 2, 4}> {
            t = DequantizeLinear <axis = 1> (q, s)
            y = MatMul (x, t)
        }
    """
    changed = False
    for node in list(model.graph):
        source = produced_by(input_at(node, 0), "DequantizeLinear")
        if node.domain or node.op_type not in ("Transpose", "Reshape") or source is None:
            continue
        stored, scale = const_array(source.inputs[0]), const_array(input_at(source, 1))
        if stored is None or scale is None or not is_static(node.outputs[0]) or "block_size" in source.attributes:
            continue
        axis = int(attributes(source).get("axis", 1)) % max(stored.ndim, 1)
        if node.op_type == "Transpose":
            perm = list(attributes(node).get("perm") or reversed(range(stored.ndim)))
            moved, new_axis = stored.transpose(perm), perm.index(axis) if stored.ndim else 0
        else:
            moved = stored.reshape(shape(node.outputs[0]))
            kept = [a for a in range(moved.ndim) if _same_axis(stored.shape, axis, moved.shape, a)]
            if scale.size > 1 and not kept:
                continue
            new_axis = kept[0] if kept else 0
        changed |= _dequantized(node, source, moved, new_axis if scale.ndim else None)
    return changed


def _same_axis(old: tuple[int, ...], axis: int, new: tuple[int, ...], candidate: int) -> bool:
    """Whether an axis of the reshaped array runs over the same elements as an axis of the old one."""
    before, after = np.prod(old[:axis], dtype=int), np.prod(new[:candidate], dtype=int)
    return bool(new[candidate] == old[axis] and before == after)


def _dequantized(node: ir.Node, source: ir.Node, stored: Array, axis: int | None) -> bool:
    """Replaces a node by DequantizeLinear of new integers with the source's scale and zero point."""
    assert source.inputs[0] is not None
    moved = constant(graph_of(node), stored, str(source.inputs[0].name))
    settings = {} if axis is None else {"axis": axis}
    made = insert(node, "DequantizeLinear", [moved, *source.inputs[1:]], settings, like=node.outputs[0])
    return swap(node, made)


def canonical_gemm(model: ir.Model) -> bool:
    """transA, transB, alpha and beta go into constants or into operators of their own; C becomes a row of N values.

    Before::

        g (float[1, 2] x) => (float[1, 3] y) <float[3, 2] w = {1, 2, 3, 4, 5, 6}, float[1, 3] c = {1, 2, 3}> {
            y = Gemm <transB = 1, alpha = 2.0, beta = 0.5> (x, w, c)
        }

    After::

        g (float[1, 2] x) => (float[1, 3] y) <float[2, 3] w = {2, 6, 10, 4, 8, 12}, float[3] c = {0.5, 1, 1.5}> {
            y = Gemm (x, w, c)
        }
    """
    changed = False
    for node in list(model.graph):
        if node.op_type == "Gemm" and not node.domain and is_static(node.outputs[0]):
            changed |= _canonical(node)
    return changed


def _weights(value: ir.Value | None) -> bool:
    source = produced_by(value, "DequantizeLinear")
    return is_const(value) or (source is not None and is_const(source.inputs[0]))


def _canonical(node: ir.Node) -> bool:
    known = attributes(node)
    changed = False
    if known["transA"]:
        _transpose_input(node, 0)
        changed = True
    if known["transB"]:
        _transpose_input(node, 1)
        changed = True
    set_attributes(node, transA=None, transB=None)
    alpha, beta, bias = float(known["alpha"]), float(known["beta"]), input_at(node, 2)
    weights = const_array(input_at(node, 1))
    if alpha != 1 and weights is not None and weights.dtype == np.float32:
        scaled = (weights.astype(np.float64) * alpha).astype(np.float32)
        node.replace_input_with(1, constant(graph_of(node), scaled, str(node.inputs[1].name)))  # type: ignore[union-attr]
        alpha, changed = 1.0, True
        set_attributes(node, alpha=None)
    array = const_array(bias)
    channels = shape(node.outputs[0])[1]
    if array is not None and array.dtype == np.float32 and array.size in (1, channels) and shape_is_row(array, channels):
        row = np.broadcast_to(array.reshape(-1).astype(np.float64) * beta, (channels,)).astype(np.float32)
        if beta != 1 or array.shape != row.shape:
            node.replace_input_with(2, constant(graph_of(node), row, str(bias.name) if bias is not None else ""))
            changed = True
        beta = 1.0
        set_attributes(node, beta=None)
    bias = input_at(node, 2)
    if bias is None:
        beta = 1.0
    row_like = bias is None or (bias.shape is not None and is_static(bias) and shape(bias) in ((channels,), ()))
    if alpha == 1 and beta == 1 and row_like and _weights(input_at(node, 1)):
        return bool(set_attributes(node, alpha=None, beta=None) or changed)
    return _decompose(node, alpha, beta) or changed


def shape_is_row(array: Array, channels: int) -> bool:
    """Whether a Gemm's C varies along the last axis only."""
    return array.size == 1 or array.shape[-1] == channels


def _transpose_input(node: ir.Node, index: int) -> None:
    value = node.inputs[index]
    assert value is not None
    array = const_array(value)
    if array is not None:
        node.replace_input_with(index, constant(graph_of(node), array.T, str(value.name)))
        return
    turned = insert(node, "Transpose", [value], {"perm": (1, 0)})
    turned.type, turned.shape = value.type, ir.Shape(shape(value)[::-1])
    node.replace_input_with(index, turned)


def _decompose(node: ir.Node, alpha: float, beta: float) -> bool:
    """alpha * (A @ B) + beta * C, one operator each, where a constant cannot take the factor."""
    graph, out, bias = graph_of(node), node.outputs[0], input_at(node, 2)
    total = insert(node, "MatMul", node.inputs[:2], like=out)
    if alpha != 1:
        total = insert(node, "Mul", [total, constant(graph, alpha, f"{node.name}_alpha")], like=out)
    if bias is not None and beta != 0:
        if beta != 1:
            bias = insert(node, "Mul", [bias, constant(graph, beta, f"{node.name}_beta")], like=bias)
        total = insert(node, "Add", [total, bias], like=out)
    return swap(node, total)


def flatten_bias(model: ir.Model) -> bool:
    """A bias given as DequantizeLinear of a [1, N] constant loses its leading 1 (Gemm wants a row).

    Before::

        g (float[1, 2] x) => (float[1, 2] y) <float[2, 2] w = {1, 2, 3, 4}, int32[1, 2] q = {7, 8}, float s = {0.5}> {
            b = DequantizeLinear (q, s)
            y = Gemm (x, w, b)
        }

    After::

        g (float[1, 2] x) => (float[1, 2] y) <float[2, 2] w = {1, 2, 3, 4}, int32[2] q = {7, 8}, float s = {0.5}> {
            b = DequantizeLinear (q, s)
            y = Gemm (x, w, b)
        }
    """
    changed = False
    for node in list(model.graph):
        bias = input_at(node, 2) if node.op_type == "Gemm" and not node.domain else None
        source = produced_by(bias, "DequantizeLinear")
        stored = const_array(source.inputs[0]) if source is not None else None
        if bias is None or source is None or stored is None or stored.ndim != 2 or stored.shape[0] != 1:
            continue
        scale = const_array(source.inputs[1])
        if scale is None:
            continue
        name = str(source.inputs[0].name) if source.inputs[0] is not None else ""
        flat = constant(model.graph, stored.reshape(-1), name)
        settings = {"axis": 0} if scale.ndim else {}
        row = insert(node, "DequantizeLinear", [flat, *source.inputs[1:]], settings)
        row.type, row.shape = bias.type, ir.Shape(stored.shape[1:])
        set_inputs(node, [*node.inputs[:2], row])
        if not bias.uses() and not bias.is_graph_output():
            remove(source)
        changed = True
    return changed
