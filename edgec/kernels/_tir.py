"""How a step is spelled in TIR, the loops and expressions that TVM compiles: see tir.py."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgec.ir.program import Array, Site

Shape = tuple[int, ...]
DOT = 4
"""Outputs whose sums are dot products of the same inputs: so many at a time."""
SIDE = 16
"""Outputs whose sums go side by side: a vector of bytes."""


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
