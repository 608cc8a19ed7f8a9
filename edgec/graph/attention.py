"""The ONNX Attention operator (opset 23) in the spelling every other exporter uses: two matrix products around a Softmax."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from edgec.graph.edit import constant, graph_of, insert, swap
from edgec.graph.view import Array, attributes, const_array, input_at, is_static, shape

LOWEST = -1e30  # added to a masked score: the exponential of its distance from any other is 0


def spell_attention(model: ir.Model) -> bool:
    """Attention without past keys, grouped queries or score cap becomes MatMul, Mul, Add of the mask, Softmax, MatMul.

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
    known = attributes(node)
    values = [input_at(node, index) for index in range(3)]
    if any(v is None or not is_static(v) or v.dtype != ir.DataType.FLOAT for v in values) or any(node.inputs[4:]):
        return False
    mask = input_at(node, 3)
    if mask is not None and mask.dtype != ir.DataType.FLOAT and const_array(mask) is None:
        return False
    return not known.get("softcap") and not any(v.uses() or v.is_graph_output() for v in node.outputs[1:])


def _spell(node: ir.Node) -> bool:
    known, graph = attributes(node), graph_of(node)
    q, k, v = (_heads(node, index, known) for index in range(3))
    if q is None or k is None or v is None:
        return False
    batch, heads, tokens, width = shape(q)
    if shape(k)[1] != heads or shape(v)[1] != heads:
        return False
    keys = _like(insert(node, "Transpose", [k], {"perm": (0, 1, 3, 2)}), q, (*shape(k)[:2], width, shape(k)[2]))
    dims = (batch, heads, tokens, shape(k)[2])
    scores = _like(insert(node, "MatMul", [q, keys], name=f"{node.name}_scores"), q, dims)
    scale = constant(graph, np.array(known.get("scale") or width**-0.5, np.float32), f"{node.name}_scale")
    scores = insert(node, "Mul", [scores, scale], like=scores)
    for mask in _masks(node, known, dims[2:]):
        scores = insert(node, "Add", [scores, mask], like=scores)
    weights = insert(node, "Softmax", [scores], {"axis": 3}, like=scores)
    out = node.outputs[0]
    mixed = _like(insert(node, "MatMul", [weights, v], name=f"{node.name}_context"), q, (*dims[:3], shape(v)[3]))
    if len(shape(out)) == 3:
        mixed = _like(
            insert(node, "Transpose", [mixed], {"perm": (0, 2, 1, 3)}), q, (batch, tokens, heads, shape(v)[3])
        )
        mixed = insert(node, "Reshape", [mixed, constant(graph, shape(out), f"{node.name}_shape")], like=out)
    return swap(node, mixed)


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
    split = (*dims[:2], heads, dims[2] // heads)
    made = insert(node, "Reshape", [value, constant(graph_of(node), split, f"{node.name}_heads")])
    made = _like(made, value, split)
    return _like(
        insert(node, "Transpose", [made], {"perm": (0, 2, 1, 3)}), value, (dims[0], heads, dims[1], dims[2] // heads)
    )


def _masks(node: ir.Node, known: dict[str, Any], dims: tuple[int, ...]) -> list[ir.Value]:
    """What is added to the scores: the given mask, and that no token sees those behind it."""
    found: list[ir.Value] = []
    graph, mask = graph_of(node), input_at(node, 3)
    allowed = const_array(mask)
    if allowed is not None and allowed.dtype == np.bool_:
        found.append(constant(graph, _added(allowed), f"{node.name}_mask"))
    elif mask is not None:
        found.append(mask)
    if known.get("is_causal"):
        found.append(constant(graph, _added(np.tril(np.ones(dims, np.bool_))), f"{node.name}_causal"))
    return found


def _added(allowed: Array) -> Array:
    return np.where(allowed, 0.0, LOWEST).astype(np.float32)
