"""Kernels of CPUs without DSP instructions: host C and the emulated Cortex-M3 and M0+ give the pages' bytes; Armv6-M code is Armv6-M only."""

from __future__ import annotations

import re
import subprocess

import numpy as np
import pytest

from edgec.emit.c import emit
from edgec.ir.program import Segment
from edgec.memory.place import place
from edgec.schedule.segment import with_rings, with_scratch
from edgec.schedule.select import select
from tests.ops.arm import check_on, emulated, step_by_step
from tests.ops.convolutions import check, conv, dense, merged
from tests.ops.harness import run_program
from tests.ops.test_convolutions import LAYERS, corner

KERNELS = {"thumb2": "v7m", "armv6m": "v6m"}
ODD = [
    *(conv(200 + w, (1, 6, 5, w), 6, (3, 3), pads=[1, 1, 1, 1], group=6) for w in range(1, 10)),
    *(conv(210 + w, (1, 4, 6, w), 4, (3, 3), pads=[1, 1, 1, 1], strides=[2, 2], group=4) for w in range(2, 12, 3)),
    conv(220, (1, 2, 3, 4), 2, (3, 3), pads=[3, 4, 3, 5], group=2),
    conv(221, (1, 5, 9, 11), 5, (1, 9), pads=[0, 4, 0, 4], strides=[1, 3], group=5),
    *(conv(230 + w, (1, 3, 4, w), 5, (3, 3), pads=[1, 1, 1, 1]) for w in range(1, 8)),
    conv(240, (1, 150, 3, 4), 6, (1, 1)),
    conv(241, (1, 96, 4, 4), 5, (3, 3), pads=[1, 1, 1, 1]),
    *(dense(250 + k, (5, k), 7) for k in (1, 2, 7, 15, 16, 17, 31, 33, 64, 65, 130)),
    *(dense(300 + k, (1, k), 9) for k in (1, 2, 3, 4, 5, 40)),
]
EDGES = ["3x3", "depthwise", "gemm"]


def program_of(layers):
    return merged([check(layer) for layer in layers], [layer.x for layer in layers])


def cases():
    """Every layer of the page tests, odd shapes, and both at the edges of the arithmetic."""
    return [*LAYERS.values(), *ODD, *(edge for name in EDGES for edge in corner(LAYERS[name]))]


@pytest.mark.parametrize("feature", KERNELS)
def test_host_c_equals_the_pages(feature):
    program, sample = program_of(cases())
    chosen = select(program, frozenset({feature}), alone=False, several=False)
    cut = chosen.with_(segments=tuple(Segment((s.name,)) for s in chosen.steps))
    placed = place(with_scratch(with_rings(cut))).program
    assert sum(KERNELS[feature] in s.kernel for s in placed.steps) > 0.8 * len(placed.steps)
    run_program(placed, [sample], frozenset({feature}), planned=True)


@pytest.mark.parametrize("alone", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("cpu", ["cortex-m3", "cortex-m0plus"])
def test_the_emulated_core_gives_the_same_bytes(tmp_path, cpu, alone):
    target = emulated(cpu)
    program, sample = program_of(cases())
    least = {key: np.full_like(x, -128) for key, x in sample.items()}
    check_on(target, tmp_path / "net", step_by_step(program, target, alone, several=False), [sample, least])


ARMV6M = set(
    "adcs add adds adr ands asrs b beq bics bkpt bl blx bne bcs bcc bmi bpl bvs bvc bhi bls bge blt bgt ble bx cmn cmp cpsid cpsie dmb dsb eors isb "
    "ldm ldmia ldr ldrb ldrh ldrsb ldrsh lsls lsrs mov movs mrs msr muls mvns nop orrs pop push rev rev16 revsh rsbs sbcs sev stm stmia str strb "
    "strh sub subs svc sxtb sxth tst udf uxtb uxth wfe wfi yield negs".split()
)
WIDE = {"bl", "dmb", "dsb", "isb", "mrs", "msr", "udf"}


def test_code_for_cortex_m0plus_is_armv6m_only(tmp_path):
    """It runs on an emulated Cortex-M3, which would not object."""
    target = emulated("cortex-m0plus")
    layers = [LAYERS[name] for name in ("3x3", "depthwise", "depthwise 5x5", "matmul", "gemm")]
    source = emit(step_by_step(program_of(layers)[0], target, True, several=False), target.isa)
    for name, text in source.files.items():
        (tmp_path / name).write_text(text)
    tool, flags = "arm-none-eabi-gcc", [*target.flags, "-std=c11", "-c", "net.c", "-o", "net.o"]
    subprocess.run([tool, *flags], cwd=tmp_path, check=True)
    listing = subprocess.run(
        ["arm-none-eabi-objdump", "-d", "net.o"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    found = re.findall(r"^\s+[0-9a-f]+:\t([0-9a-f ]+?)\s*\t([a-z0-9.]+)", listing, re.MULTILINE)
    code = {(name.removesuffix(".n"), len(raw.split()) > 1) for raw, name in found if not name.startswith(".")}
    assert len(found) > 500
    assert {name for name, _ in code} <= ARMV6M
    assert {name for name, wide in code if wide} <= WIDE
