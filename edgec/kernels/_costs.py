"""Predicted instructions and cycles of the DSP matrix kernels: counts of what they do, times what each was measured to take.

Calibrated by least squares on the exact counts of the emulated Cortex-M4 and the timing table of its manual, zero wait states.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgec.ir.program import Site
from edgec.kernels._packing import has_tail
from edgec.kernels._windows import windows
from edgec.kernels.base import Cost


def weighed(counts: Sequence[float], each: Sequence[tuple[float, float]], flash: int) -> Cost:
    """The cost of so many of each thing, which takes (instructions, cycles)."""
    totals = [sum(n * pair[i] for n, pair in zip(counts, each, strict=True)) for i in range(2)]
    return Cost(totals[0], totals[1], flash)


def pixels(site: Site, outputs: int) -> tuple[int, int, int]:
    """(pairs of pixels, single pixels, calls) of a step whose calls make step.group rows."""
    rows, each = site.output.rows, site.output.row_elements // outputs
    group = site.step.group or rows
    calls = [min(group, rows - y) * each for y in range(0, rows, group)]
    return sum(n // 2 for n in calls), sum(n % 2 for n in calls), len(calls)


def inner(fours: int, pairs: int, singles: int) -> int:
    """Instructions of the loop over inputs, for all groups of pixels."""
    return pairs * (24 * fours + 3 * -(-fours // 4)) + singles * (16 * fours + 3 * -(-fours // 4))


def copied(count: float) -> float:
    """Instructions of a copy of so many bytes, some of them padding."""
    return 90.0 + 0.8 * count


def dense_2x4(site: Site) -> Cost:
    outputs, depth = (int(n) for n in site.const("weight").shape)
    pairs, singles, calls = pixels(site, outputs)
    fours, groups, all_ = -(-depth // 4), -(-outputs // 4), pairs + singles
    counts = [
        inner(fours, pairs, singles) * groups,
        pairs * groups,
        singles * groups,
        all_ * fours,
        all_,
        all_ * (outputs % 4 > 0),
        calls,
    ]
    each = [(1.0, 1.36), (41.5, 60.2), (40.5, 66.9), (7.2, 11.8), (82.0, 154.0), (104.0, 171.0), (0.0, 10.0)]
    return weighed(counts, each, groups * (4 * fours + 8) * 4)


def dense_1x8(site: Site) -> Cost:
    outputs, depth = (int(n) for n in site.const("weight").shape)
    vectors = site.output.elements // outputs
    fours, groups = -(-depth // 4), -(-outputs // 8)
    full = groups - 0.5 * has_tail(outputs, 8)
    counts = [vectors * full * (29 * fours + 3 * -(-fours // 4)), vectors * groups, vectors * fours, vectors]
    flash = int(full * 8 * fours + groups * 16) * 4
    return weighed(counts, [(0.98, 1.34), (56.3, 84.5), (11.9, 16.5), (27.0, 135.0)], flash)


def dense_few(site: Site) -> Cost:
    outputs, depth = (int(n) for n in site.const("weight").shape)
    turn = next(n for n in (4, 3, 2, 1) if outputs % n == 0)
    vectors, pairs = site.output.elements // outputs, -(-depth // 2)
    loads = 1.0 if pairs <= 4 else 2.5 if pairs <= 6 else 3.5
    work = site.output.elements * (pairs + loads + 3 + 2.4 / turn) + vectors * (6 + 1.5 * pairs)
    return Cost(work, 1.65 * work, (4 * pairs + 8) * outputs)


def conv_2x4(site: Site, form: str, window: int, run: int, staged: int) -> Cost:
    """form, window, run, staged: how windows are brought together (see conv2d.form), inputs of one with its padding, bytes of a kernel row,
    bytes of copied rows."""
    outputs, kernel_h, kernel_w, part = (int(n) for n in site.const("weight").shape)
    groups = site.int("groups")
    blocks, fours, made = -(-(outputs // groups) // 4), window // 4, windows(site)
    if form == "columns":
        words = fours // kernel_w
        whole = made.clean if part % 4 == 0 else 0
        gather: float = (made.columns - whole) * (60 + kernel_h * (50 + 2 * part) + 7 * words) + whole * (
            60 + 9 * kernel_h + 7 * words
        )
    else:
        gather = made.pairs * (20 + 6 * kernel_h + 7 * fours)
        gather += (
            copied(run) * 2 * kernel_h * made.edges
            if form == "near"
            else made.calls * kernel_h * copied(staged / kernel_h)
        )
    counts = [
        made.pairs * blocks * groups * 24 * fours,
        made.pairs * blocks * groups,
        gather * groups,
        made.pairs * groups,
        made.calls,
    ]
    costs = [(1.0, 1.34), (41.0, 62.0), (1.0, 1.55), (60.0, 90.0), (120.0, 180.0)]
    return weighed(counts, costs, groups * blocks * (4 * fours + 8) * 4)


def depthwise_any(site: Site) -> Cost:
    kernel_h, kernel_w, channels = (int(n) for n in site.const("weight").shape)
    width, stride, rows = site.ints("out")[1], site.ints("stride")[1], site.output.rows
    pairs, fours = (kernel_h + 1) // 2, -(-channels // 4)
    span = min((width - 1) * stride + kernel_w, site.ints("size")[1])

    def window(outputs: int) -> int:
        """Instructions of the loop over the columns of a window."""
        return kernel_w * (3 + sum(1 + outputs * (2 + (j + 1 < pairs)) for j in range(0, pairs, 2)))

    work = (
        1.12 * 4 * (width // 4 * window(4) + width % 4 * window(1))
        + 20.5 * pairs * span
        + 9.3 * kernel_w * pairs
        + 160 * pairs
    )
    work *= rows * fours
    return Cost(work, 1.58 * work, int(site.const("weight").nbytes) * (kernel_h + 1) // kernel_h + 8 * channels)


def winograd(site: Site, tile: int) -> Cost:
    """For every pair of tiles: input transform by channels, products, output transform."""
    outputs, channels, points = len(site.const("weight")), site.int("channels"), (tile + 2) ** 2
    high, width = -(-site.output.rows // tile), site.ints("out")[1]
    tiles, groups = high * -(-width // (2 * tile)), -(-outputs // 4)
    counts = [tiles * channels, high * -(-width // tile) * outputs, tiles * groups * 5.5 * points * channels]
    each = [(580.0, 850.0), (395.0, 555.0), (1.03, 1.6)] if tile == 4 else [(120.0, 190.0), (122.0, 210.0), (1.05, 1.6)]
    return weighed(counts, each, 8 * points * groups * channels + 8 * outputs)
