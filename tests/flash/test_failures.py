"""What goes wrong: tools missing, nothing plugged in, locked or wrong chips, tools that hang; with fake executables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgec.errors import FlashError, ToolMissingError, UsageError
from edgec.flash import run
from tests.flash.conftest import FlashIt

L4 = "nucleo-l4r5zi"

#: (tool, board, exit code, what the tool writes, what the user reads, what the hint offers); texts as the tools have them.
FAILURES = [
    ("pyocd", L4, 1, "0002625 E No target device available [load_cmd]", "finds no probe", "--probe ID"),
    ("pyocd", L4, 1, "0000512 E Target type stm32l4r5zitx not recognized. Use 'pyocd list --targets'", "another chip", "pack install"),
    ("pyocd", "nrf52840dk", 1, "0001020 W NRF52840 APPROTECT enabled: not automatically unlocking", "is locked", "erase --chip"),
    ("openocd", L4, 1, "Error: open failed\n** OpenOCD init failed **", "finds no probe", "look at the cable"),
    ("openocd", L4, 1, "Error: libusb_open() failed with LIBUSB_ERROR_ACCESS", "may not use", "udev"),
    ("openocd", L4, 1, "Warn : UNEXPECTED idcode: 0x6ba02477\nError: expected 1 of 1: 0x2ba01477", "another chip", "right board"),
    ("openocd", "nrf52840dk", 1, "Error: Could not find MEM-AP, AP lock engaged", "is locked", "erases all"),
    ("probe-rs", L4, 1, "Error: No connected probes were found.", "finds no probe", "--probe"),
    ("probe-rs", L4, 1, "Error: The chip 'STM32X' was not found in the database.", "another chip", "edgec targets"),
    ("stm32cubeprogrammer", L4, 1, "Error: No STM32 target found!\nError: No ST-LINK detected!", "finds no probe", "cable"),
    ("stm32cubeprogrammer", L4, 1, "Error: failed to erase memory. Readout Protection is set (RDP)", "is locked", "level 0"),
    ("st-flash", L4, 255, "WARN usb.c: Couldn't find any ST-Link devices", "finds no probe", "other programs"),
    ("st-flash", L4, 255, "ERROR common.c: unknown chip id! 0x0000", "another chip", "right board"),
    ("jlink", L4, 1, "FAILED: Cannot connect to J-Link.", "finds no probe", "cable"),
    ("jlink", "nrf52840dk", 1, "Device is secured: AP lock\nERROR: Could not connect to target.", "is locked", "recover"),
    ("jlink", L4, 1, "ERROR: Could not find core. Timeout while connecting to target.", "but not the chip", "powered"),
    ("picotool", "rpi-pico", 249, "No accessible RP2040/RP2350 devices in BOOTSEL mode were found.", "finds no probe", "BOOTSEL"),
    ("picotool", "rpi-pico", 1, "ERROR: family ID 'rp2040' cannot be downloaded anywhere", "another chip", "right board"),
    ("dfu-util", L4, 74, "dfu-util: No DFU capable USB device available", "finds no probe", "BOOT0"),
    ("dfu-util", L4, 74, "dfu-util: Cannot open DFU device 0483:df11 (LIBUSB_ERROR_ACCESS)", "may not use", "udev"),
    ("bossac", "arduino-nano-33-ble", 1, "No device found on ttyACM9", "finds no probe", "reset twice"),
    ("gdb", L4, 1, "localhost:3333: Connection timed out.", "finds no probe", "cable"),
    ("gdb", L4, 0, "Load failed", "gdb failed", "by hand"),
    ("pyocd", L4, 3, "", "pyocd failed: it said nothing", "the command was: "),
]  # fmt: skip
PROGRAMS = {"stm32cubeprogrammer": "STM32_Programmer_CLI", "jlink": "JLinkExe", "gdb": "gdb-multiarch"}
Tools = Callable[..., Path]


@pytest.mark.parametrize("case", FAILURES, ids=lambda case: f"{case[0]}-{case[4]}")
def test_failures_are_explained(case: tuple[Any, ...], flash_it: FlashIt, tools: Tools) -> None:
    tool, board, code, output, message, hint = case
    log = tools(PROGRAMS.get(tool, tool), code, stderr=output)
    with pytest.raises(FlashError, match=message) as caught:
        flash_it(board, tool=tool)
    assert hint in caught.value.hint
    assert "the command was: " in caught.value.hint
    assert log.read_text().count("\n\n") == 1  # what failed is not followed by the next command


@pytest.mark.parametrize(
    "tool", ["pyocd", "openocd", "probe-rs", "stm32cubeprogrammer", "st-flash", "jlink", "dfu-util", "gdb"]
)
def test_a_missing_tool(tool: str, flash_it: FlashIt, tools: Tools) -> None:
    with pytest.raises(ToolMissingError, match="is not installed") as caught:
        flash_it(L4, tool=tool)
    assert caught.value.hint.startswith("get it: ")


def test_success(flash_it: FlashIt, tools: Tools, plugged: Callable[..., None]) -> None:
    log = tools("st-flash")
    document = flash_it(L4, tool="st-flash")
    assert document["flashed"] and document["answered"] is None
    assert log.read_text().count("\n\n") == 2  # code, weights
    tools("dfu-util", 74, output="File downloaded successfully\ndfu-util: Error during download get_status")
    assert flash_it(L4, tool="dfu-util")["flashed"]  # leaving takes the device away, which it calls an error
    tools("gdb-multiarch", 1, output="Loading section .text\nTransfer rate: 10 KB/sec.\nmonitor command not supported")
    assert flash_it(L4, tool="gdb")["flashed"]


@pytest.mark.parametrize(
    ("installed", "devices", "wanted"),
    [
        (("pyocd", "openocd"), ("0483:374b",), "pyocd"),  # the order of the board's file
        (("openocd",), ("0483:374b",), "openocd"),
        (("JLinkExe", "st-flash"), ("1366:1015",), "jlink"),  # by what is plugged in
        (("JLinkExe", "st-flash"), ("1d6b:0002", "0483:374e"), "st-flash"),
        (("dfu-util", "st-flash"), ("0483:df11",), "dfu-util"),
    ],
)  # fmt: skip
def test_the_tool_that_fits(
    installed: tuple[str, ...],
    devices: tuple[str, ...],
    wanted: str,
    flash_it: FlashIt,
    tools: Tools,
    plugged: Callable[..., None],
) -> None:
    for name in installed:
        tools(name, output="File downloaded successfully")
    plugged(*devices)
    assert flash_it(L4)["tool"] == wanted


def test_nothing_plugged_in(flash_it: FlashIt, tools: Tools, plugged: Callable[..., None]) -> None:
    plugged("1d6b:0002")
    with pytest.raises(ToolMissingError, match="nothing is installed that flashes nucleo-l4r5zi") as missing:
        flash_it(L4)
    assert "pip install pyocd" in missing.value.hint
    assert flash_it(L4, dry_run=True)["commands"][0].startswith("pyocd load")
    tools("openocd")
    with pytest.raises(FlashError, match="no board or debug probe") as caught:
        flash_it(L4)
    assert "openocd" in caught.value.hint
    assert flash_it(L4, dry_run=True)["tool"] == "openocd"


def test_a_board_without_a_tool(flash_it: FlashIt) -> None:
    with pytest.raises(UsageError, match="names no tool") as caught:
        flash_it("mps2-an386")
    assert "--tool gdb" in caught.value.hint


def test_a_tool_that_hangs(flash_it: FlashIt, tools: Tools, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tools("pyocd")
    (tmp_path / "bin" / "pyocd").write_text("#!/bin/sh\nwhile :; do :; done\n")
    monkeypatch.setattr(run, "PATIENCE", 0.3)
    with pytest.raises(FlashError, match="did not finish"):
        flash_it(L4, tool="pyocd")
