"""Constant scales and shifts behind a convolution or dense layer go into its weights (float weights only).

Sums are formed in float64 and rounded to float32 once.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgec.errors import ModelError
from edgec.graph.edit import constant, graph_of, insert, set_inputs, swap
from edgec.graph.view import Array, attributes, const_array, input_at, produced_by, shape, sole_user

LAYERS = ("Conv", "ConvTranspose", "Gemm")


def split_batchnorm(model: ir.Model) -> bool:
    """BatchNormalization (inference) becomes Mul and Add by constants; `fold_affine` then folds them where it can.

    Before::

        g (float[1, 2, 2, 2] x) => (float[1, 2, 2, 2] y)
        <float[2] s = {2, 1}, float[2] b = {1, 0}, float[2] m = {0.5, 1}, float[2] v = {4, 1}> {
            r = Relu (x)
            y = BatchNormalization <epsilon = 0.0> (r, s, b, m, v)
        }

    After::

        g (float[1, 2, 2, 2] x) => (float[1, 2, 2, 2] y)
        <float[1, 2, 1, 1] scale = {1, 1}, float[1, 2, 1, 1] shift = {0.5, -1}> {
            r = Relu (x)
            t = Mul (r, scale)
            y = Add (t, shift)
        }
    """
    changed = False
    for node in list(model.graph):
        value = input_at(node, 0)
        if node.op_type != "BatchNormalization" or node.domain or value is None or value.shape is None:
            continue
        given = [const_array(input_at(node, index)) for index in range(1, 5)]
        if any(array is None for array in given):
            continue
        gamma, beta, mean, variance = (np.asarray(array, np.float64) for array in given)
        spread = variance + attributes(node)["epsilon"]
        if np.any(spread <= 0):
            name = node.inputs[4].name if node.inputs[4] is not None else ""
            raise ModelError(f"the variance {name!r} of node {node.name!r} is not positive", "check the exported weights", node.name or "")
        scale = gamma / np.sqrt(spread)
        along = (1, -1) + (1,) * (value.shape.rank() - 2)
        graph = graph_of(node)
        factor = constant(graph, scale.reshape(along).astype(np.float32), f"{node.name}_scale")
        shift = constant(graph, (beta - mean * scale).reshape(along).astype(np.float32), f"{node.name}_shift")
        scaled = insert(node, "Mul", [value, factor], like=value)
        changed |= swap(node, insert(node, "Add", [scaled, shift], like=node.outputs[0]))
    return changed


def fold_affine(model: ir.Model) -> bool:
    """Mul or Add of a per-channel constant behind Conv, ConvTranspose or Gemm goes into weights and bias.

    Before::

        g (float[1, 1, 2, 2] x) => (float[1, 2, 2, 2] y)
        <float[2, 1, 1, 1] w = {1, 2}, float[2] b = {1, 1}, float[2, 1, 1] m = {3, 4}, float[1, 2, 1, 1] a = {5, 6}> {
            c = Conv (x, w, b)
            t = Mul (c, m)
            y = Add (a, t)
        }

    After::

        g (float[1, 1, 2, 2] x) => (float[1, 2, 2, 2] y) <float[2, 1, 1, 1] w = {3, 8}, float[2] b = {8, 10}> {
            y = Conv (x, w, b)
        }
    """
    changed = False
    for node in list(model.graph):
        if node.domain or node.op_type not in LAYERS:
            continue
        while (user := sole_user(node.outputs[0])) is not None and user.op_type in ("Add", "Mul") and not user.domain:
            vector = _per_channel(user, node)
            if vector is None or not _fold(node, user.op_type, vector):
                break
            if not swap(user, node.outputs[0]):
                break
            changed = True
    return changed


def _per_channel(user: ir.Node, layer: ir.Node) -> Array | None:
    """The constant operand as one value per output channel, None if it varies along another axis or widens the result."""
    other = user.inputs[1] if user.inputs[0] is layer.outputs[0] else user.inputs[0]
    array, out = const_array(other), layer.outputs[0]
    if array is None or array.dtype != np.float32 or out.shape is None or other is out:
        return None
    rank, channels = out.shape.rank(), out.shape[1]
    if array.ndim > rank or not isinstance(channels, int):
        return None
    full = array.reshape((1,) * (rank - array.ndim) + array.shape)
    if full.size != full.shape[1] or full.shape[1] not in (1, channels):
        return None
    return np.broadcast_to(full.reshape(-1), (channels,)).astype(np.float64)


def _fold(layer: ir.Node, op_type: str, vector: Array) -> bool:
    weights, bias = const_array(layer.inputs[1]), const_array(input_at(layer, 2))
    if weights is None or weights.dtype != np.float32 or (input_at(layer, 2) is not None and bias is None):
        return False
    known = attributes(layer)
    if layer.op_type == "Gemm" and (known["transA"] or known["transB"] or known["alpha"] != 1 or known["beta"] != 1):
        return False
    if bias is not None and bias.shape != vector.shape:
        return False
    wide, shift = weights.astype(np.float64), np.zeros_like(vector) if bias is None else bias.astype(np.float64)
    if op_type == "Add":
        shift = shift + vector
    else:
        shift = shift * vector
        if layer.op_type == "ConvTranspose":  # [C_in, C_out / group, ...]
            group = known["group"]
            grouped = wide.reshape(group, weights.shape[0] // group, *weights.shape[1:])
            wide = (grouped * vector.reshape(group, 1, -1, *(1,) * (weights.ndim - 2))).reshape(weights.shape)
        else:
            axis = 0 if layer.op_type == "Conv" else 1
            wide = wide * vector.reshape(*(1,) * axis, -1, *(1,) * (weights.ndim - 1 - axis))
    graph = graph_of(layer)
    matrix, row = wide.astype(np.float32), shift.astype(np.float32)
    if not (np.isfinite(matrix).all() and np.isfinite(row).all()):
        return False
    new_weights = constant(graph, matrix, str(layer.inputs[1].name)) if op_type == "Mul" else layer.inputs[1]  # type: ignore[union-attr]
    keep_bias = constant(graph, row, f"{layer.name}_bias") if np.any(row) else None
    set_inputs(layer, [layer.inputs[0], new_weights, keep_bias])
    return True


def matmul_add_to_gemm(model: ir.Model) -> bool:
    """MatMul of a rank-2 value by a float constant, plus a constant row, is Gemm.

    Before::

        g (float[1, 2] x) => (float[1, 3] y) <float[2, 3] w = {1, 2, 3, 4, 5, 6}, float[1, 3] b = {1, 2, 3}> {
            t = MatMul (x, w)
            y = Add (t, b)
        }

    After::

        g (float[1, 2] x) => (float[1, 3] y) <float[2, 3] w = {1, 2, 3, 4, 5, 6}, float[3] b = {1, 2, 3}> {
            y = Gemm (x, w, b)
        }
    """
    changed = False
    for node in list(model.graph):
        weights = const_array(input_at(node, 1)) if node.op_type == "MatMul" and not node.domain else None
        user = sole_user(node.outputs[0])
        if weights is None or weights.ndim != 2 or weights.dtype != np.float32 or user is None or user.op_type != "Add":
            continue
        if node.inputs[0] is None or node.inputs[0].shape is None or len(shape(node.outputs[0])) != 2:
            continue
        vector = _per_channel(user, node)
        if vector is None or produced_by(node.inputs[0], "Constant") is not None:
            continue
        bias = constant(model.graph, vector.astype(np.float32), f"{user.name}_bias")
        made = insert(user, "Gemm", [node.inputs[0], node.inputs[1], bias], like=user.outputs[0], name=node.name or "")
        if swap(user, made):
            model.graph.remove(node, safe=True)
            changed = True
    return changed
