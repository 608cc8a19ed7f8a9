"""The cycle table against instruction sequences whose cycles the manuals state."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edgec.emulate.cycles import block_cycles
from edgec.target import load_target


def assemble(text: str, cpu: str, folder: Path) -> bytes:
    source, binary = folder / "x.s", folder / "x.bin"
    fpu = "    .fpu fpv4-sp-d16\n" if cpu == "cortex-m4" else ""
    lines = "\n".join(f"    {line.strip()}" for line in text.split(";"))
    source.write_text(f"    .syntax unified\n    .thumb\n{fpu}start:\n{lines}\n")
    command = ["arm-none-eabi-as", f"-mcpu={cpu}", "-mthumb", str(source), "-o", str(folder / "x.o")]
    subprocess.run(command, check=True)
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", str(folder / "x.o"), str(binary)], check=True)
    return binary.read_bytes()


#: (code, cycles when it falls through, more when its last instruction jumps); P is 2.
M4 = [
    ("add r0, r1, r2", 1, 0),
    ("smlad r0, r1, r2, r3; smmla r4, r5, r6, r7; sxtb16 r0, r1; ssat r0, #8, r0", 4, 0),
    ("mul r0, r1, r2; mla r0, r1, r2, r3; smlal r0, r1, r2, r3", 3, 0),
    ("ldr r0, [r1]", 2, 0),
    ("ldr r0, [r1]; ldr r1, [r2]", 3, 0),  # the manual's own examples of pipelining
    ("ldr r0, [r1, r2]; str r0, [r3, #20]", 3, 0),
    ("ldr r0, [r1, r2]; str r1, [r3, r2]", 3, 0),
    ("ldr r0, [r1, r5]; ldr r1, [r2]; ldr r2, [r3, #4]", 4, 0),
    ("ldr r0, [r1]; ldr r2, [r0]", 4, 0),  # the address depends on the load: no pipelining
    ("str r0, [r1, #4]; str r0, [r1, #8]", 2, 0),
    ("strb r0, [r1, r2]", 2, 0),
    ("ldrd r0, r1, [r2], #8", 3, 0),
    ("ldrd r0, r1, [r2]; ldrd r4, r5, [r3]", 6, 0),
    ("strd r0, r1, [r2]", 3, 0),
    ("ldm r0!, {r1, r2, r3, r4}", 5, 0),
    ("push {r4, r5, r6, lr}", 5, 0),
    ("pop {r4, r5, r6, pc}", 7, 0),
    ("bx lr", 3, 0),
    ("bl start", 3, 0),
    ("b start", 3, 0),
    ("bne start", 1, 2),
    ("cbz r0, next; next: nop", 2, 0),
    ("subs r0, #1; bne.w start", 2, 2),
    ("sdiv r0, r1, r2", 12, 0),
    ("vldr s0, [r0]; vmla.f32 s1, s2, s3; vadd.f32 s0, s1, s2", 6, 0),
    ("vldmia r0!, {s0-s3}", 5, 0),
    ("vldmia r0!, {d0-d3}", 9, 0),
    ("vldr d0, [r0]", 3, 0),
    ("vmov r0, s0; vmov s0, s1, r0, r1; vmov s2, r0", 6, 0),
    ("vmov s0, s1; vmov.f32 s2, #1.0", 2, 0),
    ("isb; mrs r0, primask", 5, 0),
    ("vdiv.f32 s0, s1, s2", 14, 0),
]


@pytest.mark.parametrize(("code", "cycles", "taken"), M4)
def test_cortex_m4(code: str, cycles: int, taken: int, tmp_path: Path) -> None:
    timing = load_target("cortex-m4").timing
    assert timing is not None
    assert block_cycles(assemble(code, "cortex-m4", tmp_path), 0, timing) == (cycles, taken)


M0PLUS = [
    ("adds r0, r1, r2; muls r0, r1, r0", 2, 0),
    ("ldr r0, [r1]; ldr r2, [r3]; str r0, [r1]", 6, 0),
    ("push {r4, r5, lr}", 4, 0),
    ("pop {r4, r5, pc}", 6, 0),
    ("bne start", 1, 1),
    ("b start", 2, 0),
    ("bl start", 3, 0),
    ("bx lr", 2, 0),
]


@pytest.mark.parametrize(("code", "cycles", "taken"), M0PLUS)
def test_cortex_m0plus(code: str, cycles: int, taken: int, tmp_path: Path) -> None:
    timing = load_target("cortex-m0plus").timing
    assert timing is not None
    assert block_cycles(assemble(code, "cortex-m0plus", tmp_path), 0, timing) == (cycles, taken)
