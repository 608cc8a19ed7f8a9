"""Two operands: one kernel for each step name, type and mode (where operand b lies); formulas are variants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product

import numpy as np

from edgec.ir.program import Array, Site
from edgec.kernels._packing import rounding
from edgec.kernels.base import Cost, Kernel, Packed, Scalar
from edgec.kernels.unary import row_elements

OPS = ("add", "mul", "div", "max", "min", "pow", "prelu")
MODES = ("same", "const", "gate", "strided")
ACCESS = {"same": ("run", "run"), "const": ("run",), "gate": ("run", "all"), "strided": ("all", "all")}
INPLACE = {"same": (0, 1), "const": (0,), "gate": (0,), "strided": ()}
FORMULA_FIELDS = {
    "add": ("ma", "mb", "k", "zy"),
    "add_table": ("ma", "k", "zy"),
    "mul": ("za", "zb"),
    "mul_table": ("za",),
    "div": ("za",),
    "prelu": ("za", "zb", "mb"),
    "prelu_table": ("za",),
    "max": (),
    "min": (),
}
PER_ELEMENT = {
    "add": 11,
    "add_table": 10,
    "mul": 14,
    "mul_table": 13,
    "div": 14,
    "prelu": 16,
    "prelu_table": 14,
    "max": 12,
    "min": 12,
}


def table_of(site: Site) -> Array | None:
    """The constant operand of a step in mode const."""
    return site.step.consts.get("b", site.step.consts.get("table"))


def eight(site: Site) -> bool:
    """Whether everything is int8."""
    return all(b.dtype == "int8" for b in (*site.inputs, site.output))


def is_wide(site: Site) -> bool:
    """Whether an int8 addition can leave int32 (tiny factors with a large shift, zero points at the edge)."""
    if site.step.attrs["kind"] != "add":
        return False
    ends_a = [site.int("ma") * (q - site.int("za")) for q in (-128, 127)]
    ends_b = [site.int("mb") * (q - site.int("zb")) for q in (-128, 127)]
    half = 1 << (site.int("k") - 1)
    fixed = half - site.int("ma") * site.int("za") - site.int("mb") * site.int("zb")
    extremes = [fixed, max(ends_a) + max(ends_b) + half, min(ends_a) + min(ends_b) + half]
    return any(not -(2**31) < value < 2**31 for value in extremes)


def variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    attrs = site.step.attrs
    table = table_of(site)
    found: dict[str, Scalar | str | bool] = {"kind": str(attrs["kind"]), "mode": str(attrs["mode"]), "wide": False}
    found |= {
        name: f"{b.dtype}_t" for name, b in (("type_a", site.input), ("type_b", site.inputs[-1]), ("type", site.output))
    }
    found["second"] = (
        f"{'float' if table.dtype == np.float32 else str(table.dtype) + '_t'}" if table is not None else ""
    )
    found["lo"], found["hi"] = "lo" in attrs, "hi" in attrs
    found["wide"] = is_wide(site) if eight(site) else site.output.dtype != "float32"
    return found


def mode_fields(site: Site) -> dict[str, Scalar | Array]:
    """Fields that say where operand b lies."""
    mode = str(site.step.attrs["mode"])
    if mode == "const":
        table = table_of(site)
        assert table is not None
        return {"b": table, "period": table.size, "row": site.output.row_elements % table.size}
    if mode == "gate":
        return {
            "row": site.output.row_elements // site.int("channels"),
            "pixels": site.int("pixels"),
            "channels": site.int("channels"),
        }
    if mode == "strided":
        fields: dict[str, Scalar | Array] = {"row": site.output.row_elements, "axes": len(site.ints("dims"))}
        return fields | {key: np.array(site.ints(key), np.int32) for key in ("dims", "strides_a", "strides_b")}
    return {}


def pack_int8(site: Site) -> Packed:
    """The numbers of the formula, zero points and rounding folded where they can be, then those of the mode."""
    attrs, consts = site.step.attrs, site.step.consts
    kind = str(attrs["kind"])
    fields: dict[str, Scalar | Array] = {name: site.int(name) for name in (*FORMULA_FIELDS[kind], "lo", "hi")}
    if kind in ("max", "min"):
        fields |= {"table_a": consts["table_a"], "table_b": consts["table_b"]}
    if kind == "add":
        offset = (1 << (site.int("k") - 1)) - site.int("ma") * site.int("za") - site.int("mb") * site.int("zb")
        wide = is_wide(site) or not eight(site)
        fields |= {"offset": np.array([offset], np.int64)} if wide else {"offset": offset}
    if "shift" in attrs:
        shift = site.int("shift")
        fields |= {"shift": shift, "round": rounding(site.int("zy"), shift), "pre": 1 << site.int("left")}
    if "k" in attrs and kind not in ("add", "add_table"):
        fields |= {"zy": site.int("zy"), "k": site.int("k")}
    if "m" in attrs:
        fields["m"] = site.int("m")
    if kind == "div":
        fields["reciprocals"] = consts["reciprocals"]
    return Packed(fields | mode_fields(site))


def pack_float(site: Site) -> Packed:
    limits: dict[str, Scalar | Array] = {key: site.float(key) for key in ("lo", "hi") if key in site.step.attrs}
    return Packed(limits | mode_fields(site))


def serves(dtype: str, mode: str) -> Callable[[Site], bool]:
    """Condition: output and activations of that type, operand b from there."""

    def when(site: Site) -> bool:
        return site.step.attrs["mode"] == mode and all(b.dtype == dtype for b in (*site.inputs, site.output))

    return when


def serves16(mode: str, inplace: bool) -> Callable[[Site], bool]:
    """Condition: int8 and int16 mixed; inplace: no result is larger than an operand."""

    def when(site: Site) -> bool:
        sizes = [b.dtype for b in (*site.inputs, site.output)]
        mixed = site.step.attrs["mode"] == mode and set(sizes) <= {"int8", "int16"} and "int16" in sizes
        return mixed and inplace == (site.output.dtype == "int8" or "int8" not in sizes[:-1])

    return when


def add_offset(site: Site) -> int:
    """Rounding and all three zero points of an addition, at the scale of its products."""
    zeros = site.int("ma") * site.int("za") + site.int("mb") * site.int("zb")
    return (1 << (site.int("k") - 1)) + (site.int("zy") << site.int("k")) - zeros


def is_dsp_add(site: Site) -> bool:
    """Whether the sums of an addition, output zero point included, fit int32."""
    if not serves("int8", "same")(site) or site.step.attrs["kind"] != "add" or is_wide(site):
        return False
    parts = [abs(add_offset(site)), 128 * abs(site.int("ma")), 128 * abs(site.int("mb"))]
    return sum(parts) < 2**31


def pack_dsp_add(site: Site) -> Packed:
    return Packed({**{name: site.int(name) for name in ("ma", "mb", "lo", "hi")}, "offset": add_offset(site)})


def cost(site: Site) -> Cost:
    each = PER_ELEMENT.get(str(site.step.attrs["kind"]), 10) + (25 if site.step.attrs["mode"] == "strided" else 0)
    count = float(each * site.output.elements)
    return Cost(count, 1.3 * count, sum(int(c.nbytes) for c in site.step.consts.values()))


def cost16(site: Site) -> Cost:
    """Products and sums in 64 bits."""
    found = cost(site)
    return Cost(1.6 * found.instructions, 1.6 * found.cycles, found.flash)


def _kernel(op: str, dtype: str, mode: str) -> Kernel:
    short = "s8" if dtype == "int8" else "f32"
    return Kernel(
        f"{op}_{short}_{mode}",
        op,
        f"binary_{short}",
        pack_int8 if dtype == "int8" else pack_float,
        when=serves(dtype, mode),
        access=ACCESS[mode],
        units=row_elements,
        row=mode != "same",
        inplace=INPLACE[mode],
        variant=variant,
        cost=cost,
    )


def _kernel16(op: str, mode: str, inplace: bool) -> Kernel:
    return Kernel(
        f"{op}_s16_{mode}" + ("" if inplace else "_apart"),
        op,
        "binary_s8",
        pack_int8,
        when=serves16(mode, inplace),
        access=ACCESS[mode],
        units=row_elements,
        row=mode != "same",
        inplace=INPLACE[mode] if inplace else (),
        variant=variant,
        headers=lambda site: ("rescale",),
        cost=cost16,
    )


ADD_DSP = Kernel(
    "add_s8_dsp",
    "add",
    "add_s8_dsp",
    pack_dsp_add,
    needs=frozenset({"dsp"}),
    when=is_dsp_add,
    access=("run", "run"),
    units=row_elements,
    inplace=(0, 1),
    variant=lambda site: {"k": site.int("k")},
    cost=lambda site: Cost(7.03 * site.output.elements, 7.8 * site.output.elements),
)

KERNELS = [
    ADD_DSP,
    *(
        _kernel(op, dtype, mode)
        for op, dtype, mode in product(OPS, ("int8", "float32"), MODES)
        if (op, dtype) != ("pow", "int8")
    ),
    *(_kernel16(*each) for each in product(("add", "mul", "prelu"), MODES, (True, False))),
    *(_kernel16("div", "const", inplace) for inplace in (True, False)),
]
