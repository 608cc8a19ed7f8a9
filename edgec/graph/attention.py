"""The ONNX Attention operator (opset 23) in the spelling every other exporter uses: two matrix products around a Softmax."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from edgec.graph.edit import constant, graph_of, insert, swap
from edgec.graph.view import Array, attributes, const_array, input_at, is_static, shape
from edgec.ops.attention import mask_shape

LOWEST = -1e30  # added to a masked score: the exponential of its distance from any other is 0


def spell_attention(model: ir.Model) -> bool:
    """Attention without past keys becomes MatMul, Mul, the score cap, the mask by Add or Where, Softmax, MatMul.

    Grouped queries: [B, keys' heads, group, ..] of the queries against [B, keys' heads, 1, ..] of keys and values.

    Before (opset 23)::

        g (float[1, 3, 4] q, float[1, 5, 4] k, float[1, 5, 4] v) => (float[1, 3, 4] y) {
            y = Attention <q_num_heads = 2, kv_num_heads = 2, scale = 0.5> (q, k, v)
        }

    After::

        g (float[1, 3, 4] q, float[1, 5, 4] k, float[1, 5, 4] v) => (float[1, 3, 4] y)
        <int64[4] sq = {1, 3, 2, 2}, int64[4] sk = {1, 5, 2, 2}, float half = {0.5}, int64[3] back = {1, 3, 4}> {
            aq = Reshape (q, sq)
            hq = Transpose <perm = [0, 2, 1, 3]> (aq)
            ak = Reshape (k, sk)
            hk = Transpose <perm = [0, 2, 1, 3]> (ak)
            turned = Transpose <perm = [0, 1, 3, 2]> (hk)
            product = MatMul (hq, turned)
            scores = Mul (product, half)
            weights = Softmax <axis = 3> (scores)
            av = Reshape (v, sk)
            hv = Transpose <perm = [0, 2, 1, 3]> (av)
            mixed = MatMul (weights, hv)
            heads = Transpose <perm = [0, 2, 1, 3]> (mixed)
            y = Reshape (heads, back)
        }
    """
    changed = False
    for node in list(model.graph):
        if node.op_type == "Attention" and not node.domain and _plain(node):
            changed |= _spell(node)
    return changed


def _plain(node: ir.Node) -> bool:
    values = [input_at(node, index) for index in range(3)]
    if any(v is None or not is_static(v) or v.dtype != ir.DataType.FLOAT for v in values) or any(node.inputs[4:]):
        return False
    mask = input_at(node, 3)
    if mask is not None and not is_static(mask):
        return False
    return not any(v.uses() or v.is_graph_output() for v in node.outputs[1:])


def _spell(node: ir.Node) -> bool:
    known, graph = attributes(node), graph_of(node)
    q, k, v = (_heads(node, index, known) for index in range(3))
    if q is None or k is None or v is None or shape(q)[1] % shape(k)[1] or shape(v)[1] != shape(k)[1]:
        return False
    batch, heads, tokens, width = shape(q)
    group = heads // shape(k)[1]
    if group > 1:
        q = _reshaped(node, q, (batch, shape(k)[1], group, tokens, width))
        k, v = (_reshaped(node, x, (*shape(x)[:2], 1, *shape(x)[2:])) for x in (k, v))
    lead, rank = shape(q)[:-2], len(shape(q))
    perm = (*range(rank - 2), rank - 1, rank - 2)
    keys = _like(insert(node, "Transpose", [k], {"perm": perm}), q, (*shape(k)[:-2], width, shape(k)[-2]))
    dims = (*lead, tokens, shape(k)[-2])
    scores = _like(insert(node, "MatMul", [q, keys], name=f"{node.name}_scores"), q, dims)
    scale, cap = float(known.get("scale") or width**-0.5), float(known.get("softcap") or 0.0)
    factor = constant(graph, np.array(scale / (cap or 1.0), np.float32), f"{node.name}_scale")
    scores = insert(node, "Mul", [scores, factor], like=scores)
    if cap:
        scores = insert(node, "Tanh", [scores], like=scores)
        scores = insert(
            node, "Mul", [scores, constant(graph, np.array(cap, np.float32), f"{node.name}_cap")], like=scores
        )
    scores = _masked(node, known, scores, group)
    weights = insert(node, "Softmax", [scores], {"axis": rank - 1}, like=scores)
    out = node.outputs[0]
    mixed = _like(insert(node, "MatMul", [weights, v], name=f"{node.name}_context"), q, (*dims[:-1], shape(v)[-1]))
    if group > 1:
        mixed = _reshaped(node, mixed, (batch, heads, tokens, shape(v)[-1]))
    if len(shape(out)) == 3:
        mixed = _like(
            insert(node, "Transpose", [mixed], {"perm": (0, 2, 1, 3)}), q, (batch, tokens, heads, shape(v)[-1])
        )
        mixed = _reshaped(node, mixed, shape(out))
    return swap(node, mixed)


def _reshaped(node: ir.Node, value: ir.Value, dims: tuple[int, ...]) -> ir.Value:
    return _like(insert(node, "Reshape", [value, constant(graph_of(node), dims, f"{node.name}_shape")]), value, dims)


def _like(value: ir.Value, typed: ir.Value, dims: tuple[int, ...]) -> ir.Value:
    value.type, value.shape = typed.type, ir.Shape(dims)
    return value


def _heads(node: ir.Node, index: int, known: dict[str, Any]) -> ir.Value | None:
    """Operand `index` as [batch, heads, tokens, width]."""
    value = node.inputs[index]
    assert value is not None
    dims = shape(value)
    if len(dims) == 4:
        return value
    heads = int(known.get("kv_num_heads" if index else "q_num_heads") or 0)
    if len(dims) != 3 or not heads or dims[2] % heads:
        return None
    made = _reshaped(node, value, (*dims[:2], heads, dims[2] // heads))
    return _like(
        insert(node, "Transpose", [made], {"perm": (0, 2, 1, 3)}), value, (dims[0], heads, dims[1], dims[2] // heads)
    )


def _masked(node: ir.Node, known: dict[str, Any], scores: ir.Value, group: int) -> ir.Value:
    """Scores [.., tokens, keys] with the given mask, and no token seeing those behind it where the node says so."""
    graph, mask = graph_of(node), input_at(node, 3)
    allowed = const_array(mask)
    if allowed is not None:
        values = _added(allowed) if allowed.dtype == np.bool_ else allowed
        values = values.reshape(mask_shape(values.shape, group))
        scores = insert(node, "Add", [scores, constant(graph, values, f"{node.name}_mask")], like=scores)
    elif mask is not None:
        mask = _reshaped(node, mask, mask_shape(shape(mask), group)) if group > 1 else mask
        if mask.dtype == ir.DataType.BOOL:
            low = constant(graph, np.array(LOWEST, np.float32), f"{node.name}_low")
            scores = insert(node, "Where", [mask, scores, low], like=scores)
        else:
            scores = insert(node, "Add", [scores, mask], like=scores)
    if known.get("is_causal"):
        values = _added(np.tri(*shape(scores)[-2:], dtype=np.bool_))
        scores = insert(node, "Add", [scores, constant(graph, values, f"{node.name}_causal")], like=scores)
    return scores


def _added(allowed: Array) -> Array:
    return np.where(allowed, 0.0, LOWEST).astype(np.float32)
