"""Transposed convolution, portable C: one output row from the input rows that reach it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import gcd

import numpy as np

from edgec.ir.program import Array, Site
from edgec.ir.reach import Table
from edgec.kernels._packing import requantize_fields
from edgec.kernels.base import Cost, Kernel, Packed, Scalar


def axis_fields(site: Site, axis: int, suffix: str) -> dict[str, Scalar | Array]:
    """Sizes of one axis; first: for each phase of the stride the first kernel position that falls on an input pixel (kernel: none);
    step: kernel positions from one such to the next, back: input positions between them."""
    sizes = {n: site.ints(n)[axis] for n in ("size", "out", "kernel", "stride", "dilation", "pad")}
    stride, dilation, kernel = sizes["stride"], sizes["dilation"], sizes["kernel"]
    step = stride // gcd(stride, dilation)
    first = [
        next((k for k in range(kernel) if (phase - k * dilation) % stride == 0), kernel) for phase in range(stride)
    ]
    fields: dict[str, Scalar | Array] = {f"{n}_{suffix}": v for n, v in sizes.items()}
    return fields | {
        f"step_{suffix}": step,
        f"back_{suffix}": step * dilation // stride,
        f"first_{suffix}": np.array(first, np.int32),
    }


def pack(site: Site) -> Packed:
    weight = site.const("weight")
    outputs, part = int(weight.shape[0]), int(weight.shape[3])
    fields = {
        **axis_fields(site, 0, "h"),
        **axis_fields(site, 1, "w"),
        "channels": site.int("channels"),
        "part": part,
        "outputs": outputs,
    }
    fields["each"] = outputs // site.int("groups")
    if site.output.dtype == "float32":
        fields |= {"lo": site.float("lo"), "hi": site.float("hi")}
    else:
        fields |= {"zx": site.int("zx"), **requantize_fields(site)}
    return Packed({**fields, "weight": weight, "bias": site.const("bias")})


def variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    return {"real": site.output.dtype == "float32", "weight_type": "float" if site.output.dtype == "float32" else f"{site.const('weight').dtype}_t",
            "whole": not isinstance(site.step.reach[0], Table)}  # fmt: skip


def serves(rows: bool) -> Callable[[Site], bool]:
    return lambda site: isinstance(site.step.reach[0], Table) == rows and site.input.dtype == site.output.dtype


def cost(site: Site) -> Cost:
    weight = site.const("weight")
    height, width = site.ints("size")
    work = 5.0 * height * width * float(weight.size) + 25.0 * site.output.elements
    return Cost(work, 1.3 * work, sum(int(c.nbytes) for c in site.step.consts.values()))


def kernel(name: str, rows: bool, access: str) -> Kernel:
    return Kernel(
        name,
        "conv_transpose",
        "conv_transpose",
        pack,
        when=serves(rows),
        access=(access,),
        row=True,
        variant=variant,
        cost=cost,
    )


KERNELS = [kernel("conv_transpose_rows", True, "taps"), kernel("conv_transpose_all", False, "all")]
