"""Constants behind a normalisation go into its scale and bias."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgec.graph.edit import constant, graph_of, set_inputs, swap
from edgec.graph.view import Array, attributes, const_array, input_at, shape, sole_user

BY_CHANNEL = ("InstanceNormalization", "GroupNormalization")
LAST_AXES = ("LayerNormalization", "RMSNormalization")


def fold_norm_affine(model: ir.Model) -> bool:
    """Mul or Add by a constant along a normalisation's own axes (for images: along the channels), also behind a Transpose, is its scale or bias.

    Before::

        g (float[2, 3, 4] x) => (float[2, 3, 4] y)
        <float[4] one = {1, 1, 1, 1}, float[4] s = {1, 2, 3, 4}, float[1, 1, 4] b = {0, 1, 0, 1}> {
            n = LayerNormalization <axis = 2, epsilon = 0.25> (x, one)
            scaled = Mul (s, n)
            y = Add (scaled, b)
        }

    After::

        g (float[2, 3, 4] x) => (float[2, 3, 4] y) <float[4] s = {1, 2, 3, 4}, float[4] b = {0, 1, 0, 1}> {
            y = LayerNormalization <axis = 2, epsilon = 0.25> (x, s, b)
        }
    """
    changed = False
    for node in list(model.graph):
        if node.domain or node.op_type not in (*BY_CHANNEL, *LAST_AXES):
            continue
        while _fold(node):
            changed = True
    return changed


def _fold(norm: ir.Node) -> bool:
    last, turned = norm.outputs[0], None
    user = sole_user(last)
    if user is not None and user.op_type == "Transpose" and not user.domain:
        turned, last = user, user.outputs[0]
        user = sole_user(last)
    if user is None or user.domain or user.op_type not in ("Add", "Mul") or any(v.uses() for v in norm.outputs[1:]):
        return False
    array = const_array(user.inputs[1] if user.inputs[0] is last else user.inputs[0])
    scale, given = const_array(input_at(norm, 1)), input_at(norm, 2)
    bias = const_array(given)
    if array is None or array.dtype != np.float32 or scale is None or (given is not None and bias is None):
        return False
    if norm.op_type == "RMSNormalization" and user.op_type == "Add":
        return False
    vector = _along(array, norm, turned, scale.shape)
    if vector is None or shape(user.outputs[0]) != shape(last):
        return False
    graph = graph_of(norm)
    if user.op_type == "Mul":
        scale = scale.astype(np.float64) * vector
        bias = None if bias is None else bias.astype(np.float64) * vector
    else:
        bias = vector if bias is None else bias.astype(np.float64) + vector
    made = [constant(graph, scale.astype(np.float32), f"{norm.name}_scale")]
    if bias is not None:
        made.append(constant(graph, bias.astype(np.float32), f"{norm.name}_bias"))
    if not all(np.isfinite(m.const_value.numpy()).all() for m in made if m.const_value is not None):
        return False
    if not swap(user, last):
        return False
    set_inputs(norm, [norm.inputs[0], *made])
    return True


def _along(array: Array, norm: ir.Node, turned: ir.Node | None, wanted: tuple[int, ...]) -> Array | None:
    """The constant in the form of the scale, float64; None if it varies along other axes."""
    rank = len(shape(norm.outputs[0]))
    if array.ndim > rank:
        return None
    full = array.reshape((1,) * (rank - array.ndim) + array.shape)
    if turned is not None:
        full = np.transpose(full, np.argsort(attributes(turned).get("perm") or range(rank)[::-1]))
    own = (1,) if norm.op_type in BY_CHANNEL else tuple(range(int(attributes(norm).get("axis", -1)) % rank, rank))
    if any(size != 1 for axis, size in enumerate(full.shape) if axis not in own):
        return None
    squeezed = full.reshape([full.shape[axis] for axis in own])
    try:
        return np.broadcast_to(squeezed, wanted).astype(np.float64)
    except ValueError:  # GroupNormalization before opset 21 has one scale a group
        return None
