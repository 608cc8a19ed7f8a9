"""ONNX Attention (opset 23), lowered as the steps it stands for; no step of its own.

    y = Softmax(scale * Q K^T [softcap] + mask) V     over heads, Q [B,Hq,S,d], K [B,Hk,T,d], V [B,Hk,T,e], or [B,S,H*d] and so on

Hq may be a multiple of Hk (grouped queries).  The scale is part of the first product; a causal mask and a constant mask become one addition.
The front spells float nodes out (graph/attention.py), so that calibration sees the scores and all becomes integers.  A node between
integers that a model brings says nothing about the ranges of its scores: they are float32 here.
Past keys and values, and outputs beside Y, are refused.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from edgec.ir.program import Array
from edgec.ops._layout import operand, refuse_clamp
from edgec.ops._parts import Part, part
from edgec.ops.base import Lowering, Op, Tensor, Unit
from edgec.ops.matmul import lower_matmul, swapped
from edgec.ops.movement import transposed

LOW = np.float32(-1e30)  # what a masked score becomes: exp of its distance from any other is 0


def heads_of(unit: Unit, ctx: Lowering, x: Tensor, attribute: str) -> Tensor:
    """x as [batch, heads, tokens, width]."""
    if len(x.shape) == 4:
        return x
    heads = int(unit.attrs.get(attribute, 0))
    if len(x.shape) != 3 or not heads or x.shape[2] % heads:
        raise ctx.unsupported(unit, f"an operand of shape {x.shape} with {attribute} = {heads}")
    split = ctx.view(x, (*x.shape[:2], heads, x.shape[2] // heads), f"{x.name}_heads")
    return transposed(split, (0, 2, 1, 3), f"{x.name}_heads")


def constant(values: Array, name: str) -> Tensor:
    """A float32 constant operand."""
    values = np.asarray(values, np.float32)
    return Tensor(name, values.shape, "float32", tuple(range(values.ndim)), const=values)


def mask_shape(mask: tuple[int, ...], group: int) -> tuple[int, ...]:
    """A mask's shape beside scores [B, H, S, T], or [B, Hk, group, S, T]."""
    batch, heads, rows, columns = (1,) * (4 - len(mask)) + mask
    if group == 1:
        return batch, heads, rows, columns
    return (batch, heads // group, group, rows, columns) if heads > 1 else (batch, 1, 1, rows, columns)


class Attention(Op):
    """ONNX Attention."""

    name = "attention"
    onnx = ("Attention",)

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        refuse_clamp(unit, ctx)
        if operand(unit, 4) is not None or operand(unit, 5) is not None or any(name for name, _ in unit.outputs[1:]):
            raise ctx.unsupported(unit, "past keys and values, or outputs beside Y; export without a cache")
        inputs = [operand(unit, i) for i in range(3)]
        q, k, v = (
            heads_of(unit, ctx, ctx.stored(t), n)
            for t, n in zip(inputs, ("q_num_heads", "kv_num_heads", "kv_num_heads"), strict=True)
            if t
        )
        batch, heads, tokens, width = q.shape
        group = heads // k.shape[1]
        if group > 1:
            q = ctx.view(q, (batch, k.shape[1], group, tokens, width), f"{q.name}_groups")
            k, v = (ctx.view(t, (*t.shape[:2], 1, *t.shape[2:]), f"{t.name}_groups") for t in (k, v))
        shape = (*q.shape[:-1], k.shape[-2])
        scale = float(unit.attrs.get("scale") or width**-0.5)
        cap = float(unit.attrs.get("softcap", 0.0))
        factor = {"alpha": scale / cap if cap else scale}
        score = lower_matmul(
            Part(unit.node_name, "MatMul", [q, swapped(k)], f"{unit.out_name}_score", shape, factor), ctx
        )
        if cap:
            score = part(
                unit,
                ctx,
                "Mul",
                [part(unit, ctx, "Tanh", [score], shape, "tanh"), constant(np.array(cap), "cap")],
                shape,
                "cap",
            )
        score = self.masked(unit, ctx, score, shape, group)
        share = part(unit, ctx, "Softmax", [score], shape, "share", {"axis": -1})
        out = (*shape[:-1], v.shape[-1])
        mixed = lower_matmul(
            Part(unit.node_name, "MatMul", [share, v], f"{unit.out_name}_mixed", out, {}, unit.quant), ctx
        )
        mixed = ctx.view(mixed, (batch, heads, tokens, v.shape[-1]), f"{unit.out_name}_mixed")
        if len(unit.out_shape) == 4:
            return replace(mixed, name=unit.out_name)
        return ctx.view(transposed(mixed, (0, 2, 1, 3), f"{unit.out_name}_tokens"), unit.out_shape, unit.out_name)

    def masked(self, unit: Unit, ctx: Lowering, score: Tensor, shape: tuple[int, ...], group: int) -> Tensor:
        """Scores with everything added that the masks say."""
        mask = operand(unit, 3)
        fixed: Array | None = None
        if int(unit.attrs.get("is_causal", 0)):
            fixed = np.where(np.tri(shape[-2], shape[-1], dtype=bool), np.float32(0), LOW)
        if mask is not None:
            wanted = mask_shape(mask.shape, group)
            mask = ctx.view(mask, wanted, f"{mask.name}_mask")
        if mask is not None and mask.const is not None:
            values = (
                np.where(mask.const, np.float32(0), LOW)
                if mask.const.dtype == np.bool_
                else np.maximum(mask.real(), LOW)
            )
            fixed = values if fixed is None else np.maximum(fixed + values, LOW)
        elif mask is not None and mask.dtype == "bool":
            score = part(unit, ctx, "Where", [mask, score, constant(np.array(LOW), "low")], shape, "masked")
        elif mask is not None:
            score = part(unit, ctx, "Add", [score, mask], shape, "masked")
        if fixed is not None and math.prod(fixed.shape):
            score = part(unit, ctx, "Add", [score, constant(fixed, "mask")], shape, "causal")
        return score


OPS = (Attention(),)
