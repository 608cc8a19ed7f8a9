"""Changes of number format, constants and copies."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from edgec.arithmetic import dequantize, quantize
from edgec.ir.program import ITEM_BYTES, Site
from edgec.kernels.base import Cost, Kernel, Packed, Scalar
from edgec.kernels.unary import LOOKUP_DTYPES, lookup_variant, row_elements


def types_variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    """The C type of the integer side."""
    dtype = site.input.dtype if site.output.dtype == "float32" else site.output.dtype
    return {"type": f"{dtype}_t"}


def pack_quantize(site: Site) -> Packed:
    info = np.iinfo(site.output.dtype)
    zero = site.int("zy")
    lowest, highest = float(info.min - zero), float(info.max - zero)
    return Packed(
        {
            "scale": site.float("scale"),
            "lowest": lowest,
            "highest": highest,
            "zy": zero,
            "lo": int(info.min),
            "hi": int(info.max),
        }
    )


def pack_dequantize(site: Site) -> Packed:
    return Packed({"scale": site.float("scale"), "zx": site.int("zx")})


def pack_requantize(site: Site) -> Packed:
    """The table, in the order of the lookup template: entry x + 128 for int8, x for uint8."""
    info = np.iinfo(site.input.dtype)
    every = np.arange(info.min, info.max + 1).astype(site.input.dtype)
    with np.errstate(over="ignore"):
        table = quantize(
            dequantize(every, site.float("sx"), site.int("zx")), site.float("sy"), site.int("zy"), site.output.dtype
        )
    return Packed({"table": table})


def is_shift(site: Site) -> bool:
    """int8 <-> uint8 of the same meaning: 128 more or less, which is the top bit."""
    more = 128 if site.output.dtype == "uint8" else -128
    return (
        {site.input.dtype, site.output.dtype} == set(LOOKUP_DTYPES)
        and site.float("sx") == site.float("sy")
        and site.int("zy") - site.int("zx") == more
    )


def shift_variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    return {"source": f"{site.input.dtype}_t", "target": f"{site.output.dtype}_t"}


def bytes_variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    return {"type": {"bool": "uint8_t", "float32": "float"}.get(site.output.dtype, f"{site.output.dtype}_t")}


def pack_constant(site: Site) -> Packed:
    value = site.const("value").reshape(-1)
    value = value.astype(np.uint8) if value.dtype == np.bool_ else value
    return Packed({"value": value, "row": site.output.row_elements})


def pack_copy(site: Site) -> Packed:
    return Packed({"item": ITEM_BYTES[site.output.dtype]})


def pack_rescale(site: Site) -> Packed:
    return Packed({name: site.int(name) for name in ("zx", "m", "k", "zy", "lo", "hi")})


def rescales(apart: bool) -> Callable[[Site], bool]:
    """Condition: int16 on either side; apart: the result is larger than the operand."""
    return lambda site: "k" in site.step.attrs and apart == (site.input.dtype == "int8")


def rescale_kernel(name: str, apart: bool) -> Kernel:
    return Kernel(
        name,
        "requantize",
        "requantize",
        pack_rescale,
        when=rescales(apart),
        units=row_elements,
        inplace=() if apart else (0,),
        variant=lambda site: {**shift_variant(site), "apart": apart},
        headers=lambda site: ("rescale",),
        cost=lambda site: Cost(16.0 * site.output.elements, 20.0 * site.output.elements),
    )


KERNELS = [
    rescale_kernel("requantize_s16", False),
    rescale_kernel("requantize_s8_s16", True),
    Kernel(
        "quantize",
        "quantize",
        "quantize",
        pack_quantize,
        units=row_elements,
        inplace=(0,),
        variant=types_variant,
        cost=lambda site: Cost(30.0 * site.output.elements, 45.0 * site.output.elements),
    ),
    Kernel(
        "dequantize",
        "dequantize",
        "dequantize",
        pack_dequantize,
        units=row_elements,
        variant=types_variant,
        cost=lambda site: Cost(8.0 * site.output.elements, 9.0 * site.output.elements),
    ),
    Kernel(
        "requantize_shift",
        "requantize",
        "flip_sign",
        lambda site: Packed({}),
        when=is_shift,
        units=row_elements,
        inplace=(0,),
        variant=shift_variant,
        cost=lambda site: Cost(4.0 * site.output.elements, 5.0 * site.output.elements),
    ),
    Kernel(
        "requantize_table",
        "requantize",
        "lookup",
        pack_requantize,
        when=lambda site: "sx" in site.step.attrs,
        units=row_elements,
        inplace=(0,),
        variant=lookup_variant,
        cost=lambda site: Cost(5.0 * site.output.elements, 6.0 * site.output.elements, 256),
    ),
    Kernel("constant", "constant", "constant", pack_constant, units=row_elements, row=True, variant=bytes_variant),
    Kernel("copy", "copy", "copy", pack_copy, units=row_elements, inplace=(0,), variant=bytes_variant),
]
