"""MatMul (and Gemm) of two activations: [.., M, K] x [.., K, N] with numpy broadcasting of the leading axes.

int8: y = R(sum_k (qa-za)*(qb-zb) + bias[n], sa*sb/s_y), one multiplier, R of arithmetic.py; the sum is bounded by
K * max|qa-za| * max|qb-zb| + |bias|, and a layer for which that (times 2^left) leaves int32 is refused.
The right operand may be stored [.., N, K] (a Transpose that only renamed axes): attrs transposed.  A stored in rows
of the output is read as a run; where A is broadcast, or its rows are cut otherwise, both operands are read whole
(mode all).  The dense page delegates here what is not a constant 2-D right operand.
attrs: mode, m, k, n, transposed, a_batches, b_batches (source batch of each output batch), then za, zb, zy, mult,
shift, left, lo, hi (int8) or alpha, lo, hi (float32); consts bias (optional).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edgec.arithmetic import multipliers, requantize
from edgec.ir.program import Array, Attr, Site, default_rows
from edgec.ir.reach import All, Run
from edgec.ops.base import Lowering, Op, Tensor, Unit
from edgec.ops.elementwise import as_float, bounds, float_limits, is_integer, limited, real_values, rows_of


def swapped(tensor: Tensor) -> Tensor:
    """The same bytes with the last two logical axes exchanged."""
    rank = len(tensor.shape)
    axes = [*range(rank - 2), rank - 1, rank - 2]
    if tensor.const is not None:
        return replace(tensor, shape=tuple(tensor.shape[a] for a in axes), const=tensor.const.transpose(axes))
    return replace(tensor, shape=tuple(tensor.shape[a] for a in axes), perm=tuple(axes[p] for p in tensor.perm))


def batch_index(own: Sequence[int], out: Sequence[int]) -> tuple[int, ...]:
    """For each output batch, in order, the operand's batch that numpy broadcasting pairs with it."""
    own = (1,) * (len(out) - len(own)) + tuple(own)
    numbers = np.arange(math.prod(own)).reshape(own)
    return tuple(int(v) for v in np.broadcast_to(numbers, tuple(out)).reshape(-1))


def bias_values(unit: Unit, ctx: Lowering, columns: int) -> Array | None:
    """What is added to every row, real values [N] in float64: Gemm's beta*C and an absorbed Add."""
    total: Array | None = None
    gemm_c = unit.inputs[2] if unit.op_type == "Gemm" and len(unit.inputs) > 2 else None
    for tensor, factor in ((gemm_c, float(unit.attrs.get("beta", 1.0))), (unit.bias, 1.0)):
        if tensor is None:
            continue
        if (
            not tensor.is_const
            or math.prod(tensor.shape) not in (1, columns)
            or (tensor.shape and tensor.shape[-1] not in (1, columns))
        ):
            raise ctx.unsupported(unit, "a bias that is not a constant vector over the output columns")
        value = np.broadcast_to(real_values(tensor).reshape(-1) * factor, (columns,))
        total = value if total is None else total + value
    return total


def operands(unit: Unit, ctx: Lowering) -> tuple[Tensor, Tensor]:
    """Both operands as stored activations, Gemm's transpositions applied."""
    a, b = unit.inputs[0], unit.inputs[1]
    assert a is not None and b is not None
    a = swapped(a) if unit.attrs.get("transA") else a
    b = swapped(b) if unit.attrs.get("transB") else b
    return ctx.stored(a), ctx.stored(b)


def right_layout(ctx: Lowering, b: Tensor) -> tuple[Tensor, int]:
    """B stored [.., K, N], or [.., N, K] as it is (then 1)."""
    rank = len(b.shape)
    turned = (*range(rank - 2), rank - 1, rank - 2)
    if rank >= 2 and b.perm == turned:
        return b, 1
    return ctx.physical(b, tuple(range(rank))), 0


def lower_matmul(unit: Unit, ctx: Lowering) -> Tensor:
    """Emits the step of a MatMul or Gemm whose right operand is not a constant matrix."""
    a, b = operands(unit, ctx)
    integer = is_integer(unit, [a, b])
    if not integer:
        a, b = as_float(unit, ctx, a), as_float(unit, ctx, b)
    a = ctx.physical(a, tuple(range(len(a.shape))))
    b, transposed = right_layout(ctx, b)
    k = a.shape[-1]
    m = a.shape[-2] if len(a.shape) > 1 else 1
    n = b.shape[-1] if len(b.shape) > 1 else 1
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    perm = tuple(range(len(unit.out_shape)))
    rows = default_rows(unit.out_shape)
    run = tuple(a.shape[:-2]) == tuple(batch) and rows_of(a) == rows and len(b.shape) > 1
    attrs: dict[str, Attr] = {"mode": "run" if run else "all", "m": m, "k": k, "n": n, "transposed": transposed}
    attrs |= {"a_batches": batch_index(a.shape[:-2], batch), "b_batches": batch_index(b.shape[:-2], batch)}
    bias = bias_values(unit, ctx, n)
    alpha = float(unit.attrs.get("alpha", 1.0))
    consts: dict[str, Array] = {}
    reach = [Run(rows) if run else All(rows_of(a)), All(rows_of(b))]
    if not integer:
        attrs |= {"alpha": alpha, **float_limits(unit)}
        if bias is not None:
            consts["bias"] = bias.astype(np.float32)
        return ctx.emit(unit, "matmul", [a, b], perm, rows, reach, attrs, consts, like=a)
    assert a.quant is not None and b.quant is not None and unit.quant is not None
    product = float(a.quant.scale) * float(b.quant.scale) * alpha
    try:
        fixed = multipliers(np.array(product / unit.quant.scale))
    except ValueError as error:
        raise ctx.unsupported(unit, str(error)) from error
    if bias is not None:
        consts["bias"] = np.clip(np.rint(bias / product), -(2**31), 2**31 - 1).astype(np.int32)
    reach_of = [max(127 - t.quant.zero_point, t.quant.zero_point + 128) for t in (a, b) if t.quant is not None]
    bound = k * reach_of[0] * reach_of[1] + int(np.abs(consts.get("bias", np.zeros(1)).astype(np.int64)).max())
    if bound << fixed.left >= 2**31:
        raise ctx.unsupported(unit, f"sums of {k} products can reach {bound}, which leaves 32 bits")
    lo, hi = bounds(unit, unit.quant)
    attrs |= {
        "za": a.quant.zero_point,
        "zb": b.quant.zero_point,
        "mult": int(fixed.m[0]),
        "shift": fixed.shift,
        "left": fixed.left,
    }
    attrs |= {"zy": unit.quant.zero_point, "lo": lo, "hi": hi}
    return ctx.emit(unit, "matmul", [a, b], perm, rows, reach, attrs, consts)


class MatMul(Op):
    """Program operator `matmul`; the ONNX names belong to the dense page."""

    name = "matmul"

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        attrs: Any = site.step.attrs
        m, k, n = site.int("m"), site.int("k"), site.int("n")
        integer = site.output.dtype == "int8"
        left = rows[0].reshape(-1, k).astype(np.float64)
        right = rows[1].reshape((-1, n, k) if attrs["transposed"] else (-1, k, n)).astype(np.float64)
        if integer:  # sums below 2^31 are exact in float64, and its product is the fast one
            left, right = left - attrs["za"], right - attrs["zb"]
        right = right.swapaxes(1, 2) if attrs["transposed"] else right
        each = site.output.row_elements // n
        batch, inside = np.divmod(np.arange(y0 * each, y1 * each), m)
        a = left[np.array(attrs["a_batches"])[batch] * m + inside]
        acc = np.empty((len(batch), n))
        for b in np.unique(batch):
            acc[batch == b] = a[batch == b] @ right[attrs["b_batches"][b]]
        bias = site.step.consts.get("bias", np.zeros(n))
        if not integer:
            return limited(acc * attrs["alpha"] + bias, attrs).reshape(y1 - y0, -1)
        numbers = (attrs["shift"], attrs["left"], attrs["zy"], attrs["lo"], attrs["hi"])
        total = acc.astype(np.int64) + bias.astype(np.int64)
        return requantize(total, np.array(attrs["mult"]), *numbers).reshape(y1 - y0, -1)

    def macs(self, site: Site) -> int:
        return site.output.elements * site.int("k")


OPS = (MatMul(),)
