"""Kernels that TVM compiles: steps spelled as TIR functions over whole tensors, in the arithmetic of the operator's own page.

A spelling names a template under templates/tir and all its numbers.  It is used twice: backends/relax.py writes it as a function of the
Relax module, and here it is a kernel like any other, whose C only calls the function that TVM has compiled (backends/forms.py).
The kernels need the feature "tvm", which no target has: only the TVM backend asks for them, by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgec.ir.program import Site
from edgec.kernels import _tir_elements as elements
from edgec.kernels import _tir_layers as layers
from edgec.kernels._tir import Spelling
from edgec.kernels.base import Cost, Kernel, Packed, Scalar


@dataclass(frozen=True)
class Entry:
    """An operator's spelling.  serves: the steps that have it; inplace: inputs that the output may overwrite element by element."""

    make: Callable[[Site], Spelling]
    serves: Callable[[Site], bool]
    inplace: tuple[int, ...] = ()


def is_int8(site: Site) -> bool:
    return site.output.dtype == site.input.dtype == "int8"


ENTRIES = {
    "conv2d": Entry(layers.conv2d, layers.is_layer),
    "depthwise": Entry(layers.depthwise, layers.is_layer),
    "dense": Entry(layers.dense, layers.is_layer),
    "maxpool": Entry(layers.maxpool, is_int8),
    "avgpool": Entry(layers.avgpool, is_int8),
    "reduce_mean": Entry(layers.reduce_mean, is_int8),
    "softmax": Entry(elements.softmax, lambda site: is_int8(site) and not site.int("log")),
    "add": Entry(elements.binary, elements.is_binary, (0, 1)),
    "mul": Entry(elements.binary, elements.is_binary, (0, 1)),
    "unary": Entry(elements.lookup, elements.is_lookup, (0,)),
    "requantize": Entry(elements.lookup, elements.is_lookup, (0,)),
    "quantize": Entry(elements.cast, elements.is_cast),
    "dequantize": Entry(elements.cast, elements.is_cast),
    "copy": Entry(elements.copy, elements.is_plain),
    "permute": Entry(elements.permute, elements.is_plain),
}


def tir_kernel(op: str) -> str:
    """Name of an operator's kernel."""
    return f"{op}_tir"


def spelled(site: Site) -> Spelling | None:
    """The step as TIR; None where it has no such spelling."""
    entry = ENTRIES.get(site.step.op)
    return entry.make(site) if entry is not None and entry.serves(site) else None


def _spelling(site: Site) -> Spelling:
    return ENTRIES[site.step.op].make(site)


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
    return Kernel(
        name=tir_kernel(op),
        op=op,
        template="tir_call",
        pack=lambda site: Packed(_spelling(site).constants),
        needs=frozenset({"tvm"}),
        when=ENTRIES[op].serves,
        access=("all", "all"),
        inplace=ENTRIES[op].inplace,
        variant=_variant,
        group=lambda site, alone, several: 0,
        cost=_cost,
    )


KERNELS = [_kernel(op) for op in ENTRIES]
