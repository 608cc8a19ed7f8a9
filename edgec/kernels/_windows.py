"""How the windows of a convolution meet the padding, counted for kernels that take two pixels at a time (see isa/dsp_conv.h)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from edgec.ir.program import Site

Pair = tuple[int, int]  # of an axis or both: rows, columns


@dataclass(frozen=True)
class Windows:
    """Of all calls of one inference.  A pair: a pixel with the one half a row away, or with the one below it where a call makes two rows.

    calls, pairs: how many; edges: pairs with a window that reaches into the padding; columns: columns of windows that the window before
    did not share; clean: those of them that lie within the image with all their rows.
    """

    calls: int
    pairs: int
    edges: int
    columns: int
    clean: int


def windows(site: Site) -> Windows:
    """Counts of a conv2d step whose calls make step.group rows."""
    axes = [site.ints(name) for name in ("size", "out", "kernel", "stride", "dilation", "pad")]
    return _windows(site.output.rows, max(site.step.group, 1), *(tuple(zip(*axes, strict=True))))


@lru_cache(maxsize=4096)
def _windows(rows: int, group: int, vertical: tuple[int, ...], horizontal: tuple[int, ...]) -> Windows:
    """vertical, horizontal: size, out, kernel, stride, dilation, padding along each axis."""
    high = vertical[1]
    whole = [y for y in range(high) if all(0 <= at < vertical[0] for at in _taps(y, vertical))]
    calls = [[y % high for y in range(first, min(first + group, rows))] for first in range(0, rows, group)]
    total = [len(calls), 0, 0, 0, 0]
    shapes = {made: _row(made, horizontal) for made in {len(call) for call in calls}}
    for call in calls:
        pairs, edges, columns, clean = shapes[len(call)]
        if not set(call) <= set(whole):
            edges, clean = pairs, 0
        total = [a + b for a, b in zip(total, (0, pairs, edges, columns, clean), strict=True)]
    return Windows(*total)


def _taps(output: int, axis: tuple[int, ...]) -> list[int]:
    """Positions that a window covers along an axis."""
    _, _, kernel, stride, dilation, pad = axis
    return [output * stride + k * dilation - pad for k in range(kernel)]


def _row(made: int, axis: tuple[int, ...]) -> tuple[int, int, int, int]:
    """(pairs, edges, columns, clean) of a call that makes one row or two whose rows all lie within the image."""
    size, out, kernel, stride, dilation, _ = axis
    across = out // 2 if made == 1 else 0
    shared = kernel - stride if dilation == 1 and stride < kernel else 0
    edges = columns = clean = 0
    for x in range(out - across):
        both = list(zip(_taps(x, axis), _taps(x + across, axis), strict=True))
        inside = [all(0 <= at < size for at in taps) for taps in both]
        fresh = inside[shared if x else 0 :]
        edges, columns, clean = edges + (not all(inside)), columns + len(fresh), clean + sum(fresh)
    return out - across, edges, columns, clean
