"""What operator pages are given while a model is lowered: implements ops.base.Lowering by appending buffers and steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from edgec.arithmetic import quantize
from edgec.errors import UnsupportedError
from edgec.ir.program import Array, Attr, Buffer, Origin, Quant, Step, default_rows
from edgec.ir.reach import Reach, Run
from edgec.ops._layout import view_perm
from edgec.ops.base import Tensor, Unit
from edgec.ops.borders import rescaling
from edgec.ops.movement import permute_args


class Context:
    """Collects the program.  origin: ONNX value that the unit being lowered stands for in a comparison with onnxruntime."""

    def __init__(self) -> None:
        self.buffers: dict[str, Buffer] = {}
        self.steps: list[Step] = []
        self.origin = ""
        self.node = ""

    # -- storage ----------------------------------------------------------------------------------------------------------------

    def add_buffer(self, buffer: Buffer) -> Buffer:
        self.buffers[buffer.name] = buffer
        return buffer

    def base(self, name: str) -> str:
        view = self.buffers[name].view_of
        return self.base(view) if view else name

    def _see(self, tensor: Tensor, shape: tuple[int, ...], perm: tuple[int, ...], name: str) -> Tensor:
        """The same bytes under another logical shape and axis order."""
        seen = replace(tensor, name=name, shape=shape, perm=perm)
        known = self.buffers[tensor.buffer]
        if seen.physical == known.shape:
            return seen
        base = self.base(tensor.buffer)
        if seen.physical == self.buffers[base].shape:
            return replace(seen, buffer=base)
        view = f"{base}_v{sum(1 for b in self.buffers.values() if b.view_of == base)}"
        self.add_buffer(
            Buffer(view, known.dtype, seen.physical, default_rows(seen.physical), quant=known.quant, view_of=base)
        )
        return replace(seen, buffer=view)

    def physical(self, tensor: Tensor, perm: tuple[int, ...]) -> Tensor:
        """The same value stored in that axis order."""
        if tensor.perm == perm or tensor.is_const:
            return replace(tensor, perm=perm)
        if [a for a in perm if tensor.shape[a] != 1] == [a for a in tensor.perm if tensor.shape[a] != 1]:
            return self._see(tensor, tensor.shape, perm, tensor.name)
        order = tuple(tensor.perm.index(a) for a in perm)
        reach, attrs, consts = permute_args(tensor.physical, order)
        made = self.emit_raw(
            tensor.name, "permute", [tensor], tensor.shape, tensor.dtype, tensor.quant, perm, 0, [reach], attrs, consts
        )
        return replace(made, shifted=tensor.shifted)

    def view(self, tensor: Tensor, shape: tuple[int, ...], name: str) -> Tensor:
        """The same elements under another logical shape (ONNX Reshape)."""
        if tensor.is_const:
            assert tensor.const is not None
            return replace(
                tensor, name=name, shape=shape, perm=tuple(range(len(shape))), const=tensor.const.reshape(shape)
            )
        perm = view_perm(tensor.shape, tensor.perm, shape)
        if perm is None:
            tensor = self.physical(tensor, tuple(range(len(tensor.shape))))
            perm = tuple(range(len(shape)))
        return self._see(tensor, shape, perm, name)

    def stored(self, tensor: Tensor) -> Tensor:
        """A constant as a buffer, written by a `constant` step."""
        if not tensor.is_const:
            return tensor
        assert tensor.const is not None
        value, quant = tensor.const, tensor.quant
        if tensor.scales is not None and tensor.zero_points is not None:
            if tensor.scales.size != 1 or value.dtype not in (np.int8, np.uint8, np.int16):
                value, quant = tensor.real(), None
            else:
                zero = int(tensor.zero_points.reshape(-1)[0])
                if value.dtype == np.uint8:
                    value, zero = (value.astype(np.int16) - 128).astype(np.int8), zero - 128
                quant = Quant(float(tensor.scales.reshape(-1)[0]), zero, 8 * value.dtype.itemsize)
        dtype = str(value.dtype)
        physical = np.ascontiguousarray(value.transpose(tensor.perm)) if value.ndim else value
        return self.emit_raw(
            tensor.name,
            "constant",
            [],
            tensor.shape,
            dtype,
            quant,
            tensor.perm,
            0,
            [],
            consts={"value": physical.reshape(-1)},
        )

    # -- number formats ---------------------------------------------------------------------------------------------------------

    def as_float(self, tensor: Tensor) -> Tensor:
        """The value as float32: constants at compile time, stored ones by a dequantize step."""
        if tensor.is_const:
            return replace(tensor, const=tensor.real(), dtype="float32", quant=None, scales=None, zero_points=None)
        if tensor.quant is None:
            return tensor
        attrs = {"scale": tensor.quant.scale, "zx": tensor.quant.zero_point}
        return self.elementwise(tensor, "dequantize", "float32", None, attrs)

    def requantized(self, tensor: Tensor, quant: Quant) -> Tensor:
        """The value as integers of that quantization: itself, a quantize step, or a requantize step."""
        if tensor.is_const:
            q = quantize(tensor.real(), quant.scale, quant.zero_point, quant.dtype)
            scale, zero = np.array([quant.scale], np.float32), np.array([quant.zero_point], np.int32)
            return replace(tensor, const=q, dtype=quant.dtype, scales=scale, zero_points=zero, axis=0)
        if tensor.quant == quant:
            return tensor
        if tensor.quant is None:
            attrs: dict[str, Attr] = {"scale": quant.scale, "zy": quant.zero_point}
            return self.elementwise(tensor, "quantize", quant.dtype, quant, attrs)
        if 16 in (tensor.quant.bits, quant.bits):
            attrs = rescaling(tensor.quant, quant, quant.lowest, quant.highest)
        else:
            attrs = {"sx": tensor.quant.scale, "zx": tensor.quant.zero_point, "sy": quant.scale, "zy": quant.zero_point}
        return self.elementwise(tensor, "requantize", quant.dtype, quant, attrs)

    def elementwise(
        self, tensor: Tensor, op: str, dtype: str, quant: Quant | None, attrs: Mapping[str, Attr]
    ) -> Tensor:
        """One elementwise step on a stored tensor, same shape and axis order."""
        rows = self.buffers[tensor.buffer].rows
        made = self.emit_raw(
            tensor.name, op, [tensor], tensor.shape, dtype, quant, tensor.perm, rows, [Run(rows)], attrs
        )
        return replace(made, shifted=tensor.shifted)

    # -- steps ------------------------------------------------------------------------------------------------------------------

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
        """Adds the step that makes the unit's output."""
        real = any(tensor.dtype == "float32" for tensor in inputs)  # float in, float out: lowering quantizes behind it
        dtype, quant = (unit.quant.dtype, unit.quant) if unit.quant is not None and not real else ("float32", None)
        if like is not None:
            dtype, quant = like.dtype, like.quant
        self.origin = getattr(unit, "origin", "") if quant == unit.quant else ""
        made = self.emit_raw(unit.out_name, op, inputs, unit.out_shape, dtype, quant, perm, rows, reach, attrs, consts)
        return replace(made, shifted=like.shifted) if like is not None else made

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
        """Adds a step that makes an intermediate value."""
        physical = tuple(shape[a] for a in perm)
        index = len(self.steps)
        origin = Origin(self.origin, perm) if self.origin else None
        self.origin = ""
        buffer = Buffer(f"t{index}", dtype, physical, rows or default_rows(physical), quant=quant, origin=origin)
        self.add_buffer(buffer)
        names = tuple(t.buffer for t in inputs)
        self.steps.append(
            Step(
                f"{op}_{index}",
                op,
                names,
                buffer.name,
                tuple(reach),
                dict(attrs or {}),
                dict(consts or {}),
                node=self.node,
            )
        )
        return Tensor(name, shape, dtype, perm, buffer.name, quant)

    def unsupported(self, unit: Unit, reason: str) -> Exception:
        """The error for a unit that no page can take."""
        return UnsupportedError(
            f"node {unit.node_name!r} ({unit.op_type}): {reason}",
            "`edgec ops` lists what is supported; `edgec analyze` lists every unsupported node of the model",
            ((unit.node_name, unit.op_type, reason),),
        )
