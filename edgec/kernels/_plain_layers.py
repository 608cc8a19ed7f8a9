"""Kernels of dense and conv2d for CPUs without DSP instructions, one of each for Armv7-M and Armv6-M ("small")."""

from __future__ import annotations

import numpy as np

from edgec.ir.program import Array, Site
from edgec.kernels._packing import dsp_fields, folded_bias
from edgec.kernels._plain import (
    LANES,
    fits,
    single_numbers,
    single_weights,
    triple_bytes,
    triple_numbers,
    triple_weights,
)
from edgec.kernels.base import Cost, Kernel, Packed, Scalar

NEEDS = {False: frozenset({"thumb2"}), True: frozenset({"armv6m"})}
SUFFIX = {False: "v7m", True: "v6m"}
DENSE_AXES, CONV_AXES = (1,), (1, 2, 3)


def is_int8(site: Site) -> bool:
    return site.output.dtype == site.input.dtype == "int8"


def pixels(site: Site) -> int:
    """Vectors in one row of a dense layer."""
    return site.output.row_elements // int(site.const("weight").shape[0])


def limits(site: Site, axes: tuple[int, ...]) -> dict[str, Scalar | Array]:
    """Fields shift, left, round, lo, hi."""
    return dsp_fields(site, axes)


def pack_dense(site: Site, small: bool) -> Packed:
    weight = site.const("weight")
    stream, chunk, offset = triple_weights(weight[None], small)
    numbers = triple_numbers(folded_bias(site, DENSE_AXES), site.const("mult"), offset)
    shape = {"depth": int(weight.shape[1]), "outputs": int(weight.shape[0]), "chunk": chunk}
    return Packed({**shape, **limits(site, DENSE_AXES), "weight": stream, "numbers": numbers})


def pack_single(site: Site, small: bool) -> Packed:
    weight = site.const("weight")
    numbers = single_numbers(folded_bias(site, DENSE_AXES), site.const("mult"))
    shape = {"depth": int(weight.shape[1]), "outputs": int(weight.shape[0])}
    return Packed({**shape, **limits(site, DENSE_AXES), "weight": single_weights(weight, small), "numbers": numbers})


def pack_conv(site: Site, small: bool) -> Packed:
    """The weights of each group after another; one chunk length for all of them."""
    weight, groups = site.const("weight"), site.int("groups")
    outputs, kernel_h, kernel_w, part = (int(n) for n in weight.shape)
    each = outputs // groups
    made = triple_weights(weight.reshape(groups, each, -1), small)
    numbers = triple_numbers(folded_bias(site, CONV_AXES), site.const("mult"), made[2])
    fields = {f"{name}_w": site.ints(name)[1] for name in ("size", "out", "stride", "dilation", "pad")}
    shape = {"kernel_h": kernel_h, "kernel_w": kernel_w, "channels": site.int("channels"), "part": part}
    shape |= {"outputs": outputs, "each": each, "zx": site.int("zx"), "chunk": made[1]}
    return Packed({**fields, **shape, **limits(site, CONV_AXES), "weight": made[0], "numbers": numbers})


def window(site: Site) -> int:
    """Inputs of an output."""
    return int(np.prod(site.const("weight").shape[1:]))


def conv_scratch(site: Site, small: bool) -> int:
    """A packed window of three pixels, and a tap of zero points."""
    return triple_bytes(window(site), small) + int(site.const("weight").shape[3])


def rows(site: Site, alone: bool, several: bool) -> int:
    """All rows at once where they lie together; in a pipeline three where that fills groups of three pixels."""
    return 0 if alone else 3 if several and pixels(site) % 3 and site.output.rows > 2 else 1


def blocks(site: Site, width: int) -> float:
    """Groups of three pixels of all calls, `width` pixels a row."""
    rows, group = site.output.rows, site.step.group or site.output.rows
    return sum(-(-min(group, rows - y) * width // 3) for y in range(0, rows, group))


def triple_cost(site: Site, small: bool, width: int, groups: int = 1) -> Cost:
    """Instructions of the inner products, of packing, of what follows every twelve results."""
    outputs, depth = int(site.const("weight").shape[0]), window(site)
    fours = groups * -(-(outputs // groups) // 4)
    _, chunk, _ = triple_weights(site.const("weight").reshape(groups, outputs // groups, -1), small)
    chunks = -(-depth // chunk)
    inner, part, start, packing = (22.8, 230.0, 420.0, 17.0) if small else (13.4, 110.0, 130.0, 9.0)
    many = blocks(site, width)
    count = many * (fours * (inner * depth + part * (chunks - 1) + start) + packing * depth * groups + 60)
    flash = fours * 4 * depth + (12 if small else 8) * outputs
    return Cost(count, (1.45 if small else 1.9) * count, flash)


def single_cost(site: Site, small: bool) -> Cost:
    outputs, depth = (int(n) for n in site.const("weight").shape)
    eights = -(-outputs // 8)
    inner, start = (27.5, 330.0) if small else (17.4, 110.0)
    count = site.output.elements / outputs * (eights * (inner * depth + start) + 4 * depth * small)
    return Cost(count, (1.4 if small else 1.9) * count, 8 * eights * depth + 8 * outputs)


def dense_kernels(small: bool) -> list[Kernel]:
    def usable(site: Site) -> bool:
        return is_int8(site) and fits(site, DENSE_AXES)

    return [
        Kernel(
            f"dense_s8_{SUFFIX[small]}_one",
            "dense",
            "dense1_s8_plain",
            lambda site: pack_single(site, small),
            needs=NEEDS[small],
            when=lambda site: usable(site) and pixels(site) == 1,
            units=pixels,
            variant=lambda site: {"small": small},
            headers=lambda site: ("plain", f"plain_single small={int(small)}"),
            block=lambda site: {"outputs": 8},
            cost=lambda site: single_cost(site, small),
        ),
        Kernel(
            f"dense_s8_{SUFFIX[small]}",
            "dense",
            "dense_s8_plain",
            lambda site: pack_dense(site, small),
            needs=NEEDS[small],
            when=usable,
            units=pixels,
            group=rows,
            variant=lambda site: {"small": small},
            scratch=lambda site: triple_bytes(window(site), small),
            headers=lambda site: ("plain", f"plain_dot small={int(small)}"),
            block=lambda site: {"outputs": LANES, "pixels": 3},
            cost=lambda site: triple_cost(site, small, pixels(site)),
        ),
    ]


def conv_kernel(small: bool) -> Kernel:
    return Kernel(
        f"conv2d_s8_{SUFFIX[small]}",
        "conv2d",
        "conv2d_s8_plain",
        lambda site: pack_conv(site, small),
        needs=NEEDS[small],
        when=lambda site: is_int8(site) and fits(site, CONV_AXES),
        access=("taps_null",),
        variant=lambda site: {"small": small},
        scratch=lambda site: conv_scratch(site, small),
        headers=lambda site: ("plain", f"plain_dot small={int(small)}"),
        block=lambda site: {"outputs": LANES, "pixels": 3},
        cost=lambda site: triple_cost(site, small, site.ints("out")[1], site.int("groups")),
    )


DENSE = [*dense_kernels(small=False), *dense_kernels(small=True)]
CONV = [conv_kernel(small=False), conv_kernel(small=True)]
