"""GRU, LSTM and RNN on float32: the reference, computed in float64."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgec.ir.program import Array, Site
from edgec.kernels.functions import evaluate
from edgec.ops._recurrent_walk import States, initial, sequence, walk


def run_float(site: Site, rows: Sequence[Array]) -> Array:
    """The step's whole output, flat, float32."""
    hidden, kind, clip = site.int("hidden"), site.step.op, site.float("clip")
    w, r, bias = (site.const(n).astype(np.float64) for n in ("w", "r", "bias"))
    x = sequence(site, rows).astype(np.float64)
    shape = (site.int("dirs"), site.int("batch"), hidden)
    starts = []
    for name in ("h0", "c0") if kind == "lstm" else ("h0",):
        found = initial(site, rows, name)[0]
        starts.append(np.zeros(shape) if found is None else found.astype(np.float64))
    from_x = [np.einsum("tni,gi->tng", x, w[d]) + bias[d, : w.shape[1]] for d in range(len(w))]

    def act(which: str, a: Array) -> Array:
        params = {n: site.float(f"{which}_{n}") for n in ("alpha", "beta") if f"{which}_{n}" in site.step.attrs}
        limited = np.clip(a, -clip, clip) if clip > 0 and which != "h" else a
        return evaluate(str(site.step.attrs[f"{which}_act"]), limited, params)

    def gate(a: Array, index: int) -> Array:
        return a[..., index * hidden : (index + 1) * hidden]

    def rnn(d: int, t: int, states: States) -> States:
        return [act("f", from_x[d][t] + states[0] @ r[d].T)]

    def gru(d: int, t: int, states: States) -> States:
        h = states[0]
        ax, ah = from_x[d][t], h @ r[d].T
        z, reset = (act("f", gate(ax, i) + gate(ah, i)) for i in (0, 1))
        inner = r[d][2 * hidden :]
        if site.int("linear_before_reset"):
            n = act("g", gate(ax, 2) + reset * (gate(ah, 2) + bias[d, 3 * hidden :]))
        else:
            n = act("g", gate(ax, 2) + (reset * h) @ inner.T)
        return [(1 - z) * n + z * h]

    def lstm(d: int, t: int, states: States) -> States:
        h, c = states
        a = from_x[d][t] + h @ r[d].T
        p = site.const("p").astype(np.float64)[d].reshape(3, hidden) if site.int("peepholes") else np.zeros((3, 1))
        i = act("f", gate(a, 0) + p[0] * c)
        forget = 1 - i if site.int("coupled") else act("f", gate(a, 2) + p[2] * c)
        c = forget * c + i * act("g", gate(a, 3))
        return [act("f", gate(a, 1) + p[1] * c) * act("h", c), c]

    cell = {"rnn": rnn, "gru": gru, "lstm": lstm}[kind]
    return walk(site, starts, cell, lambda part, v: v.astype(np.float32))
