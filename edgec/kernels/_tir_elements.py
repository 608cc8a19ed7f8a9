"""TIR of what works element by element, of softmax, and of copies."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgec.arithmetic import dequantize, quantize
from edgec.ir.program import Array, Site
from edgec.kernels._tir import Spelling, requantization
from edgec.kernels.binary import is_wide

BYTES = ("int8", "uint8")
MOVED = (*BYTES, "int16", "int32", "float32")


def softmax(site: Site) -> Spelling:
    depth = site.int("depth")
    shape = (site.output.elements // depth, depth)
    numbers = {name: site.int(name) for name in ("factor", "exponent", "zy", "lo", "hi")}
    table = {"table": site.const("table").astype(np.int64).astype(np.int32)}  # at most 2^30
    numbers |= {"vectors": shape[0], "depth": depth, "base": 32 + numbers["exponent"]}
    return Spelling("softmax", (shape,), shape, table, numbers)


def binary(site: Site) -> Spelling:
    """Operand b from a buffer of the same shape, one value for each channel of an image, or a constant that repeats."""
    attrs, elements = site.step.attrs, site.output.elements
    kind, mode = str(attrs["kind"]), str(attrs["mode"])
    names = [n for n in ("ma", "mb", "m", "k", "za", "zb", "zy", "lo", "hi") if n in attrs]
    numbers: dict[str, Any] = {name: site.int(name) for name in names} | {"kind": kind, "mode": mode}
    numbers |= {"elements": elements, "wide": kind == "add" and is_wide(site)}
    numbers |= requantization(site) if "shift" in attrs else {}
    if kind == "add":
        offset = (1 << (site.int("k") - 1)) - site.int("ma") * site.int("za") - site.int("mb") * site.int("zb")
        numbers["offset"] = offset
    if kind == "mul":
        numbers["doubled"] = 2 * site.int("m")
    constants: dict[str, Array] = {}
    if mode == "const":
        name = "b" if "b" in site.step.consts else "table"
        table = site.const(name)
        constants = {name: (2 * table.astype(np.int64)).astype(np.int32) if kind == "mul_table" else table}
        numbers["period"] = table.size
    if mode == "gate":
        numbers |= {"channels": site.int("channels"), "block": site.int("pixels") * site.int("channels")}
    return Spelling("binary", tuple((b.elements,) for b in site.inputs), (elements,), constants, numbers)


def is_binary(site: Site) -> bool:
    kinds = ("add", "mul", "add_table", "mul_table")
    fits = str(site.step.attrs["kind"]) in kinds and str(site.step.attrs["mode"]) != "strided"
    return fits and all(b.dtype == "int8" for b in (*site.inputs, site.output)) and site.output.elements > 0


def lookup(site: Site) -> Spelling:
    """A byte for a byte; a requantization is a table made here."""
    source, shape = site.input.dtype, (site.output.elements,)
    values = np.arange(256, dtype=np.int64) + np.iinfo(source).min
    if "table" in site.step.consts:
        table = site.const("table")
    else:
        with np.errstate(over="ignore"):
            real = dequantize(values.astype(source), site.float("sx"), site.int("zx"))
            table = quantize(real, site.float("sy"), site.int("zy"), site.output.dtype)
    numbers = {"elements": shape[0], "first": int(values[0])}
    return Spelling("lookup", (shape,), shape, {"table": table}, numbers)


def is_lookup(site: Site) -> bool:
    tabled = site.step.op == "requantize" or "table" in site.step.consts
    return tabled and site.input.dtype in BYTES and site.output.dtype in BYTES


def cast(site: Site) -> Spelling:
    """float32 -> bytes and back."""
    shape, info = (site.output.elements,), np.iinfo(site.output.dtype if site.step.op == "quantize" else "int8")
    zero = site.int("zy" if site.step.op == "quantize" else "zx")
    scale = float(np.float32(site.float("scale")))
    numbers = {"elements": shape[0], "scale": scale, "zero": zero, "lowest": int(info.min), "highest": int(info.max)}
    return Spelling(site.step.op, (shape,), shape, {}, {**numbers, "dtype": site.output.dtype})


def is_cast(site: Site) -> bool:
    whole, real = (site.output, site.input) if site.step.op == "quantize" else (site.input, site.output)
    return whole.dtype in BYTES and real.dtype == "float32"


def is_plain(site: Site) -> bool:
    return site.output.dtype in MOVED


def copy(site: Site) -> Spelling:
    shape = (site.output.elements,)
    return Spelling("copy", (shape,), shape, {}, {"elements": shape[0]})


def permute(site: Site) -> Spelling:
    """A transposed copy: the output's axes with the input's stride of each."""
    dims = (*site.const("dims").tolist(), *site.ints("inner"))
    strides = (*site.const("steps").tolist(), *site.ints("step"))
    places = range(len(dims))
    numbers = {"dims": dims, "strides": strides, "kinds": "S" * len(dims)}
    numbers |= {"axes": [f"v{i}" for i in places], "loops": [f"i{i}" for i in places]}
    return Spelling("permute", ((site.input.elements,),), dims, {}, numbers)
