"""Kernels of dense: products of pixels with a constant matrix."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgec.ir.program import Array, Site
from edgec.kernels import _costs, _int16, _plain_layers
from edgec.kernels._int16 import is_int16
from edgec.kernels._packing import (
    can_pair,
    dot_headers,
    dot_variant,
    doubled_shift,
    dsp_fields,
    folded_bias,
    has_tail,
    pad_to,
    pair_stream,
    requantize_fields,
)
from edgec.kernels.base import Cost, Kernel, Packed, Scalar

TYPES = {"int8": "int8_t", "int16": "int16_t", "float32": "float"}


def outputs(site: Site) -> int:
    return int(site.const("weight").shape[0])


def depth(site: Site) -> int:
    return int(site.const("weight").shape[1])


def pixels(site: Site) -> int:
    """Vectors of one row."""
    return site.output.row_elements // outputs(site)


def rows_by_four(site: Site, alone: bool, several: bool) -> int:
    """All rows where they lie contiguous; else one, or as many as fill a block of four pixels."""
    if alone:
        return 0
    each = pixels(site)
    return next((n for n in (1, 2, 4) if n * each % 4 == 0), 4) if several and each < 16 else 1


def is_int8(site: Site) -> bool:
    return site.output.dtype == site.input.dtype == "int8"


def is_float(site: Site) -> bool:
    return site.output.dtype == site.input.dtype == "float32"


def is_dsp(site: Site) -> bool:
    """Whether the pair-packed stream can hold this layer."""
    return is_int8(site) and can_pair(site.const("weight"), width(site)) and doubled_shift(site, (1,)) is not None


def pack(site: Site) -> Packed:
    shape: dict[str, Scalar] = {"depth": depth(site), "outputs": outputs(site)}
    weight = site.const("weight")
    if is_float(site):
        clamp = {"lo": site.float("lo"), "hi": site.float("hi")}
        return Packed({**shape, **clamp, "weight": weight, "bias": site.const("bias")})
    return Packed({**shape, **requantize_fields(site), "weight": weight, "bias": folded_bias(site, (1,))})


def variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    exact = "int64_t" if site.step.attrs.get("wide") else "int32_t"
    return {
        "real": is_float(site),
        "sixteen": is_int16(site),
        "source": TYPES[site.input.dtype],
        "target": TYPES[site.output.dtype],
        "acc": "float" if is_float(site) else exact,
        "weight_type": TYPES[str(site.const("weight").dtype)],
    }


def width(site: Site) -> int:
    """Channels of a group: 8 for one pixel at a time, 4 for two."""
    return 8 if pixels(site) == 1 else 4


def pack_dsp(site: Site) -> Packed:
    weight = pad_to(site.const("weight"), 1, 4)
    form = dot_variant(site, (1,), width(site))
    stream = pair_stream(weight, folded_bias(site, (1,)), site.const("mult"), width(site), form)
    numbers = dsp_fields(site, (1,))
    kept = {name: numbers[name] for name in ("round", "lo", "hi")}
    return Packed({"depth": depth(site), "outputs": outputs(site), **kept, "stream": stream})


def scratch_dsp(site: Site) -> int:
    """Widened pixels."""
    return -(-depth(site) // 4) * (8 if width(site) == 8 else 16)


FEW = (
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    13,
    14,
    15,
)  # inputs that fit the registers; twelve and sixteen are as fast with pair-packed weights


def is_few(site: Site) -> bool:
    """Inputs that stay in registers, any int8 weights."""
    weights = depth(site) in FEW and site.const("weight").dtype == np.int8
    return is_int8(site) and weights and doubled_shift(site, (1,)) is not None


def few_order(count: int) -> Array:
    """Which input each half of the pairs holds; -1: one that an earlier pair holds too.  The last word is that of the last four bytes."""
    begins = [min(at, count - 4) for at in range(0, count, 4)]
    order = np.concatenate([begin + np.array([0, 2, 1, 3]) for begin in begins])
    if count % 4:
        order[-4:][order[-4:] < count // 4 * 4] = -1
    return np.delete(order, [-4, -3]) if count % 4 == 1 else order


def pack_few(site: Site) -> Packed:
    """Per output bias, weights as pairs of int16, 2*m."""
    numbers, order = dsp_fields(site, (1,)), few_order(depth(site))
    weight = np.where(order >= 0, site.const("weight")[:, order], 0).astype(np.int16)
    halves = np.ascontiguousarray(weight).view(np.int32)
    stream = np.column_stack([folded_bias(site, (1,)), halves, 2 * site.const("mult")]).astype(np.int32).reshape(-1)
    limits = {"lo": numbers["lo"], "hi": numbers["hi"]}
    return Packed({"round": numbers["round"], "stream": stream, "outputs": outputs(site), **limits})


def variant_few(site: Site) -> Mapping[str, Scalar | str | bool]:
    found = doubled_shift(site, (1,))
    assert found is not None
    turn = next(n for n in (4, 3, 2, 1) if outputs(site) % n == 0)
    return {"shift": found[0], "left": found[1], "turn": turn, "depth": depth(site)}


def has_single(site: Site) -> bool:
    """Whether some call ends with a pixel that has no neighbour: of `group` rows, the first of `shift` fewer, the last of what is left."""
    rows, group = site.output.rows, site.step.group or site.output.rows
    return pixels(site) % 2 == 1 and any(count % 2 for count in (rows, group, site.step.shift))


def rows_dsp(site: Site, alone: bool, several: bool) -> int:
    """All rows at once where they lie together; in a pipeline two where that saves a pixel on its own."""
    return 0 if alone else 2 if several and pixels(site) % 2 and site.output.rows > 1 else 1


def predicted(site: Site, per_mac: float, per_output: float) -> Cost:
    """Instructions: so many a multiply-accumulate, so many an output."""
    weight = site.const("weight")
    return Cost(
        site.output.elements * (depth(site) * per_mac + per_output), 0.0, int(weight.nbytes) + 8 * outputs(site)
    )


def dense16(name: str, whole: bool) -> Kernel:
    """int16x8, pixels read where they lie (whole) or brought to scratch first."""
    return Kernel(
        name,
        "dense",
        "dense_s16_dsp",
        _int16.pack_dense,
        needs=frozenset({"dsp"}),
        when=lambda site: _int16.usable(site) and _int16.whole(site) == whole,
        units=pixels,
        scratch=None if whole else _int16.scratch,
        variant=lambda site: {**_int16.types(site), "whole": whole},
        headers=lambda site: _int16.HEADERS,
        cost=lambda site: _int16.cost(site, 0.0 if whole else 1.0),
    )


KERNELS = [
    Kernel(
        "dense_few_s8_dsp",
        "dense",
        "dense_few_s8_dsp",
        pack_few,
        needs=frozenset({"dsp"}),
        when=is_few,
        units=pixels,
        variant=variant_few,
        block=lambda site: {"inputs": 2, "pixels": 1},
        cost=_costs.dense_few,
    ),
    Kernel(
        "dense_s8_dsp1",
        "dense",
        "dense_s8_dsp",
        pack_dsp,
        needs=frozenset({"dsp"}),
        when=lambda site: is_dsp(site) and width(site) == 8,
        units=pixels,
        scratch=scratch_dsp,
        variant=lambda site: {"pixels": 1, "tail": has_tail(outputs(site), 8), **dot_variant(site, (1,), 8)},
        headers=lambda site: dot_headers(site, (1,), 8),
        block=lambda site: {"outputs": 8, "inputs": 4},
        cost=_costs.dense_1x8,
    ),
    Kernel(
        "dense_s8_dsp",
        "dense",
        "dense_s8_dsp",
        pack_dsp,
        needs=frozenset({"dsp"}),
        when=lambda site: is_dsp(site) and width(site) == 4,
        units=pixels,
        scratch=scratch_dsp,
        variant=lambda site: {"pixels": 2, "odd": has_single(site), **dot_variant(site, (1,), 4)},
        headers=lambda site: dot_headers(site, (1,), 4),
        group=rows_dsp,
        block=lambda site: {"outputs": 4, "inputs": 4, "pixels": 2},
        cost=_costs.dense_2x4,
    ),
    *_plain_layers.DENSE,
    Kernel(
        "dense_s8_c",
        "dense",
        "dense_c",
        pack,
        when=is_int8,
        units=pixels,
        variant=variant,
        cost=lambda site: predicted(site, 4.0, 20.0),
    ),
    dense16("dense_s16_dsp", True),
    dense16("dense_s16_dsp_padded", False),
    Kernel(
        "dense_s16_c",
        "dense",
        "dense_c",
        pack,
        when=is_int16,
        units=pixels,
        variant=variant,
        headers=lambda site: ("rescale",),
        cost=lambda site: predicted(site, 5.0, 36.0),
    ),
    Kernel(
        "dense_f32_c",
        "dense",
        "dense_c",
        pack,
        when=is_float,
        units=pixels,
        variant=variant,
        cost=lambda site: predicted(site, 4.0, 10.0),
    ),
]
