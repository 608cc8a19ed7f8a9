"""Helium kernel of depthwise: input rows interleaved, so that one gathered load is a window of 4 columns by 4 rows of a channel."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgec.ir.program import Array, Site
from edgec.ir.reach import Window
from edgec.kernels._counting import up
from edgec.kernels._mve import MVE, PRIORITY, is_int8, requantize_fields
from edgec.kernels._packing import factors, folded_bias, pad_to
from edgec.kernels.base import Cost, Kernel, Packed, Scalar

AXES = (0, 1)
CALLED, BLOCK, CALL = 18.0, 38.0, 150.0
"""Instructions around four rows of columns, a block of 16 channels, a call."""


def widths(site: Site) -> tuple[int, int, int]:
    """Output width, stride, dilation."""
    out, stride, dilation = (site.ints(n)[1] for n in ("out", "stride", "dilation"))
    return out, stride, dilation


def planes(site: Site) -> int:
    """Groups of four input rows."""
    return -(-site.ints("kernel")[0] // 4)


def cells(site: Site) -> int:
    """Gathered loads of a window."""
    return planes(site) * -(-site.ints("kernel")[1] // 4)


def usable(site: Site) -> bool:
    """Kernels up to 8 by 8, one output channel for each input channel; wide kernels undilated; offsets within reach of a gathered load."""
    kernel_h, kernel_w, outputs = site.const("weight").shape
    dilation = site.ints("dilation")[1]
    small = max(kernel_h, kernel_w) <= 8 and outputs == site.int("channels")
    near = cells(site) == 1 or kernel_w <= 4 or dilation == 1
    return is_int8(site) and small and near


def can_pair(site: Site) -> bool:
    """Whether a window of four columns can serve two neighbouring results."""
    _, stride, dilation = widths(site)
    return cells(site) == 1 and site.ints("kernel")[1] <= 3 and stride == dilation == 1


def is_paired(site: Site) -> bool:
    """Whether it does: in rows so long that the start of a channel counts little."""
    return can_pair(site) and (is_two(site) or widths(site)[0] >= 20)


def is_quad(site: Site) -> bool:
    """Whether results of four channels are made together."""
    return cells(site) == 1 and not is_paired(site)


def can_two(site: Site) -> bool:
    """Whether it also serves two neighbouring rows."""
    reach = site.step.reach[0]
    together = isinstance(reach, Window) and (reach.out_height % 2 == 0 or reach.out_height == site.output.rows)
    plain = isinstance(reach, Window) and reach.stride == reach.dilation == 1
    worth = widths(site)[0] >= 6 and site.output.rows > 1
    return can_pair(site) and site.ints("kernel")[0] <= 3 and together and plain and worth


def rows(site: Site, alone: bool, several: bool) -> int:
    return 2 if several and can_two(site) else 1


def is_two(site: Site) -> bool:
    return site.step.group == 2


def is_short(site: Site) -> bool:
    """Whether three columns of taps and the bias share a vector."""
    return cells(site) == 1 and site.ints("kernel")[1] <= 3


def words(site: Site) -> int:
    """Of a channel in the stream."""
    return 5 if is_short(site) else 4 * cells(site) + 2


def stream(site: Site) -> Array:
    """int32 [channels, words]: for each gathered load four columns of four taps (three where that is all), bias, m."""
    weight = site.const("weight")
    kernel_h, kernel_w, channels = weight.shape
    tall, broad = planes(site), -(-kernel_w // 4)
    padded = np.pad(weight, ((0, tall * 4 - kernel_h), (0, broad * 4 - kernel_w), (0, 0)))
    split = padded.reshape(tall, 4, broad, 4, channels).transpose(4, 2, 0, 3, 1)  # channel, across, down, column, row
    taps = np.ascontiguousarray(split).view(np.int32).reshape(channels, -1)
    taps = taps[:, :3] if is_short(site) else taps
    numbers = np.stack([folded_bias(site, AXES), factors(site)[0]])
    if is_quad(site):
        fours = pad_to(taps, 0, 4).reshape(-1, 4 * taps.shape[1])
        tables = pad_to(numbers, 1, 4).reshape(2, -1, 4)
        return np.concatenate([fours, *tables], axis=1).astype(np.int32)
    return np.concatenate([taps, numbers.T], axis=1).astype(np.int32)


def covered(site: Site) -> tuple[int, int, int]:
    """Columns before, inside and behind the image that windows cover."""
    out, stride, dilation = widths(site)
    span = (out - 1) * stride + (site.ints("kernel")[1] - 1) * dilation + 1
    before = min(site.ints("pad")[1], span)
    inner = min(site.ints("size")[1], span - before)
    return before, inner, span - before - inner


def column_bytes(site: Site) -> int:
    """Scratch for the columns; those behind the last window are read for results that are not kept."""
    out, stride, dilation = widths(site)
    last = (out + 3) * stride + (-(-site.ints("kernel")[1] // 4) * 4 - 1) * dilation + 1
    return last * planes(site) * 64


def advance(site: Site) -> int:
    """Bytes that the addresses of the columns advance by at each gathered load (or result, where it takes several)."""
    return (2 if is_paired(site) else widths(site)[1]) * planes(site) * 64


def written_back(site: Site) -> bool:
    """Whether the gathered loads themselves advance the addresses, before they load."""
    return is_paired(site)


def ahead(site: Site) -> int:
    """How far before the first window the addresses start."""
    return advance(site) if written_back(site) else -128 if cells(site) == 4 else 0


def is_masked(site: Site) -> bool:
    """Whether not all of four results are always there."""
    return site.int("channels") % 4 != 0 if is_quad(site) else is_two(site) and site.output.rows % 2 == 1


def each(site: Site) -> int:
    """Results of a row in a group."""
    return 1 if is_quad(site) else 2 if is_two(site) else 4


def tail(site: Site) -> int:
    """Results of a row beside whole groups."""
    return widths(site)[0] % each(site)


def pack(site: Site) -> Packed:
    out, stride, dilation = widths(site)
    channels, wide, beside = site.int("channels"), each(site), 4 if is_quad(site) else 1
    groups = -(-out // wide)
    loads = groups * (wide // 2 if is_paired(site) else wide)
    before, inner, after = covered(site)
    fields: dict[str, Scalar | Array] = {
        "out_w": out,
        "stride_w": stride,
        "dilation_w": dilation,
        "kernel_h": site.ints("kernel")[0],
        "kernel_w": site.ints("kernel")[1],
        "channels": channels,
        "zx": site.int("zx"),
        "before": before,
        "inner": inner,
        "after": after,
        "column_bytes": column_bytes(site),
        "count": out // wide,
        "rewind": loads * advance(site) - 4 * beside,
        "step": wide * channels,
        "back": groups * wide * channels - beside,
        "mask": 0xFFFF,
        "tail_mask": 0x00FF if is_two(site) else (1 << 4 * tail(site)) - 1,
    }
    return Packed({**fields, **requantize_fields(site), "stream": stream(site).reshape(-1)})


def unroll(site: Site) -> int:
    """Results of a row so short that offsets of the gathered loads reach all its columns; 0 for a loop."""
    out = widths(site)[0]
    return out if is_quad(site) and (out - 1) * advance(site) + 12 <= 508 else 0


def flags(site: Site) -> dict[str, int]:
    two = is_two(site)
    return {
        "two": int(two),
        "pair": int(is_paired(site) and not two),
        "cells": cells(site),
        "step": advance(site) if written_back(site) else 0,
        "tail": tail(site),
        "masked": int(is_masked(site)),
        "left": int(site.int("left") > 0),
        "four": int(cells(site) == 1 and not is_short(site)),
        "tall": int(planes(site) == 2),
        "unroll": unroll(site),
        "advance": advance(site) if unroll(site) else 0,
    }


def last_rows(site: Site) -> int:
    """Input rows of the last (or only) four that count."""
    return site.ints("kernel")[0] - 4 * (planes(site) - 1) + int(is_two(site))


def headers(site: Site) -> tuple[str, ...]:
    interleaves = {4, last_rows(site)} if planes(site) > 1 else {last_rows(site)}
    return (
        *(f"mve_interleave rows={rows}" for rows in sorted(interleaves)),
        "mve_depthwise " + " ".join(f"{key}={value}" for key, value in flags(site).items()),
    )


def variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    f = flags(site)
    form = f"edgec_mve_depthwise_{f['two']}{f['pair']}{f['cells']}_{f['step']}_{f['tail']}"
    form += f"{f['masked']}{f['left']}{f['four']}{f['tall']}_{f['unroll']}"
    form += f"_{f['advance']}"
    sizes = {
        "last": last_rows(site),
        "quad": is_quad(site),
        "planes": planes(site),
        "words": words(site),
        "ahead": ahead(site),
    }
    return {"form": form, "two": is_two(site), "masked": is_masked(site), **sizes}


def scratch(site: Site) -> int:
    return column_bytes(site) + site.int("channels")


def group(site: Site, predicated: bool) -> int:
    """Instructions of four results, as the template has them."""
    f = flags(site)
    several = 10 + (f["unroll"] == 0) if f["cells"] == 1 else 10 + 8 * f["cells"]
    return (7 if f["two"] else 8 if f["pair"] else several) + 7 + f["left"] + predicated


def channel(site: Site) -> int:
    """Instructions of all results of a channel, or of four."""
    f, quad = flags(site), is_quad(site)
    loaded = 7 + 4 * (not f["four"]) + f["masked"] if quad else 5 if is_short(site) else 2 + f["cells"]
    start = loaded + 4 * f["two"] + 2 * f["pair"] + 2 * f["left"] + 2
    masked = f["masked"] > 0
    if f["unroll"]:
        return start + f["unroll"] * group(site, masked) + 2
    tail_ = (group(site, True) + 4 * masked) * (f["tail"] > 0)
    return start + 5 + widths(site)[0] // each(site) * (group(site, masked) + 1) + tail_


def cost(site: Site) -> Cost:
    """Instructions: columns of 16 channels interleaved, the results of each channel or four, what is around blocks of channels and calls."""
    channels, before, inner, after = site.int("channels"), *covered(site)
    made, blocks = up(channels, 4 if is_quad(site) else 1) * channel(site), up(channels, 16)
    lined = sum(CALLED + inner * (7 + 2 * rows) for rows in (*(planes(site) - 1) * [4], last_rows(site)))
    filled = 2.0 * (up(channels, 16) + (before + after) * planes(site) * 4)
    calls = up(site.output.rows, 2 if is_two(site) else 1)
    work = calls * (made + blocks * (lined + BLOCK) + filled + CALL)
    return Cost(work, 2.0 * work, 4 * words(site) * channels)


KERNELS = [
    Kernel(
        "depthwise_s8_mve",
        "depthwise",
        "mve_depthwise_s8",
        pack,
        needs=MVE,
        when=usable,
        access=("taps_null",),
        units=lambda site: 1,
        group=rows,
        scratch=scratch,
        variant=variant,
        headers=headers,
        block=lambda site: {"channels": 4 if is_quad(site) else 1, "pixels": each(site)},
        cost=cost,
        priority=PRIORITY,
    )
]
