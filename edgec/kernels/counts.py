"""What a step makes a kernel do, counted: calls, pixels, blocks of pixels by channels, turns of inner loops, tails.

Predictions (predict.py) are these counts times what `examples/calibrate.py` found each to take, for each kernel and CPU.  The counts
do not depend on how a kernel is written: they state the loop nests that kernels of an operator have in common (one pixel at a time,
2 by 4, 1 by 8, 4 by 4), and least squares finds those that a kernel really runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edgec.ir.program import Site
from edgec.kernels.base import Kernel

Counts = dict[str, float]
BLOCKS = {"2x4": (2, 4, 4), "1x8": (1, 8, 4), "4x4": (4, 4, 16)}
"""(pixels, channels, inputs a turn) of the loop nests of matrix kernels."""


def up(count: int, multiple: int) -> int:
    """How many groups of `multiple` hold `count`."""
    return -(-count // multiple)


def calls(site: Site) -> list[int]:
    """Output rows of each call of one inference."""
    rows, group = site.output.rows, site.step.group or site.output.rows
    return [min(group, rows - y) for y in range(0, rows, group)]


def plain(site: Site) -> Counts:
    """What any operator has: calls, rows, elements in and out."""
    read = sum(b.elements for b in site.inputs)
    depth = int(site.step.attrs.get("depth", 0) or 0)  # type: ignore[arg-type]
    vectors = site.output.elements / depth if depth else 0.0
    return {
        "call": len(calls(site)),
        "row": site.output.rows,
        "out": site.output.elements,
        "in": read,
        "vector": vectors,
        "quad": up(site.output.row_elements, 4) * site.output.rows,
        "chunk": up(site.output.row_elements, 16) * site.output.rows,
    }


def matrix(runs: list[int], depth: int, outputs: int) -> Counts:
    """Runs of pixels times a matrix [outputs, depth], in every block shape."""
    pixels = sum(runs)
    found: Counts = {"pixel": pixels, "mac": pixels * depth * outputs, "result": pixels * outputs}
    found["tail"] = pixels * (outputs % 4 > 0)
    found["product"] = pixels * outputs * up(depth, 4)
    for name, (wide, high, deep) in BLOCKS.items():
        whole, rest = sum(n // wide for n in runs), sum(n % wide for n in runs)
        groups, turns = up(outputs, high), up(depth, deep)
        found |= {f"{name} turn": whole * groups * turns, f"{name} block": whole * groups, f"{name} run": whole}
        found |= {f"{name} round": whole * groups * up(turns, 4)}
        if wide > 1:
            single = {
                f"{name} one turn": rest * groups * turns,
                f"{name} one block": rest * groups,
                f"{name} one": rest,
            }
            found |= single | {f"{name} one round": rest * groups * up(turns, 4)}
        found[f"{name} widened"] = pixels * turns
    for short in (1, 2, 3):
        found[f"4x4 rest {short} turn"] = sum(n % 4 == short for n in runs) * up(outputs, 4) * up(depth, 16)
        found[f"4x4 rest {short}"] = sum(n % 4 == short for n in runs) * up(outputs, 4)
    return found


def dense(site: Site) -> Counts:
    outputs, depth = (int(n) for n in site.const("weight").shape)
    each = site.output.row_elements // outputs
    return matrix([n * each for n in calls(site)], depth, outputs)


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
    blocks = rows * groups * up(width, 2)
    found |= {
        "2x4 taps": blocks * kernel_h,
        "2x4 words": blocks * up(kernel_h * run, 4),
        "border": rows * kernel_h * run * groups,
    }
    for size in (4, 2):  # Winograd: tiles of 4x4 or 2x2 outputs, two at a time
        tiles = up(rows, size) * up(width, 2 * size)
        found |= {f"tiles {size} in": tiles * site.int("channels"), f"tiles {size} out": tiles * up(outputs, 4) * 4}
        found |= {f"tiles {size}": tiles * up(outputs, 4) * site.int("channels")}
        found[f"tiles {size} turns"] = tiles * up(outputs, 4) * up(site.int("channels"), 16)
    return found


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


def matmul(site: Site) -> Counts:
    depth, outputs, high = site.int("k"), site.int("n"), site.int("m")
    each = site.output.row_elements // outputs
    runs: list[int] = []
    y = 0
    for rows in calls(site):
        at, end = y * each, (y + rows) * each
        while at < end:
            runs.append(min(end - at, high - at % high))
            at += runs[-1]
        y += rows
    return matrix(runs, depth, outputs) | {"summed": sum(runs) * depth, "along": float(outputs * depth * len(runs))}


def pool(site: Site) -> Counts:
    if "kernel" not in site.step.attrs:
        return {}
    kernel_h, kernel_w = site.ints("kernel")
    window = site.output.elements * kernel_h * kernel_w
    return {
        "window": window,
        "window chunk": window / 16,
        "tap": window / max(site.int("channels"), 1),
        "rows tap": site.output.rows * kernel_h,
    }


def recurrent(site: Site) -> Counts:
    matrices = [array for array in site.step.consts.values() if array.ndim > 1]
    rows = float(site.output.rows)
    return {"mac": rows * sum(m.size for m in matrices), "gates": rows * sum(m.shape[0] for m in matrices)}


SHAPES: Mapping[str, Callable[[Site], Counts]] = {
    "conv2d": conv2d,
    "conv_transpose": lambda site: {
        "mac": float(site.const("weight").size * site.input.elements / max(site.int("channels"), 1))
    },
    "dense": dense,
    "depthwise": depthwise,
    "matmul": matmul,
    "avgpool": pool,
    "maxpool": pool,
    **dict.fromkeys(("lstm", "gru", "rnn"), recurrent),
}


def form(kernel: Kernel, site: Site) -> str:
    """What sets apart the steps of one kernel whose loops differ, beside their sizes; "" for most kernels."""
    attrs = site.step.attrs
    if site.step.op == "matmul":
        return f"{attrs['mode']}{'t' if attrs['transposed'] else ''}"
    if site.step.op == "depthwise":
        return f"{'x'.join(map(str, site.ints('kernel')))}s{site.ints('stride')[1]}"
    if site.step.op == "unary" and site.output.dtype == "float32":
        return str(attrs["function"])
    if kernel.template == "conv2d_s8_dsp":
        return str(kernel.variant(site)["form"])
    return ""


def counts(site: Site) -> Counts:
    """All counts of a step, by name."""
    own = SHAPES.get(site.step.op)
    return plain(site) | (own(site) if own is not None else {})
