"""Products of two activations: int8 in blocks of rows widened once (SMLAD), or four columns of one row at a time; float32 element by element."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

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


WIDEST_ROW = 1365  # columns: the bytes of a block's rows are stored at 12-bit offsets from one pointer


def takes_blocks(mode: str) -> Callable[[Site], bool]:
    return lambda site: serves("int8", mode)(site) and site.int("n") <= WIDEST_ROW and "bias" not in site.step.consts


def block_sizes(site: Site) -> tuple[int, ...]:
    """Rows (4, 2, 1) of the blocks that the calls of this step need, the largest first.  No block goes over the end of a batch."""
    m, each, rows = site.int("m"), product_rows(site), site.output.rows
    found, group = set(), site.step.group or rows
    for y in range(0, rows, group):
        at, end = y * each, min(y + group, rows) * each
        while at < end:
            run = min(end - at, m - at % m)
            found |= {4 * (run >= 4), run & 2, run & 1}
            at += run
    return tuple(sorted(found - {0}, reverse=True))


def block_rows(site: Site, alone: bool, several: bool) -> int:
    """All rows at once where they lie together; in a pipeline as many as make a block, if they may be several."""
    return 0 if alone else -(-4 // product_rows(site)) if several else 1


def block_scratch(site: Site) -> int:
    """One block's rows as int16."""
    fold = 4 if site.int("transposed") else 2
    return -(-site.int("k") // fold) * fold * 2 * block_sizes(site)[0]


def block_variant(site: Site) -> Mapping[str, Any]:
    numbers = {name: site.int(name) for name in ("k", "n", "shift", "left")}
    transposed = bool(site.int("transposed"))
    return {"mode": str(site.step.attrs["mode"]), "transposed": transposed, "blocks": block_sizes(site), **numbers}


def pack_block(site: Site) -> Packed:
    kept = {key: value for key, value in pack_int8(site).fields.items() if key not in ("k", "n", "along_k", "along_n", "shift", "pre")}
    return Packed(kept)


def block_cost(site: Site) -> Cost:
    """Instructions: of a multiply-accumulate by the rows of a block, of an output, of an element widened."""
    k, most = site.int("k"), block_sizes(site)[0]
    each = ({4: 0.83, 2: 1.14, 1: 1.34} if site.int("transposed") else {4: 0.97, 2: 1.3, 1: 1.68})[most]
    count = site.output.elements * (each * k + 5.5) + site.output.elements / site.int("n") * (3.0 * k + 60.0 / most)
    return Cost(count, 1.5 * count)


def _block_kernel(mode: str) -> Kernel:
    return Kernel(
        f"matmul_s8_{mode}_block",
        "matmul",
        "matmul_s8_block",
        pack_block,
        needs=frozenset({"dsp"}),
        when=takes_blocks(mode),
        access=("run" if mode == "run" else "all", "all"),
        units=product_rows,
        row=True,
        group=block_rows,
        variant=block_variant,
        scratch=block_scratch,
        cost=block_cost,
    )


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
    *(_block_kernel(mode) for mode in ("run", "all")),
    *(_kernel("int8", mode, dsp=True) for mode in ("run", "all")),
    *(_kernel(dtype, mode) for dtype, mode in product(("int8", "float32"), ("run", "all"))),
]
