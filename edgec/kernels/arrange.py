"""Kernels that look values up or order them: take, scatter, argmax, TopK, CumSum."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import gcd

from edgec.ir.program import Array, Site
from edgec.ir.reach import Run
from edgec.kernels._packing import rounding
from edgec.kernels.base import Cost, Kernel, Packed, Scalar
from edgec.kernels.choose import c_name

ORDERED = ("int8", "float32", "int32", "int64")


def types(site: Site) -> dict[str, Scalar | str | bool]:
    return {"source": c_name(site.input.dtype), "target": c_name(site.output.dtype)}


def take_variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    return {**types(site), "constant": "table" in site.step.consts}


def pack_take(site: Site) -> Packed:
    """piece: elements that lie together in the table and in an output row."""
    each, inner = site.output.row_elements, site.int("inner")
    fields: dict[str, Scalar | Array] = {"size": site.int("size"), "inner": inner, "count": site.int("count")}
    return Packed({**fields, "piece": gcd(each, inner), "row": each, **site.step.consts})


def pack_scatter(site: Site) -> Packed:
    starts = site.const("starts")
    return Packed({"size": site.int("size"), "length": site.int("length"), "count": int(starts.size), "starts": starts})


def argmax_variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    better = "<" if site.int("least") else ">"
    return {
        **types(site),
        "better": better + ("=" if site.int("last") else ""),
        "whole": not isinstance(site.step.reach[0], Run),
    }


def pack_argmax(site: Site) -> Packed:
    return Packed({"count": site.int("count"), "inner": site.int("inner"), "elements": site.output.row_elements})


def groups(site: Site) -> int:
    """Vectors in one input row."""
    return site.input.row_elements // site.int("depth")


def topk_variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    return {**types(site), "better": "<" if site.int("least") else ">", "values": site.step.op == "topk_values"}


def pack_topk(site: Site) -> Packed:
    return Packed({"depth": site.int("depth"), "k": site.int("k")})


def cumsum_variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    return {**types(site), "integer": site.output.dtype == "int8", "exclusive": bool(site.int("exclusive")), "reverse": bool(site.int("reverse")),
            "sum": {"int8": "int32_t", "int32": "uint32_t", "int64": "uint64_t"}.get(site.output.dtype, "float")}  # fmt: skip


def pack_cumsum(site: Site) -> Packed:
    fields: dict[str, Scalar | Array] = {"depth": site.int("depth")}
    if site.output.dtype == "int8":
        fields |= {name: site.int(name) for name in ("zx", "mult", "shift", "left", "lo", "hi")}
        fields["round"] = rounding(site.int("zy"), site.int("shift"))
    return Packed(fields)


def ordered(site: Site) -> bool:
    return site.input.dtype in ORDERED


def same(site: Site) -> bool:
    return ordered(site) and site.output.dtype == site.input.dtype


def argmax_when(whole: bool) -> Callable[[Site], bool]:
    return lambda site: ordered(site) and whole != isinstance(site.step.reach[0], Run)


def cost(each: float, of_input: bool = True) -> Callable[[Site], Cost]:
    def price(site: Site) -> Cost:
        count = each * (site.input.elements if of_input else site.output.elements)
        return Cost(count, 1.3 * count, sum(int(c.nbytes) for c in site.step.consts.values()))

    return price


def topk_cost(site: Site) -> Cost:
    count = 6.0 * site.input.elements * site.int("k")
    return Cost(count, 1.3 * count)


KERNELS = [
    Kernel("take_c", "take", "take", pack_take, access=("all",), row=True, variant=take_variant, cost=cost(2.0, False)),
    Kernel("scatter_c", "scatter", "scatter", pack_scatter, access=("all",), inplace=(0,), variant=types, cost=cost(1.0)),
    Kernel("argmax_rows", "argmax", "argmax", pack_argmax, when=argmax_when(False), variant=argmax_variant, cost=cost(5.0)),
    Kernel("argmax_all", "argmax", "argmax", pack_argmax, when=argmax_when(True), access=("all",), row=True, variant=argmax_variant,
           cost=cost(5.0)),
    Kernel("topk_values_c", "topk_values", "topk", pack_topk, when=ordered, units=groups, variant=topk_variant, cost=topk_cost),
    Kernel("topk_indices_c", "topk_indices", "topk", pack_topk, when=ordered, units=groups, variant=topk_variant, cost=topk_cost),
    Kernel("cumsum_c", "cumsum", "cumsum", pack_cumsum, when=same, units=groups, inplace=(0,), variant=cumsum_variant, cost=cost(12.0)),
]  # fmt: skip
