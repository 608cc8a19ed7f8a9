"""Fewer multiplications for dense layers: constant chains folded, and optionally low-rank factors.

Before::

    y = x @ A @ B (+ bias)              y = x @ W, W [K, N]

After::

    y = x @ (A @ B), if that is fewer   y = (x @ U) @ V, U [K, r], V [r, N], r (K + N) <= ratio * K * N

The factors are the truncated singular value decomposition of W with its rows weighted by the root mean square of the inputs
they meet, so that the error of the *output* on the calibration samples is small, not that of W.
Source: Liang et al., "MCUFormer" (low-rank decomposition); Eckart & Young 1936.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from edgec.graph.edit import constant, insert, set_inputs
from edgec.graph.normalize import tidy
from edgec.graph.view import Array, const_array, input_at, sole_user
from edgec.quant.qdq import NAMES
from edgec.quant.runner import Runner, Samples, count, subset
from edgec.quant.units import Unit, split_units, weight_axis
from edgec.quant.weights import macs, weight_of

SAMPLES = 64


@dataclass(frozen=True)
class Factored:
    """error: expected RMS error of the layer's output before its bias, relative."""

    node: str
    rank: int
    of: int
    macs_before: int
    macs_after: int
    error: float


def fold_chains(model: ir.Model) -> list[str]:
    """Folds products with two constant matrices in place where that saves multiplications; names of the nodes that went."""
    gone: list[str] = []
    for node in list(model.graph):
        if node.domain or node.op_type not in ("MatMul", "Gemm") or not _plain(node):
            continue
        before = node.inputs[0].producer() if node.inputs[0] is not None else None
        if before is None or before.op_type not in ("MatMul", "Gemm") or not _plain(before):
            continue
        a, b = const_array(before.inputs[1]), const_array(node.inputs[1])
        if a is None or b is None or sole_user(before.outputs[0]) is not node:
            continue
        (k, m), n = a.shape, b.shape[1]
        if k * n > k * m + m * n:
            continue
        wide = b.astype(np.float64)
        product = constant(model.graph, (a.astype(np.float64) @ wide).astype(np.float32), f"{node.name}_folded")
        first, second = const_array(input_at(before, 2)), const_array(input_at(node, 2))
        inputs = [before.inputs[0], product]
        if first is not None and node.op_type == "MatMul":
            continue  # a bias in the middle needs a place at the end
        if first is not None or second is not None:
            bias = (0 if first is None else first.astype(np.float64).reshape(-1) @ wide) + (
                0 if second is None else second
            )
            inputs.append(constant(model.graph, np.asarray(bias, np.float32).reshape(-1), f"{node.name}_folded_bias"))
        set_inputs(node, inputs)
        gone.append(str(before.name))
    tidy(model)
    return gone


def _plain(node: ir.Node) -> bool:
    matrix = const_array(input_at(node, 1))
    return (
        matrix is not None and matrix.ndim == 2 and not any(node.attributes.get_int(t, 0) for t in ("transA", "transB"))
    )


def factorize(
    model: ir.Model, samples: Samples, ratio: float, keep: tuple[str, ...] = (), most: float = 1.0
) -> list[dict[str, Any]]:
    """Replaces, in place, dense layers and 1x1 convolutions by two with at most `ratio` of the multiplications.

    keep: nodes to leave alone; most: relative error of a layer's output beyond which it stays whole.
    """
    units = [unit for unit in split_units(model, keep) if _factorable(unit)]
    if not units:
        return []
    rms = input_rms(model, samples, units)
    found = [made for unit in units if (made := _split(model, unit, rms[unit.name], ratio, most)) is not None]
    model.graph.meta.pop(NAMES, None)
    tidy(model)
    return [asdict(made) for made in found]


def _factorable(unit: Unit) -> bool:
    if unit.kind != "linear" or unit.core.op_type == "ConvTranspose":
        return False
    w = weight_of(unit)
    if unit.core.op_type == "Conv":
        dense = unit.core.attributes.get_int("group", 1) == 1 and all(k == 1 for k in w.shape[2:])
        return dense and not any(unit.core.attributes.get_ints("pads", ()))
    return weight_axis(unit.core) == 1


def input_rms(model: ir.Model, samples: Samples, units: list[Unit]) -> dict[str, Array]:
    """Root mean square of each input channel, by unit."""
    names = [str(unit.activations[0].name) for unit in units]
    indices = subset(count(samples), SAMPLES)
    total: dict[str, Array] = {}
    for values in Runner(model, names).run(samples, names, indices):
        for unit, value in zip(units, values, strict=True):
            axis = 1 if unit.core.op_type == "Conv" else value.ndim - 1
            square = np.square(value, dtype=np.float64).mean(axis=tuple(a for a in range(value.ndim) if a != axis))
            total[unit.name] = total.get(unit.name, 0.0) + square / len(indices)
    return {name: np.sqrt(square) for name, square in total.items()}


def _split(model: ir.Model, unit: Unit, rms: Array, ratio: float, most: float) -> Factored | None:
    stored = weight_of(unit)
    conv = unit.core.op_type == "Conv"
    matrix = (stored.reshape(stored.shape[:2]).T if conv else stored).astype(np.float64)  # [K, N]
    k, n = matrix.shape
    rank = int(ratio * k * n / (k + n))
    if rank < 1 or rank >= min(k, n):
        return None
    weight = np.maximum(rms, 1e-6 * max(float(rms.max()), 1e-30))
    u, s, vt = np.linalg.svd(weight[:, None] * matrix, full_matrices=False)
    error = float(np.sqrt(np.square(s[rank:]).sum() / max(float(np.square(s).sum()), 1e-30)))
    if error > most:
        return None
    root = np.sqrt(s[:rank])
    first, second = (u[:, :rank] * root) / weight[:, None], root[:, None] * vt[:rank]
    before = macs(unit)
    core = unit.core
    if conv:
        first, second = first.T.reshape(rank, k, *stored.shape[2:]), second.T.reshape(n, rank, *stored.shape[2:])
    parts = [
        constant(model.graph, np.ascontiguousarray(p, np.float32), f"{core.name}_{i}")
        for i, p in (("u", first), ("v", second))
    ]
    attributes = {name: attribute.value for name, attribute in core.attributes.items()} if conv else {}
    op = core.op_type if conv else "MatMul"
    middle = insert(core, op, [core.inputs[0], parts[0]], attributes, name=f"{core.name}_low_rank")
    out, source = core.outputs[0].shape, core.outputs[0]
    assert out is not None
    axis = 1 if conv else len(out) - 1
    middle.shape, middle.type = ir.Shape([rank if a == axis else d for a, d in enumerate(out)]), source.type
    set_inputs(core, [middle, parts[1], *core.inputs[2:]])
    if conv:
        core.attributes["strides"] = ir.AttrInt64s("strides", [1] * (stored.ndim - 2))
    after = before * rank * (k + n) // (k * n)
    return Factored(unit.name, rank, min(k, n), before, after, round(error, 6))
