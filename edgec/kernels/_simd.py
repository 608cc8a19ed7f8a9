"""What the SIMD matrix kernels of phones, browsers and hosts share: the packed stream of edgec_tile_t and its numbers.

One packing for every instruction set whose dot product takes four bytes: sixteen channels side by side, four bytes of each.
"""

from __future__ import annotations

import numpy as np

from edgec.ir.program import Array, Site
from edgec.kernels._packing import covered, factors, pad_to
from edgec.kernels.base import Scalar

SIMD = frozenset({"simd"})
PRIORITY = 10
BEHIND = 15
"""Bytes behind the last pixel that a tile may load."""
CHANNELS = 16
"""Channels of a whole block."""


def is_int8(site: Site) -> bool:
    """int8 in and out, int8 weights without -128: then two products fit int16 (see EDGEC_DOT)."""
    weight = site.const("weight")
    return (
        site.output.dtype == site.input.dtype == "int8"
        and weight.dtype == np.int8
        and int(weight.min(initial=0)) > -128
    )


def stream(weight: Array, bias: Array, mult: Array) -> Array:
    """int32 words of all blocks.  weight: [O, runs, K] int8; bias, mult: int32 [O].

    A block of 16 channels (the last: as many fours as it needs): bias, mult, then for each run and every four k the channels' four bytes.
    """
    words = []
    for first in range(0, weight.shape[0], CHANNELS):
        here = slice(first, first + CHANNELS)
        part = pad_to(pad_to(weight[here], 2, 4), 0, 4)
        split = part.reshape(part.shape[0], -1, 4).transpose(1, 0, 2)  # fours of k, channel, k
        words += [pad_to(end[here], 0, 4).astype(np.int32) for end in (bias, mult)]
        words.append(np.ascontiguousarray(split).view(np.int32).reshape(-1))
    return np.concatenate(words)


def block_words(runs: int, run: int) -> int:
    """int32 words of a whole block."""
    return CHANNELS * (2 + runs * -(-run // 4))


def fields(site: Site, runs: int, run: int) -> dict[str, Scalar | Array]:
    """Fields of the parameter struct: shape of a run, requantization."""
    fours = -(-run // 4)
    shape: dict[str, Scalar | Array] = {
        "whole": fours // 4,
        "rest": fours % 4,
        "block_words": block_words(runs, run),
    }
    return {**shape, **requantize(site)}


def requantize(site: Site) -> dict[str, Scalar | Array]:
    """Fields left, shift (negative: to the right), zero, lo, hi."""
    numbers: dict[str, Scalar | Array] = {"left": site.int("left"), "shift": -factors(site)[1], "zero": site.int("zy")}
    return {**numbers, "lo": site.int("lo"), "hi": site.int("hi")}


def columns(site: Site) -> dict[str, int]:
    """Fields before, inner, after: elements of padding, of the input row, and of padding behind it, that the windows of a row cover."""
    channels = site.int("channels")
    return dict(zip(("before", "inner", "after"), (n * channels for n in covered(site)), strict=True))


def is_staged(site: Site) -> bool:
    """Whether rows need padding columns."""
    found = columns(site)
    return bool(found["before"] or found["after"])


def scratch(site: Site) -> int:
    """Bytes for the padded rows of a window and a row of zero points, and what may be loaded behind them."""
    pitch = sum(columns(site).values()) * (4 if site.output.dtype == "float32" else 1)
    return (site.ints("kernel")[0] * is_staged(site) + 1) * pitch + BEHIND


def float_stream(weight: Array, bias: Array) -> Array:
    """float32 words of all blocks.  weight: [O, runs, K]; of each block: bias, then for each run and k the channels' weights."""
    words = []
    for first in range(0, weight.shape[0], CHANNELS):
        here = slice(first, first + CHANNELS)
        part = pad_to(weight[here], 0, 4)
        words += [pad_to(bias[here], 0, 4), part.reshape(part.shape[0], -1).T.reshape(-1)]
    return np.concatenate(words).astype(np.float32)


def float_fields(site: Site, runs: int, run: int) -> dict[str, Scalar | Array]:
    """Fields of the float kernels' parameter struct: shape of a run, clamp."""
    shape: dict[str, Scalar | Array] = {"whole": run // 4, "rest": run % 4, "block_words": CHANNELS * (1 + runs * run)}
    return {**shape, "lo": site.float("lo"), "hi": site.float("hi")}


def tiles(site: Site, each: int) -> tuple[int, int, int]:
    """(tiles of four pixels, tiles of one, calls) of a step whose output rows have `each` pixels."""
    rows, group = site.output.rows, site.step.group or site.output.rows
    counts = [min(group, rows - y) * each for y in range(0, rows, group)]
    fours = sum(n // 4 + (n > 4 and n % 4 > 1) for n in counts)
    return fours, sum(n if n < 4 else n % 4 == 1 for n in counts), len(counts)


def variant(site: Site, outputs: int) -> dict[str, Scalar | str | bool]:
    """Template variables: whether there are whole blocks, the vectors of the last one and whether it lacks channels, the tiles' form."""
    last = outputs % CHANNELS
    real = site.output.dtype == "float32"
    found: dict[str, Scalar | str | bool] = {"whole": outputs >= CHANNELS, "last": -(-last // 4), "cut": last % 4 > 0}
    return {**found, "form": "l" if not real and site.int("left") else "", "real": real}


def headers(site: Site, outputs: int) -> tuple[str, ...]:
    """The isa files that a kernel with so many output channels in a group needs."""
    found = variant(site, outputs)
    sizes = ([(4, False)] if found["whole"] else []) + ([(found["last"], found["cut"])] if found["last"] else [])
    kind = "simd_tile_f32" if found["real"] else f"simd_tile left={int(found['form'] == 'l')}"
    tiles = [f"{kind} pixels={p} vectors={v} cut={int(cut)}" for v, cut in sizes for p in (1, 4)]
    return ("simd_matrix", *tiles)
