"""Helium kernel of conv2d: a row's input columns laid side by side, then runs of windows times a packed matrix."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgec.ir.program import Array, Site
from edgec.ir.reach import Window
from edgec.kernels._counting import up
from edgec.kernels._mve import MOST_DEPTH, MVE, PRIORITY, Dot, is_int8, requantize_fields, stream
from edgec.kernels._packing import covered, factors, folded_bias
from edgec.kernels.base import Cost, Kernel, Packed, Scalar
from edgec.kernels.conv2d import by_group, geometry

AXES = (1, 2, 3)
ROW, FILLS, LINE, COLUMN = 31.0, 20.0, 12.0, 20.0
"""Instructions around a row with columns, its borders, a tap row of it, a tap column of a dilated one."""
MOST_WINDOWS = 1 << 16
"""Bytes of scratch that the columns of a row may take."""


def depth(site: Site) -> int:
    """Bytes of a window."""
    return int(np.prod(site.const("weight").shape[1:]))


def is_direct(site: Site) -> bool:
    """One tap row that is always there, and windows that lie contiguous in it."""
    _, kernel_h, kernel_w, _ = site.const("weight").shape
    size, out, stride, dilation = (site.ints(n)[1] for n in ("size", "out", "stride", "dilation"))
    inside = site.ints("pad") == (0, 0) and (out - 1) * stride + kernel_w <= size and (dilation == 1 or kernel_w == 1)
    reach = site.step.reach[0]
    above = isinstance(reach, Window) and all(None not in reach.taps(y) for y in range(site.output.rows))
    return bool(kernel_h == 1 and inside and above and site.int("groups") == 1)


def is_dilated(site: Site) -> bool:
    return site.ints("dilation")[1] > 1 and site.ints("kernel")[1] > 1


def column_bytes(site: Site) -> int:
    """Scratch for the columns of a row (or all its windows, where they are dilated), and 16 bytes to read beyond."""
    _, kernel_h, kernel_w, part = (int(n) for n in site.const("weight").shape)
    count = site.ints("out")[1] * kernel_w if is_dilated(site) else sum(covered(site))
    return -(-count * kernel_h * part // 8) * 8 + 16


def scratch(site: Site) -> int:
    return column_bytes(site) + max(16, int(site.const("weight").shape[3]))


def usable(site: Site) -> bool:
    return is_int8(site) and depth(site) <= MOST_DEPTH and scratch(site) <= MOST_WINDOWS


def usable_direct(site: Site) -> bool:
    return is_int8(site) and depth(site) <= MOST_DEPTH and is_direct(site)


def chunk(site: Site) -> int:
    """Columns of a vector that can be scattered at once (offsets are bytes); 0 where columns are copied one by one."""
    part = int(site.const("weight").shape[3])
    if part > 8 or site.int("groups") > 1 or is_dilated(site) or int(scatter(site).max()) > 255:
        return 0
    return 16 // part


def scatter(site: Site) -> Array:
    """Where the bytes of 16 neighbouring input bytes go in the columns."""
    _, kernel_h, _, part = (int(n) for n in site.const("weight").shape)
    byte = np.arange(16)
    return np.asarray(byte // part * kernel_h * part + byte % part)


def dot(site: Site) -> Dot:
    each = int(site.const("weight").shape[0]) // site.int("groups")
    return Dot(depth(site), each, site.int("left") > 0, [site.ints("out")[1]], spare=not is_direct(site))


def copying(site: Site) -> tuple[str, str]:
    """(C function that copies columns, headers file that has it)."""
    vectors, tail = divmod(int(site.const("weight").shape[3]), 16)
    if vectors > 7:
        return "edgec_mve_columns_any", ""
    return f"edgec_mve_columns_{vectors}{'t' if tail else ''}", f"mve_columns vectors={vectors} tail={int(tail > 0)}"


def headers(site: Site) -> tuple[str, ...]:
    extra = copying(site)[1]
    wanted = extra and not is_direct(site) and not chunk(site)
    return ((extra,) if wanted else ()) + dot(site).headers()


def variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    part = int(site.const("weight").shape[3])
    found: dict[str, Scalar | str | bool] = {**dot(site).variant(), "direct": is_direct(site)}
    if found["direct"]:
        return found
    shape = {"grouped": site.int("groups") > 1, "dilated": is_dilated(site), "scattered": chunk(site) > 0}
    if chunk(site):
        return {**found, **shape, "chunk": chunk(site), "part": part}
    return {**found, **shape, "copy": copying(site)[0], "tail": "p->part % 16" if copying(site)[1] else "p->part"}


def pack(site: Site) -> Packed:
    """A weight stream for each group; a window is [kernel_w][kernel_h][part], or as it lies in the row."""
    fields = geometry(site)
    each = int(fields["each"])
    bias, mult = folded_bias(site, AXES), factors(site)[0]
    streams = []
    for index, weight in enumerate(by_group(site, each)):
        here = slice(index * each, (index + 1) * each)
        ordered = np.ascontiguousarray(weight.transpose(0, 2, 1, 3)).reshape(each, -1)
        streams.append(stream(ordered, bias[here], mult[here]))
    before, inner, after = covered(site)
    sizes = {"before": before, "inner": inner, "after": after, "column_bytes": column_bytes(site)}
    numbers = {
        **fields,
        "groups": site.int("groups"),
        "zx": site.int("zx"),
        **sizes,
        **requantize_fields(site),
        **dot(site).fields(),
    }
    tables = {"offsets": scatter(site).astype(np.uint8)} if chunk(site) and not is_direct(site) else {}
    return Packed({**numbers, "group_words": int(streams[0].size), **tables, "stream": np.concatenate(streams)})


def bringing(site: Site) -> float:
    """Instructions that bring the columns of a row and a group to scratch: what lies in the padding, then the tap rows."""
    _, kernel_h, kernel_w, part = (int(n) for n in site.const("weight").shape)
    vectors, tail = divmod(part, 16)
    before, inner, after = covered(site)
    each = 3.0 + 2.0 * vectors + 3.0 * (tail > 0) if copying(site)[1] else 7.0 + 3.0 * up(part, 16)
    if is_dilated(site):
        wide = site.ints("out")[1]
        filled, lines = up(wide * kernel_w * kernel_h * part, 16), kernel_w * kernel_h * (LINE + wide * each)
        return FILLS + 2.0 * filled + kernel_w * COLUMN + lines
    filled = up(before * kernel_h * part, 16) + up(after * kernel_h * part, 16)
    return FILLS + 2.0 * filled + kernel_h * (LINE + (8.0 * up(inner, chunk(site)) if chunk(site) else inner * each))


def cost(site: Site) -> Cost:
    """Instructions of the products, and of bringing the columns to scratch."""
    groups, rows = site.int("groups"), site.output.rows
    each = dot(site).instructions([site.ints("out")[1]]) + (0.0 if is_direct(site) else bringing(site))
    work = rows * (groups * each + (0.0 if is_direct(site) else ROW))
    return Cost(work, 2.0 * work, groups * dot(site).bytes)


KERNELS = [
    Kernel(
        "conv2d_s8_mve_direct",
        "conv2d",
        "mve_conv2d_s8",
        pack,
        needs=MVE,
        when=usable_direct,
        access=("taps_null",),
        variant=variant,
        headers=headers,
        block=lambda site: {"outputs": 4, "window": 16, "pixels": 4},
        cost=cost,
        priority=PRIORITY,
    ),
    Kernel(
        "conv2d_s8_mve",
        "conv2d",
        "mve_conv2d_s8",
        pack,
        needs=MVE,
        when=lambda site: usable(site) and not is_direct(site),
        access=("taps_null",),
        scratch=scratch,
        variant=variant,
        headers=headers,
        block=lambda site: {"outputs": 4, "window": 16, "pixels": 4},
        cost=cost,
        priority=PRIORITY,
    ),
]
