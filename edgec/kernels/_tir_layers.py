"""TIR of what sums up: convolutions, dense layers, pools, means."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgec.ir.program import Array, Site
from edgec.kernels._packing import folded_bias
from edgec.kernels._tir import DOT, SIDE, Shape, Spelling, requantization
from edgec.kernels.pool import GEOMETRY

NARROW, SHORT = 8, 32  # channels of a window, inputs of a dense layer, below which a dot product is too short


def accumulated(site: Site, axes: Shape) -> dict[str, Array]:
    """Operands of a layer: weights, the bias with the input's zero point folded in, doubled multipliers."""
    return {
        "weight": site.const("weight"),
        "bias": folded_bias(site, axes),
        "mult": (2 * site.const("mult").astype(np.int64)).astype(np.int32),
    }


def is_layer(site: Site) -> bool:
    """int8 in, int8 out."""
    return site.output.dtype == site.input.dtype == "int8" and "shift" in site.step.attrs


def pairs(site: Site) -> dict[str, tuple[int, int]]:
    """Geometry of a window: (height, width) of each."""
    return {name: (site.ints(name)[0], site.ints(name)[1]) for name in GEOMETRY}


def window(site: Site) -> dict[str, Any]:
    """The same, flat, and whether some window reaches over an edge."""
    numbers: dict[str, Any] = {}
    for i, side in enumerate("hw"):
        each = {name: pair[i] for name, pair in pairs(site).items()}
        end = (each["out"] - 1) * each["stride"] + (each["kernel"] - 1) * each["dilation"] - each["pad"]
        numbers |= {f"{name}_{side}": value for name, value in each.items()}
        numbers[f"over_{side}"] = each["pad"] > 0 or end >= each["size"]
    return {**numbers, "images": site.input.rows // site.ints("size")[0], "channels": site.int("channels")}


def image_shapes(site: Site, channels: int) -> tuple[tuple[Shape], Shape]:
    """Input and output of a window as [N,H,W,C]."""
    numbers = window(site)
    made = (numbers["images"], numbers["out_h"], numbers["out_w"], channels)
    return ((numbers["images"], numbers["size_h"], numbers["size_w"], numbers["channels"]),), made


def conv2d(site: Site) -> Spelling:
    """Weights [O,kh,kw,C/G]; where a window has few channels [kh,kw,C/G,O], so that its sums are vectors of outputs."""
    weight = site.const("weight")
    inputs, output = image_shapes(site, weight.shape[0])
    narrow = weight.shape[3] < NARROW
    numbers = {"part": weight.shape[3], "each": weight.shape[0] // site.int("groups"), "zx": site.int("zx")}
    numbers |= {**window(site), **requantization(site), "narrow": narrow}
    constants = accumulated(site, (1, 2, 3))
    if narrow:
        constants["weight"] = np.ascontiguousarray(weight.transpose(1, 2, 3, 0))
    return Spelling("conv2d", inputs, output, constants, numbers, tile=SIDE if narrow else DOT)


def depthwise(site: Site) -> Spelling:
    weight = site.const("weight")
    inputs, output = image_shapes(site, weight.shape[2])
    numbers = {"multiplier": weight.shape[2] // site.int("channels"), "zx": site.int("zx")}
    numbers |= window(site) | requantization(site)
    return Spelling("depthwise", inputs, output, accumulated(site, (0, 1)), numbers, SIDE)


def dense(site: Site) -> Spelling:
    """Weights [O,K]; where there are few inputs [K,O], as for conv2d."""
    outputs, depth = site.const("weight").shape
    pixels, narrow = site.output.elements // outputs, depth < SHORT
    numbers = {"depth": depth, "narrow": narrow, **requantization(site)}
    constants = accumulated(site, (1,))
    if narrow:
        constants["weight"] = np.ascontiguousarray(constants["weight"].T)
    return Spelling("dense", ((pixels, depth),), (pixels, outputs), constants, numbers, SIDE if narrow else DOT)


def maxpool(site: Site) -> Spelling:
    inputs, output = image_shapes(site, site.int("channels"))
    lowest = int(np.iinfo(site.output.dtype).min)
    return Spelling("maxpool", inputs, output, {}, {**window(site), "lowest": lowest}, SIDE)


def averaging(site: Site) -> tuple[dict[str, Any], dict[str, Array]]:
    """Numbers and constants of an average (ops/_average.py): one entry for each element count."""
    exact = bool(site.step.attrs["exact"])
    names = ("den",) if exact else ("mult", "shift")
    numbers = {name: site.int(name) for name in ("zx", "zy", "lo", "hi", *(("num",) if exact else ()))}
    return {**numbers, "exact": exact}, {name: site.const(name) for name in names}


def avgpool(site: Site) -> Spelling:
    inputs, output = image_shapes(site, site.int("channels"))
    numbers, constants = averaging(site)
    one = next(iter(constants.values())).size == 1
    if not one:
        constants |= {name: site.const(name) for name in ("row_class", "column_class")}
    numbers |= {**window(site), "one": one, "classes": site.int("column_classes")}
    return Spelling("avgpool", inputs, output, constants, numbers, SIDE)


def reduce_mean(site: Site) -> Spelling:
    count, inner = site.int("count"), site.int("inner")
    outer = site.input.elements // (count * inner)
    numbers, constants = averaging(site)
    numbers |= {"outer": outer, "count": count, "inner": inner}
    return Spelling("reduce_mean", ((outer, count, inner),), (outer, inner), constants, numbers, SIDE)
