"""Helium kernels of addition, lookup tables and pools."""

from __future__ import annotations

from collections.abc import Mapping

from edgec.ir.program import Site
from edgec.kernels._counting import up
from edgec.kernels._counts_conv import images, taps
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


def most(site: Site) -> Cost:
    """Instructions of a maximum: around a row, a pixel, a row of its window, and 16 channels of that."""
    pixels, lines, inside = windows_of(site)
    vectors = up(site.int("channels"), 16)
    return Cost(41.0 * site.output.rows + 45.0 * pixels + lines * (20.0 + 12.0 * vectors) + 5.0 * inside * vectors)


def mean(site: Site) -> Cost:
    """The same of a mean: sums of 16 channels, then of 4, and the division of each."""
    pixels, lines, inside = windows_of(site)
    vectors, fours = divmod(site.int("channels"), 16)
    fours = up(fours, 4)
    work = 70.0 * site.output.rows + 53.0 * pixels + (30.0 if site.step.attrs["exact"] else 39.0) * site.output.elements
    work += lines * (27.0 + 16.0 * vectors + 12.0 * fours) + inside * (10.0 * vectors + 5.0 * fours)
    return Cost(work)


def windows_of(site: Site) -> tuple[float, float, float]:
    """Pixels of a pool, rows of their windows, and taps of these within the image."""
    kernel_h, _ = site.ints("kernel")
    pixels = site.output.elements / site.int("channels")
    return pixels, pixels * kernel_h, images(site) * taps(site)[0]


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
        cost=most,
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
        cost=mean,
        priority=PRIORITY,
    ),
]
