"""What the generated C looks like, apart from the kernels: the header, memory, segments and public functions."""

from __future__ import annotations

from collections.abc import Callable

from edgec.emit.c import emit
from edgec.ir.program import Program
from edgec.schedule.plan import plan
from tests.conformance.block import block, layer_by_layer
from tests.conformance.packages import with_kernels

Golden = Callable[[str, str], None]


def behind_the_kernels(program: Program) -> str:
    """model.c from the memory section on."""
    text = emit(program, frozenset(), "0.0.0").files[f"{program.name}.c"]
    return text[text.index("/* ---- memory ---- */") :]


def test_header(golden: Golden) -> None:
    golden("block.h", emit(with_kernels(block()), frozenset(), "0.0.0").files["block.h"])


def test_a_segment_of_four_steps(golden: Golden) -> None:
    """Reads like example.md: one small function for each materialised tensor, one driver for the segment."""
    golden("block_segment.c", behind_the_kernels(with_kernels(block())))


def test_one_step_a_segment(golden: Golden) -> None:
    golden("block_layers.c", behind_the_kernels(plan(layer_by_layer(block()), stream=False).program))


def test_same_program_same_bytes() -> None:
    one, two = (emit(with_kernels(block()), frozenset({"dsp"}), "0.0.0").files for _ in range(2))
    assert one == two
