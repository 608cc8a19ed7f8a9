"""Kernels of the reductions: [outer, count, inner] -> [outer, inner], four results at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgec.ir.program import Array, Site
from edgec.ir.reach import Run
from edgec.kernels._int16 import is_int16
from edgec.kernels.base import Cost, Kernel, Packed, Scalar
from edgec.kernels.dense import TYPES
from edgec.kernels.pool import average_fields


def pack(site: Site) -> Packed:
    fields: dict[str, Scalar | Array] = {
        "count": site.int("count"),
        "inner": site.int("inner"),
        "elements": site.output.row_elements,
    }
    if site.step.op == "reduce_mean":
        fields |= {"divisor": site.float("divisor")} if site.output.dtype == "float32" else average_fields(site)
    return Packed(fields)


def variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    real = site.output.dtype == "float32"
    return {
        "what": site.step.op.removeprefix("reduce_"),
        "ctype": TYPES[site.input.dtype],
        "target": TYPES[site.output.dtype],
        "sum": "float" if real else "int32_t",
        "exact": bool(site.step.attrs.get("exact", False)),
        "whole": not isinstance(site.step.reach[0], Run),
    }


def cost(site: Site) -> Cost:
    return Cost(instructions=site.input.elements * 2.5 + site.output.elements * 25.0)


def family(op: str, dtype: str, suffix: str, whole: bool) -> Kernel:
    common: dict[str, Any] = {"op": op, "template": "reduce", "pack": pack, "variant": variant, "cost": cost}
    name = f"{op}_{suffix}"

    def serves(site: Site) -> bool:
        fits = is_int16(site) if dtype == "int16" else site.output.dtype == dtype == site.input.dtype
        return fits and whole != isinstance(site.step.reach[0], Run)

    if whole:
        return Kernel(f"{name}_all", when=serves, access=("all",), row=True, **common)
    return Kernel(f"{name}_rows", when=serves, access=("run",), **common)


KERNELS = [
    family(op, dtype, suffix, whole)
    for op in ("reduce_mean", "reduce_max", "reduce_min")
    for dtype, suffix in (("int8", "s8"), ("int16", "s16"), ("float32", "f32"))
    for whole in (False, True)
]
