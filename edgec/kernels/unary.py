"""Lookup tables for int8, C expressions for float32."""

from __future__ import annotations

from collections.abc import Mapping

from edgec.ir.program import Site
from edgec.kernels.base import Cost, Kernel, Packed, Scalar
from edgec.kernels.functions import FUNCTIONS

LOOKUP_DTYPES = ("int8", "uint8")


def row_elements(site: Site) -> int:
    """Units of an elementwise kernel: the elements of an output row."""
    return site.output.row_elements


def is_lookup(site: Site) -> bool:
    """One byte in, one byte out, through a table (an int16 result: is_lookup16)."""
    return site.input.dtype in LOOKUP_DTYPES and site.output.dtype in LOOKUP_DTYPES and "table" in site.step.consts


def is_lookup16(site: Site) -> bool:
    return site.input.dtype == "int8" and site.output.dtype == "int16" and "table" in site.step.consts


def pack_knots(site: Site) -> Packed:
    return Packed({**{n: site.int(n) for n in ("step", "fraction", "zy", "lo", "hi")}, "knots": site.const("knots")})


def is_float(site: Site) -> bool:
    return site.input.dtype == "float32" and site.output.dtype == "float32"


def lookup_variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    return {
        "source": f"{site.input.dtype}_t",
        "target": f"{site.output.dtype}_t",
        "base": 128 if site.input.dtype == "int8" else 0,
    }


def pack_lookup(site: Site) -> Packed:
    return Packed({"table": site.const("table")})


def expression_variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    attrs = site.step.attrs
    return {"expression": FUNCTIONS[str(attrs["function"])].c, "lo": "lo" in attrs, "hi": "hi" in attrs}


def pack_expression(site: Site) -> Packed:
    attrs = site.step.attrs
    names = [*FUNCTIONS[str(attrs["function"])].params, *(key for key in ("lo", "hi") if key in attrs)]
    return Packed({name: site.float(name) for name in names})


KERNELS = [
    Kernel(
        "unary_s8",
        "unary",
        "lookup",
        pack_lookup,
        when=is_lookup,
        units=row_elements,
        inplace=(0,),
        variant=lookup_variant,
        cost=lambda site: Cost(5.0 * site.output.elements, 6.0 * site.output.elements, 256),
    ),
    Kernel(
        "unary_s8_s16",
        "unary",
        "lookup",
        pack_lookup,
        when=is_lookup16,
        units=row_elements,
        variant=lookup_variant,
        cost=lambda site: Cost(5.0 * site.output.elements, 6.0 * site.output.elements, 512),
    ),
    Kernel(
        "unary_s16",
        "unary",
        "interpolate",
        pack_knots,
        when=lambda site: "knots" in site.step.consts,
        units=row_elements,
        inplace=(0,),
        variant=lambda site: {"target": f"{site.output.dtype}_t"},
        cost=lambda site: Cost(
            17.0 * site.output.elements, 22.0 * site.output.elements, int(site.const("knots").nbytes)
        ),
    ),
    Kernel(
        "unary_f32",
        "unary",
        "unary_f32",
        pack_expression,
        when=is_float,
        units=row_elements,
        inplace=(0,),
        variant=expression_variant,
        cost=lambda site: Cost(40.0 * site.output.elements, 60.0 * site.output.elements),
    ),
]
