"""Which memories the arenas and constants of several packages come to lie in, on the target's board and on one that stands for it."""

from __future__ import annotations

from pathlib import Path

from edgec.target import load_target
from edgec.toolchain.arenas import Arena, Constants, arenas_of, constants_of, home
from edgec.toolchain.package import Package, load_package
from tests.harness import fake_package

SPLIT = [{"name": "dtcm", "bytes": 64}, {"name": "psram", "bytes": 4096}]
FLASH = [{"name": "flash", "bytes": 9}, {"name": "qspi", "bytes": 9}]


def packages(folder: Path) -> list[Package]:
    """One whose arena and constants are one piece each (1,056 bytes of arena), one over two memories each."""
    whole, split = (load_package(fake_package.write(folder / name, name=name)) for name in ("whole", "split"))
    split.manifest.update(regions=SPLIT, weight_regions=FLASH)
    return [whole, split]


def test_models_share_the_arena_of_a_memory(tmp_path: Path) -> None:
    whole, split = packages(tmp_path)
    both = [Arena("dtcm", 0, "", 1056), Arena("psram", 1, "_1", 4096)]
    assert arenas_of([whole, split], "dtcm") == arenas_of([split, whole], "dtcm") == both
    assert arenas_of([split], "dtcm") == [Arena("dtcm", 0, "", 64), Arena("psram", 1, "_1", 4096)]
    assert [(a.name, a.suffix) for a in arenas_of([split, whole], "sram")] == [
        ("sram", ""),
        ("dtcm", "_1"),
        ("psram", "_2"),
    ]
    assert arenas_of([whole]) == [Arena("", 0, "", 1056)]


def test_constants_of_each_flash(tmp_path: Path) -> None:
    whole, split = packages(tmp_path)
    first = (".rodata.whole_weights", ".rodata.split_weights_flash")
    qspi = Constants("qspi", 1, ".weights_1", (".rodata.split_weights_qspi",))
    assert constants_of([whole, split], "flash") == [Constants("flash", 0, ".weights", first), qspi]
    assert constants_of([split], "rom")[0] == Constants("rom", 0, ".weights", ())


def test_a_board_that_stands_for_another_takes_its_memories_by_rank() -> None:
    board, other = load_target("mps2-an500-regions"), load_target("mps2-an500")
    assert [home(name, 0, "arena", board).name for name in ("dtcm", "psram", "elsewhere")] == ["dtcm", "psram", "dtcm"]
    assert [home("elsewhere", rank, "weights", board).name for rank in (0, 1, 2)] == ["flash", "qspi", "qspi"]
    assert {home(name, rank, "arena", other).name for rank, name in enumerate(("dtcm", "psram"))} == {"ssram23"}
