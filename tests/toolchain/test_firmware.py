"""Firmware images: sizes by subtraction, files that agree with each other, instruction sets, refusals."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import capstone
import pytest
from elftools.elf.elffile import ELFFile

from edgec.emulate.cycles import code_reader
from edgec.errors import BudgetError, BuildError, ToolMissingError, UsageError
from edgec.target import load_target
from edgec.toolchain.base import toolchain_for
from edgec.toolchain.firmware import FirmwareImage, build_firmware
from edgec.toolchain.gcc_arm import GccArm
from edgec.toolchain.package import load_package
from edgec.toolchain.sizes import elf_symbols
from edgec.toolchain.zig import Zig
from tests.harness import fake_package

needs_gcc = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")


def firmware(folder: Path, target: str = "cortex-m4", **options: object) -> FirmwareImage:
    package = fake_package.write(folder / "kws")
    return build_firmware([package], load_target(target), folder / "out", **options)  # type: ignore[arg-type]


@needs_gcc
def test_sizes(tmp_path: Path) -> None:
    sizes = firmware(tmp_path).sizes
    assert sizes.arena == 1056
    assert sizes.scratch == 16
    assert sizes.io == 0
    assert sizes.data_bss <= 8  # the pointer to the arena
    assert sizes.flash_weights == 49 * 12 + 12 * 4
    assert sizes.flash_total == sizes.flash_code + sizes.flash_weights
    assert 200 < sizes.flash_code < 600


@needs_gcc
def test_bin_and_hex_hold_the_same_bytes(tmp_path: Path) -> None:
    image = firmware(tmp_path)
    data = image.bin.read_bytes()
    loaded = bytearray(b"\xff" * len(data))
    upper = 0
    for line in image.hex.read_text().splitlines():
        record = bytes.fromhex(line[1:])
        assert sum(record) & 255 == 0
        count, address, kind = record[0], int.from_bytes(record[1:3], "big"), record[3]
        if kind == 4:
            upper = int.from_bytes(record[4:6], "big") << 16
        elif kind == 0:
            loaded[upper + address : upper + address + count] = record[4:-1]
    assert bytes(loaded) == data
    stack, reset = int.from_bytes(data[:4], "little"), int.from_bytes(data[4:8], "little")
    assert 0x20000000 < stack < 0x20400000
    assert reset & 1
    assert image.map.is_file()


@needs_gcc
def test_the_big_board_puts_weights_and_arena_into_psram(tmp_path: Path) -> None:
    symbols = {symbol.name: symbol.address for symbol in elf_symbols(firmware(tmp_path, "mps2-an386-big").elf)}
    assert 0x21000000 <= symbols["kws_weights"] < 0x21800000
    assert 0x21800000 <= symbols["edgec_arena"] < 0x22000000


#: All 32-bit encodings of Armv6-M, and the 16-bit ones of Thumb-2 it lacks.
WIDE = {"bl", "msr", "mrs", "dsb", "dmb", "isb", "udf"}
MISSING = ("it", "cbz", "cbnz")


def code_spans(elf: Path) -> list[tuple[int, int]]:
    """Address ranges of instructions: from a mapping symbol $t to the next $d, literal pools left out."""
    with elf.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        marks = sorted({(s["st_value"], s.name[:2]) for s in table.iter_symbols() if s.name[:2] in ("$t", "$d", "$a")})
    ends = [address for address, _ in marks[1:]] + [marks[-1][0]]
    return [(address, end) for (address, kind), end in zip(marks, ends, strict=True) if kind == "$t"]


@needs_gcc
@pytest.mark.parametrize("target", ["cortex-m0plus", "microbit"])
def test_only_armv6m_instructions(target: str, tmp_path: Path) -> None:
    image = firmware(tmp_path, target)
    engine = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    engine.skipdata = True
    read = code_reader(image.elf)
    seen = 0
    for begin, end in code_spans(image.elf):
        for _, size, mnemonic, operands in engine.disasm_lite(read(begin, end - begin), begin):
            name = mnemonic.split(".")[0]
            seen += 1
            assert name != "", f"not an instruction in {begin:#x}"
            assert size == 2 or name in WIDE, f"{mnemonic} {operands}"
            assert not name.startswith(MISSING), f"{mnemonic} {operands}"
    assert seen > 1000
    assert b"6S-M" in image.elf.read_bytes()  # Tag_CPU_name, merged by the linker over every object and library


@needs_gcc
def test_two_models_share_one_arena(tmp_path: Path) -> None:
    first = fake_package.write(tmp_path / "kws")
    second = fake_package.write(tmp_path / "other", name="other", rows=20, classes=5)
    image = build_firmware([first, second], load_target("cortex-m4"), tmp_path / "out")
    assert image.sizes.arena == load_package(first).arena_bytes
    names = {symbol.name for symbol in elf_symbols(image.elf)}
    assert {"kws_run", "other_run", "edgec_arena"} <= names
    assert not {"kws_arena", "other_arena"} & names
    with pytest.raises(UsageError, match="same"):
        build_firmware([first, first], load_target("cortex-m4"), tmp_path / "twice")


@needs_gcc
def test_too_big_is_a_budget_error(tmp_path: Path) -> None:
    package = fake_package.write(tmp_path / "kws")
    manifest = json.loads((package / "edgec.json").read_text())
    (package / "edgec.json").write_text(json.dumps({**manifest, "arena_bytes": 20000}))
    with pytest.raises(BudgetError, match="memory of 'microbit': sram by [0-9]+ bytes"):
        build_firmware([package], load_target("microbit"), tmp_path / "out")


@needs_gcc
def test_compiler_messages_reach_the_user(tmp_path: Path) -> None:
    package = fake_package.write(tmp_path / "kws", run="    this is not C\n")
    with pytest.raises(BuildError, match=r"kws\.c.*error"):
        build_firmware([package], load_target("cortex-m4"), tmp_path / "out")


def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = fake_package.write(tmp_path / "kws")
    with pytest.raises(UsageError, match="no firmware port"):
        build_firmware([package], replace(load_target("nucleo-l4r5zi"), port=()), tmp_path / "out")
    with pytest.raises(UsageError, match=r"edgec\.json"):
        load_package(tmp_path)
    (package / "kws.c").unlink()
    with pytest.raises(UsageError, match=r"kws\.c"):
        load_package(package)
    (package / "edgec.json").write_text("{}")
    with pytest.raises(UsageError, match="damaged"):
        load_package(package)
    monkeypatch.setattr(GccArm, "available", staticmethod(lambda: False))
    monkeypatch.setattr(Zig, "available", staticmethod(lambda: False))
    with pytest.raises(ToolMissingError) as caught:
        toolchain_for(load_target("cortex-m4"))
    assert "apt-get install gcc-arm-none-eabi" in caught.value.hint
    assert "pip install ziglang" in caught.value.hint


@pytest.mark.slow
@pytest.mark.skipif(not Zig.available(), reason="needs the ziglang wheel (pip install ziglang)")
@pytest.mark.parametrize("target", ["cortex-m0plus", "cortex-m4", "cortex-m55"])
def test_zig_builds_what_gcc_builds(target: str, tmp_path: Path) -> None:
    image = firmware(tmp_path, target, toolchain=Zig())
    assert image.toolchain == "zig"
    assert image.sizes.arena == 1056
    assert image.sizes.flash_weights == 49 * 12 + 12 * 4
