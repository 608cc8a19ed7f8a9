"""Products of two activations: int8 four columns at a time, in portable C or with SMLAD; float32 one element after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product

import numpy as np

from edgec.ir.program import Array, Site
from edgec.kernels._packing import rounding
from edgec.kernels.base import Cost, Kernel, Packed, Scalar


def product_rows(site: Site) -> int:
    """Rows of the product in one row of the output buffer."""
    return site.output.row_elements // site.int("n")


def serves(dtype: str, mode: str) -> Callable[[Site], bool]:
    return lambda site: site.step.attrs["mode"] == mode and all(b.dtype == dtype for b in (*site.inputs, site.output))


def shape_fields(site: Site) -> dict[str, Scalar | Array]:
    """Sizes, strides of B along k and n, and where each batch of A and B starts, in elements."""
    m, k, n = site.int("m"), site.int("k"), site.int("n")
    along_k, along_n = (1, k) if site.int("transposed") else (n, 1)
    fields: dict[str, Scalar | Array] = {
        "m": m,
        "k": k,
        "n": n,
        "each": product_rows(site),
        "along_k": along_k,
        "along_n": along_n,
    }
    if site.step.attrs["mode"] == "all":
        fields["a_start"] = np.array(site.ints("a_batches"), np.int32) * np.int32(m * k)
    fields["b_start"] = np.array(site.ints("b_batches"), np.int32) * np.int32(k * n)
    if "bias" in site.step.consts:
        fields["bias"] = site.const("bias")
    return fields


def pack_int8(site: Site) -> Packed:
    fields = shape_fields(site) | {name: site.int(name) for name in ("za", "zb", "mult", "shift", "lo", "hi")}
    return Packed({**fields, "round": rounding(site.int("zy"), site.int("shift")), "pre": 1 << site.int("left")})


def pack_float(site: Site) -> Packed:
    limits = {key: site.float(key) for key in ("lo", "hi") if key in site.step.attrs}
    return Packed({**shape_fields(site), "alpha": site.float("alpha"), **limits})


def variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    attrs = site.step.attrs
    return {"mode": str(attrs["mode"]), "bias": "bias" in site.step.consts, "lo": "lo" in attrs, "hi": "hi" in attrs}


def portable(site: Site) -> Mapping[str, Scalar | str | bool]:
    return {"mode": str(site.step.attrs["mode"]), "bias": "bias" in site.step.consts, "transposed": bool(site.int("transposed")), "dsp": False}


def with_dsp(site: Site) -> Mapping[str, Scalar | str | bool]:
    return {**portable(site), "dsp": True}


def cost(each: float) -> Callable[[Site], Cost]:
    """Instructions: so many a multiply-accumulate, and what a row's sum and an output take."""

    def price(site: Site) -> Cost:
        k, n = site.int("k"), site.int("n")
        count = site.output.elements * (each * k + 15.0) + site.output.elements / n * 4.0 * k
        return Cost(count, 1.3 * count)

    return price


def _kernel(dtype: str, mode: str, dsp: bool = False) -> Kernel:
    short = "s8" if dtype == "int8" else "f32"
    return Kernel(
        f"matmul_{short}_{mode}{'_dsp' if dsp else ''}",
        "matmul",
        f"matmul_{short}",
        pack_int8 if dtype == "int8" else pack_float,
        when=serves(dtype, mode),
        access=("run" if mode == "run" else "all", "all"),
        units=product_rows,
        row=True,
        variant=variant if dtype == "float32" else with_dsp if dsp else portable,
        needs=frozenset({"dsp"}) if dsp else frozenset(),
        cost=cost(2.0 if dsp else 3.5 if dtype == "int8" else 7.0),
    )


KERNELS = [
    *(_kernel("int8", mode, dsp=True) for mode in ("run", "all")),
    *(_kernel(dtype, mode) for dtype, mode in product(("int8", "float32"), ("run", "all"))),
]
