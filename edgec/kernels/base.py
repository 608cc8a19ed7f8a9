"""Kernel: one way of computing one operator on some processors, and the waist between compiler and generated C.

A kernel is a C function made from a template.  It is called once for each group of output rows:

    static void <function>(const <function>_t *p, <inputs...>, T *out [, void *scratch] [, int n] [, int y])

Each input arrives as its `access` says:
    "run"        const T *x: the first input row of this call, several rows may lie behind it (contiguous)
    "taps"       const T *const *rows: one pointer for each kernel tap; a tap in the padding points at a row of the zero point
    "taps_null"  the same, but a tap in the padding is NULL
    "all"        const T *x: row 0; the whole tensor lies contiguous
`n` is given when `units` is: units(site) units an output row (pixels, elements), times the rows of this call.
`y` is given when `row` is set: the index of the first output row of this call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edgec.ir.program import Array, Site

Scalar = int | float


@dataclass(frozen=True)
class Packed:
    """What a step's C parameter struct holds.  Arrays become constants in the weights file and `const T *` fields; int -> int32_t,
    float -> float.  Field order is kept.  struct: the type of a header file of templates/isa that has these fields; "" where the kernel
    gets a type of its own."""

    fields: Mapping[str, Scalar | Array]
    struct: str = ""


@dataclass(frozen=True)
class Cost:
    """Prediction for one inference of one step."""

    instructions: float = 0.0
    cycles: float = 0.0
    flash: int = 0


def always(site: Site) -> bool:
    """Condition of the fallback kernel of a family."""
    return True


def no_variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    """Template variables of a kernel that has one form only."""
    return {}


@dataclass(frozen=True)
class Kernel:
    """name: <op>_<dtype>[_<variant>], also the template's file name kernels/<template>.c.j2.

    op: operator it computes; dtype: its output dtype ("int8", "float32", ...), or the first input's where those differ and `when` says;
    needs: target features it uses; when: which steps it serves; access: see above, one for each input (the last repeats);
    inplace: inputs whose element i may be overwritten by output element i while the call runs (same offset, same element size or smaller out);
    variant: template variables; steps with equal variants share one C function; pack: the parameter struct;
    scratch: bytes needed during the call (None: the function takes no scratch argument);
    group(site, alone, several): rows a call makes, in place of rows_per_call (0: all); alone: the step is a segment of its own, its rows
    lie contiguous; several: more than the fewest are wanted if that is faster, though it costs RAM;
    large: it spends flash or scratch for speed and is taken only where that is asked for;
    headers: files of templates/isa that its C needs beside those of the target, pasted once: "name" or "name variable=number ...";
    cost: what one inference of the step takes when a call makes step.group rows;
    priority: kernels of a higher one are preferred, whatever their module's name (wider instruction sets);
    behind: bytes behind an input that must be readable, whatever they hold (whole vectors are loaded);
    block: how much of each size of the layer it computes together, where a rest costs as much as a block: outputs (of a group), inputs
    (of a pixel and group), window (inputs of an output), run (of them side by side), pixels (dense: of a call, else of a row), rows,
    channels.
    """

    name: str
    op: str
    template: str
    pack: Callable[[Site], Packed]
    needs: frozenset[str] = frozenset()
    when: Callable[[Site], bool] = always
    access: tuple[str, ...] = ("run",)
    units: Callable[[Site], int] | None = None
    row: bool = False
    rows_per_call: int = 1
    group: Callable[[Site, bool, bool], int] | None = None
    inplace: tuple[int, ...] = ()
    variant: Callable[[Site], Mapping[str, Scalar | str | bool]] = no_variant
    scratch: Callable[[Site], int] | None = None
    large: bool = False
    headers: Callable[[Site], tuple[str, ...]] = lambda site: ()
    cost: Callable[[Site], Cost] = field(default=lambda site: Cost())
    priority: int = 0
    behind: int = 0
    block: Callable[[Site], Mapping[str, int]] = lambda site: {}

    def access_of(self, index: int) -> str:
        return self.access[min(index, len(self.access) - 1)]
