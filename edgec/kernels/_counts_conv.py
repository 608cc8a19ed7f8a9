"""Counts of convolutions and depthwise convolutions."""

from __future__ import annotations

from edgec.ir.program import Site
from edgec.kernels._counting import Counts, calls, matrix, up
from edgec.kernels._windows import windows


def taps(site: Site) -> tuple[int, int]:
    """(taps within the image, all taps) of the windows of one image, rows times columns."""
    (size_h, size_w), (out_h, out_w), (kernel_h, kernel_w) = (site.ints(n) for n in ("size", "out", "kernel"))
    (step_h, step_w), (dil_h, dil_w), (pad_h, pad_w) = (site.ints(n) for n in ("stride", "dilation", "pad"))

    def inside(size: int, out: int, kernel: int, step: int, dilation: int, pad: int) -> int:
        return sum(0 <= o * step + k * dilation - pad < size for o in range(out) for k in range(kernel))

    rows = inside(size_h, out_h, kernel_h, step_h, dil_h, pad_h)
    return rows * inside(size_w, out_w, kernel_w, step_w, dil_w, pad_w), out_h * kernel_h * out_w * kernel_w


def images(site: Site) -> float:
    """Images of the batch."""
    return site.output.rows / max(site.ints("out")[0], 1)


def conv2d(site: Site) -> Counts:
    outputs, kernel_h, kernel_w, part = (int(n) for n in site.const("weight").shape)
    groups, rows, width = site.int("groups"), site.output.rows, site.ints("out")[1]
    run, span = kernel_w * part, (width - 1) * site.ints("stride")[1] + kernel_w
    inside, every = taps(site)
    found = {k: v * groups for k, v in matrix([width] * rows, kernel_h * run, outputs // groups).items()}
    counted = images(site) * groups
    found |= {"inside": inside * counted, "inside mac": inside * counted * part * (outputs // groups)}
    found |= {
        "tap": every * counted,
        "inside out": inside * counted * (outputs // groups),
        "inside in": inside * counted * part,
    }
    found |= {"columns": rows * span * groups, "tap rows": rows * kernel_h * groups, "window": every * counted * part}
    found |= {"column rows": rows * span * groups * kernel_h, "column bytes": rows * span * kernel_h * part * groups}
    found["column vectors"] = rows * span * groups * kernel_h * up(part, 16)
    found["window row words"] = rows * width * groups * kernel_h * up(run, 4)
    found["border"] = rows * kernel_h * run * groups
    for size in (4, 2):  # Winograd: tiles of 4x4 or 2x2 outputs, two at a time
        high, channels = up(rows, size), site.int("channels")
        pairs, fours = high * up(width, 2 * size), up(outputs, 4)
        found |= {f"tiles {size} in": pairs * channels, f"tiles {size} out": high * up(width, size) * outputs}
        found |= {
            f"tiles {size}": pairs * fours * channels,
            f"tiles {size} products": pairs * fours,
            f"tiles {size} call": high,
        }
        found[f"tiles {size} turns"] = pairs * fours * up(channels, 16)
    return found | paired(site) | gathered(site)


def paired(site: Site) -> Counts:
    """Pixels two at a time, half a row or a row apart: windows that slide over columns, or are taken row by row."""
    outputs, kernel_h, kernel_w, part = (int(n) for n in site.const("weight").shape)
    groups, made = site.int("groups"), windows(site)
    blocks, column = up(outputs // groups, 4) * groups, up(kernel_h * part, 4)
    clean = made.clean * groups if part % 4 == 0 else 0
    border = made.columns * groups - clean
    words = up(kernel_h * kernel_w * part, 4)
    return {
        "pair": made.pairs * groups,
        "pair block": made.pairs * blocks,
        "pair tail": made.pairs * groups * (outputs // groups % 4 > 0),
        "pair few": made.pairs * groups * (outputs // groups < 4),
        "slid turn": made.pairs * blocks * kernel_w * column,
        "slid clean": clean,
        "slid clean lines": clean * kernel_h,
        "slid clean words": clean * column,
        "slid border": border,
        "slid border lines": border * kernel_h,
        "slid border words": border * column,
        "lined turn": made.pairs * blocks * words,
        "lined lines": made.pairs * kernel_h,
        "lined words": made.pairs * words,
        "near lines": made.edges * kernel_h,
        "near bytes": made.edges * kernel_h * kernel_w * part,
        "staged lines": made.calls * kernel_h,
        "staged bytes": made.calls * kernel_h * site.ints("out")[1] * site.ints("stride")[1] * part,
    }


def gathered(site: Site) -> Counts:
    """Columns of the image brought to scratch for every row, vectors of 16 bytes or several columns a vector."""
    _, kernel_h, _, part = (int(n) for n in site.const("weight").shape)
    lines, size = site.output.rows * kernel_h * site.int("groups"), site.ints("size")[1]
    return {
        "4x4 lines": lines,
        "4x4 columns": lines * size,
        "4x4 column vectors": lines * size * up(part, 16),
        "4x4 scattered": lines * up(size, 16 // part) if part <= 16 else 0,
    }


def depthwise(site: Site) -> Counts:
    kernel_h, kernel_w, outputs = (int(n) for n in site.const("weight").shape)
    rows, width, stride = site.output.rows, site.ints("out")[1], site.ints("stride")[1]
    inside, every = taps(site)
    span, fours, sixteens = (width - 1) * stride + kernel_w, up(outputs, 4), up(outputs, 16)
    pairs = sum(n // 2 for n in calls(site))
    singles = rows - 2 * pairs
    found: Counts = {"inside": inside * images(site), "inside out": inside * images(site) * outputs}
    found |= {"tap": every * images(site), "mac": every * images(site) * outputs, "pixel": rows * width}
    found |= {"channels": rows * outputs, "fours": rows * fours, "sixteens": rows * sixteens, "columns": rows * span}
    inner = min(span, site.ints("size")[1])
    for name, count in (("pair", pairs), ("single", singles)):
        found |= {
            f"{name} fours": count * fours,
            f"{name} columns": count * fours * span,
            f"{name} inner": count * fours * inner,
        }
        found |= {f"{name} channels": count * fours * 4, f"{name} out": count * fours * 4 * width}
        found |= {f"{name} out {n}": count * fours * 4 * (width // n) for n in (2, 4)}
        found |= {f"{name} tail {n}": count * fours * 4 * (width % n) for n in (2, 4)} | {f"{name} span": count * span}
        found |= {f"{name} sixteens": count * sixteens, f"{name} columns 16": count * sixteens * span}
        found |= {f"{name} out 16": count * outputs * up(width, 4), f"{name} vectors": count * up(width * outputs, 16)}
    found["columns 16"] = rows * sixteens * span * kernel_h
    found["columns rows"] = rows * span * up(kernel_h, 2) * fours
    found["weights"] = rows * fours * kernel_w * up(kernel_h, 2)
    return found
