"""Kernels of maxpool and avgpool: one output row from the rows of its window, four channels at a time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgec.ir.program import Array, Site
from edgec.kernels._int16 import is_int16
from edgec.kernels.base import Cost, Kernel, Packed, Scalar
from edgec.kernels.dense import TYPES

LOWEST = {"int8": "-128", "int16": "-32768", "float32": "-3.4028234663852886e38f"}
GEOMETRY = ("kernel", "stride", "dilation", "pad", "size", "out")


def geometry(site: Site) -> dict[str, Scalar | Array]:
    """Heights and widths as fields: kernel_h, kernel_w, ..., then channels."""
    fields: dict[str, Scalar | Array] = {}
    for name in GEOMETRY:
        fields[f"{name}_h"], fields[f"{name}_w"] = site.ints(name)
    return fields | {"channels": site.int("channels")}


def average_fields(site: Site) -> dict[str, Scalar | Array]:
    """zx, zy, lo, hi, then num and den (exact quotient), or mult and shift (fixed point)."""
    exact = bool(site.step.attrs["exact"])
    numbers = ("zx", "zy", "lo", "hi", *(("num",) if exact else ()))
    arrays = ("den",) if exact else ("mult", "shift")
    return {**{n: site.int(n) for n in numbers}, **{n: site.const(n) for n in arrays}}


def classes(site: Site) -> int:
    """Different element counts of an average pool."""
    return site.const("count" if site.output.dtype == "float32" else "den" if site.step.attrs["exact"] else "mult").size


def pack_max(site: Site) -> Packed:
    return Packed(geometry(site))


def pack_average(site: Site) -> Packed:
    fields = geometry(site)
    if classes(site) > 1:
        fields |= {"column_classes": site.int("column_classes")}
        fields |= {name: site.const(name).astype(np.uint8) for name in ("row_class", "column_class")}
    fields |= {"count": site.const("count")} if site.output.dtype == "float32" else average_fields(site)
    return Packed(fields)


def max_variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    return {"ctype": TYPES[site.output.dtype], "lowest": LOWEST[site.output.dtype]}


def average_variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    return {
        "source": TYPES[site.input.dtype],
        "target": TYPES[site.output.dtype],
        "real": site.output.dtype == "float32",
        "exact": bool(site.step.attrs.get("exact", False)),
        "one": classes(site) == 1,
    }


def cost(site: Site) -> Cost:
    """About two instructions an element of a window; a mean takes twice what a maximum does to finish."""
    taps, each = (
        site.ints("kernel")[0] * site.ints("kernel")[1],
        (1.8, 19.0) if site.step.op == "maxpool" else (2.7, 36.0),
    )
    work = site.output.elements * (each[0] * taps + each[1])
    return Cost(work, 1.4 * work)


def family(op: str, dtype: str, suffix: str) -> Kernel:
    maximum = op == "maxpool"
    return Kernel(
        name=f"{op}_{suffix}",
        op=op,
        template=op,
        pack=pack_max if maximum else pack_average,
        when=is_int16 if dtype == "int16" else lambda site: site.output.dtype == dtype == site.input.dtype,
        access=("taps_null",),
        row=not maximum,
        variant=max_variant if maximum else average_variant,
        cost=cost,
    )


KERNELS = [
    family(op, dtype, suffix)
    for op in ("maxpool", "avgpool")
    for dtype, suffix in (("int8", "s8"), ("int16", "s16"), ("float32", "f32"))
]
