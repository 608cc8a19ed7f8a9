"""UF2 files: every block well formed, whole sectors, the bytes where they belong; drives found and written."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from edgec.errors import FlashError
from edgec.flash import run
from edgec.flash.uf2 import find_volumes, uf2_blocks
from edgec.target import load_target
from tests.flash.conftest import CODE, WEIGHTS, FlashIt


def read(data: bytes, family: int) -> dict[int, bytes]:
    """Address -> 256 bytes of every block."""
    assert len(data) % 512 == 0
    count = len(data) // 512
    pages = {}
    for number in range(count):
        block = data[512 * number : 512 * number + 512]
        first, second, flags, address, size, index, of, tag = struct.unpack("<8I", block[:32])
        assert (first, second, struct.unpack("<I", block[508:])[0]) == (0x0A324655, 0x9E5D5157, 0x0AB16F30)
        assert (flags, size, index, of, tag) == (0x2000, 256, number, count, family)
        assert address % 256 == 0
        pages[address] = block[32:288]
    return pages


@pytest.mark.parametrize("address", [0x10000000, 0x10000100, 0x10000FFF])
@pytest.mark.parametrize("size", [1, 255, 256, 257, 4096, 5000])
def test_blocks(address: int, size: int) -> None:
    data = bytes((7 * i + 1) % 256 for i in range(size))
    pages = read(uf2_blocks([(address, data)], 0xE48BFF56), 0xE48BFF56)
    addresses = sorted(pages)
    assert addresses[0] % 4096 == 0 and (addresses[-1] + 256) % 4096 == 0
    whole = b"".join(pages[at] for at in addresses)
    at = address - addresses[0]
    assert whole[at : at + size] == data
    assert set(whole[:at] + whole[at + size :]) <= {0xFF}


def test_pieces_apart() -> None:
    pages = read(uf2_blocks([(0x10000000, CODE), (0x10040000, WEIGHTS)], 1), 1)
    assert sorted(pages) == [*range(0x10000000, 0x10001000, 256), *range(0x10040000, 0x10041000, 256)]
    assert pages[0x10040000][:40] == WEIGHTS


def test_copied_to_the_drive(flash_it: FlashIt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dict(load_target("rpi-pico").flash)["uf2"] == "0xE48BFF56 RPI-RP2"
    drive = tmp_path / "media" / "RPI-RP2"
    drive.mkdir(parents=True)
    assert find_volumes("RPI-RP2", [tmp_path / "media"]) == []  # a folder of that name is no boot loader's drive
    monkeypatch.setattr(run, "find_volumes", lambda label: find_volumes(label, [tmp_path / "media"]))
    with pytest.raises(FlashError, match="one drive called RPI-RP2") as caught:
        flash_it("rpi-pico", tool="uf2")
    assert "BOOTSEL" in caught.value.hint
    (drive / "INFO_UF2.TXT").write_text("UF2 Bootloader v3.0\n")
    document = flash_it("rpi-pico", tool="uf2")
    assert document["flashed"]
    assert read((drive / "firmware.uf2").read_bytes(), 0xE48BFF56)[0x10000000][:200] == CODE
    with pytest.raises(FlashError, match="cannot write to the drive"):
        flash_it("rpi-pico", tool="uf2", probe=str(tmp_path / "gone"))
