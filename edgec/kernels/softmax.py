"""Softmax over the last axis: three passes over a row."""

from __future__ import annotations

from collections.abc import Mapping

from edgec.ir.program import Site
from edgec.kernels.base import Cost, Kernel, Packed, Scalar


def groups(site: Site) -> int:
    """Vectors normalised together in one output row."""
    return site.output.row_elements // site.int("depth")


def pack_int8(site: Site) -> Packed:
    names = ("depth", "factor", "exponent", "zy", "lo", "hi")
    return Packed({**{name: site.int(name) for name in names}, "table": site.const("table")})


def pack_log_int8(site: Site) -> Packed:
    packed = pack_int8(site)
    return Packed({**packed.fields, "m": site.int("m"), "logs": site.const("logs")})


def pack_float(site: Site) -> Packed:
    limits = {key: site.float(key) for key in ("lo", "hi") if key in site.step.attrs}
    return Packed({"depth": site.int("depth"), **limits})


def float_variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    return {"log": bool(site.int("log")), "lo": "lo" in site.step.attrs, "hi": "hi" in site.step.attrs}


LEAST_EXPONENT = 17  # 1/s_y = factor * 2^-exponent below 2^14: a result and any zero point fit 16 bits


def is_int8(site: Site) -> bool:
    return site.output.dtype == site.input.dtype == "int8" and not site.int("log")


def is_log_int8(site: Site) -> bool:
    return site.output.dtype == site.input.dtype == "int8" and bool(site.int("log"))


KERNELS = [
    Kernel(
        "softmax_s8_dsp",
        "softmax",
        "softmax_s8_dsp",
        pack_int8,
        needs=frozenset({"dsp"}),
        when=lambda site: is_int8(site) and site.int("exponent") >= LEAST_EXPONENT,
        units=groups,
        inplace=(0,),
        variant=lambda site: {"zero": site.int("zy") != -128},
        cost=lambda site: Cost(
            12.5 * site.output.elements + 180.0 * site.output.elements / site.int("depth"),
            20.0 * site.output.elements,
            1024,
        ),
    ),
    Kernel(
        "softmax_s8",
        "softmax",
        "softmax_s8",
        pack_int8,
        when=is_int8,
        units=groups,
        inplace=(0,),
        cost=lambda site: Cost(25.0 * site.output.elements + 200.0, 32.0 * site.output.elements + 300.0, 1024),
    ),
    Kernel(
        "log_softmax_s8",
        "softmax",
        "log_softmax_s8",
        pack_log_int8,
        when=is_log_int8,
        units=groups,
        inplace=(0,),
        cost=lambda site: Cost(18.0 * site.output.elements + 200.0, 24.0 * site.output.elements + 300.0, 2052),
    ),
    Kernel(
        "softmax_f32",
        "softmax",
        "softmax_f32",
        pack_float,
        when=lambda site: site.output.dtype == site.input.dtype == "float32",
        units=groups,
        inplace=(0,),
        variant=float_variant,
        cost=lambda site: Cost(60.0 * site.output.elements, 90.0 * site.output.elements),
    ),
]
