"""The 3x3 depthwise kernel of CPUs with DSP instructions: when it can be used, and what it is given."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgec.ir.program import Array, Site
from edgec.ir.reach import Window
from edgec.kernels._packing import doubled_shift, dsp_fields, folded_bias
from edgec.kernels.base import Cost, Packed, Scalar

AXES = (0, 1)


def usable(site: Site) -> bool:
    """Four channels or more, one output channel each, windows of neighbouring pixels, stride 1 or 2 both ways."""
    kernel_h, kernel_w, outputs = site.const("weight").shape
    square = (
        (kernel_h, kernel_w) == (3, 3) and site.ints("stride") in ((1, 1), (2, 2)) and site.ints("dilation") == (1, 1)
    )
    numbers = site.output.dtype == site.input.dtype == "int8" and site.const("weight").dtype == np.int8
    return numbers and square and outputs == site.int("channels") >= 4 and doubled_shift(site, AXES) is not None


def stream(site: Site) -> Array:
    """Five words a channel: bias, 2*m, then for each column k the bytes w0k, w1k, w1k, w2k.  int32 [C, 5]."""
    weight = site.const("weight")
    columns = np.ascontiguousarray(weight[[0, 1, 1, 2]].transpose(2, 1, 0)).view(np.int32)[..., 0]
    numbers = np.stack([folded_bias(site, AXES), 2 * site.const("mult")], axis=1)
    return np.concatenate([numbers, columns], axis=1).astype(np.int32)


def pack(site: Site) -> Packed:
    widths = {f"{name}_w": site.ints(name)[1] for name in ("size", "out", "pad")}
    numbers = dsp_fields(site, AXES)
    kept = {name: numbers[name] for name in ("round", "lo", "hi")}
    return Packed(
        {**widths, "channels": site.int("channels"), "zx": site.int("zx"), **kept, "stream": stream(site).reshape(-1)}
    )


def variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    """Stride and shifts are written into the code."""
    found = doubled_shift(site, AXES)
    assert found is not None
    return {"stride": site.ints("stride")[1], "shift": found[0], "left": found[1], "width": 0}


WORTH = 1 << 16  # multiply-accumulates from which a function for one width and number of channels is worth its flash


def usable_four(site: Site) -> bool:
    """Stride 1, rows of few columns, four rows of results within the offsets of STRB: a function unrolled by the columns of four rows."""
    width, channels = site.ints("out")[1], site.int("channels")
    small = width <= 8 and 4 * width * channels <= 4096 and site.output.rows >= 4
    return small and 9 * site.output.elements >= WORTH and usable(site) and site.ints("stride") == (1, 1)


def variant_four(site: Site) -> Mapping[str, Scalar | str | bool]:
    """Columns and channels are written into the code too."""
    return {**variant(site), "width": site.ints("out")[1], "channels": site.int("channels")}


def rows_four(site: Site, alone: bool, several: bool) -> int:
    """Four rows a call, where images are a multiple of that or there is only one."""
    reach = site.step.reach[0]
    together = isinstance(reach, Window) and (reach.out_height % 4 == 0 or reach.out_height == site.output.rows)
    return 4 if several and together else rows(site, alone, several)


def rows(site: Site, alone: bool, several: bool) -> int:
    """Two rows a call where the windows of neighbouring rows overlap by two of three rows."""
    reach = site.step.reach[0]
    together = isinstance(reach, Window) and (reach.out_height % 2 == 0 or reach.out_height == site.output.rows)
    return 2 if several and together and site.ints("stride")[1] == 1 and site.output.rows > 1 else 1


def scratch(site: Site) -> int:
    """Row pairs of four channels over all columns of the windows, and room to align them to 32 bytes."""
    span = (site.ints("out")[1] - 1) * site.ints("stride")[1] + 3
    return 32 * span + 32


def cost(site: Site) -> Cost:
    """Instructions: packing of the columns, outputs in blocks, start of a channel, of four channels, of a call."""
    out, stride, channels = site.ints("out")[1], site.ints("stride")[1], site.int("channels")
    total = site.output.rows
    span, fours = (out - 1) * stride + 3, -(-channels // 4)
    inner = min(site.ints("size")[1], span)
    pairs = total // 2 if rows(site, False, site.step.group != 1) == 2 else 0
    singles = total - 2 * pairs
    block, four = (50.0, 49.0) if stride == 1 else (50.0, 52.0)
    two = 4 * (20 + out // 2 * block + out % 2 * 28) + 32 * inner + 110
    one = 4 * (20 + out // 4 * four + out % 4 * 21) + 27 * inner + 110
    work = fours * (pairs * two + singles * one) + (pairs + singles) * (60 + 8 * span)
    return Cost(work, (1.15 + 0.04 * stride + 0.55 / out) * work, 20 * channels)


def scratch_four(site: Site) -> int:
    """Three row pairs of four channels where a call makes four rows."""
    return 48 * (site.ints("out")[1] + 2) + 32 if site.step.group >= 4 else scratch(site)


def cost_four(site: Site) -> Cost:
    """Instructions: packing of the columns, outputs, start of a channel and of four channels; rows beside fours as `cost` says."""
    if site.step.group < 4:
        return cost(site)
    out, channels, total = site.ints("out")[1], site.int("channels"), site.output.rows
    inner, groups = min(site.ints("size")[1], out + 2), -(-channels // 4)
    four = 4 * (20 + 2 * (out // 2 * 44 + out % 2 * 25)) + 49 * inner + 200
    work = total // 4 * (groups * four + 60 + 12 * (out + 2)) + total % 4 / total * cost(site).instructions
    return Cost(work, (1.2 + 0.55 / out) * work, 20 * channels)
