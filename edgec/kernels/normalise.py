"""Normalisations: a pass for the sums, an integer inverse root, a pass that writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgec.ir.program import Array, Site
from edgec.kernels.base import Cost, Kernel, Packed, Scalar

NARROW_SUM = 2**15  # fewer elements than this: their squares add up in 32 bits


def groups(site: Site) -> int:
    """Vectors normalised together in one output row."""
    return site.output.row_elements // site.int("depth")


def sizes(site: Site) -> dict[str, Scalar | Array]:
    """Fields that say what is normalised together."""
    if site.step.op == "layernorm":
        return {"depth": site.int("depth")}
    pixels, channels, count = site.int("pixels"), site.int("channels"), site.int("groups")
    each = channels // count
    return {"depth": pixels * each, "pixels": pixels, "channels": channels, "groups": count, "each": each,
            "images": site.output.elements // (pixels * channels)}  # fmt: skip


def pack_int8(site: Site) -> Packed:
    names = ("up", "base", "shift", "lo", "hi", *(("zx",) if site.step.attrs.get("rms") else ()))
    consts = {name: site.const(name) for name in ("epsilon", "mult", "add")}
    return Packed({**sizes(site), **{name: site.int(name) for name in names}, **consts})


def pack_float(site: Site) -> Packed:
    numbers = {key: site.float(key) for key in ("epsilon", "lo", "hi") if key in site.step.attrs}
    return Packed({**sizes(site), **numbers, "scale": site.const("scale"), "bias": site.const("bias")})


def variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    attrs, depth = site.step.attrs, sizes(site)["depth"]
    assert isinstance(depth, int)
    return {
        "rms": bool(attrs.get("rms", 0)),
        "wide": depth >= NARROW_SUM,
        "dsp": False,
        "lo": "lo" in attrs,
        "hi": "hi" in attrs,
    }


def all_of(dtype: str) -> Callable[[Site], bool]:
    return lambda site: site.output.dtype == site.input.dtype == dtype


def with_dsp(site: Site) -> Mapping[str, Scalar | str | bool]:
    return {**variant(site), "dsp": True}


def pack_words(site: Site) -> Packed:
    """mult and add of each element side by side."""
    names = ("up", "base", "lo", "hi", *(("zx",) if site.step.attrs.get("rms") else ()))
    factors = np.stack([site.const("mult"), site.const("add")], axis=-1).reshape(-1)
    return Packed({"depth": site.int("depth"), **{n: site.int(n) for n in names}, "epsilon": site.const("epsilon"), "factors": factors})


def by_words(site: Site) -> bool:
    return all_of("int8")(site) and site.int("depth") < NARROW_SUM


def cost(each: float, root: float = 180.0) -> Callable[[Site], Cost]:
    """Instructions an element, and for the root of each group."""

    def price(site: Site) -> Cost:
        depth = sizes(site)["depth"]
        assert isinstance(depth, int)
        count = site.output.elements * (each + root / depth)
        return Cost(count, 1.3 * count, sum(int(c.nbytes) for c in site.step.consts.values()))

    return price


def kernel(op: str, dtype: str, each: float, dsp: bool = False) -> Kernel:
    """The one kernel form of an operator and type."""
    name = f"{op}_{'s8' if dtype == 'int8' else 'f32'}"
    call: dict[str, Any] = {"units": groups} if op == "layernorm" else {"access": ("all",)}
    return Kernel(
        f"{name}_dsp" if dsp else name,
        op,
        name,
        pack_int8 if dtype == "int8" else pack_float,
        when=all_of(dtype),
        needs=frozenset({"dsp"}) if dsp else frozenset(),
        inplace=(0,),
        variant=with_dsp if dsp else variant,
        cost=cost(each),
        **call,
    )


KERNELS = [
    Kernel(
        "layernorm_s8_words",
        "layernorm",
        "layernorm_s8_dsp",
        pack_words,
        when=by_words,
        needs=frozenset({"dsp"}),
        inplace=(0,),
        units=groups,
        variant=lambda site: {"rms": bool(site.step.attrs.get("rms", 0)), "shift": site.int("shift")},
        cost=cost(9.4, 130.0),
    ),
    kernel("layernorm", "int8", 18.0, dsp=True),
    kernel("layernorm", "int8", 21.0),
    kernel("layernorm", "float32", 30.0),
    kernel("groupnorm", "int8", 20.0, dsp=True),
    kernel("groupnorm", "int8", 24.0),
    kernel("groupnorm", "float32", 34.0),
]
