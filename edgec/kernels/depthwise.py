"""Kernels of depthwise: one output row from the rows of its window, every channel on its own."""

from __future__ import annotations

from edgec.ir.program import Site
from edgec.kernels._packing import folded_bias, requantize_fields
from edgec.kernels.base import Cost, Kernel, Packed, Scalar
from edgec.kernels.dense import is_float, is_int8, variant

AXES = (0, 1)


def geometry(site: Site) -> dict[str, Scalar]:
    """Fields that describe the loop nest."""
    kernel_h, kernel_w, outputs = (int(n) for n in site.const("weight").shape)
    channels = site.int("channels")
    widths = {f"{name}_w": site.ints(name)[1] for name in ("size", "out", "stride", "dilation", "pad")}
    return {**widths, "kernel_h": kernel_h, "kernel_w": kernel_w, "channels": channels, "multiplier": outputs // channels}


def pack(site: Site) -> Packed:
    weight = site.const("weight")
    if is_float(site):
        clamp = {"lo": site.float("lo"), "hi": site.float("hi")}
        return Packed({**geometry(site), **clamp, "weight": weight, "bias": site.const("bias")})
    fields = {**geometry(site), "zx": site.int("zx"), **requantize_fields(site)}
    return Packed({**fields, "weight": weight, "bias": folded_bias(site, AXES)})


def predicted(site: Site, per_mac: float, per_output: float) -> Cost:
    """Instructions: so many a multiply-accumulate, so many an output."""
    kernel_h, kernel_w, outputs = site.const("weight").shape
    work = site.output.elements * (int(kernel_h * kernel_w) * per_mac + per_output)
    return Cost(work, 0.0, int(site.const("weight").nbytes) + 8 * int(outputs))


KERNELS = [
    Kernel(
        "depthwise_s8_c",
        "depthwise",
        "depthwise_c",
        pack,
        when=is_int8,
        access=("taps_null",),
        variant=variant,
        cost=lambda site: predicted(site, 12.0, 25.0),
    ),
    Kernel(
        "depthwise_f32_c",
        "depthwise",
        "depthwise_c",
        pack,
        when=is_float,
        access=("taps_null",),
        variant=variant,
        cost=lambda site: predicted(site, 12.0, 15.0),
    ),
]
