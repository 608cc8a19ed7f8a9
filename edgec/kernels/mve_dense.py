"""Helium kernel of dense: runs of pixels times a packed matrix."""

from __future__ import annotations

from edgec.ir.program import Site
from edgec.kernels._counting import calls
from edgec.kernels._mve import MOST_DEPTH, MVE, PRIORITY, Dot, is_int8, requantize_fields, stream
from edgec.kernels._packing import factors, folded_bias
from edgec.kernels.base import Cost, Kernel, Packed
from edgec.kernels.dense import depth, outputs, pixels, rows_by_four


def usable(site: Site) -> bool:
    return is_int8(site) and 1 <= depth(site) <= MOST_DEPTH


def runs(site: Site) -> list[int]:
    """Pixels that each call of this step makes."""
    return [rows * pixels(site) for rows in calls(site)]


def dot(site: Site) -> Dot:
    return Dot(depth(site), outputs(site), site.int("left") > 0, runs(site), spare=False)


def pack(site: Site) -> Packed:
    words = stream(site.const("weight"), folded_bias(site, (1,)), factors(site)[0])
    shape = {"depth": depth(site), "outputs": outputs(site)}
    return Packed({**shape, **requantize_fields(site), **dot(site).fields(), "stream": words})


def cost(site: Site) -> Cost:
    work = dot(site).instructions(runs(site))
    return Cost(work, 2.0 * work, dot(site).bytes)


KERNELS = [
    Kernel(
        "dense_s8_mve",
        "dense",
        "mve_dense_s8",
        pack,
        needs=MVE,
        when=usable,
        units=pixels,
        group=rows_by_four,
        variant=lambda site: dot(site).variant(),
        headers=lambda site: dot(site).headers(),
        block=lambda site: {"outputs": 4, "inputs": 16, "pixels": 4},
        cost=cost,
        priority=PRIORITY,
    )
]
