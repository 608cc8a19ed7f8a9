"""Copying parts of rows: slice, split, gather, pad, expand, tile, nearest resize are one loop with different tables.

Each output row reads at most one input row, and every output row is cut from its input row in the same way: `count`
periods of a list of
runs (offset in the input row or -1 for the fill value, length), the input moving on by `step` elements each period.
Works on any element type; scale and zero point stay.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgec.ir.program import Array, Attr, Site
from edgec.ir.reach import Reach
from edgec.ops._layout import Shape, row_reach, split_rows
from edgec.ops.base import Op

Maps = Sequence[Array]  # for each physical axis: the input index of each output index, -1 for the fill value


def combine(maps: Maps, shape: Shape) -> Array:
    """Flat input index of each output index of several axes together; -1 where any of them says fill."""
    flat, fill = np.zeros(1, np.int64), np.zeros(1, bool)
    for one, size in zip(maps, shape, strict=True):
        flat = (flat[:, None] * size + np.maximum(one, 0)[None, :]).reshape(-1)
        fill = (fill[:, None] | (one < 0)[None, :]).reshape(-1)
    return np.where(fill, -1, flat)


def runs_of(index: Array) -> Array:
    """[k, 2] int32 (offset or -1, length): the shortest list of runs that makes `index`."""
    joined = np.where(index[:-1] < 0, index[1:] < 0, (index[1:] == index[:-1] + 1))
    starts = np.concatenate([[0], np.flatnonzero(~joined) + 1])
    lengths = np.diff(np.concatenate([starts, [index.size]]))
    return np.stack([index[starts], lengths], axis=1).astype(np.int32)


def periodic(index: Array, outer: int) -> tuple[int, int, Array]:
    """(count, step, runs) for the cut of a row: `outer` equal periods if that makes the table shorter, else one."""
    whole = (1, 0, runs_of(index))
    if outer <= 1 or index.size % outer:
        return whole
    table = index.reshape(outer, -1)
    fill = table < 0
    if (fill != fill[0]).any() or fill.all():
        return whole
    delta = np.diff(table, axis=0)[:, ~fill[0]]
    if (delta != delta[0, 0]).any() or delta[0, 0] < 0:
        return whole
    runs = runs_of(table[0])
    return (outer, int(delta[0, 0]), runs) if len(runs) < len(whole[2]) else whole


def row_copy(shape: Shape, maps: Maps, fill: float = 0.0) -> tuple[Reach, dict[str, Attr], dict[str, Array]]:
    """Reach, attributes and constants of a row copy.  shape: physical input; maps: one for each of its axes.

    fill: the value of what is not copied (an integer for integer elements).
    """
    outside, inside = split_rows(shape)
    rows = combine(maps[: len(outside)], outside)
    height = math.prod(outside)
    count, step, runs = periodic(combine(maps[len(outside) :], inside), len(maps[-2]) if len(inside) > 1 else 1)
    consts: dict[str, Array] = {"runs": runs.reshape(-1)}
    if (rows < 0).any():
        consts["inside"] = (rows >= 0).astype(np.uint8)
    attrs: dict[str, Attr] = {"count": count, "step": step, "fill": fill}
    return row_reach([int(r) for r in rows], height), attrs, consts


class RowCopy(Op):
    """Base of the pages that are row copies."""

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        runs = site.const("runs").reshape(-1, 2)
        once = np.concatenate([np.full(n, -1) if at < 0 else np.arange(at, at + n) for at, n in runs.tolist()])
        shift = np.arange(site.int("count"))[:, None] * site.int("step")
        index = np.where(once < 0, -1, once + shift).reshape(-1)
        inside = site.step.consts.get("inside")
        out = np.full((y1 - y0, index.size), site.step.attrs["fill"], rows[0].dtype)
        for y in range(y0, y1):
            if inside is None or inside[y]:
                first, _ = site.step.reach[0].rows(y)
                out[y - y0, index >= 0] = rows[0][first][index[index >= 0]]
        return out
