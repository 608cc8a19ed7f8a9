"""What a step makes a kernel do, counted: calls, pixels, blocks of pixels by channels, turns of inner loops, tails.

Predictions (predict.py) are these counts times what `examples/calibrate.py` found each to take, for each kernel and CPU.  The counts
do not depend on how a kernel is written: they state the loop nests that kernels of an operator have in common (one pixel at a time,
2 by 4, 1 by 8, 4 by 4), and least squares finds those that a kernel really runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log2

from edgec.ir.program import Site
from edgec.kernels._counting import Counts, calls, matrix, plain, up
from edgec.kernels._counts_conv import conv2d, depthwise
from edgec.kernels.base import Kernel


def dense(site: Site) -> Counts:
    outputs, depth = (int(n) for n in site.const("weight").shape)
    each = site.output.row_elements // outputs
    return matrix([n * each for n in calls(site)], depth, outputs)


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
    window, channels = site.output.elements * kernel_h * kernel_w, max(site.int("channels"), 1)
    pixels = site.output.elements // channels
    return {
        "window": window,
        "window chunk": window / 16,
        "tap": window / channels,
        "rows tap": site.output.rows * kernel_h,
        "pixel": pixels,
        "pixel lines": pixels * kernel_h,
        "tap fours": pixels * kernel_h * kernel_w * (channels // 4),
        "tap rest": pixels * kernel_h * kernel_w * (channels % 4),
        "tap vectors": pixels * kernel_h * kernel_w * up(channels, 16),
    }


def pool_sum(site: Site) -> Counts:
    pixels, channels = site.output.rows * site.int("pixels"), site.int("channels")
    rows = site.input.rows
    return {
        "sum fours": rows * site.int("pixels") * (channels // 4),
        "sum rest": rows * site.int("pixels") * (channels % 4),
        "sum vectors": rows * site.int("pixels") * up(channels, 16),
        "sum pixels": pixels,
        "sum calls": rows * up(channels, 16),
    }


def recurrent(site: Site) -> Counts:
    """Of all time steps, batches and directions: products (rows of weights filled up to fours, too), gates, cells, inputs, results."""
    w, r = site.const("w"), site.const("r")
    steps = float(site.int("time") * site.int("batch"))
    depth, hidden = int(w.shape[2]), int(r.shape[2])
    gates = steps * w.shape[0] * w.shape[1]
    return {
        "mac": gates * (depth + hidden),
        "product": gates * (up(depth, 4) + up(hidden, 4)),
        "gates": gates,
        "cells": steps * w.shape[0] * hidden,
        "inputs": steps * w.shape[0] * depth,
        "result": site.output.elements,
    }


def softmax(site: Site) -> Counts:
    """Where the inverse of the sum has 32 bits, words are not written four at a time: about so many are not, by the output's scale."""
    if "factor" not in site.step.attrs:
        return {}
    return {"vector slow": site.output.elements * log2(site.int("factor") / 2**30)}


def permute(site: Site) -> Counts:
    return {"permuted": site.output.rows * site.ints("inner")[0]}


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
    "permute": permute,
    "pool_sum": pool_sum,
    "softmax": softmax,
    **dict.fromkeys(("lstm", "gru", "rnn"), recurrent),
}


def form(kernel: Kernel, site: Site) -> str:
    """What sets apart the steps of one kernel whose loops differ, beside their sizes; "" for most kernels."""
    attrs = site.step.attrs
    if site.step.op == "matmul":
        return f"{attrs['mode']}{'t' if attrs['transposed'] else ''}"
    if site.step.op == "depthwise":
        shape = f"{'x'.join(map(str, site.ints('kernel')))}s{site.ints('stride')[1]}"
        if kernel.name != "depthwise_s8_mve":
            return shape
        variant = kernel.variant(site)
        return f"{shape}{' two' if variant['two'] else ''}{' quad' if variant['quad'] else ''}"
    if site.step.op == "unary" and site.output.dtype == "float32":
        return str(attrs["function"])
    if kernel.template == "conv2d_s8_dsp":
        return str(kernel.variant(site)["form"])
    if kernel.template == "conv2d_s8_winograd":
        return str(kernel.variant(site)["product"])
    if site.step.op == "permute":
        return str(site.ints("inner")[1]) if site.ints("inner")[1] <= 4 else ""
    if kernel.name == "conv2d_s8_mve":
        variant = kernel.variant(site)
        return "dilated" if variant["dilated"] else "scattered" if variant["scattered"] else "copied"
    if site.step.op == "gru":
        return "late" if site.step.attrs.get("linear_before_reset") else "early"
    return ""


def counts(site: Site) -> Counts:
    """All counts of a step, by name."""
    own = SHAPES.get(site.step.op)
    return plain(site) | (own(site) if own is not None else {})
