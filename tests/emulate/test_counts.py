"""Instruction counts are exact, repeatable, and the model's alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgec.emulate.counts import layer_instructions, per_address, read_counts
from edgec.emulate.run import measure
from edgec.errors import LinkError
from edgec.target import load_target
from tests.harness import fake_package


@pytest.mark.parametrize("board", ["cortex-m4", "mps2-an505", "microbit"])
def test_two_runs_count_the_same(board: str, kws: Path) -> None:
    """Also with a harness compiled without optimisation: nothing of it is counted."""
    target = load_target(board)
    first, second = measure(kws, target), measure(kws, target)
    plain = measure(kws, target, harness_flags=["-O0"])
    for document in (second, plain):
        assert document["instructions"] == first["instructions"]
        assert document["layers"] == first["layers"]
        assert document["overhead"] == first["overhead"]
        assert document["ram"] == first["ram"]


def test_counts_of_a_known_loop(tmp_path: Path) -> None:
    """A loop of 1000 turns and two instructions at the end of run is 2000 instructions and a little."""
    loop = '    __asm__ volatile("movw r3, #1000\\n1: subs r3, #1\\n bne 1b" ::: "r3", "cc");\n'
    target = load_target("cortex-m4")
    without = measure(fake_package.write(tmp_path / "a"), target)
    with_loop = measure(fake_package.write(tmp_path / "b", run=loop), target)
    more = with_loop["overhead"]["instructions"] - without["overhead"]["instructions"]
    assert 2001 <= more <= 2004  # and movw; run can no longer end in a tail call
    # subs 1, bne 1, and 2 for each of the 999 that jump (pipeline reload of the timing table)
    cycles = with_loop["overhead"]["cycles_estimate"] - without["overhead"]["cycles_estimate"]
    assert 2000 + 2 * 999 <= cycles <= 2000 + 2 * 999 + 20
    assert [layer["instructions"] for layer in with_loop["layers"]] == [
        layer["instructions"] for layer in without["layers"]
    ]


def test_the_first_sample_is_measured(kws: Path) -> None:
    samples = np.arange(980).astype(np.int8).reshape(2, 1, 49, 10)
    document = measure(kws, load_target("cortex-m4"), {"in": samples})
    assert document["output_crc32"] != measure(kws, load_target("cortex-m4"))["output_crc32"]


def test_reading_what_the_plugin_wrote(tmp_path: Path) -> None:
    """Blocks translated twice are one; per-address counts add up to the layers'."""
    text = "B 100 6 24\nC 0 10 3\nC 2 1 0\nB 200 2 2\nC 1 5 5\nB 100 6 24\nC 0 1 1\n"
    (tmp_path / "counts").write_text(text)
    blocks = read_counts(tmp_path / "counts")
    assert [block.address for block in blocks] == [0x100, 0x200]
    assert blocks[0].executions == {0: 11, 2: 1}
    assert blocks[0].fallthroughs == {0: 4, 2: 0}
    assert layer_instructions(blocks, 2) == [22, 5, 2]
    assert per_address(blocks) == {0x100: 12, 0x102: 12, 0x200: 5}
    with pytest.raises(LinkError, match="never reached"):
        read_counts(tmp_path / "absent")
