"""SIMD kernel of dense: runs of pixels times a packed matrix."""

from __future__ import annotations

from edgec.ir.program import Site
from edgec.kernels._packing import factors, folded_bias
from edgec.kernels._simd import BEHIND, PRIORITY, SIMD, fields, headers, is_int8, stream, tiles, variant
from edgec.kernels.base import Cost, Kernel, Packed
from edgec.kernels.dense import depth, outputs, pixels, rows_by_four


def pack(site: Site) -> Packed:
    weight = site.const("weight")[:, None, :]
    words = stream(weight, folded_bias(site, (1,)), factors(site)[0])
    shape = {"depth": depth(site), "outputs": outputs(site)}
    return Packed({**shape, **fields(site, 1, depth(site)), "stream": words})


def cost(site: Site) -> Cost:
    """Instructions of the dot product form: a tile of 4 pixels by 16 channels takes 20 for 4 inputs and 110 to finish, of one 8 and 45."""
    inputs, blocks = -(-depth(site) // 4), -(-outputs(site) // 16)
    fours, ones, calls = tiles(site, pixels(site))
    work = blocks * (fours * (inputs * 20.0 + 110.0) + ones * (inputs * 8.0 + 45.0) + calls * 50.0) + calls * 30.0
    return Cost(work, work, 64 * inputs * blocks + 8 * outputs(site))


KERNELS = [
    Kernel(
        "dense_s8_simd",
        "dense",
        "simd_dense",
        pack,
        needs=SIMD,
        when=lambda site: is_int8(site) and depth(site) >= 1,
        units=pixels,
        group=rows_by_four,
        variant=lambda site: variant(site, outputs(site)),
        headers=lambda site: headers(site, outputs(site)),
        block=lambda site: {"outputs": 4, "inputs": 4, "pixels": 4},
        cost=cost,
        priority=PRIORITY,
        behind=BEHIND,
    )
]
