"""What an operator page answers, and what lowering offers it.

A page is a module of this package with `OPS`, a tuple of Op instances.  It answers: which ONNX nodes it takes (`onnx`), how they become
steps (`lower`), what they mean (`reference`, integers in, integers out), how much work they are (`macs`), how value intervals pass
through (`intervals`, for constant channels).  Which rows an output row needs is in the Reach objects `lower` gives to the step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from edgec.ir.program import Array, Attr, Quant, Site
from edgec.ir.reach import Reach


@dataclass(frozen=True)
class Tensor:
    """An ONNX value as lowering sees it.

    shape: logical ONNX shape (static); perm: physical axis i of the stored buffer holds logical axis perm[i]; buffer: "" for constants;
    dtype: of the stored elements; quant: set if the stored int8 or int16 stand for a float value (the float value itself was never stored);
    const: the constant's array in logical order (stored integers if it is quantized), else None; const scales may be per axis;
    shifted: the ONNX value is uint8, stored as int8 less 128 (quant and stored elements already agree).
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    perm: tuple[int, ...]
    buffer: str = ""
    quant: Quant | None = None
    const: Array | None = None
    scales: Array | None = None
    zero_points: Array | None = None
    axis: int = 0
    shifted: bool = False

    @property
    def is_const(self) -> bool:
        return self.const is not None

    @property
    def physical(self) -> tuple[int, ...]:
        """Stored shape."""
        return tuple(self.shape[a] for a in self.perm)

    @property
    def is_quantized(self) -> bool:
        """Stored as integers that stand for real values."""
        return self.quant is not None or self.scales is not None

    def real(self) -> Array:
        """A constant's real values, float32, logical order."""
        assert self.const is not None
        if self.scales is None or self.zero_points is None:
            return np.asarray(self.const, np.float32)
        along = [1] * self.const.ndim
        if self.scales.size > 1:
            along[self.axis] = self.scales.size
        shifted = self.const.astype(np.int64) - self.zero_points.astype(np.int64).reshape(along)
        return (shifted.astype(np.float32) * self.scales.astype(np.float32).reshape(along)).astype(np.float32)


def is_quantized(unit: Unit) -> bool:
    """Whether a unit can be computed in integers of 8 or 16 bits: its result and every operand are quantized."""
    return unit.quant is not None and all(t is None or t.is_quantized for t in unit.inputs)


class Unit(Protocol):
    """One ONNX operator with what was fused to it.

    node_name, op_type: of the core node; attrs: its attributes as Python values; inputs: its operands (None where an optional one is absent);
    bias: a constant Add absorbed behind Conv/Gemm/MatMul, or None; lo, hi: clamp of the real result (-inf/inf), from Relu/Clip behind;
    out_name, out_shape: the ONNX value it makes; quant: quantization of that value (None: float result); outputs: (name, shape) of every
    output of the node (operators with several); output_quants: their quantizations; used: which of them anything reads.
    """

    @property
    def node_name(self) -> str: ...
    @property
    def op_type(self) -> str: ...
    @property
    def attrs(self) -> Mapping[str, Any]: ...
    @property
    def inputs(self) -> Sequence[Tensor | None]: ...
    @property
    def bias(self) -> Tensor | None: ...
    @property
    def lo(self) -> float: ...
    @property
    def hi(self) -> float: ...
    @property
    def out_name(self) -> str: ...
    @property
    def out_shape(self) -> tuple[int, ...]: ...
    @property
    def quant(self) -> Quant | None: ...
    @property
    def out_dtype(self) -> str: ...
    @property
    def outputs(self) -> Sequence[tuple[str, tuple[int, ...]]]: ...
    @property
    def output_quants(self) -> Sequence[Quant | None]: ...
    @property
    def used(self) -> Sequence[bool]: ...


class Lowering(Protocol):
    """What a page may ask while it lowers a unit."""

    def physical(self, tensor: Tensor, perm: tuple[int, ...]) -> Tensor:
        """The same value stored in that axis order: itself, a free view where only unit axes move, or a transposed copy."""

    def stored(self, tensor: Tensor) -> Tensor:
        """A constant activation operand materialised: as a buffer made by a `constant` step; other tensors unchanged."""

    def view(self, tensor: Tensor, shape: tuple[int, ...], name: str) -> Tensor:
        """The same bytes under another logical shape (reshape); copies first only where the stored order does not survive it."""

    def requantized(self, tensor: Tensor, quant: Quant) -> Tensor:
        """The value stored as integers of that quantization (itself if it already is)."""

    def as_float(self, tensor: Tensor) -> Tensor:
        """The value as stored float32 (a dequantize step for a quantized one)."""

    def emit(
        self,
        unit: Unit,
        op: str,
        inputs: Sequence[Tensor],
        perm: tuple[int, ...],
        rows: int,
        reach: Sequence[Reach],
        attrs: Mapping[str, Attr] | None = None,
        consts: Mapping[str, Array] | None = None,
        like: Tensor | None = None,
    ) -> Tensor:
        """Adds a step that makes unit's output value (shape unit.out_shape, stored in `perm` order, `rows` rows) and returns it.

        Stored as integers of unit.quant if that is set, else float32; `like`: with that tensor's dtype and quant instead (data movement,
        max pools, ...).  If that differs from what the model asks, lowering adds the requantize step by itself.
        """

    def emit_raw(
        self,
        name: str,
        op: str,
        inputs: Sequence[Tensor],
        shape: tuple[int, ...],
        dtype: str,
        quant: Quant | None,
        perm: tuple[int, ...],
        rows: int,
        reach: Sequence[Reach],
        attrs: Mapping[str, Attr] | None = None,
        consts: Mapping[str, Array] | None = None,
    ) -> Tensor:
        """The same for an intermediate value that is not the unit's output."""

    def unsupported(self, unit: Unit, reason: str) -> Exception:
        """The error to raise when a page cannot take this unit (collected and reported together)."""


class Op:
    """Base of operator pages.  name: program operator; onnx: ONNX op types taken; sixteen: it computes with int16 (lowering gives
    the others float32 in its place)."""

    name: ClassVar[str] = ""
    onnx: ClassVar[tuple[str, ...]] = ()
    sixteen: ClassVar[bool] = False

    def lower(self, unit: Unit, ctx: Lowering) -> Tensor:
        """Emits the steps of one ONNX node and returns the value they make."""
        raise NotImplementedError(self.name)

    def lower_all(self, unit: Unit, ctx: Lowering) -> list[Tensor]:
        """The same for nodes with several outputs, in their order."""
        return [self.lower(unit, ctx)]

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        """THE meaning.  Output rows y0..y1-1 as [y1-y0, row_elements] in the output's dtype.

        rows[i]: input i, [input rows, row_elements], all of them by index; only those that reach allows for y0..y1-1 may be read (the
        interpreter fills the others with poison).
        """
        raise NotImplementedError(self.name)

    def macs(self, site: Site) -> int:
        """Multiply-accumulates of one inference."""
        return 0


__all__ = ["Lowering", "Op", "Tensor", "Unit", "is_quantized"]
