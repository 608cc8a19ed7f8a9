"""Helium kernels of addition, lookup tables and pools."""

from __future__ import annotations

from collections.abc import Mapping

from edgec.ir.program import Site
from edgec.kernels._mve import MVE, PRIORITY
from edgec.kernels.base import Cost, Kernel, Packed, Scalar
from edgec.kernels.binary import is_dsp_add, pack_dsp_add
from edgec.kernels.pool import average_variant, pack_average, pack_max
from edgec.kernels.pool_stream import pack_sum
from edgec.kernels.unary import is_lookup, lookup_variant, pack_lookup, row_elements


def pack_add(site: Site) -> Packed:
    return Packed({**pack_dsp_add(site).fields, "k": site.int("k")})


def is_int8(site: Site) -> bool:
    return site.output.dtype == site.input.dtype == "int8"


def pooled(site: Site) -> float:
    """Instructions of the sums or maxima of a pool: a vector of 16 channels of a pixel takes ten, a row of a window thirty more."""
    kernel_h, kernel_w = site.ints("kernel")
    pixels = site.output.elements / site.int("channels")
    return pixels * kernel_h * (30.0 + kernel_w * 10.0 * -(-site.int("channels") // 16))


def pool_variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    if site.step.op == "maxpool":
        return {"average": False}
    return {**average_variant(site), "average": True}


KERNELS = [
    Kernel(
        "add_s8_mve",
        "add",
        "mve_add_s8",
        pack_add,
        needs=MVE,
        when=is_dsp_add,
        access=("run", "run"),
        units=row_elements,
        inplace=(0, 1),
        cost=lambda site: Cost(2.25 * site.output.elements, 4.5 * site.output.elements),
        priority=PRIORITY,
    ),
    Kernel(
        "unary_s8_mve",
        "unary",
        "mve_lookup",
        pack_lookup,
        needs=MVE,
        when=is_lookup,
        units=row_elements,
        inplace=(0,),
        variant=lookup_variant,
        cost=lambda site: Cost(0.32 * site.output.elements, 1.5 * site.output.elements, 256),
        priority=PRIORITY,
    ),
    Kernel(
        "pool_sum_s8_mve",
        "pool_sum",
        "mve_pool_sum_s8",
        pack_sum,
        needs=MVE,
        row=True,
        inplace=(1,),
        cost=lambda site: Cost(0.65 * site.input.elements + 1.0 * site.output.elements),
        priority=PRIORITY,
    ),
    Kernel(
        "maxpool_s8_mve",
        "maxpool",
        "mve_pool_s8",
        pack_max,
        needs=MVE,
        when=is_int8,
        access=("taps_null",),
        variant=pool_variant,
        cost=lambda site: Cost(pooled(site)),
        priority=PRIORITY,
    ),
    Kernel(
        "avgpool_s8_mve",
        "avgpool",
        "mve_pool_s8",
        pack_average,
        needs=MVE,
        when=is_int8,
        access=("taps_null",),
        row=True,
        scratch=lambda site: 4 * site.int("channels"),
        variant=pool_variant,
        cost=lambda site: Cost(pooled(site) + 17.0 * site.output.elements),
        priority=PRIORITY,
    ),
]
