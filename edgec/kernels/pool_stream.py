"""Kernels of the global average pool by accumulation."""

from __future__ import annotations

from edgec.ir.program import Site
from edgec.kernels.base import Cost, Kernel, Packed
from edgec.kernels.pool import average_fields


def pack_sum(site: Site) -> Packed:
    return Packed({"pixels": site.int("pixels"), "channels": site.int("channels")})


def pack_finish(site: Site) -> Packed:
    offset = site.int("zx") * site.int("count")
    return Packed({"channels": site.int("channels"), "offset": offset, **average_fields(site)})


KERNELS = [
    Kernel(
        "pool_sum_s8_dsp",
        "pool_sum",
        "pool_sum_s8",
        pack_sum,
        needs=frozenset({"dsp"}),
        row=True,
        inplace=(1,),
        variant=lambda site: {"dsp": True},
        cost=lambda site: Cost(2.0 * site.input.elements + 8.0 * site.output.elements),
    ),
    Kernel(
        "pool_sum_s8",
        "pool_sum",
        "pool_sum_s8",
        pack_sum,
        row=True,
        inplace=(1,),
        variant=lambda site: {"dsp": False},
        cost=lambda site: Cost(3.0 * site.input.elements + 8.0 * site.output.elements),
    ),
    Kernel(
        "pool_finish_s8",
        "pool_finish",
        "pool_finish_s8",
        pack_finish,
        variant=lambda site: {"target": "int8_t", "exact": bool(site.step.attrs["exact"])},
        cost=lambda site: Cost(25.0 * site.output.elements),
    ),
]
