"""Kernels of resize_linear.  (Nearest is a row copy: movement.py.)"""

from __future__ import annotations

from collections.abc import Mapping

from edgec.ir.program import Site
from edgec.kernels.base import Cost, Kernel, Packed, Scalar

CONSTS = ("left", "right", "column_weight", "row_weight")


def pack(site: Site) -> Packed:
    numbers = ("channels", "height") if site.output.dtype == "float32" else ("channels", "height", "zx")
    columns = {"columns": int(site.const("left").size)}
    return Packed(columns | {n: site.int(n) for n in numbers} | {n: site.const(n) for n in CONSTS})


def variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    real = site.output.dtype == "float32"
    return {
        "real": real,
        "ctype": "float" if real else "int8_t",
        "sum": "float" if real else "int32_t",
        "one": "1.0f" if real else "2048",
    }


def cost(site: Site) -> Cost:
    return Cost(instructions=site.output.elements * 18.0)


def linear(name: str, dtype: str) -> Kernel:
    return Kernel(
        name,
        "resize_linear",
        "resize_linear",
        pack,
        when=lambda s: s.output.dtype == dtype == s.input.dtype,
        access=("taps",),
        row=True,
        variant=variant,
        cost=cost,
    )


KERNELS = [linear("resize_linear_s8", "int8"), linear("resize_linear_f32", "float32")]
