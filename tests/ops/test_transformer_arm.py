"""The steps of a transformer on the emulated Cortex-M cores and on the host: one program of every kernel and of odd shapes, the
interpreter's bytes everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from edgec.ir.program import Array, Place, Port, Program, Quant
from edgec.lower import lower
from edgec.ops.matmul import lower_matmul
from edgec.quant import QuantOptions, quantize
from edgec.target import Target, load_target
from tests.ops.arm import check_on, emulated, step_by_step
from tests.ops.harness import run_program
from tests.ops.page_bench import Operand, run_node
from tests.quant.models import parse, randoms, samples

CORES = ("cortex-m0plus", "cortex-m4", "cortex-m33", "cortex-m55")
RNG = np.random.default_rng(23)


def codes(*shape: int) -> Array:
    return RNG.integers(-128, 128, shape).astype(np.int8)


def joined(programs: Sequence[Program]) -> Program:
    """Independent placed programs as one, side by side in the arena, so that they cost one compilation and one boot."""
    made = Program("net", (), (), (), (), target=programs[0].target)
    for i, program in enumerate(programs):

        def named(name: str, i: int = i) -> str:
            return f"k{i}_{name}" if name else ""

        def ports(found: Sequence[Port]) -> tuple[Port, ...]:
            return tuple(Port(named(p.name), named(p.buffer), p.shape) for p in found)

        base = (made.arena + 15) // 16 * 16
        made = made.with_(
            buffers=(
                *made.buffers,
                *(replace(b, name=named(b.name), view_of=named(b.view_of)) for b in program.buffers),
            ),
            steps=(
                *made.steps,
                *(
                    replace(s, name=named(s.name), inputs=tuple(map(named, s.inputs)), output=named(s.output))
                    for s in program.steps
                ),
            ),
            inputs=made.inputs + ports(program.inputs),
            outputs=made.outputs + ports(program.outputs),
            segments=(
                *made.segments,
                *(
                    replace(
                        s,
                        steps=tuple(map(named, s.steps)),
                        scratch_offset=s.scratch_offset + base if s.scratch_offset >= 0 else -1,
                    )
                    for s in program.segments
                ),
            ),
            places=(
                *made.places,
                *(Place(named(p.buffer), p.offset + base, tuple(map(named, p.over))) for p in program.places),
            ),
            arena=base + program.arena,
        )
    return made


def product(
    k: int, n: int, rows: int, turned: bool, zeros: tuple[int, int], scale: float, lo: float | None = None
) -> Program:
    """[2, rows, k] x [2, k, n]; scale: of the result, in steps of the usual one."""
    a, b = (
        Operand(codes(2, rows, k), Quant(0.02, zeros[0])),
        Operand(codes(2, k, n), Quant(0.05, zeros[1]), (0, 2, 1) if turned else None),
    )
    usual = float(np.float32(0.001 * 100 * k**0.5 * scale))
    limits = {} if lo is None else {"lo": lo}
    return run_node("MatMul", [a, b], (2, rows, n), Quant(usual, -7), lower=lower_matmul, compiled=False, **limits)[1]


def products(turned: bool) -> list[Program]:
    shapes = [(1, 1), (2, 3), (3, 5), (4, 4), (5, 6), (7, 11), (8, 2), (16, 13), (19, 8), (31, 9), (50, 16), (64, 33)]
    made = [product(k, n, 7, turned, (3, -20), 1.0) for k, n in (*shapes, (66, 270))]
    made += [product(18, 10, rows, turned, (-128, 127), scale) for rows, scale in ((1, 1.0), (2, 0.001), (5, 300.0))]
    return [*made, product(9, 6, 4, turned, (127, -128), 1.0, 0.0)]


NORMS = [(Quant(0.04, 7), Quant(0.03, -4), 1e-5, depth) for depth in (1, 3, 4, 9, 64, 65, 240)]
NORMS += [(Quant(1e-9, 0), Quant(0.5, 3), 1e-3, 21), (Quant(25.0, -128), Quant(0.0004, 127), 0.0, 37)]


def norms() -> list[Program]:
    """Layers and roots of mean squares, the usual ranges and the ends of them."""
    made = []
    for x, y, epsilon, depth in NORMS:
        q = Operand(codes(5, depth), x)
        gamma, beta = (Operand(RNG.normal(m, 0.7, depth).astype(np.float32), const=True) for m in (1, 0))
        operands, attrs = [q, gamma, beta], {"epsilon": epsilon}
        made.append(run_node("LayerNormalization", operands, q.value.shape, y, attrs, compiled=False)[1])
        made.append(run_node("RMSNormalization", [q, gamma], q.value.shape, y, attrs, compiled=False, lo=-1.0)[1])
    return made


def group_norms() -> list[Program]:
    made = []
    for channels, groups, size in ((6, 3, (5, 3)), (7, 1, (3, 3)), (10, 5, (1, 7)), (5, 5, (2, 2))):
        x = Operand(codes(1, channels, *size), Quant(0.04, 7), (0, 2, 3, 1))
        gamma, beta = (Operand(RNG.normal(m, 0.7, channels).astype(np.float32), const=True) for m in (1, 0))
        attrs = {"num_groups": groups, "epsilon": 1e-5}
        y = Quant(0.03, -4)
        made.append(run_node("GroupNormalization", [x, gamma, beta], x.value.shape, y, attrs, compiled=False)[1])
    return made


def softmaxes(op: str) -> list[Program]:
    """Also one whose reciprocal needs all 32 bits, a factor just under 2^31; and inputs that hardly differ, or by thousands."""
    usual = [
        (d, Quant(scale, 3), Quant(1 / 256, zero))
        for d in (1, 3, 4, 13, 50, 226)
        for scale, zero in ((0.04, -128), (0.3, 5))
    ]
    made = [*usual, (64, Quant(1e-4, 0), Quant(1.0001 / 512, -100)), (31, Quant(1e-9, 0), Quant(1 / 256, -128))]
    made += [
        (30, Quant(2.0, 0), Quant(1.0001 / 64, -128)),
        (33, Quant(0.1, 0), Quant(0.01, 127)),
        (19, Quant(30.0, 9), Quant(1 / 255, -128)),
    ]
    if op == "LogSoftmax":
        made = [(d, x, Quant(0.07, 127)) for d, x, _ in made]
    return [run_node(op, [Operand(codes(6, d), x)], (6, d), y, {"axis": -1}, compiled=False)[1] for d, x, y in made]


def tables() -> list[Program]:
    """All 256 inputs of the functions transformers have, and an odd number of them."""
    made = []
    for op, approximate in (
        ("Gelu", "none"),
        ("Gelu", "tanh"),
        ("SiLU", ""),
        ("Sigmoid", ""),
        ("Tanh", ""),
        ("Erf", ""),
    ):
        for shape in ((8, 32), (3, 7)):
            x, attrs = Operand(codes(*shape), Quant(0.039, -11)), {"approximate": approximate} if approximate else {}
            made.append(run_node(op, [x], shape, Quant(0.023, 9), attrs, compiled=False)[1])
    return made


def attention(masked: bool) -> Program:
    """Two heads of width 5, seven tokens, as the quantizer writes them, in integers from input to output; masked: a causal mask."""
    made = {name: array * np.float32(0.4) for name, array in randoms(5, wq=(10, 10), wk=(10, 10), wv=(10, 10)).items()}
    model = parse(
        f"""net (float[1, 7, 10] x) => (float[1, 7, 10] y) {{
            q = MatMul (x, wq)  k = MatMul (x, wk)  v = MatMul (x, wv)
            y = Attention <q_num_heads = 2, kv_num_heads = 2, is_causal = {int(masked)}> (q, k, v)
        }}""",
        made,
        23,
    )
    found = quantize(model, samples(model, 8), QuantOptions(effort=0, equalize=False, trial_samples=8))
    program = lower(found.model, "net", True)
    assert {b.dtype for b in program.buffers} == {"int8"}
    return program


@cache
def everything() -> tuple[Program, ...]:
    return (
        *products(False), *products(True), *norms(), *group_norms(), *softmaxes("Softmax"), *softmaxes("LogSoftmax"), *tables(),
        attention(False), attention(True),
    )  # fmt: skip


def program_for(target: Target, alone: bool = True, several: bool = True) -> Program:
    return joined([step_by_step(program, target, alone, several) for program in everything()])


def inputs(program: Program) -> tuple[dict[str, Array], ...]:
    """Random values with rows of one value among them, only the two ends, and every code in order."""
    usual = {p.name: codes(*p.shape) for p in program.inputs}
    for i, value in enumerate(usual.values()):
        value.reshape(value.shape[0], -1)[0, : 1 + i % 2 * 1000] = -128
    ends = {name: np.where(x >= 0, np.int8(127), np.int8(-128)) for name, x in usual.items()}
    order = {name: (np.arange(x.size) % 256 - 128).reshape(x.shape).astype(np.int8) for name, x in usual.items()}
    return usual, ends, order


@pytest.mark.parametrize(
    "cpu", ["cortex-m0plus", "cortex-m4", pytest.param("cortex-m33", marks=pytest.mark.slow), "cortex-m55"]
)
def test_the_emulated_core_gives_the_interpreters_bytes(tmp_path: Path, cpu: str) -> None:
    target = emulated(cpu)
    program = program_for(target)
    check_on(target, tmp_path / "net", program, inputs(program))


@pytest.mark.slow
@pytest.mark.parametrize("several", [True, False])
@pytest.mark.parametrize("cpu", CORES)
def test_the_emulated_core_in_calls_of_few_rows(tmp_path: Path, cpu: str, several: bool) -> None:
    target = emulated(cpu)
    program = program_for(target, False, several)
    check_on(target, tmp_path / "net", program, inputs(program))


@pytest.mark.parametrize("cpu", ["host", pytest.param("cortex-m4", marks=pytest.mark.slow)])
def test_the_host_gives_the_interpreters_bytes(cpu: str) -> None:
    """Under sanitizers; also the C forms of the kernels with DSP instructions."""
    target = load_target(cpu)
    program = program_for(target)
    run_program(program, inputs(program), target.isa, planned=True)
