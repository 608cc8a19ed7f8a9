"""One spelling for operators that move or cut: constant full shapes, axes counted from the front, sizes spelt out."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgec.graph.edit import constant, graph_of, insert, remove, set_attributes, set_inputs, swap
from edgec.graph.view import Array, attributes, const_array, input_at, is_static, produced_by, shape, sole_user

RESHAPING = ("Flatten", "Squeeze", "Unsqueeze", "Reshape")
AXIS_OPS = ("Concat", "Split", "Softmax", "LogSoftmax", "Hardmax", "Gather", "ArgMax", "ArgMin", "LayerNormalization", "RMSNormalization")


def canonical_reshape(model: ir.Model) -> bool:
    """Flatten, Squeeze, Unsqueeze and Reshape with 0 or -1 become Reshape to a constant shape; chains become one.

    Before::

        g (float[2, 3, 4] x) => (float[2, 12] y) <int64[3] s = {0, -1, 1}> {
            a = Reshape (x, s)
            y = Flatten <axis = 1> (a)
        }

    After::

        g (float[2, 3, 4] x) => (float[2, 12] y) <int64[2] s = {2, 12}> {
            y = Reshape (x, s)
        }
    """
    changed = False
    for node in list(model.graph):
        if node.domain or node.op_type not in RESHAPING or not is_static(node.outputs[0]):
            continue
        out = node.outputs[0]
        source = node.inputs[0]
        earlier = produced_by(source, "Reshape")
        if earlier is not None and sole_user(earlier.outputs[0]) is node:
            source = earlier.inputs[0]
        wanted = const_array(input_at(node, 1)) if node.op_type == "Reshape" else None
        if source is node.inputs[0] and wanted is not None and tuple(wanted) == shape(out) and not node.attributes:
            continue
        target = constant(model.graph, shape(out), f"{node.name}_shape")
        made = insert(node, "Reshape", [source, target], like=out, name=node.name or "")
        changed |= swap(node, made)
    return changed


def merge_transposes(model: ir.Model) -> bool:
    """Two Transposes in a row are one; every perm is written out.

    Before::

        g (float[2, 3, 4] x) => (float[4, 2, 3] y) {
            a = Transpose (x)
            y = Transpose <perm = [0, 2, 1]> (a)
        }

    After::

        g (float[2, 3, 4] x) => (float[4, 2, 3] y) {
            y = Transpose <perm = [2, 0, 1]> (x)
        }
    """
    changed = False
    for node in list(model.graph):
        value = input_at(node, 0)
        if node.op_type != "Transpose" or node.domain or value is None or value.shape is None:
            continue
        perm = list(attributes(node).get("perm") or reversed(range(value.shape.rank())))
        changed |= set_attributes(node, perm=tuple(perm))
        earlier = produced_by(value, "Transpose")
        if earlier is None or sole_user(value) is not node or earlier.inputs[0] is None:
            continue
        first = list(attributes(earlier).get("perm") or reversed(range(len(perm))))
        set_attributes(node, perm=tuple(first[p] for p in perm))
        node.replace_input_with(0, earlier.inputs[0])
        remove(earlier)
        changed = True
    return changed


def count_axes_from_front(model: ir.Model) -> bool:
    """Negative axes become positive ones, in attributes and in constant inputs of reductions.

    Before::

        g (float[2, 3] x) => (float[2, 1] y) <int64[1] last = {-1}> {
            a = Softmax (x)
            y = ReduceMean (a, last)
        }

    After::

        g (float[2, 3] x) => (float[2, 1] y) <int64[1] one = {1}> {
            a = Softmax <axis = 1> (x)
            y = ReduceMean <keepdims = 1> (a, one)
        }
    """
    changed = False
    for node in model.graph:
        value = node.inputs[0] if node.inputs and not node.domain else None
        if value is None or value.shape is None:
            continue
        rank = value.shape.rank()
        if node.op_type in AXIS_OPS and rank:
            changed |= set_attributes(node, axis=int(attributes(node).get("axis", 0)) % rank)
        elif node.op_type.startswith("Reduce") and rank:
            changed |= _reduction(node, rank)
        elif node.op_type in ("DequantizeLinear", "QuantizeLinear") and "axis" in node.attributes:
            changed |= set_attributes(node, axis=node.attributes["axis"].as_int() % max(rank, 1))
    return changed


def _reduction(node: ir.Node, rank: int) -> bool:
    known = attributes(node)
    changed = set_attributes(node, keepdims=int(known.get("keepdims", 1)))
    given = input_at(node, 1)
    axes = const_array(given)
    if given is not None and axes is None:
        return changed
    if axes is None or axes.size == 0:
        if known.get("noop_with_empty_axes", 0):
            return swap(node, node.inputs[0]) if node.op_type != "ReduceL1" and node.inputs[0] is not None else changed
        axes = np.arange(rank)
    wanted = tuple(sorted({int(axis) % rank for axis in axes}))
    changed |= set_attributes(node, noop_with_empty_axes=None)
    if const_array(given) is None or tuple(axes) != wanted:
        set_inputs(node, [node.inputs[0], constant(graph_of(node), wanted, f"{node.name}_axes")])
        changed = True
    return changed


def spell_out(model: ir.Model) -> bool:
    """Split, Slice and Pad state every axis: sizes from the inferred shapes, bounds inside the tensor, pads for all axes.

    Before::

        g (float[2, 6] x) => (float[2, 3] a, float[2, 4] z) <int64[1] f = {-4}, int64[1] t = {99}, int64[1] ax = {-1}> {
            a, b = Split <axis = 1, num_outputs = 2> (x)
            z = Slice (x, f, t, ax)
        }

    After::

        g (float[2, 6] x) => (float[2, 3] a, float[2, 4] z)
        <int64[2] n = {3, 3}, int64[1] f = {2}, int64[1] t = {6}, int64[1] ax = {1}, int64[1] st = {1}> {
            a, b = Split <axis = 1> (x, n)
            z = Slice (x, f, t, ax, st)
        }
    """
    changed = False
    for node in list(model.graph):
        value = input_at(node, 0)
        if value is None or node.domain or not is_static(value):
            continue
        if node.op_type == "Split" and all(is_static(out) for out in node.outputs):
            changed |= _split(node)
        elif node.op_type == "Slice":
            changed |= _slice(node, shape(value))
        elif node.op_type == "Pad":
            changed |= _pad(node, len(shape(value)))
    return changed


def _split(node: ir.Node) -> bool:
    axis = int(attributes(node).get("axis", 0))
    sizes = [shape(out)[axis] for out in node.outputs]
    known = const_array(input_at(node, 1))
    if "num_outputs" not in node.attributes and known is not None and known.tolist() == sizes:
        return False
    set_attributes(node, num_outputs=None)
    set_inputs(node, [node.inputs[0], constant(graph_of(node), sizes, f"{node.name}_sizes")])
    return True


def _slice(node: ir.Node, dims: tuple[int, ...]) -> bool:
    given = [const_array(input_at(node, index)) for index in range(1, 5)]
    if given[0] is None or given[1] is None or any(a is None and input_at(node, i + 1) is not None for i, a in enumerate(given)):
        return False
    axes = list(range(given[0].size)) if given[2] is None else [int(a) % len(dims) for a in given[2]]
    steps = [1] * len(axes) if given[3] is None else [int(s) for s in given[3]]
    ranges = [slice(int(f), int(t), s).indices(dims[a]) for f, t, a, s in zip(given[0], given[1], axes, steps, strict=True)]
    ends = [end if step > 0 or end >= 0 else -dims[a] - 1 for (_, end, step), a in zip(ranges, axes, strict=True)]
    wanted: list[list[int]] = [[start for start, _, _ in ranges], ends, axes, steps]
    if all(known is not None and known.tolist() == w for known, w in zip(given, wanted, strict=True)):
        return False
    names = ("starts", "ends", "axes", "steps")
    made = [constant(graph_of(node), w, f"{node.name}_{name}") for w, name in zip(wanted, names, strict=True)]
    set_inputs(node, [node.inputs[0], *made])
    return True


def _pad(node: ir.Node, rank: int) -> bool:
    pads, axes = const_array(input_at(node, 1)), const_array(input_at(node, 3))
    if pads is None or axes is None:
        return False
    full = np.zeros(2 * rank, np.int64)
    for index, axis in enumerate(int(a) % rank for a in axes):
        full[axis], full[axis + rank] = pads[index], pads[index + axes.size]
    set_inputs(node, [node.inputs[0], constant(graph_of(node), full, f"{node.name}_pads"), input_at(node, 2)])
    return True


def canonical_resize(model: ir.Model) -> bool:
    """Resize states scales or sizes for every axis and no region of interest that its mode ignores.

    Before::

        g (float[1, 2, 4, 4] x) => (float[1, 2, 8, 8] y) <float[2] s = {2, 2}> {
            y = Resize <axes = [2, 3], mode = "nearest"> (x, , s)
        }

    After::

        g (float[1, 2, 4, 4] x) => (float[1, 2, 8, 8] y) <float[4] s = {1, 1, 2, 2}> {
            y = Resize <mode = "nearest"> (x, , s)
        }
    """
    changed = False
    for node in list(model.graph):
        value = input_at(node, 0)
        if node.op_type != "Resize" or node.domain or value is None or not is_static(value):
            continue
        known = attributes(node)
        if known.get("coordinate_transformation_mode") == "tf_crop_and_resize":
            continue
        rank = len(shape(value))
        axes = [int(axis) % rank for axis in known.get("axes") or range(rank)]
        scales, sizes = _full(input_at(node, 2), axes, (1,) * rank), _full(input_at(node, 3), axes, shape(value))
        if known.get("keep_aspect_ratio_policy", "stretch") != "stretch" or (scales is None and sizes is None):
            continue
        if input_at(node, 1) is None and "axes" not in node.attributes and (scales is None or sizes is None):
            continue
        set_attributes(node, axes=None, keep_aspect_ratio_policy=None)
        graph = graph_of(node)
        if scales is not None:
            set_inputs(node, [value, None, constant(graph, scales.astype(np.float32), f"{node.name}_scales")])
        elif sizes is not None:
            set_inputs(node, [value, None, None, constant(graph, sizes.astype(np.int64), f"{node.name}_sizes")])
        changed = True
    return changed


def _full(value: ir.Value | None, axes: list[int], default: tuple[int, ...]) -> Array | None:
    """Values given for some axes, with the default for the others; None if absent, empty or not constant."""
    given = const_array(value)
    if given is None or given.size != len(axes):
        return None
    full = np.array(default, given.dtype)
    full[axes] = given
    return full
