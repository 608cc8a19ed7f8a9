"""Real boards: images link within the maps of their manuals, hold what the chip's ROM looks for, and run on QEMU's nearest machines."""

from __future__ import annotations

import re
import shutil
import tomllib
import zlib
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from edgec.paths import firmware_dir, targets_dir
from edgec.target import load_target
from edgec.toolchain.firmware import build_firmware
from edgec.toolchain.seal import boot_crc32
from edgec.toolchain.sizes import elf_sections, elf_segments, elf_symbols
from tests.conftest import ROOT
from tests.harness import fake_package
from tests.toolchain.debugger import SP, StandIn, Talker, debug

pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")
needs_qemu = pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="needs qemu-system-arm")

K = 1024
STM32_F7 = ((0x08000000, 1024 * K), ((0x20000000, 64 * K), (0x20010000, 256 * K)))
#: Where the vector table must stand, flash, and RAM, from the manuals named in the boards' files; written anew, not read from those.
BOARDS = {
    "nucleo-l4r5zi": (0x08000000, (0x08000000, 2048 * K), ((0x20000000, 640 * K),)),
    "nucleo-f746zg": (0x08000000, *STM32_F7),
    "stm32f746g-disco": (0x08000000, *STM32_F7),
    "nucleo-h743zi": (0x08000000, (0x08000000, 2048 * K), ((0x20000000, 128 * K), (0x24000000, 512 * K))),
    "nrf52840dk": (0x00000000, (0x00000000, 1024 * K), ((0x20000000, 256 * K),)),
    "arduino-nano-33-ble": (0x00010000, (0x00010000, 960 * K), ((0x20000000, 256 * K),)),
    "rpi-pico": (0x10000100, (0x10000000, 2048 * K), ((0x20000000, 264 * K),)),
    "rpi-pico2": (0x10000000, (0x10000000, 4096 * K), ((0x20000000, 520 * K),)),
    "netduinoplus2": (0x08000000, (0x08000000, 1024 * K), ((0x20000000, 128 * K),)),
    "microbit": (0x00000000, (0x00000000, 256 * K), ((0x20000000, 16 * K),)),
}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("boards")
    package = fake_package.write(folder / "kws")
    return {board: build_firmware([package], load_target(board), folder / board).elf for board in BOARDS}


def test_every_board_with_a_port_is_here() -> None:
    real = {path.stem for path in (targets_dir() / "board").glob("*.toml") if not path.stem.startswith("mps")}
    assert real == set(BOARDS)


@pytest.mark.parametrize("board", BOARDS)
def test_links_within_the_true_memory_map(board: str, images: dict[str, Path]) -> None:
    vectors, flash, ram = BOARDS[board]

    def within(address: int, size: int, *places: tuple[int, int]) -> bool:
        return any(origin <= address and address + size <= origin + length for origin, length in places)

    sections = elf_sections(images[board])
    assert sections[".vectors"][0] == vectors
    assert vectors % 128 == 0  # VTOR of 16 vectors
    for address, data in elf_segments(images[board]):
        assert within(address, len(data), flash), f"{address:#x}"
    for name in (".data", ".arena", ".bss", ".stack"):
        assert within(*sections[name], *ram), name
    with images[board].open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".vectors").data()
    stack, reset = (int.from_bytes(table[at : at + 4], "little") for at in (0, 4))
    assert any(origin < stack <= origin + length for origin, length in ram)
    assert stack % 8 == 0
    symbols = {symbol.name: symbol.address for symbol in elf_symbols(images[board])}
    assert reset == symbols["Reset_Handler"] | 1


def test_weights_have_a_flash_region_of_their_own(images: dict[str, Path]) -> None:
    for board in set(BOARDS) - {"microbit"}:  # too small to be divided
        target = load_target(board)
        code, weights = target.region("code"), target.region("weights")
        assert elf_sections(images[board])[".weights"][0] == weights.origin == code.origin + code.size
        assert (weights.origin - BOARDS[board][1][0]) % 0x10000 == 0  # no erased page or sector has both


def test_boot2(images: dict[str, Path]) -> None:
    """RP2040: 252 bytes and the checksum the boot ROM computes."""
    assert boot_crc32(b"123456789") == 0x0376E6E7  # the check value of CRC-32/MPEG-2
    address, data = elf_segments(images["rpi-pico"])[0]
    assert (address, len(data)) == (0x10000000, 256)
    assert boot_crc32(data[:252]) == int.from_bytes(data[252:], "little")
    assert data[4:252].rstrip(b"\0")  # it does something


def test_image_def(images: dict[str, Path]) -> None:
    """RP2350: a well-formed block in the first 4 KB."""
    _, data = elf_segments(images["rpi-pico2"])[0]
    words = [int.from_bytes(data[at : at + 4], "little") for at in range(0, 4096, 4)]
    start = words.index(0xFFFFDED3)
    assert words[start + 1] & 0xFFFF == 0x0142  # an image type, of one word
    assert words[start + 1] >> 16 == 1 | 2 << 4 | 1 << 12  # executable, secure, Arm, RP2350
    assert words[start + 2 : start + 5] == [0x000001FF, 0, 0xAB123579]


def idle(_: int) -> int:
    return 0


def crystal(_: int) -> int:
    return 12_000_000


RASPBERRY: dict[str, StandIn] = {"clock_start": crystal, "uart_start": idle, "timer_start": idle, "timer_micros": idle}
FPU = "-global sse-200.CPU0_FPU=on -global sse-200.CPU0_DSP=on"
#: The nearest machine (flash and RAM in the same places), what the debugger stands in for besides the line, and the clock told.
NEAREST: dict[str, tuple[str, dict[str, StandIn], int]] = {
    "nucleo-f746zg": ("netduinoplus2", {}, 16_000_000),
    "stm32f746g-disco": ("netduinoplus2", {}, 16_000_000),
    "nucleo-l4r5zi": ("netduinoplus2", {"uart_start": idle}, 4_000_000),  # nothing at the L4's GPIO addresses
    "nrf52840dk": ("mps2-an386", {}, 64_000_000),
    "arduino-nano-33-ble": ("mps2-an386", {}, 64_000_000),
    "rpi-pico": ("mps2-an521", RASPBERRY, 12_000_000),
    "rpi-pico2": (f"mps2-an521 {FPU}", RASPBERRY, 12_000_000),
}


@needs_qemu
@pytest.mark.parametrize("board", NEAREST)
def test_runs_on_the_nearest_machine(board: str, images: dict[str, Path]) -> None:
    """The image as it is flashed: reset, clock set-up (which finds nothing there and goes on), the protocol, an inference."""
    machine, others, clock = NEAREST[board]
    talker = Talker(images[board], ["name", "edgec info", "infer 1 0", "edgec crc"])
    with debug(machine, images[board], talker.symbols["vectors"]) as debugger:
        debugger.run(talker.stand_in(**others), until=talker.symbols["fault"])
    output, _ = fake_package.reference(fake_package.pattern(490))
    assert talker.lines[-2:] == [f"m-crc-[{zlib.crc32(output):08x}]", "m-ready"]
    assert "m-name-dut-[edgec]" in talker.lines
    assert f"m-edgec-clock-{clock}" in talker.lines


@needs_qemu
def test_h743_starts_as_far_as_there_is_memory(images: dict[str, Path]) -> None:
    """No machine of QEMU has RAM at 0x24000000: with a stack lent to it, the image gets as far as the first use of its variables."""
    talker = Talker(images["nucleo-h743zi"], [])
    with debug("netduinoplus2", images["nucleo-h743zi"]) as debugger:
        debugger.set_register(SP, 0x20010000)
        debugger.run({}, until=talker.symbols["start"])
        assert debugger.word(0xE000ED08) == talker.symbols["vectors"]
        assert debugger.word(0xE000ED88) >> 20 & 0xF == 0xF  # the FPU is on


def test_the_page_shows_the_board_as_it_is() -> None:
    """docs/adding-a-board.md walks through one file: each of its numbers is in that file."""
    page = (ROOT / "docs" / "adding-a-board.md").read_text(encoding="utf-8")
    block = re.search(
        r"## 2\. The TOML: `(targets/board/[\w-]+\.toml)`\n\n```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE
    )
    assert block is not None
    shown, whole = tomllib.loads(block[2]), tomllib.loads((ROOT / block[1]).read_text(encoding="utf-8"))
    regions = {region["name"]: region for region in whole.pop("memory")}
    for region in shown.pop("memory"):
        assert region.items() <= regions[region["name"]].items()
    assert set(shown["serial"].pop("usb")) <= set(whole["serial"].pop("usb"))
    for key, value in shown.items():
        assert value.items() <= whole[key].items() if isinstance(value, dict) else value == whole[key]
    for name in re.findall(r"`((?:stm32|nrf5|rp2|mps2|cortex_m)/\w+\.\w+)`", page):
        assert (firmware_dir() / "port" / name).is_file(), name


def test_port_files_exist_and_are_short() -> None:
    for path in (targets_dir() / "board").glob("*.toml"):
        for name in tomllib.loads(path.read_text(encoding="utf-8"))["port"]:
            source = firmware_dir() / "port" / name
            assert len(source.read_text(encoding="utf-8").splitlines()) < 80, name
