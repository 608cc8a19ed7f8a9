"""Normalisations: a pass for the sums, an integer inverse root, a pass that writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

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
    return {"rms": bool(attrs.get("rms", 0)), "wide": depth >= NARROW_SUM, "lo": "lo" in attrs, "hi": "hi" in attrs}


def all_of(dtype: str) -> Callable[[Site], bool]:
    return lambda site: site.output.dtype == site.input.dtype == dtype


def cost(each: float) -> Callable[[Site], Cost]:
    return lambda site: Cost(
        each * site.output.elements,
        1.3 * each * site.output.elements,
        sum(int(c.nbytes) for c in site.step.consts.values()),
    )


KERNELS = [
    Kernel("layernorm_s8", "layernorm", "layernorm_s8", pack_int8, when=all_of("int8"), units=groups, inplace=(0,), variant=variant, cost=cost(19.0)),
    Kernel("layernorm_f32", "layernorm", "layernorm_f32", pack_float, when=all_of("float32"), units=groups, inplace=(0,), variant=variant,
           cost=cost(30.0)),
    Kernel("groupnorm_s8", "groupnorm", "groupnorm_s8", pack_int8, when=all_of("int8"), access=("all",), inplace=(0,), variant=variant,
           cost=cost(24.0)),
    Kernel("groupnorm_f32", "groupnorm", "groupnorm_f32", pack_float, when=all_of("float32"), access=("all",), inplace=(0,), variant=variant,
           cost=cost(34.0)),
]  # fmt: skip
