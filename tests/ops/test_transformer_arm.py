"""matmul, layernorm and softmax on the emulated Cortex-M: the assembly gives the interpreter's bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgec.ir.interp import Interpreter
from edgec.ir.program import Port, Program, Quant
from edgec.ops.matmul import lower_matmul
from edgec.target import load_target
from tests.ops.harness import references
from tests.ops.page_bench import Operand, run_node
from tests.ops.test_convolutions_arm import package_and_run

RNG = np.random.default_rng(23)


def codes(*shape: int) -> np.ndarray:  # type: ignore[type-arg]
    return RNG.integers(-128, 128, shape).astype(np.int8)


def joined(programs: Sequence[Program]) -> Program:
    """Independent programs as one, so that they cost one compilation."""
    made = Program("net", (), (), (), ())
    for i, program in enumerate(programs):

        def named(name: str, i: int = i) -> str:
            return f"k{i}_{name}" if name else ""

        buffers = tuple(replace(b, name=named(b.name), view_of=named(b.view_of)) for b in program.buffers)
        steps = tuple(replace(s, name=named(s.name), inputs=tuple(map(named, s.inputs)), output=named(s.output)) for s in program.steps)
        inputs, outputs = (tuple(Port(named(p.name), named(p.buffer), p.shape) for p in ports) for ports in (program.inputs, program.outputs))
        made = replace(
            made, buffers=made.buffers + buffers, steps=made.steps + steps, inputs=made.inputs + inputs, outputs=made.outputs + outputs
        )
    return made


def product(k: int, n: int, rows: int, turned: bool, zeros: tuple[int, int], scale: float, lo: float | None = None) -> Program:
    """[2, rows, k] x [2, k, n]; scale: of the result, in steps of the usual one."""
    a, b = Operand(codes(2, rows, k), Quant(0.02, zeros[0])), Operand(codes(2, k, n), Quant(0.05, zeros[1]), (0, 2, 1) if turned else None)
    usual = float(np.float32(0.001 * 100 * k**0.5 * scale))
    limits = {} if lo is None else {"lo": lo}
    return run_node("MatMul", [a, b], (2, rows, n), Quant(usual, -7), lower=lower_matmul, compiled=False, **limits)[1]


def products(turned: bool) -> list[Program]:
    shapes = [(1, 1), (2, 3), (3, 5), (4, 4), (5, 6), (7, 11), (8, 2), (16, 13), (19, 8), (31, 9), (50, 16), (64, 33), (66, 270)]
    made = [product(k, n, 7, turned, (3, -20), 1.0) for k, n in shapes]
    made += [product(18, 10, rows, turned, (-128, 127), scale) for rows, scale in ((1, 1.0), (2, 0.001), (5, 300.0))]
    return [*made, product(9, 6, 4, turned, (127, -128), 1.0, 0.0)]


def norms() -> list[Program]:
    made = []
    for depth in (1, 3, 4, 9, 64, 65, 240):
        q = codes(5, depth)
        q[1], q[2], q[3, : depth // 2] = 127, -128, 1
        gamma, beta = (Operand(RNG.normal(m, 0.7, depth).astype(np.float32), const=True) for m in (1, 0))
        x, y = Operand(q, Quant(0.04, 7)), Quant(0.03, -4)
        made.append(run_node("LayerNormalization", [x, gamma, beta], q.shape, y, {"epsilon": 1e-5}, compiled=False)[1])
        made.append(run_node("RMSNormalization", [x, gamma], q.shape, y, {"epsilon": 1e-6}, compiled=False, lo=-1.0)[1])
    return made


def softmaxes() -> list[Program]:
    """Also one whose reciprocal needs all 32 bits: a factor just under 2^31."""
    usual = [(depth, Quant(scale, 3), Quant(1 / 256, zero)) for depth in (1, 3, 4, 13, 50, 226) for scale, zero in ((0.04, -128), (0.3, 5))]
    made = [*usual, (64, Quant(1e-4, 0), Quant(1.0001 / 512, -100))]
    made += [(30, Quant(2.0, 0), Quant(1.0001 / 64, -128)), (33, Quant(0.1, 0), Quant(0.01, 127))]
    return [run_node("Softmax", [Operand(codes(6, d), x)], (6, d), y, {"axis": -1}, compiled=False)[1] for d, x, y in made]


@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m33"])
@pytest.mark.parametrize("kind", ["matmul", "matmul turned", "norm", "softmax"])
def test_the_emulated_cortex_m_gives_the_interpreters_bytes(tmp_path: Path, cpu: str, kind: str) -> None:
    cases = norms() if kind == "norm" else softmaxes() if kind == "softmax" else products(kind != "matmul")
    program = joined(cases)
    sample = {p.name: codes(*p.shape) for p in program.inputs}
    for i, value in enumerate(sample.values()):  # extremes in some of the rows
        value.reshape(value.shape[0], -1)[0, : 1 + i % 2 * 1000] = -128
    got, placed = package_and_run(tmp_path, program, sample, load_target(cpu))
    want = Interpreter(placed, references()).run(sample)  # type: ignore[arg-type]
    assert got == b"".join(want[p.name].tobytes() for p in placed.outputs)
