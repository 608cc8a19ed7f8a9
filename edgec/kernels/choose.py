"""Comparisons, Where and Cast: plain loops, one C function for each combination of types and sources."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgec.ir.program import Array, Site
from edgec.kernels.base import Cost, Kernel, Packed, Scalar
from edgec.kernels.unary import row_elements

C_NAMES = {"bool": "uint8_t", "float32": "float"}  # the others: <dtype>_t
EXPRESSIONS = {
    "equal": "a == b", "greater": "a > b", "less": "a < b", "greater_or_equal": "a >= b", "less_or_equal": "a <= b",
    "and": "(a != 0) && (b != 0)", "or": "(a != 0) || (b != 0)", "xor": "(a != 0) != (b != 0)", "not": "a == 0",
    "table": "p->table[a + 128]", "where": "a != 0 ? b : c",
}  # fmt: skip
RANGES = {
    "int8": ("-128.0f", "127.0f", "INT8_MIN", "INT8_MAX"), "uint8": ("0.0f", "255.0f", "0", "UINT8_MAX"),
    "int32": ("-0x1p31f", "0x1p31f", "INT32_MIN", "INT32_MAX"), "int64": ("-0x1p63f", "0x1p63f", "INT64_MIN", "INT64_MAX"),
}  # fmt: skip


def c_name(dtype: str) -> str:
    return C_NAMES.get(dtype, f"{dtype}_t")


def operand_types(site: Site) -> list[str]:
    """C type of every operand, constants among them."""
    waiting = list(site.inputs)
    made = []
    for i, source in enumerate(str(site.step.attrs["sources"])):
        made.append(c_name(str(site.const(f"c{i}").dtype) if source == "c" else waiting.pop(0).dtype))
    return made


def variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    attrs = site.step.attrs
    return {"sources": str(attrs["sources"]), "types": " ".join(operand_types(site)), "target": c_name(site.output.dtype),
            "expression": EXPRESSIONS[str(attrs["kind"])]}  # fmt: skip


def pack(site: Site) -> Packed:
    fields: dict[str, Scalar | Array] = {"row": site.output.row_elements, "axes": len(site.ints("dims"))}
    for i, source in enumerate(str(site.step.attrs["sources"])):
        if source != "r":
            fields[f"s{i}"] = np.array(site.ints(f"strides_{i}"), np.int32)
    fields["dims"] = np.array(site.ints("dims"), np.int32)
    return Packed(fields | dict(site.step.consts))


def cast_variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    source, target = site.input.dtype, site.output.dtype
    names: dict[str, Scalar | str | bool] = {
        "source": c_name(source),
        "target": c_name(target),
        "logic": target == "bool",
    }
    limits = RANGES[target] if source == "float32" and target in RANGES else ("", "", "", "")
    return names | dict(zip(("low", "high", "least", "most"), limits, strict=True))


def cost(site: Site) -> Cost:
    return Cost(
        12.0 * site.output.elements, 16.0 * site.output.elements, sum(int(c.nbytes) for c in site.step.consts.values())
    )


KERNELS = [
    Kernel("compare_c", "compare", "choose", pack, units=row_elements, row=True, variant=variant, cost=cost),
    Kernel("where_c", "where", "choose", pack, units=row_elements, row=True, variant=variant, cost=cost),
    Kernel("cast_c", "cast", "cast", lambda site: Packed({}), units=row_elements, variant=cast_variant, cost=cost),
]
