"""Lowers one ONNX node through its page with the real lowering context, and runs the steps: reference, interpreter,
host C."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgec.ir.program import Array, Buffer, Port, Program, Quant, default_rows
from edgec.lower.context import Context
from edgec.ops.base import Tensor
from edgec.ops.registry import by_onnx
from tests.ops.harness import run_program
from tests.ops.stub import Unit, rows_alone


@dataclass
class Operand:
    """An activation or a constant of a node.  value: logical order; quant: int8 meaning; perm: how an activation is
    stored."""

    value: Array
    quant: Quant | None = None
    perm: tuple[int, ...] | None = None
    const: bool = False
    scales: Array | None = None
    axis: int = 0


def _tensor(ctx: Context, name: str, given: Operand) -> Tensor:
    shape, dtype = given.value.shape, str(given.value.dtype)
    if given.const:
        scales, zeros = given.scales, None if given.scales is None else np.zeros(given.scales.size, np.int32)
        if given.quant is not None:
            scales = np.array([given.quant.scale], np.float32)
            zeros = np.array([given.quant.zero_point], np.int32)
        return Tensor(name, shape, dtype, tuple(range(len(shape))), "", None, given.value, scales, zeros, given.axis)
    perm = given.perm or tuple(range(len(shape)))
    physical = tuple(shape[p] for p in perm)
    ctx.add_buffer(Buffer(name, dtype, physical, default_rows(physical), quant=given.quant))
    return Tensor(name, shape, dtype, perm, name, given.quant)


def node_program(
    op_type: str,
    operands: Sequence[Operand | None],
    out_shape: tuple[int, ...],
    quant: Quant | None = None,
    attrs: Mapping[str, Any] | None = None,
    lower: Any = None,
    **fused: Any,
) -> tuple[Program, dict[str, Array], Tensor]:
    """The node lowered: its program, whose output is `y`, the operands as its inputs hold them, and what it makes."""
    ctx = Context()
    tensors = [None if o is None else _tensor(ctx, f"x{i}", o) for i, o in enumerate(operands)]
    unit = Unit("node", op_type, attrs or {}, tensors, "y", out_shape, quant, **fused)
    made = (lower or by_onnx()[op_type].lower)(unit, ctx)
    if quant is not None and made.quant != quant:
        made = ctx.requantized(made, quant)
    assert made.shape == out_shape
    active = [
        (t, o) for t, o in zip(tensors, operands, strict=True) if t is not None and o is not None and not t.is_const
    ]
    ports = tuple(Port(t.buffer, t.buffer, t.physical) for t, _ in active)
    program = Program(
        "net", tuple(ctx.buffers.values()), tuple(ctx.steps), ports, (Port("y", made.buffer, made.physical),)
    )
    return program, {t.buffer: np.ascontiguousarray(np.transpose(o.value, t.perm)) for t, o in active}, made


def run_node(
    op_type: str,
    operands: Sequence[Operand | None],
    out_shape: tuple[int, ...],
    quant: Quant | None = None,
    attrs: Mapping[str, Any] | None = None,
    compiled: bool = True,
    lower: Any = None,
    features: frozenset[str] = frozenset(),
    **fused: Any,
) -> tuple[Array, Program]:
    """The node's result in logical order and the program.  compiled: through interpreter and sanitized host C as
    well."""
    program, sample, made = node_program(op_type, operands, out_shape, quant, attrs, lower, **fused)
    found = rows_alone(program, sample)[made.buffer].reshape(made.physical)
    if compiled:
        twice = run_program(program, [sample], features)[0]["y"]
        if found.dtype == np.float32:
            np.testing.assert_allclose(twice, found, rtol=1e-4, atol=1e-5)
        else:
            np.testing.assert_array_equal(twice, found)
    return np.transpose(found, np.argsort(made.perm)), program


def exact_share(ours: Array, real: Array, quant: Quant) -> tuple[int, float]:
    """Largest difference in LSB from the real result rounded, and the share that is identical, exact ties apart."""
    scaled = real.astype(np.float64) / quant.scale
    wanted = np.clip(np.floor(scaled + 0.5) + quant.zero_point, -128, 127)
    ties = np.abs(scaled - np.floor(scaled) - 0.5) < 1e-6
    off = np.abs(ours.astype(np.int64) - wanted)
    return int(off.max(initial=0)), float(np.mean((off == 0) | ties))
