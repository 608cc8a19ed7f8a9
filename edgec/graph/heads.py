"""Attention one head at a time: what lets a scheduler keep K, V and a few rows of scores instead of all heads' at once.

    Before: x -> [Wq Wk Wv] -> reshape, transpose, split -> softmax(q k^T * s) v of H heads -> transpose, reshape -> projection
    After:  for each head: q = x Wq[h]*s, k = x Wk[h], v = x Wv[h], softmax(q k^T) v;  Concat of the heads -> projection

The same multiply-accumulates; the moves between heads and tokens disappear, a constant factor goes into Wq.  Done only where every step
is recognised: constant projection weights, constant (or no) mask, each head's columns the same for all tokens.
Source: memory note, section D; MCUFormer's operator integration.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgec.graph.edit import constant, graph_of, insert, swap
from edgec.graph.infer import infer
from edgec.graph.normalize import tidy
from edgec.graph.view import Array, const_array, sole_user
from edgec.graph.view import shape as static_shape

MOVES = frozenset({"Reshape", "Transpose", "Split", "Slice", "Squeeze", "Unsqueeze", "Flatten", "Gather", "Identity"})
ROUNDING = 2.0**-22  # a few factors in float32, multiplied


@dataclass(frozen=True)
class Projection:
    """factor * (x @ weight + bias) on tokens.  x: [.., N, D]; weight: [D, C]; columns: for each head the columns of C it reads."""

    x: ir.Value
    weight: Array
    bias: Array
    columns: Array  # [heads, d]
    factor: float


def split_heads(model: ir.Model) -> bool:
    """Rewrites every attention that it understands.  Says whether anything changed."""
    changed = False
    for node in list(model.graph):
        if node.op_type == "Softmax" and not node.domain and node.graph is not None:
            changed |= _rewrite(node)
    if changed:
        tidy(model)
        infer(model)
    return changed


def _producer(value: ir.Value | None, *kinds: str) -> ir.Node | None:
    node = value.producer() if value is not None else None
    return node if node is not None and not node.domain and node.op_type in kinds else None


def _scaled(value: ir.Value) -> tuple[ir.Value, float]:
    """The value behind multiplications and divisions by a constant scalar, and their product."""
    factor = 1.0
    while (node := _producer(value, "Mul", "Div")) is not None:
        for index in (1, 0):
            array = const_array(node.inputs[index])
            if array is not None and array.size == 1 and (index == 1 or node.op_type == "Mul"):
                number = float(array.reshape(-1)[0])
                factor *= number if node.op_type == "Mul" else 1.0 / number
                other = node.inputs[1 - index]
                assert other is not None
                value = other
                break
        else:
            break
    return value, factor


def _moved(node: ir.Node, index: int, source: Array) -> Array | None:
    """What a data movement does to an array of element numbers: output `index` of the node."""
    constants = [const_array(v) for v in node.inputs[1:]]
    if any(c is None and v is not None for c, v in zip(constants, node.inputs[1:], strict=True)):
        return None
    shape = static_shape(node.outputs[index])
    match node.op_type:
        case "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten" | "Identity":
            return source.reshape(shape)
        case "Transpose":
            perm = node.attributes.get("perm")
            return np.transpose(source, tuple(perm.as_ints()) if perm is not None else None)
        case "Split":
            axis = node.attributes["axis"].as_int() if "axis" in node.attributes else 0
            sizes = [static_shape(v)[axis] for v in node.outputs]
            return np.split(source, np.cumsum(sizes)[:-1], axis)[index]
        case "Slice" if len(constants) == 4:  # the normal form: starts, ends, axes, steps
            starts, ends, axes, steps = (c.tolist() if c is not None else [] for c in constants)
            cuts = [slice(None)] * source.ndim
            for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
                cuts[axis] = slice(start, end if end >= -source.shape[axis] else None, step)
            return source[tuple(cuts)]
        case "Gather" if constants[0] is not None:
            axis = node.attributes["axis"].as_int() if "axis" in node.attributes else 0
            return np.take(source, constants[0], axis)
    return None


def _trace(value: ir.Value, stop: tuple[str, ...]) -> tuple[ir.Value, Array, float] | None:
    """The value that `value` is a rearrangement of (made by one of `stop`), its element numbers in `value`'s shape, constant factors."""
    chain: list[tuple[ir.Node, int]] = []
    factor = 1.0
    while True:
        value, by = _scaled(value)
        factor *= by
        node = value.producer()
        if node is None or node.domain or node.op_type not in MOVES:
            break
        chain.append((node, list(node.outputs).index(value)))
        assert node.inputs[0] is not None
        value = node.inputs[0]
    if _producer(value, *stop) is None:
        return None
    numbers: Array | None = np.arange(int(np.prod(static_shape(value)))).reshape(static_shape(value))
    for node, index in reversed(chain):
        if numbers is None:
            return None
        numbers = _moved(node, index, numbers)
    return None if numbers is None else (value, numbers, factor)


def _linear(value: ir.Value) -> tuple[ir.Value, Array, Array] | None:
    """(x, weight [D, C], bias [C]) of MatMul + Add or Gemm with constant weights."""
    node = _producer(value, "Add", "MatMul", "Gemm")
    bias: Array | None = None
    if node is not None and node.op_type == "Add":
        bias = const_array(node.inputs[1])
        node = _producer(node.inputs[0], "MatMul")
        if bias is None or bias.size not in (1, bias.shape[-1] if bias.ndim else 1):
            return None
    if node is None or node.inputs[0] is None:
        return None
    weight = const_array(node.inputs[1])
    if weight is None or weight.ndim != 2:
        return None
    if node.op_type == "Gemm":
        if any(node.attributes[a].value not in (0, 1.0) for a in ("transA",) if a in node.attributes):
            return None
        weight = weight.T if "transB" in node.attributes and node.attributes["transB"].as_int() else weight
        bias = const_array(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] is not None else None
        if len(node.inputs) > 2 and node.inputs[2] is not None and bias is None:
            return None
    full = (
        np.zeros(weight.shape[1], np.float32) if bias is None else np.broadcast_to(bias.reshape(-1), (weight.shape[1],))
    )
    return node.inputs[0], np.asarray(weight, np.float32), np.asarray(full, np.float32)


def _projection(value: ir.Value, transposed: bool) -> Projection | None:
    """Where q, k^T or v ([.., H, N, d], k^T transposed) comes from, if each head reads its own columns of one linear layer."""
    found = _trace(value, ("Add", "MatMul", "Gemm"))
    if found is None:
        return None
    source, numbers, factor = found
    linear = _linear(source)
    if linear is None:
        return None
    numbers = np.swapaxes(numbers, -1, -2) if transposed else numbers
    channels = linear[1].shape[1]
    tokens = int(np.prod(static_shape(source))) // channels
    if numbers.ndim < 3 or numbers.shape[-2] != tokens or int(np.prod(numbers.shape[:-3])) != 1:
        return None
    heads = numbers.reshape(numbers.shape[-3:])
    columns = heads[:, 0, :]
    if not np.array_equal(heads, columns[:, None, :] + np.arange(tokens)[None, :, None] * channels):
        return None
    return Projection(linear[0], linear[1], linear[2], columns, factor)


def _destination(context: ir.Value) -> tuple[ir.Value, Array] | None:
    """The value [.., N, A] that the heads' results are moved into, and which (head, column) each of its channels is: h * d + j."""
    shape = static_shape(context)
    numbers: Array | None = np.arange(int(np.prod(shape))).reshape(shape)
    value = context
    while (
        (node := sole_user(value)) is not None and not node.domain and node.op_type in MOVES and node.op_type != "Split"
    ):
        assert numbers is not None
        moved = _moved(node, 0, numbers)
        if moved is None:
            break
        numbers, value = moved, node.outputs[0]
    assert numbers is not None
    heads, tokens, depth = shape[-3:]
    if value is context or numbers.shape[-1] != heads * depth:
        return None
    flat = numbers.reshape(tokens, heads * depth)
    first = flat[0]
    order = first // (tokens * depth) * depth + first % depth
    expected = order // depth * tokens * depth + np.arange(tokens)[:, None] * depth + order % depth
    return (value, order) if np.array_equal(flat, expected) else None


def _mask(node: ir.Node | None, heads: int) -> tuple[bool, Array | None]:
    """Whether an Add before the softmax can be kept, and its constant as [heads or 1, n, m]."""
    if node is None:
        return True, None
    array = const_array(node.inputs[1])
    if array is None or array.ndim > 4 or (array.ndim == 4 and array.shape[0] != 1):
        return False, None
    array = array.reshape((1,) * (3 - min(array.ndim, 3)) + array.shape[-3:])
    return array.shape[0] in (1, heads), array


def _rewrite(softmax: ir.Node) -> bool:
    """One attention around a softmax over the last axis of [.., H, N, M]."""
    scores = softmax.inputs[0]
    assert scores is not None
    shape = static_shape(scores)
    axis = softmax.attributes["axis"].as_int() if "axis" in softmax.attributes else -1
    user = sole_user(softmax.outputs[0])
    if len(shape) < 3 or axis not in (-1, len(shape) - 1) or user is None or user.op_type != "MatMul":
        return False
    added = _producer(scores, "Add")
    fine, mask = _mask(added, shape[-3])
    if not fine or user.inputs[0] is not softmax.outputs[0] or user.inputs[1] is None:
        return False
    assert added is None or added.inputs[0] is not None
    product, factor = _scaled(added.inputs[0] if added is not None else scores)  # type: ignore[arg-type]
    dot = _producer(product, "MatMul")
    if dot is None or dot.inputs[0] is None or dot.inputs[1] is None or shape[-3] < 2:
        return False
    q, k, v = _projection(dot.inputs[0], False), _projection(dot.inputs[1], True), _projection(user.inputs[1], False)
    target = _destination(user.outputs[0])
    if q is None or k is None or v is None or target is None:
        return False
    if any(len(p.columns) != shape[-3] for p in (q, k, v)):  # keys that several heads share would be computed for each
        return False
    contexts = [_head(softmax, h, (q, k, v), factor, mask) for h in range(shape[-3])]
    joined = insert(softmax, "Concat", contexts, {"axis": -1}, name=f"{softmax.name}_heads")
    graph = graph_of(softmax)
    order = target[1]
    if not np.array_equal(order, np.arange(order.size)):
        joined = insert(softmax, "Gather", [joined, constant(graph, order, "head_order")], {"axis": -1})
    out = target[0].producer()
    assert out is not None
    joined = insert(softmax, "Reshape", [joined, constant(graph, list(static_shape(target[0])), "tokens_shape")])
    return swap(out, joined)


def usual(factor: float, depth: int) -> float:
    """1/sqrt(depth) where the factors of the scores are that but for float32 rounding, which differs from exporter to exporter."""
    return depth**-0.5 if abs(factor * depth**0.5 - 1.0) < ROUNDING else factor


def _head(
    softmax: ir.Node, h: int, projections: tuple[Projection, Projection, Projection], factor: float, mask: Array | None
) -> ir.Value:
    """The nodes of head h, before the softmax node; returns its context [.., N, d]."""
    graph, name = graph_of(softmax), f"{softmax.name}_h{h}"

    def linear(p: Projection, by: float, label: str) -> ir.Value:
        weight = constant(
            graph, (p.weight[:, p.columns[h]] * np.float32(by)).astype(np.float32), f"{name}_{label}_weight"
        )
        bias = constant(graph, (p.bias[p.columns[h]] * np.float32(by)).astype(np.float32), f"{name}_{label}_bias")
        product = insert(softmax, "MatMul", [p.x, weight], name=f"{name}_{label}")
        return insert(softmax, "Add", [product, bias], name=f"{name}_{label}_add")

    q, k, v = projections
    keys, values = linear(k, 1.0, "k"), linear(v, v.factor, "v")
    queries = linear(
        q, usual(factor * q.factor * k.factor, q.columns.shape[1]), "q"
    )  # however the exporter shares them out
    rank = len(static_shape(projections[1].x))
    perm = (*range(rank - 2), rank - 1, rank - 2)
    scores = insert(
        softmax, "MatMul", [queries, insert(softmax, "Transpose", [keys], {"perm": perm})], name=f"{name}_scores"
    )
    if mask is not None:
        part = mask[h if mask.shape[0] > 1 else 0].reshape((1,) * (rank - 2) + mask.shape[1:])
        scores = insert(softmax, "Add", [scores, constant(graph, part.astype(np.float32), f"{name}_mask")])
    weights = insert(softmax, "Softmax", [scores], {"axis": -1}, name=f"{name}_softmax")
    return insert(softmax, "MatMul", [weights, values], name=f"{name}_context")
