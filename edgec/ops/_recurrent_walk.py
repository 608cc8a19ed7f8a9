"""What the references of GRU, LSTM and RNN share: the order of time steps, where elements lie, which results are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgec.ir.program import Array, Site

States = list[Array]  # h, and c of an LSTM: [N, H]


def places(site: Site, outer: str, inner: str, sizes: tuple[int, int], width: int) -> Array:
    """Element indices [sizes[0], sizes[1], width] of vectors that lie attribute `outer` and attribute `inner` apart."""
    first = np.arange(sizes[0])[:, None, None] * site.int(outer) + np.arange(sizes[1])[None, :, None] * site.int(inner)
    return np.asarray(first + np.arange(width))


def sequence(site: Site, rows: Sequence[Array]) -> Array:
    """x as [T, N, I]."""
    at = places(site, "x_t", "x_n", (site.int("time"), site.int("batch")), site.int("inputs"))
    return np.asarray(rows[0].reshape(-1)[at])


def initial(site: Site, rows: Sequence[Array], name: str) -> tuple[Array | None, bool]:
    """Initial state `name` (h0 or c0) as [D, N, H], None for zeros; and whether it is an operand rather than a constant."""
    which = site.int(name)
    if which == 0:
        return None, False
    if which < 0:
        return site.const(name), False
    at = places(site, "s_d", "s_n", (site.int("dirs"), site.int("batch")), site.int("hidden"))
    return np.asarray(rows[which].reshape(-1)[at]), True


def walk(
    site: Site,
    starts: Sequence[Array],
    cell: Callable[[int, int, States], States],
    finish: Callable[[str, Array], Array],
) -> Array:
    """Runs cell(direction, t, states) -> states over all time steps and returns the step's output, flat.

    starts: initial states [D, N, H]; finish(part, values): output elements of part "y", "h" or "c".
    """
    time, batch, hidden, dirs = (site.int(n) for n in ("time", "batch", "hidden", "dirs"))
    y = np.zeros((time, batch, dirs, hidden), starts[0].dtype)
    last = [np.zeros_like(s) for s in starts]
    for d in range(dirs):
        states = [s[d] for s in starts]
        backwards = d >= site.int("backward")
        for t in reversed(range(time)) if backwards else range(time):
            states = cell(d, t, states)
            y[t, :, d] = states[0]
        for made, state in zip(last, states, strict=True):
            made[d] = state
    parts = []
    if site.int("y"):
        flat = finish("y", np.zeros(y.size, y.dtype))
        flat[places(site, "y_t", "y_n", (time, batch), dirs * hidden)] = finish("y", y.reshape(time, batch, -1))
        parts.append(flat)
    for part, state in zip("hc", last, strict=False):
        if site.int(part):
            flat = finish(part, np.zeros(state.size, state.dtype))
            flat[places(site, "s_d", "s_n", (dirs, batch), hidden)] = finish(part, state)
            parts.append(flat)
    return np.concatenate(parts)
