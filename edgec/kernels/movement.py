"""Kernels that move elements of any type: row copies (slice, split, gather, pad, expand, resize), permute, concat."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from edgec.ir.program import ITEM_BYTES, Array, Site
from edgec.ir.reach import All
from edgec.kernels.base import Cost, Kernel, Packed, Scalar

ROW_COPIES = ("slice", "split", "gather", "pad", "expand", "resize")
C_NAMES = {"bool": "uint8_t", "float32": "float"}  # the others: <dtype>_t


def ctype(site: Site) -> str:
    return C_NAMES.get(site.output.dtype, f"{site.output.dtype}_t")


def same_type(site: Site) -> bool:
    """Copies change no element, and int64 fill values would need a wider field."""
    return site.output.dtype in ITEM_BYTES and all(x.dtype == site.output.dtype for x in site.inputs)


def pack_rows(site: Site) -> Packed:
    runs = site.const("runs")
    fill = site.step.attrs["fill"]
    fields: dict[str, Scalar | Array] = {
        "count": site.int("count"),
        "step": site.int("step"),
        "fill": float(fill) if site.output.dtype == "float32" else int(fill),  # type: ignore[arg-type]
        "elements": site.output.row_elements,
        "list": runs.size // 2,
        "runs": runs,
    }
    if "inside" in site.step.consts:
        fields["inside"] = site.const("inside")
    return Packed(fields)


def rows_variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    runs = site.const("runs").reshape(-1, 2)
    return {"ctype": ctype(site), "fills": bool((runs[:, 0] < 0).any()), "outside": "inside" in site.step.consts,
            "short": bool(runs[:, 1].max() < 8)}  # fmt: skip


def pack_permute(site: Site) -> Packed:
    (n0, n1), (s0, s1) = site.ints("inner"), site.ints("step")
    fields: dict[str, Scalar | Array] = {"n0": n0, "n1": n1, "s0": s0, "s1": s1}
    if isinstance(site.step.reach[0], All):
        fields |= {"axes": site.const("dims").size, "dims": site.const("dims"), "steps": site.const("steps")}
    return Packed(fields)


def permute_variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    return {"ctype": ctype(site), "runs": site.ints("step")[1] == 1, "whole": isinstance(site.step.reach[0], All)}


def pack_concat(site: Site) -> Packed:
    if "source" in site.step.consts:
        return Packed({"elements": site.output.row_elements, "source": site.const("source")})
    return Packed({"count": site.int("count"), **{f"n{i}": n for i, n in enumerate(site.ints("runs"))}})


def concat_variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    return {"ctype": ctype(site), "inputs": len(site.inputs)}


def copy_cost(site: Site) -> Cost:
    """A row copy: 25 instructions a run and one for each byte of a short run, less than that of a long one."""
    runs = site.const("runs").reshape(-1, 2) if "runs" in site.step.consts else None
    calls = site.output.rows * (1 if runs is None else len(runs) * site.int("count"))
    return Cost(instructions=25.0 * calls + 0.7 * site.output.bytes)


def permute_cost(site: Site) -> Cost:
    return Cost(instructions=6.0 * site.output.elements)


def by_rows(site: Site) -> bool:
    return "source" in site.step.consts


def row_copy(op: str) -> Kernel:
    return Kernel(
        f"{op}_copy", op, "row_copy", pack_rows, when=same_type, row=True, variant=rows_variant, cost=copy_cost
    )


def permute(name: str, when: Callable[[Site], bool], **call: Any) -> Kernel:
    return Kernel(
        name, "permute", "permute", pack_permute, when=when, variant=permute_variant, cost=permute_cost, **call
    )


def concat(name: str, when: Callable[[Site], bool], **call: Any) -> Kernel:
    return Kernel(name, "concat", name, pack_concat, when=when, variant=concat_variant, cost=copy_cost, **call)


KERNELS = [
    *(row_copy(op) for op in ROW_COPIES),
    permute("permute_rows", lambda s: same_type(s) and not isinstance(s.step.reach[0], All)),
    permute("permute_all", lambda s: same_type(s) and isinstance(s.step.reach[0], All), access=("all",), row=True),
    concat("concat_rows", lambda s: same_type(s) and by_rows(s), row=True),
    concat("concat_runs", lambda s: same_type(s) and not by_rows(s)),
]
