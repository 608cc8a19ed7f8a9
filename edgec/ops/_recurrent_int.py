"""GRU, LSTM and RNN on int8: the numbers of a step and the reference.  Formulas and names: recurrent.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgec.ir.program import Array, Attr, Quant, Site
from edgec.ops._convolution import INT32, exact_matmul, signed
from edgec.ops._recurrent_walk import States, initial, sequence, walk
from edgec.ops.base import Tensor

if TYPE_CHECKING:
    from edgec.ops._recurrent_lower import Node

PRE = 16  # fraction bits of pre-activations
WIDE = 1 << 28  # bound of each term of a pre-activation
LIMIT = 16 << PRE  # beyond it sigmoid and tanh do not change
DOMAIN = 512  # table intervals, 32 of them to 1.0
PLAIN = {"gru": ("Sigmoid", "Tanh"), "lstm": ("Sigmoid", "Tanh", "Tanh")}


def sigmoid_table() -> Array:
    """uint16 [513]: sigmoid(k / 32) in Q(16)."""
    real = 1.0 / (1.0 + np.exp(-np.arange(DOMAIN + 1) / 32.0))
    return np.minimum(np.floor(65536.0 * real + 0.5), 65535).astype(np.uint16)


def fixed(real: Array | float) -> tuple[Array, int]:
    """(m, n) with real = m / 2^n, the largest |m| in [2^29, 2^30), 1 <= n <= 61.  Errors: ValueError if it is 2^28 or more."""
    values = np.asarray(real, np.float64)
    top = float(np.abs(values).max(initial=0.0))
    if not np.isfinite(top) or top >= 2.0**28:
        raise ValueError(f"the factor {top:g} between the scales is too large")
    n = 61 if top == 0 else min(29 - math.floor(math.log2(top)), 61)
    m = np.rint(np.ldexp(values, n)).astype(np.int64)
    return np.clip(m, 1 - 2**30, 2**30 - 1).astype(np.int32), n


def round_shift(v: Array, k: int) -> Array:
    """R of the page: v / 2^k, half up."""
    return np.asarray((v + ((1 << k) >> 1)) >> k)


def scaled(acc: Array, m: Array, k: int) -> Array:
    """Of the page: acc * m / 2^k, half up, within 2^28."""
    return np.asarray(np.clip(round_shift(acc.astype(np.int64) * m, k), -WIDE, WIDE))


def sigmoid(table: Array, a: Array) -> Array:
    """Q(16) of Q(16): 1 .. 65535."""
    v = np.minimum(np.abs(a), LIMIT - 1)
    i, j = v >> 11, v & 2047
    s = table[i] + round_shift((table[i + 1] - table[i]) * j, 11)
    return np.asarray(np.where(a >= 0, s, 65536 - s))


def tanh(table: Array, a: Array) -> Array:
    """Q(15) of Q(16): -32767 .. 32767."""
    return sigmoid(table, 2 * a) - 32768


# -- numbers --------------------------------------------------------------------------------------------------------------------


def row_scales(weight: Tensor) -> Array | None:
    """Scales of 8-bit constant weights [D, G*H, K] as float64 [D, G*H]; None if they cannot be computed in integers."""
    weight = signed(weight)
    if weight.const is None or weight.const.dtype != np.int8 or weight.scales is None:
        return None
    axis = weight.axis % 3
    if weight.scales.size != 1 and (axis == 2 or weight.scales.size != weight.const.shape[axis]):
        return None
    shape = (-1, 1) if axis == 0 else (1, -1)
    return np.broadcast_to(weight.scales.astype(np.float64).reshape(shape), weight.const.shape[:2])


def centred_weights(weight: Tensor) -> Array:
    """int8 weights, int16 where a zero point had to be subtracted."""
    weight = signed(weight)
    assert weight.const is not None and weight.zero_points is not None
    if not np.any(weight.zero_points):
        return np.ascontiguousarray(weight.const)
    shape = (-1, 1, 1) if weight.axis % 3 == 0 else (1, -1, 1)
    return np.ascontiguousarray(weight.const.astype(np.int16) - weight.zero_points.astype(np.int16).reshape(shape))


def reach_of(quant: Quant) -> float:
    """Largest magnitude that a quantization can represent."""
    return float(np.float32(quant.scale)) * max(128 + quant.zero_point, 127 - quant.zero_point)


def start_reach(start: Tensor | None) -> float:
    """Largest magnitude of an initial state."""
    if start is None:
        return 0.0
    if start.const is not None:
        return float(np.abs(start.const).max(initial=0.0))
    assert start.quant is not None
    return reach_of(start.quant)


def integer_wanted(node: Node) -> bool:
    """Whether everything that must be quantized is, to 8 bits, and the activations are those that have tables."""
    names = tuple(name for name, _, _ in node.acts)
    plain = names == PLAIN[node.op] if node.op in PLAIN else names[0] in ("Tanh", "Relu", "Sigmoid")
    quants = [node.x.quant, *(node.quants[i] for i in node.wanted)]
    quants += [s.quant for s in node.starts if s is not None and s.const is None]
    return plain and all(quant is not None and quant.bits == 8 for quant in quants)


def state_bits(top: float, sums: int, op: str) -> tuple[int, int]:
    """(e, top) of h that may reach `top`, so that sums of `sums` times it stay in int32.  Errors: ValueError."""
    for e in range(15, -1 if op == "rnn" else 7, -1):
        most = min(32767, math.ceil(top * 2**e))
        if top * 2**e <= 32768 and sums * most <= INT32:
            return e, most
    raise ValueError(
        f"a state that reaches {top:g} and weights that add up to {sums} leave 32 bits; keep this node in float32"
    )


def int_numbers(node: Node) -> tuple[dict[str, Attr], dict[str, Array]] | None:
    """attrs and consts of an integer step, None if the node has to be computed in float32.  Errors: ValueError for what overflows."""
    sw, sr = row_scales(node.w), row_scales(node.r)
    if not integer_wanted(node) or sw is None or sr is None:
        return None
    assert node.x.quant is not None
    w, r, zx = centred_weights(node.w), centred_weights(node.r), node.x.quant.zero_point
    sums = [int(np.abs(a.astype(np.int64)).sum(axis=2).max()) for a in (w, r)]
    if sums[0] * (128 + abs(zx)) > INT32:
        raise ValueError("the accumulator of the input could leave 32 bits")
    relu = node.acts[0][0] == "Relu"
    top = max(start_reach(node.starts[0]), 0.0 if relu else 1.0)
    if relu:
        top = max(top, 2.0 * max(reach_of(q) for i in node.wanted if (q := node.quants[i]) is not None))
    e, most = state_bits(top, sums[1], node.op)
    sx = np.float64(np.float32(node.x.quant.scale))
    mx, nx = fixed(sx * sw * 2.0**PRE)
    mr, nr = fixed(sr * 2.0 ** (PRE - e))
    limit = (1 << 30) if relu else LIMIT
    if node.clip > 0:
        limit = min(limit, int(np.rint(min(node.clip, 16384.0) * 2.0**PRE)))
    attrs: dict[str, Attr] = {"zx": zx, "e": e, "top": most, "nx": nx, "nr": nr, "limit": limit}
    bias = np.clip(np.rint(node.consts["bias"] * 2.0**PRE), -WIDE, WIDE).astype(np.int32)
    consts = {"w": w, "r": r, "mx": mx, "mr": mr, "bias": bias, "table": sigmoid_table()}
    bits = {"h": e}
    if node.op == "lstm":
        room = node.sizes["time"] + start_reach(node.starts[1]) + 1
        bits["c"] = min(20, 30 - math.ceil(math.log2(room)))
        attrs["q"] = bits["c"]
        if bits["c"] < PRE:
            raise ValueError(f"a cell that can reach {room:g}; use shorter sequences")
        if "p" in node.consts:
            consts["p"], attrs["np"] = fixed(node.consts["p"] * 2.0 ** (PRE - bits["c"]))
    for name, start in zip("hc", node.starts, strict=True):
        if start is None:
            continue
        edge = most if name == "h" else INT32
        if start.const is not None:
            stored = np.clip(np.rint(start.const * 2.0 ** bits[name]), -edge, edge)
            consts[f"{name}0"] = stored.astype(np.int16 if name == "h" else np.int32)
        elif start.quant is not None:
            m, n = fixed(np.float64(np.float32(start.quant.scale)) * 2.0 ** bits[name])
            attrs |= {f"{name}0_mult": int(m), f"{name}0_shift": n, f"{name}0_zero": start.quant.zero_point}
    for i in node.wanted:
        quant, part = node.quants[i], "yhc"[i]
        assert quant is not None
        m, n = fixed(2.0 ** -bits["c" if part == "c" else "h"] / np.float64(np.float32(quant.scale)))
        attrs |= {f"{part}_mult": int(m), f"{part}_shift": n, f"{part}_zero": quant.zero_point}
    return attrs, consts


# -- reference ------------------------------------------------------------------------------------------------------------------


class Cell:
    """The integer cell of one step; all arrays int64."""

    def __init__(self, site: Site, rows: Sequence[Array]) -> None:
        self.site = site
        self.hidden = site.int("hidden")
        self.w, self.r, self.mx, self.mr, self.bias, self.table = (
            site.const(n).astype(np.int64) for n in ("w", "r", "mx", "mr", "bias", "table")
        )
        self.p = site.const("p").astype(np.int64).reshape(-1, 3, self.hidden) if site.int("peepholes") else None
        x = sequence(site, rows).astype(np.int64) - site.int("zx")
        self.from_x = [
            scaled(exact_matmul(x, w).astype(np.int64), m, site.int("nx")) for w, m in zip(self.w, self.mx, strict=True)
        ]

    def from_h(self, d: int, h: Array, rows: slice = slice(None)) -> Array:
        return scaled(exact_matmul(h, self.r[d, rows]).astype(np.int64), self.mr[d, rows], self.site.int("nr"))

    def limited(self, a: Array) -> Array:
        return np.clip(a, -self.site.int("limit"), self.site.int("limit"))

    def sigmoid(self, a: Array) -> Array:
        return sigmoid(self.table, self.limited(a))

    def tanh(self, a: Array) -> Array:
        return tanh(self.table, self.limited(a))

    def gate(self, a: Array, index: int) -> Array:
        return np.asarray(a[..., index * self.hidden : (index + 1) * self.hidden])

    def kept(self, h: Array) -> Array:
        return np.clip(h, -self.site.int("top"), self.site.int("top"))

    def rnn(self, d: int, t: int, states: States) -> States:
        a, e = self.from_x[d][t] + self.from_h(d, states[0]) + self.bias[d], self.site.int("e")
        kind = self.site.step.attrs["f_act"]
        if kind == "Tanh":
            return [self.kept(round_shift(self.tanh(a), 15 - e))]
        made = self.sigmoid(a) if kind == "Sigmoid" else np.maximum(self.limited(a), 0)
        return [self.kept(round_shift(made, 16 - e))]

    def gru(self, d: int, t: int, states: States) -> States:
        h, size = states[0], self.hidden
        total = 3 * size
        ax = self.from_x[d][t] + self.bias[d, :total]
        ah = self.from_h(d, h, slice(0, 2 * size))
        z, reset = (self.sigmoid(self.gate(ax, i) + self.gate(ah, i)) for i in (0, 1))
        inner = slice(2 * size, total)
        if self.site.int("linear_before_reset"):
            n = self.gate(ax, 2) + round_shift(reset * (self.bias[d, total:] + self.from_h(d, h, inner)), 16)
        else:
            n = self.gate(ax, 2) + self.from_h(d, round_shift(reset * h, 16), inner)
        fresh = round_shift(self.tanh(n), 15 - self.site.int("e"))
        return [self.kept(round_shift(z * h + (65536 - z) * fresh, 16))]

    def lstm(self, d: int, t: int, states: States) -> States:
        h, c = states
        q = self.site.int("q")
        a = self.from_x[d][t] + self.from_h(d, h) + self.bias[d]

        def peep(index: int) -> Array | int:
            return 0 if self.p is None else scaled(c, self.p[d, index], self.site.int("np"))

        i = self.sigmoid(self.gate(a, 0) + peep(0))
        forget = 65536 - i if self.site.int("coupled") else self.sigmoid(self.gate(a, 2) + peep(2))
        c = round_shift(forget * c + (i * self.tanh(self.gate(a, 3)) << (q - 15)), 16)
        o = self.sigmoid(self.gate(a, 1) + peep(1))
        h = round_shift(o * tanh(self.table, np.clip(round_shift(c, q - PRE), -LIMIT, LIMIT)), 31 - self.site.int("e"))
        return [self.kept(h), c]


def run_int(site: Site, rows: Sequence[Array]) -> Array:
    """The step's whole output, flat, int8."""
    shape = (site.int("dirs"), site.int("batch"), site.int("hidden"))
    starts = []
    for name in ("h", "c") if site.step.op == "lstm" else ("h",):
        found, computed = initial(site, rows, f"{name}0")
        state = np.zeros(shape, np.int64) if found is None else found.astype(np.int64)
        if computed:
            zero, mult, shift = (site.int(f"{name}0_{n}") for n in ("zero", "mult", "shift"))
            state = round_shift((state - zero) * mult, shift)
            state = np.clip(state, -site.int("top"), site.int("top")) if name == "h" else state
        starts.append(state)
    cell = Cell(site, rows)

    def finish(part: str, v: Array) -> Array:
        real = site.int(f"{part}_zero") + round_shift(v * site.int(f"{part}_mult"), site.int(f"{part}_shift"))
        return np.asarray(np.clip(real, -128, 127), np.int8)

    return walk(site, starts, getattr(cell, site.step.op), finish)
