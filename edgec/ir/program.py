"""Program: what the compiler's back half works on.  Frozen, printable (text.py), executable (interp.py).

All tensors are rows: `rows` runs of `row_elements` elements that lie one behind the other.  An image [N,H,W,C] has N*H rows of W*C
elements, a token matrix [N,D] has N rows, a vector is one row.  Buffers say how many rows are *stored*: all of them (full), the last
few (ring), or one that lives in scratch only (tile).

    Program -> Segment (a pull pipeline) -> Step (one operator) -> Buffer (rows of bytes) -> Place (offset in the one arena)

Where a target has several memories, regions cut the arena into the part that each holds; offsets count through all of them.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Any

from numpy.typing import NDArray

from edgec.ir.reach import Reach

Array = NDArray[Any]
Attr = int | float | str | bool | tuple[int, ...] | tuple[float, ...]

CONTRACT = "edgec.int8.v1"
CONTRACT_16 = f"{CONTRACT}+int16x8.v1"  # some activations in 16 bits
ITEM_BYTES = {"int8": 1, "uint8": 1, "bool": 1, "int16": 2, "int32": 4, "float32": 4, "int64": 8}


@dataclass(frozen=True)
class Quant:
    """real = scale * (q - zero_point), one pair for a whole activation tensor.  bits: 8, or 16 with zero point 0."""

    scale: float
    zero_point: int
    bits: int = 8

    @property
    def dtype(self) -> str:
        """Of the stored integers."""
        return f"int{self.bits}"

    @property
    def lowest(self) -> int:
        return -(1 << (self.bits - 1))

    @property
    def highest(self) -> int:
        return (1 << (self.bits - 1)) - 1


@dataclass(frozen=True)
class Origin:
    """Where a buffer stands in the ONNX model, so that it can be compared with onnxruntime.

    value: ONNX value name; perm: physical axis i holds logical axis perm[i]; keep: the channels (last physical axis) that are kept,
    empty for all.
    """

    value: str
    perm: tuple[int, ...] = ()
    keep: tuple[int, ...] = ()


@dataclass(frozen=True)
class Buffer:
    """One tensor.  shape: physical, channels last; rows * row_elements == prod(shape).  stored: rows kept (0 = all);
    shift: row r of a ring lies at r + shift modulo stored.

    view_of: the buffer whose bytes this one is, seen with another shape (a reshape costs nothing); "" for a buffer of its own.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    rows: int
    stored: int = 0
    tile: bool = False
    quant: Quant | None = None
    origin: Origin | None = None
    view_of: str = ""
    shift: int = 0

    @cached_property
    def elements(self) -> int:
        return prod(self.shape)

    @cached_property
    def row_elements(self) -> int:
        return self.elements // self.rows if self.rows else 0

    @cached_property
    def row_bytes(self) -> int:
        return self.row_elements * ITEM_BYTES[self.dtype]

    @property
    def stored_rows(self) -> int:
        return 1 if self.tile else (self.stored or self.rows)

    @property
    def bytes(self) -> int:
        """Bytes the buffer occupies where it is stored (arena, or scratch for a tile)."""
        return self.stored_rows * self.row_bytes

    @property
    def is_full(self) -> bool:
        return not self.tile and self.stored_rows >= self.rows


@dataclass(frozen=True)
class Step:
    """One operator application that makes one buffer.

    op: name of an operator page; reach[i]: rows of inputs[i] that an output row needs; attrs and consts: all its numbers, final.
    kernel: name of the chosen kernel ("" before selection); group: output rows a call makes (0: all in one call); shift: rows that the
    first call makes fewer (the others then begin so many rows earlier; pipelines of full buffers have none); inplace: inputs whose
    element i the kernel lets output element i overwrite; scratch: bytes its kernel needs during a call; node: name of the ONNX node it comes from.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    output: str
    reach: tuple[Reach, ...]
    attrs: Mapping[str, Attr] = field(default_factory=dict)
    consts: Mapping[str, Array] = field(default_factory=dict)
    kernel: str = ""
    group: int = 1
    inplace: tuple[int, ...] = ()
    scratch: int = 0
    node: str = ""
    shift: int = 0


@dataclass(frozen=True)
class Segment:
    """A chain of steps executed as a pull pipeline; a single step is layer-by-layer execution.

    scratch: bytes its kernels and tiles need while it runs; scratch_offset: where in the arena, or -1 for the separate scratch array;
    reverse: rows are made from the last to the first, so that an output may lie over the far end of its input;
    push: the model input arrives row by row, and after each row every step makes what it can (the first segment only).
    """

    steps: tuple[str, ...]
    scratch: int = 0
    scratch_offset: int = -1
    reverse: bool = False
    push: bool = False


@dataclass(frozen=True)
class Place:
    """A buffer's offset in the arena; over: the buffers whose bytes it is meant to overwrite while they are read (trails)."""

    buffer: str
    offset: int
    over: tuple[str, ...] = ()


@dataclass(frozen=True)
class Region:
    """The part of the arena that one memory of the target holds: `bytes` bytes from offset `start` on.  No buffer lies across its ends."""

    name: str
    start: int
    bytes: int

    @property
    def end(self) -> int:
        return self.start + self.bytes

    def holds(self, first: int, end: int) -> bool:
        """Whether bytes first..end-1 of the arena all lie here."""
        return self.start <= first and end <= self.end


@dataclass(frozen=True)
class Port:
    """A model input or output: its ONNX name, its buffer, its ONNX shape (axes in the order of the buffer where its origin turns them)."""

    name: str
    buffer: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class State:
    """What the library keeps between runs, outside the arena: a run begins with it in the buffer of `input` and keeps what it leaves
    in the buffer of `output`, as many bytes of the same meaning.  A reset makes every number zero."""

    input: Port
    output: Port


@dataclass(frozen=True)
class Program:
    """A whole model below the line.  arena, scratch: bytes (0 before placement); states: ports that no caller sees; regions: how the
    arena is cut, fastest memory first; () where all of it lies in the target's first memory."""

    name: str
    buffers: tuple[Buffer, ...]
    steps: tuple[Step, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    segments: tuple[Segment, ...] = ()
    places: tuple[Place, ...] = ()
    arena: int = 0
    scratch: int = 0
    target: str = ""
    contract: str = CONTRACT
    states: tuple[State, ...] = ()
    regions: tuple[Region, ...] = ()

    def buffer(self, name: str) -> Buffer:
        """The buffer of that name; KeyError if there is none."""
        return self.by_name[name]

    def base(self, name: str) -> Buffer:
        """The buffer that owns the bytes of `name` (itself, unless it is a view)."""
        found = self.by_name[name]
        return self.base(found.view_of) if found.view_of else found

    @property
    def entries(self) -> tuple[Port, ...]:
        """Ports that hold their values before the first step: inputs and states."""
        return (*self.inputs, *(state.input for state in self.states))

    @property
    def exits(self) -> tuple[Port, ...]:
        """Ports that must hold their values behind the last step: outputs and states."""
        return (*self.outputs, *(state.output for state in self.states))

    @property
    def state_bytes(self) -> int:
        """RAM of the states, beside the arena."""
        return sum(self.by_name[state.input.buffer].bytes for state in self.states)

    @cached_property
    def parts(self) -> tuple[Region, ...]:
        """The regions; where there is but the one memory, the whole arena without a name."""
        return self.regions or (Region("", 0, self.arena),)

    def region_at(self, offset: int) -> Region:
        """The region that an offset in the arena lies in; ValueError where it is in none."""
        for region in self.parts:
            if region.start <= offset < region.end:
                return region
        raise ValueError(f"offset {offset} leaves the arena of {self.arena} bytes")

    @cached_property
    def by_name(self) -> dict[str, Buffer]:
        return {b.name: b for b in self.buffers}

    @cached_property
    def step_by_name(self) -> dict[str, Step]:
        return {s.name: s for s in self.steps}

    @cached_property
    def offsets(self) -> dict[str, int]:
        return {p.buffer: p.offset for p in self.places}

    def with_(self, **changes: Any) -> Program:
        return replace(self, **changes)


@dataclass(frozen=True)
class Site:
    """A step with its buffers at hand: what operator pages and kernels are asked about."""

    step: Step
    inputs: tuple[Buffer, ...]
    output: Buffer

    @property
    def input(self) -> Buffer:
        return self.inputs[0]

    def int(self, name: str) -> int:
        """Integer attribute `name` of the step."""
        return int(self.step.attrs[name])  # type: ignore[arg-type]

    def float(self, name: str) -> float:
        return float(self.step.attrs[name])  # type: ignore[arg-type]

    def ints(self, name: str) -> tuple[builtins.int, ...]:
        return tuple(int(v) for v in self.step.attrs[name])  # type: ignore[union-attr]

    def const(self, name: str) -> Array:
        return self.step.consts[name]


def scratch_layout(program: Program, segment: Segment) -> tuple[dict[str, int], int, int]:
    """Scratch of a segment: offsets of its tile rows, offset of the kernels' scratch behind them, total bytes.  All 8-aligned."""
    offsets: dict[str, int] = {}
    end = kernels = 0
    for name in segment.steps:
        step = program.step_by_name[name]
        output = program.by_name[step.output]
        if output.tile:
            offsets[output.name] = end
            end += (output.row_bytes + 7) // 8 * 8
        kernels = max(kernels, step.scratch)
    return offsets, end, end + (kernels + 7) // 8 * 8


def default_rows(shape: tuple[int, ...]) -> int:
    """How a physical shape is cut into rows: [C] one; [N,D] N; [N,T,D] N*T tokens; [N,H,W,C] N*H image rows; deeper: all but two axes."""
    if len(shape) < 2:
        return 1
    return prod(shape[:-1]) if len(shape) <= 3 else prod(shape[:-2])


def site(program: Program, step: Step) -> Site:
    """The step together with its input and output buffers."""
    names = program.by_name
    return Site(step, tuple(names[n] for n in step.inputs), names[step.output])
