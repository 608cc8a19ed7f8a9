"""Kernels of int16x8 on cores with dual multiply-accumulate: four output channels at a time, sums proven to fit int32."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgec.ir.program import Array, Site
from edgec.kernels._packing import pad_to, pair_order
from edgec.kernels.base import Cost, Packed, Scalar

HEADERS = ("rescale", "dsp_dot16")


def usable(site: Site) -> bool:
    """int16 in or out, plain int8 weights, 32 bits enough for the sums."""
    return is_int16(site) and not site.step.attrs["wide"] and site.const("weight").dtype == np.int8


def matrices(site: Site) -> Array:
    """Weights as [groups, outputs of a group, inputs of a window]."""
    weight = site.const("weight")
    groups = site.int("groups") if "groups" in site.step.attrs else 1
    return weight.reshape(groups, len(weight) // groups, -1)


def fields(site: Site) -> dict[str, Scalar | Array]:
    """Weights in the order of edgec_dot16_1x4, bias and multipliers padded like them, the numbers of the rescaling."""
    weight = matrices(site)
    groups, each, _ = weight.shape
    padded = pad_to(pad_to(weight, 1, 4), 2, 4)
    blocks = padded[:, :, pair_order(padded.shape[2])].reshape(groups, -1, 4, padded.shape[2] // 4, 4)

    def channels(values: Array) -> Array:
        return pad_to(values.reshape(groups, each), 1, 4).reshape(-1)

    names = ("k", "zy", "lo", "hi", *(("zx",) if site.input.dtype == "int8" else ()))
    numbers: dict[str, Scalar | Array] = {name: site.int(name) for name in names}
    arrays = {"bias": channels(site.const("bias")), "mult": channels(site.const("mult"))}
    return {
        **numbers,
        **arrays,
        "fours": padded.shape[2] // 4,
        "weight": np.ascontiguousarray(blocks.transpose(0, 1, 3, 2, 4)).reshape(-1),
    }


def pack_dense(site: Site) -> Packed:
    outputs, depth = (int(n) for n in site.const("weight").shape)
    return Packed({"depth": depth, "outputs": outputs, **fields(site)})


def scratch(site: Site) -> int:
    """One window, padded to a multiple of four."""
    return -(-int(matrices(site).shape[2]) // 4) * 8


def whole(site: Site) -> bool:
    """Whether a pixel can be read where it lies: int16, nothing to pad."""
    return site.input.dtype == "int16" and int(site.const("weight").shape[-1]) % 4 == 0


def is_int16(site: Site) -> bool:
    """int16 in, or out, or both."""
    return {site.output.dtype, site.input.dtype} in ({"int16"}, {"int16", "int8"})


def types(site: Site) -> Mapping[str, Scalar | str | bool]:
    return {"source": f"{site.input.dtype}_t", "target": f"{site.output.dtype}_t"}


def cost(site: Site, per_window_element: float) -> Cost:
    """Counted on the emulated Cortex-M4: a block of four inputs by four channels, an output, an element of a window."""
    weight = matrices(site)
    groups, each, depth = (int(n) for n in weight.shape)
    windows = site.output.elements // (groups * each) * groups
    blocks = windows * -(-each // 4) * -(-depth // 4)
    work = 25.0 * blocks + 50.0 * site.output.elements + per_window_element * windows * depth
    return Cost(work, 1.4 * work, int(weight.nbytes) + 8 * groups * each)
