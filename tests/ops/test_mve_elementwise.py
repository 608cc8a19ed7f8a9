"""Helium kernels of additions, tables and pools on the emulated Cortex-M55: the interpreter's bytes."""

from __future__ import annotations

import numpy as np

from edgec.ir.program import Quant
from edgec.ops._layout import channels_last
from edgec.schedule.pools import accumulated
from tests.ops.arm import check_on, emulated, step_by_step
from tests.ops.convolutions import merged
from tests.ops.stub import Case, lower

IMAGE = channels_last(4)


def quant(scale: float, zero: int) -> Quant:
    return Quant(float(np.float32(scale)), zero)


def one(op: str, shape: tuple[int, ...], out: tuple[int, ...], to: Quant, **attrs: object) -> Case:
    return lower(op, [(shape, quant(0.05, 7), IMAGE)], [out], attrs, to)


def pools() -> list[Case]:
    """Windows inside and across the border, global ones; channel counts around the vectors."""
    made = []
    for c in (1, 3, 4, 5, 15, 16, 17, 20, 33, 64):
        same, other = quant(0.05, 7), quant(0.031, -9)
        made.append(one("MaxPool", (1, c, 5, 7), (1, c, 2, 3), same, kernel_shape=[2, 2], strides=[2, 2]))
        made.append(one("MaxPool", (1, c, 5, 6), (1, c, 5, 6), same, kernel_shape=[3, 3], pads=[1, 1, 1, 1]))
        made.append(one("AveragePool", (1, c, 5, 7), (1, c, 2, 3), other, kernel_shape=[2, 2], strides=[2, 2]))
        made.append(one("AveragePool", (1, c, 4, 6), (1, c, 4, 6), same, kernel_shape=[3, 3], pads=[1, 1, 1, 1]))
        made.append(one("AveragePool", (1, c, 4, 5), (1, c, 1, 1), other, kernel_shape=[4, 5]))
    return made


def additions() -> list[Case]:
    made = []
    for n, c in enumerate((1, 3, 4, 5, 16, 31)):
        operands = [((1, c, 3, 5), quant(scale, zero), IMAGE) for scale, zero in ((0.05, 7), (0.02 * (n + 1), -3 * n))]
        made.append(
            lower("Add", operands, [(1, c, 3, 5)], {}, quant(0.04, 11 - 7 * n), lo=-float("inf") if n % 2 else 0.0)
        )
        made.append(lower("Sigmoid", operands[:1], [(1, c, 3, 5)], {}, quant(1 / 256, -128)))
    return made


def test_additions_tables_and_pools(tmp_path):
    target, rng = emulated("cortex-m55"), np.random.default_rng(1)
    cases = [*pools(), *additions()]
    values = [[rng.integers(-128, 128, t.shape).astype(np.int8) for t in case.inputs] for case in cases]
    program, sample = merged(cases, values)
    extremes = {name: np.where(x >= 0, np.int8(127), np.int8(-128)) for name, x in sample.items()}
    for number, whole in enumerate((program, accumulated(program))):
        placed = step_by_step(whole, target, True, True)
        found = {s.op: s.kernel for s in placed.steps}
        assert all("mve" in found[op] for op in ("add", "unary", "maxpool")), found
        assert "mve" in found["avgpool"] and (not number or "mve" in found["pool_sum"]), found
        check_on(target, tmp_path / f"net{number}", placed, [sample, extremes])
