"""Windows (Conv, MaxPool, AveragePool): every geometry written out, padding explicit, no automatic or rounded-up sizes."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgec.graph.edit import constant, graph_of, insert, set_attributes
from edgec.graph.infer import infer_leniently
from edgec.graph.view import attributes, const_array, input_at, is_static, shape

POOLS = ("MaxPool", "AveragePool")


def explicit_windows(model: ir.Model) -> bool:
    """auto_pad becomes pads; kernel_shape, strides, dilations are always given; ceil_mode becomes padding at the end.

    Before::

        g (float[1, 1, 5, 5] x) => (float[1, 1, 3, 3] y) <float[1, 1, 1, 1] w = {2}> {
            a = Conv <auto_pad = "SAME_UPPER"> (x, w)
            y = MaxPool <kernel_shape = [2, 2], strides = [2, 2], ceil_mode = 1> (a)
        }

    After::

        g (float[1, 1, 5, 5] x) => (float[1, 1, 3, 3] y) <float[1, 1, 1, 1] w = {2}> {
            a = Conv <kernel_shape = [1, 1], strides = [1, 1], dilations = [1, 1], pads = [0, 0, 0, 0], group = 1> (x, w)
            y = MaxPool <kernel_shape = [2, 2], strides = [2, 2], dilations = [1, 1], pads = [0, 0, 1, 1]> (a)
        }
    """
    changed = False
    for node in list(model.graph):
        value = input_at(node, 0)
        if node.domain or node.op_type not in ("Conv", *POOLS) or value is None:
            continue
        if is_static(value) and is_static(node.outputs[0]):
            changed |= _explicit(node, shape(value)[2:], shape(node.outputs[0])[2:])
    return changed


def settle_rounded_up(model: ir.Model) -> None:
    """Makes ceil_mode explicit before anything relies on the shapes behind it, in place.

    onnx's inference counts a last window that starts wholly in the padding; onnxruntime and PyTorch do not, and a model's
    weights fit theirs.  So each such pool is settled front to back and what follows it is inferred anew.
    """
    pools = [n for n in model.graph if n.op_type in POOLS and not n.domain and attributes(n).get("ceil_mode")]
    if not pools:
        return
    for output in model.graph.outputs:  # may state the right shape while inference still has the wrong one
        output.shape = None
    for pool in pools:
        infer_leniently(model)
        value = pool.inputs[0]
        if value is None or not is_static(value) or not is_static(pool.outputs[0]):
            continue
        _explicit(pool, shape(value)[2:], shape(pool.outputs[0])[2:])
        for node in model.graph:
            for output in node.outputs:
                output.shape = None


def _rounded_up(dims: tuple[int, ...], extents: list[int], strides: tuple[int, ...], pads: tuple[int, ...]) -> tuple[int, ...]:
    """Output sizes of ceil_mode: rounded up, but every window starts in the input or in the padding before it."""
    sizes = []
    for axis, (size, extent, stride) in enumerate(zip(dims, extents, strides, strict=True)):
        before, after = pads[axis], pads[axis + len(dims)]
        out = -(-(size + before + after - extent) // stride) + 1
        sizes.append(out - 1 if (out - 1) * stride >= size + before else out)
    return tuple(sizes)


def _explicit(node: ir.Node, dims: tuple[int, ...], out: tuple[int, ...]) -> bool:
    known = attributes(node)
    rank = len(dims)
    weights = input_at(node, 1)
    kernel = known.get("kernel_shape") or (shape(weights)[2:] if node.op_type == "Conv" and weights is not None else ())
    strides = tuple(known.get("strides") or (1,) * rank)
    dilations = tuple(known.get("dilations") or (1,) * rank)
    pads = tuple(known.get("pads") or (0,) * (2 * rank))
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    mode = known.get("auto_pad") or "NOTSET"
    if mode == "VALID":
        pads = (0,) * (2 * rank)
    elif mode != "NOTSET":
        totals = [max((o - 1) * s + e - d, 0) for o, s, e, d in zip(out, strides, extents, dims, strict=True)]
        small, large = [t // 2 for t in totals], [t - t // 2 for t in totals]
        pads = (*small, *large) if mode == "SAME_UPPER" else (*large, *small)
    changed = False
    if known.get("ceil_mode"):
        if mode == "NOTSET":
            out = _rounded_up(dims, extents, strides, pads)
        reach = [(o - 1) * s + e - d - b for o, s, e, d, b in zip(out, strides, extents, dims, pads[:rank], strict=True)]
        wider = (*pads[:rank], *(max(end, more) for end, more in zip(pads[rank:], reach, strict=True)))
        if wider != pads and node.op_type == "AveragePool" and known.get("count_include_pad"):
            _pad_before(node, pads, rank)
            wider = (*(0,) * rank, *(w - p for w, p in zip(wider[rank:], pads[rank:], strict=True)))
            set_attributes(node, count_include_pad=0)
        pads, changed = wider, True
    changed |= set_attributes(
        node, kernel_shape=tuple(kernel), strides=strides, dilations=dilations, pads=pads, auto_pad=None, ceil_mode=None
    )
    if node.op_type == "Conv":
        changed |= set_attributes(node, group=int(known.get("group", 1)))
    return changed


def _pad_before(node: ir.Node, pads: tuple[int, ...], rank: int) -> None:
    """Padding that counts in the average, as a Pad of its own: what ceil_mode adds behind it does not count."""
    if not any(pads):
        return
    value = node.inputs[0]
    assert value is not None
    graph = graph_of(node)
    full = (0, 0, *pads[:rank], 0, 0, *pads[rank:])
    padded = insert(node, "Pad", [value, constant(graph, full, f"{node.name}_pads")], name=f"{node.name}_pad")
    padded.type = value.type
    padded.shape = ir.Shape([d + full[i] + full[i + rank + 2] for i, d in enumerate(shape(value))])
    node.replace_input_with(0, padded)


def drop_zero_bias(model: ir.Model) -> bool:
    """A bias of zeros is no bias.

    Before::

        g (float[1, 1, 2, 2] x) => (float[1, 2, 2, 2] y) <float[2, 1, 1, 1] w = {1, 2}, float[2] b = {0, 0}> {
            y = Conv (x, w, b)
        }

    After::

        g (float[1, 1, 2, 2] x) => (float[1, 2, 2, 2] y) <float[2, 1, 1, 1] w = {1, 2}> {
            y = Conv (x, w)
        }
    """
    changed = False
    for node in model.graph:
        if node.op_type in ("Conv", "Gemm") and not node.domain:
            bias = const_array(input_at(node, 2))
            if bias is not None and not np.any(bias):
                node.resize_inputs(2)
                changed = True
    return changed
