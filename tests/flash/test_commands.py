"""The exact command lines of every tool, and the files they are given."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgec.errors import UsageError
from edgec.flash import TOOLS
from edgec.target import list_targets, load_target
from tests.flash.conftest import CODE, WEIGHTS, FlashIt

L4, PICO, PICO2, NANO, NRF = "nucleo-l4r5zi", "rpi-pico", "rpi-pico2", "arduino-nano-33-ble", "nrf52840dk"
GDB = "gdb-multiarch -nx -batch -ex 'set confirm off' -ex 'target extended-remote"
GDB_END = (
    "-ex 'monitor system_reset' -ex 'set mem inaccessible-by-default off' "
    "-ex 'set *(unsigned int *)0xE000ED0C = 0x05FA0004' -ex detach"
)

#: (tool, board, options) -> commands; F is the folder of the files.
LINES = {
    ("pyocd", L4, ""): ["pyocd load --no-wait --target stm32l4r5zitx --format hex F/firmware.hex"],
    ("pyocd", NRF, "probe=683"): ["pyocd load --no-wait --target nrf52840 --probe 683 --format hex F/firmware.hex"],
    ("openocd", L4, ""): [
        "openocd -f interface/stlink.cfg -f target/stm32l4x.cfg -c 'program {F/firmware.hex} verify reset exit'"
    ],
    ("openocd", NRF, "probe=683 only=weights"): [
        "openocd -f interface/jlink.cfg -c 'transport select swd' -f target/nrf52.cfg -c 'adapter serial 683' "
        "-c 'program {F/weights.hex} verify reset exit'"
    ],
    ("probe-rs", L4, "probe=0483:374b:066"): [
        "probe-rs download --non-interactive --chip STM32L4R5ZITx --probe 0483:374b:066 --verify --binary-format hex F/firmware.hex",
        "probe-rs reset --non-interactive --chip STM32L4R5ZITx --probe 0483:374b:066",
    ],
    ("stm32cubeprogrammer", L4, "probe=066A"): [
        "STM32_Programmer_CLI -c port=SWD mode=UR sn=066A -w F/firmware.hex -v -rst"
    ],
    ("st-flash", L4, "probe=066A"): [
        "st-flash --connect-under-reset --serial 066A write F/code_08000000.bin 0x08000000",
        "st-flash --connect-under-reset --serial 066A --reset write F/weights_08040000.bin 0x08040000",
    ],
    ("jlink", L4, "probe=7700"): [
        "JLinkExe -device STM32L4R5ZI -if SWD -speed 4000 -autoconnect 1 -ExitOnError 1 -NoGui 1 -SelectEmuBySN 7700 "
        "-CommandFile F/flash.jlink"
    ],
    ("uf2", PICO, "probe=/media/RPI-RP2"): ["copy F/firmware.uf2 /media/RPI-RP2"],
    ("picotool", PICO, ""): ["picotool load --verify --execute F/firmware.uf2"],
    ("picotool", PICO2, "probe=E66 only=code"): ["picotool load --ser E66 --verify --execute F/code.uf2"],
    ("dfu-util", L4, ""): [
        "dfu-util -d 0483:df11 -a 0 -s 0x08040000 -D F/weights_08040000.bin",
        "dfu-util -d 0483:df11 -a 0 -s 0x08000000:leave -D F/code_08000000.bin",
    ],
    ("dfu-util", L4, "only=weights probe=20"): [
        "dfu-util -d 0483:df11 -a 0 -S 20 -s 0x08040000 -D F/weights_08040000.bin"
    ],
    ("bossac", NANO, "probe=ttyACM0"): ["bossac --port=ttyACM0 -U -i -e -w -v F/firmware.bin -R"],
    ("gdb", L4, ""): [f"{GDB} localhost:3333' -ex 'load \"E\"' {GDB_END}"],
    ("gdb", L4, "probe=/dev/ttyBmpGdb only=weights"): [f"{GDB} /dev/ttyBmpGdb' -ex 'load \"F/weights.hex\"' {GDB_END}"],
}  # fmt: skip


@pytest.mark.parametrize(("tool", "board", "options"), LINES, ids=lambda value: value or "-")
def test_command_lines(tool: str, board: str, options: str, flash_it: FlashIt, tmp_path: Path) -> None:
    chosen = dict(option.split("=", 1) for option in options.split())
    document = flash_it(board, tool=tool, dry_run=True, **chosen)
    commands = [
        c.replace(f"{tmp_path}/flash", "F").replace(f"{tmp_path}/firmware.elf", "E") for c in document["commands"]
    ]
    assert commands == LINES[tool, board, options]
    assert (document["flashed"], document["answered"]) == (False, None)
    for name in {word.strip("{}\"'") for command in commands for word in command.split() if "F/" in word}:
        assert (tmp_path / "flash" / name.removeprefix("F/")).is_file()


def test_every_tool_has_its_lines() -> None:
    assert {tool for tool, _, _ in LINES} == set(TOOLS)


@pytest.mark.parametrize("board", [name for name in list_targets() if load_target(name).kind == "board"])
def test_every_board_can_be_flashed(board: str, flash_it: FlashIt) -> None:
    for tool in [*dict(load_target(board).flash), "gdb"]:
        assert flash_it(board, tool=tool, dry_run=True)["commands"]


def test_files(flash_it: FlashIt, tmp_path: Path) -> None:
    flash_it(L4, tool="st-flash", dry_run=True)
    folder = tmp_path / "flash"
    assert (folder / "code_08000000.bin").read_bytes() == CODE
    assert (folder / "weights_08040000.bin").read_bytes() == WEIGHTS
    flash_it(NANO, tool="bossac", dry_run=True)
    assert (folder / "firmware.bin").read_bytes() == CODE + b"\xff" * (0x30000 - len(CODE)) + WEIGHTS
    flash_it(L4, tool="jlink", dry_run=True)
    assert (folder / "flash.jlink").read_text().splitlines() == [
        "r", "h", f'loadfile "{folder}/firmware.hex"', "r", "g", "exit"
    ]  # fmt: skip
    flash_it(L4, tool="pyocd", only="weights", dry_run=True)
    lines = (folder / "weights.hex").read_text().splitlines()
    assert lines[0] == ":020000040804EE"  # upper half of the address: 0x0804
    assert lines[1] == f":10000000{WEIGHTS[:16].hex().upper()}{-sum((0x10, *WEIGHTS[:16])) & 255:02X}"
    assert lines[-1] == ":00000001FF"


def test_what_cannot_be_asked(flash_it: FlashIt) -> None:
    with pytest.raises(UsageError, match=r"'uf2' does not flash nucleo-l4r5zi") as caught:
        flash_it(L4, tool="uf2", dry_run=True)
    assert "st-flash" in caught.value.hint
    with pytest.raises(UsageError, match=r"'frobnicate' is no flash tool"):
        flash_it(L4, tool="frobnicate", dry_run=True)
    with pytest.raises(UsageError, match="bossac erases all"):
        flash_it(NANO, tool="bossac", only="weights", dry_run=True)
