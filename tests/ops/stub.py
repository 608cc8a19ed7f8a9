"""A lowering of single nodes for tests of operator pages: builds a Program from one unit, with permutes and views."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from edgec.errors import UnsupportedError
from edgec.ir.program import Array, Buffer, Port, Program, Quant, Step, default_rows
from edgec.ops._layout import spread, view_perm
from edgec.ops.base import Tensor
from edgec.ops.movement import permute_args
from edgec.ops.registry import by_onnx


@dataclass
class Unit:
    node_name: str
    op_type: str
    attrs: Mapping[str, Any]
    inputs: Sequence[Tensor | None]
    out_name: str
    out_shape: tuple[int, ...]
    quant: Quant | None
    out_dtype: str = "float32"
    bias: Tensor | None = None
    lo: float = -math.inf
    hi: float = math.inf
    outputs: Sequence[tuple[str, tuple[int, ...]]] = ()
    output_quants: Sequence[Quant | None] = ()
    used: Sequence[bool] = ()


@dataclass
class Stub:
    """Implements the Lowering protocol as far as pools, reductions, resize and data movement need it."""

    buffers: dict[str, Buffer] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    def source(
        self, name: str, shape: tuple[int, ...], dtype: str, quant: Quant | None, perm: tuple[int, ...]
    ) -> Tensor:
        physical = spread(shape, perm)
        self.buffers[name] = Buffer(name, dtype, physical, default_rows(physical), quant=quant)
        return Tensor(name, shape, dtype, perm, name, quant)

    def physical(self, tensor: Tensor, perm: tuple[int, ...]) -> Tensor:
        if tensor.perm == perm:
            return tensor
        if [a for a in tensor.perm if tensor.shape[a] != 1] == [a for a in perm if tensor.shape[a] != 1]:
            return self.alias(tensor, tensor.shape, perm, f"{tensor.buffer}_v{len(self.buffers)}")
        order = tuple(tensor.perm.index(a) for a in perm)
        reach, attrs, consts = permute_args(tensor.physical, order)
        name = f"{tensor.buffer}_p{len(self.buffers)}"
        rows = default_rows(spread(tensor.shape, perm))
        return self.emit_raw(
            name, "permute", [tensor], tensor.shape, tensor.dtype, tensor.quant, perm, rows, [reach], attrs, consts
        )

    def alias(self, tensor: Tensor, shape: tuple[int, ...], perm: tuple[int, ...], name: str) -> Tensor:
        physical = spread(shape, perm)
        self.buffers[name] = Buffer(
            name, tensor.dtype, physical, default_rows(physical), quant=tensor.quant, view_of=tensor.buffer
        )
        return replace(tensor, name=name, shape=shape, perm=perm, buffer=name)

    def view(self, tensor: Tensor, shape: tuple[int, ...], name: str) -> Tensor:
        perm = view_perm(tensor.shape, tensor.perm, shape)
        if perm is None:
            return self.view(self.physical(tensor, tuple(range(len(tensor.shape)))), shape, name)
        return self.alias(tensor, shape, perm, name)

    def stored(self, tensor: Tensor) -> Tensor:
        assert not tensor.is_const
        return tensor

    def as_float(self, tensor: Tensor) -> Tensor:
        assert tensor.quant is None
        return tensor

    def requantized(self, tensor: Tensor, quant: Quant) -> Tensor:
        assert tensor.quant == quant
        return tensor

    def emit(
        self,
        unit: Unit,
        op: str,
        inputs: Sequence[Tensor],
        perm: tuple[int, ...],
        rows: int,
        reach: Any,
        attrs: Any = None,
        consts: Any = None,
        like: Tensor | None = None,
    ) -> Tensor:
        dtype, quant = (like.dtype, like.quant) if like else (unit.quant.dtype if unit.quant else "float32", unit.quant)
        return self.emit_raw(unit.out_name, op, inputs, unit.out_shape, dtype, quant, perm, rows, reach, attrs, consts)

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
        reach: Any,
        attrs: Any = None,
        consts: Any = None,
    ) -> Tensor:
        physical = spread(shape, perm)
        assert rows == default_rows(physical)
        assert all(getattr(r, "height", 0) <= self.buffers[t.buffer].rows for r, t in zip(reach, inputs, strict=True))
        self.buffers[name] = Buffer(name, dtype, physical, rows, quant=quant)
        step = Step(
            f"s{len(self.steps)}_{op}",
            op,
            tuple(t.buffer for t in inputs),
            name,
            tuple(reach),
            attrs or {},
            consts or {},
            node=name,
        )
        self.steps.append(step)
        return Tensor(name, shape, dtype, perm, name, quant)

    def unsupported(self, unit: Unit, reason: str) -> Exception:
        return UnsupportedError(reason, "see `edgec ops`")


def const(value: Any, dtype: str = "int64") -> Tensor:
    """A constant operand."""
    array = np.asarray(value, dtype)
    return Tensor("k", array.shape, dtype, tuple(range(array.ndim)), const=array)


@dataclass
class Case:
    """One node lowered: its program, and how to bring arrays in and out of it in logical order."""

    program: Program
    inputs: list[Tensor]
    outputs: list[Tensor]

    def run(self, values: Sequence[Array], compiled: bool = False) -> list[Array]:
        """Outputs in logical order, from the references row by row, or from interpreter and host C as well."""
        sample = {
            t.buffer: np.ascontiguousarray(np.transpose(v, t.perm)) for t, v in zip(self.inputs, values, strict=True)
        }
        if compiled:
            from tests.ops.harness import run_program

            found = run_program(self.program, [sample])[0]
        else:
            found = rows_alone(self.program, sample)
        return [np.transpose(found[t.buffer].reshape(t.physical), np.argsort(t.perm)) for t in self.outputs]


def rows_alone(program: Program, sample: Mapping[str, Array]) -> dict[str, Array]:
    """Each output row alone, every input row it does not declare poisoned: reach is honest or this differs."""
    from edgec.ir.program import site
    from edgec.ops.registry import by_name

    held: dict[str, Array] = dict(sample)

    def bytes_of(name: str) -> Array:
        b = program.buffer(name)
        return bytes_of(b.view_of) if b.view_of else held[name].reshape(-1)

    for step in program.steps:
        at = site(program, step)
        whole = [bytes_of(b.name).reshape(b.rows, b.row_elements) for b in at.inputs]
        made = []
        for y in range(at.output.rows):
            seen = []
            for x, reach in zip(whole, step.reach, strict=True):
                first, last = reach.rows(y)
                poisoned = np.full_like(x, 77)
                poisoned[first : last + 1] = x[first : last + 1]
                seen.append(poisoned)
            made.append(np.asarray(by_name()[step.op].reference(at, y, y + 1, seen)).reshape(-1))
        held[step.output] = np.stack(made)
        assert held[step.output].dtype == at.output.dtype
        together = np.asarray(by_name()[step.op].reference(at, 0, at.output.rows, whole)).reshape(
            held[step.output].shape
        )
        np.testing.assert_array_equal(together, held[step.output])
    return {p.buffer: bytes_of(p.buffer) for p in program.outputs}


def lower(
    op_type: str,
    inputs: Sequence[tuple[tuple[int, ...], Quant | None, tuple[int, ...]] | Tensor | None],
    out_shapes: Sequence[tuple[int, ...]],
    attrs: Mapping[str, Any] | None = None,
    quant: Quant | None = None,
    dtype: str = "int8",
    **fused: float,
) -> Case:
    """One node through its page.  inputs: (logical shape, quant, perm) of an activation, a constant, or None."""
    ctx = Stub()
    tensors: list[Tensor | None] = []
    for i, given in enumerate(inputs):
        if given is None or isinstance(given, Tensor):
            tensors.append(given)
        else:
            shape, q, perm = given
            stored = q.dtype if q and dtype == "int8" else dtype
            tensors.append(
                ctx.source(f"x{i}", shape, stored if q else "float32" if dtype == "int8" else dtype, q, perm)
            )
    outputs = [(f"y{i}", s) for i, s in enumerate(out_shapes)]
    unit = Unit("node", op_type, attrs or {}, tensors, "y0", out_shapes[0], quant, outputs=outputs, **fused)
    page = by_onnx()[op_type]
    made = page.lower_all(unit, ctx) if len(outputs) > 1 else [page.lower(unit, ctx)]  # type: ignore[arg-type]
    assert [t.shape for t in made] == list(out_shapes)
    active = [t for t in tensors if t is not None and not t.is_const]
    ports = tuple(Port(t.buffer, t.buffer, t.physical) for t in active)
    ends = tuple(Port(t.buffer, t.buffer, t.physical) for t in made)
    return Case(Program("net", tuple(ctx.buffers.values()), tuple(ctx.steps), ports, ends), active, made)
