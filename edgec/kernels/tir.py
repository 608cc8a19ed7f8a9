"""Kernels that TVM compiles: steps spelled as TIR functions over whole tensors, in the arithmetic of the operator's own page.

A spelling names a template under templates/tir and all its numbers.  It is used twice: backends/relax.py writes it as a function of the
Relax module, and here it is a kernel like any other, whose C only calls the function that TVM has compiled (backends/objects.py).
The kernels need the feature "tvm", which no target has: only the TVM backend asks for them, by name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgec.arithmetic import dequantize, quantize
from edgec.ir.program import Array, Site
from edgec.kernels._packing import folded_bias
from edgec.kernels.base import Cost, Kernel, Packed, Scalar
from edgec.kernels.binary import is_wide
from edgec.kernels.pool import GEOMETRY

Shape = tuple[int, ...]
BYTES = ("int8", "uint8")
DOT = 4
"""Outputs whose sums are dot products of the same inputs: so many at a time."""
SIDE = 16
"""Outputs whose sums go side by side: a vector of bytes."""
NARROW = 8  # channels of a window below which a dot product is too short
MOVED = (*BYTES, "int16", "int32", "float32")


@dataclass(frozen=True)
class Spelling:
    """One step as a TIR function.  template: templates/tir/<template>.j2; inputs, output: the shapes in which the function sees the buffers
    (as many elements); constants: its other operands, by name; numbers: what the template writes out; tile: outputs that are summed up
    together where nothing is tuned, DOT or SIDE (0: there are no sums)."""

    template: str
    inputs: tuple[Shape, ...]
    output: Shape
    constants: Mapping[str, Array] = field(default_factory=dict)
    numbers: Mapping[str, Any] = field(default_factory=dict)
    tile: int = 0

    def symbol(self, site: Site) -> str:
        """Name of the function: equal functions have equal names."""
        dtypes = [b.dtype for b in (*site.inputs, site.output)]
        operands = [(name, a.shape, str(a.dtype)) for name, a in self.constants.items()]
        key = json.dumps([self.template, self.inputs, self.output, dtypes, operands, sorted(self.numbers.items())])
        return f"{site.step.op}_{hashlib.sha256(key.encode()).hexdigest()[:10]}"

    def arguments(self, site: Site) -> list[tuple[str, Shape, str]]:
        """(name, shape, element type) of what the function takes: inputs, constants, output."""
        given = [(f"x{i}", shape, b.dtype) for i, (shape, b) in enumerate(zip(self.inputs, site.inputs, strict=True))]
        kept = [(name, array.shape, str(array.dtype)) for name, array in self.constants.items()]
        return [*given, *kept, ("out", self.output, site.output.dtype)]


def requantization(site: Site) -> dict[str, int]:
    """Numbers of edgec.int8.v1's requantization with doubled multipliers: y = zy + ((high + half) >> shift), high = the upper word of
    (acc << left) * 2m + low; without a shift the one rounding is in the lower word."""
    shift = site.int("shift")
    low, half = (1 << 31, 0) if shift == 0 else (0, 1 << (shift - 1))
    return {
        "shift": shift, "left": site.int("left"), "low": low, "half": half,
        **{name: site.int(name) for name in ("zy", "lo", "hi")},
    }  # fmt: skip


def accumulated(site: Site, axes: Shape) -> dict[str, Array]:
    """Operands of a layer: weights, the bias with the input's zero point folded in, doubled multipliers."""
    return {
        "weight": site.const("weight"),
        "bias": folded_bias(site, axes),
        "mult": (2 * site.const("mult").astype(np.int64)).astype(np.int32),
    }


def is_layer(site: Site) -> bool:
    """int8 in, int8 out."""
    return site.output.dtype == site.input.dtype == "int8" and "shift" in site.step.attrs


def pairs(site: Site) -> dict[str, tuple[int, int]]:
    """Geometry of a window: (height, width) of each."""
    return {name: (site.ints(name)[0], site.ints(name)[1]) for name in GEOMETRY}


def window(site: Site) -> dict[str, Any]:
    """The same, flat, and whether some window reaches over an edge."""
    numbers: dict[str, Any] = {}
    for i, side in enumerate("hw"):
        each = {name: pair[i] for name, pair in pairs(site).items()}
        end = (each["out"] - 1) * each["stride"] + (each["kernel"] - 1) * each["dilation"] - each["pad"]
        numbers |= {f"{name}_{side}": value for name, value in each.items()}
        numbers[f"over_{side}"] = each["pad"] > 0 or end >= each["size"]
    return {**numbers, "images": site.input.rows // site.ints("size")[0], "channels": site.int("channels")}


def image_shapes(site: Site, channels: int) -> tuple[tuple[Shape], Shape]:
    """Input and output of a window as [N,H,W,C]."""
    numbers = window(site)
    made = (numbers["images"], numbers["out_h"], numbers["out_w"], channels)
    return ((numbers["images"], numbers["size_h"], numbers["size_w"], numbers["channels"]),), made


def conv2d(site: Site) -> Spelling:
    """Weights [O,kh,kw,C/G]; where a window has few channels [kh,kw,C/G,O], so that its sums are vectors of outputs."""
    weight = site.const("weight")
    inputs, output = image_shapes(site, weight.shape[0])
    narrow = weight.shape[3] < NARROW
    numbers = {"part": weight.shape[3], "each": weight.shape[0] // site.int("groups"), "zx": site.int("zx")}
    numbers |= {**window(site), **requantization(site), "narrow": narrow}
    constants = accumulated(site, (1, 2, 3))
    if narrow:
        constants["weight"] = np.ascontiguousarray(weight.transpose(1, 2, 3, 0))
    return Spelling("conv2d", inputs, output, constants, numbers, tile=SIDE if narrow else DOT)


def depthwise(site: Site) -> Spelling:
    weight = site.const("weight")
    inputs, output = image_shapes(site, weight.shape[2])
    numbers = {"multiplier": weight.shape[2] // site.int("channels"), "zx": site.int("zx")}
    numbers |= window(site) | requantization(site)
    return Spelling("depthwise", inputs, output, accumulated(site, (0, 1)), numbers, SIDE)


def dense(site: Site) -> Spelling:
    outputs, depth = site.const("weight").shape
    pixels = site.output.elements // outputs
    numbers = {"pixels": pixels, "depth": depth, "outputs": outputs, **requantization(site)}
    return Spelling("dense", ((pixels, depth),), (pixels, outputs), accumulated(site, (1,)), numbers, DOT)


def maxpool(site: Site) -> Spelling:
    inputs, output = image_shapes(site, site.int("channels"))
    lowest = int(np.iinfo(site.output.dtype).min)
    return Spelling("maxpool", inputs, output, {}, {**window(site), "lowest": lowest}, SIDE)


def averaging(site: Site) -> tuple[dict[str, Any], dict[str, Array]]:
    """Numbers and constants of an average (ops/_average.py): one entry for each element count."""
    exact = bool(site.step.attrs["exact"])
    names = ("den",) if exact else ("mult", "shift")
    numbers = {name: site.int(name) for name in ("zx", "zy", "lo", "hi", *(("num",) if exact else ()))}
    return {**numbers, "exact": exact}, {name: site.const(name) for name in names}


def avgpool(site: Site) -> Spelling:
    inputs, output = image_shapes(site, site.int("channels"))
    numbers, constants = averaging(site)
    one = next(iter(constants.values())).size == 1
    if not one:
        constants |= {name: site.const(name) for name in ("row_class", "column_class")}
    numbers |= {**window(site), "one": one, "classes": site.int("column_classes")}
    return Spelling("avgpool", inputs, output, constants, numbers, SIDE)


def reduce_mean(site: Site) -> Spelling:
    count, inner = site.int("count"), site.int("inner")
    outer = site.input.elements // (count * inner)
    numbers, constants = averaging(site)
    numbers |= {"outer": outer, "count": count, "inner": inner}
    return Spelling("reduce_mean", ((outer, count, inner),), (outer, inner), constants, numbers, SIDE)


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


def serves_binary(site: Site) -> bool:
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


Condition = Callable[[Site], bool]
SPELLINGS: dict[str, tuple[Callable[[Site], Spelling], Condition, tuple[int, ...]]] = {
    "conv2d": (conv2d, is_layer, ()),
    "depthwise": (depthwise, is_layer, ()),
    "dense": (dense, is_layer, ()),
    "maxpool": (maxpool, lambda s: s.output.dtype == "int8", ()),
    "avgpool": (avgpool, lambda s: s.output.dtype == s.input.dtype == "int8", ()),
    "reduce_mean": (reduce_mean, lambda s: s.output.dtype == s.input.dtype == "int8", ()),
    "softmax": (softmax, lambda s: s.output.dtype == s.input.dtype == "int8" and not s.int("log"), ()),
    "add": (binary, serves_binary, (0, 1)),
    "mul": (binary, serves_binary, (0, 1)),
    "unary": (lookup, is_lookup, (0,)),
    "requantize": (lookup, is_lookup, (0,)),
    "quantize": (cast, is_cast, ()),
    "dequantize": (cast, is_cast, ()),
    "copy": (copy, is_plain, ()),
    "permute": (permute, is_plain, ()),
}
"""By operator: the spelling, which steps have it, inputs that the output may overwrite element by element."""


def tir_kernel(op: str) -> str:
    """Name of an operator's kernel."""
    return f"{op}_tir"


def spelled(site: Site) -> Spelling | None:
    """The step as TIR; None where it has no such spelling."""
    make, serves, _ = SPELLINGS.get(site.step.op, (None, None, ()))
    return make(site) if make is not None and serves is not None and serves(site) else None


def _spelling(site: Site) -> Spelling:
    found = spelled(site)
    assert found is not None
    return found


def _variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    made = _spelling(site)
    types = [(name, "float" if dtype == "float32" else f"{dtype}_t") for name, _, dtype in made.arguments(site)]
    count, constants = len(site.inputs), list(made.constants)
    return {
        "symbol": made.symbol(site),
        "declared": ", ".join(f"const {ctype} *{name}" for name, ctype in types[:-1]),
        "takes": ", ".join(f"const {ctype} *{name}" for name, ctype in types[:count]),
        "gives": types[-1][1],
        "passed": ", ".join([*(name for name, _ in types[:count]), *(f"p->{name}" for name in constants)]),
        "bare": not constants,
    }


def _cost(site: Site) -> Cost:
    """Some three instructions a multiply-accumulate, as many a result as its arithmetic has steps."""
    made = _spelling(site)
    depth = made.constants["weight"][..., 0].size if "weight" in made.constants else 1
    flash = sum(array.nbytes for array in made.constants.values())
    return Cost(3.0 * depth * site.output.elements + 20.0 * site.output.elements, flash=flash)


def _kernel(op: str) -> Kernel:
    _, serves, inplace = SPELLINGS[op]
    return Kernel(
        name=tir_kernel(op),
        op=op,
        template="tir_call",
        pack=lambda site: Packed(_spelling(site).constants),
        needs=frozenset({"tvm"}),
        when=serves,
        access=("all", "all"),
        inplace=inplace,
        variant=_variant,
        group=lambda site, alone, several: 0,
        cost=_cost,
    )


KERNELS = [_kernel(op) for op in SPELLINGS]
