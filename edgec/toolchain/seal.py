"""What is filled into a linked image: checksums over bytes that only the linker knows.

boot2     the RP2040's boot ROM runs the first 252 bytes of flash when the word behind them is their CRC-32
"""

from __future__ import annotations

import zlib
from pathlib import Path

from edgec.toolchain.sizes import elf_places

__all__ = ["boot_crc32", "seal"]


def seal(elf: Path) -> None:
    """Fills in what the image has a place for; the file is changed in place."""
    places = elf_places(elf, ("boot2_checksum",))
    image = bytearray(elf.read_bytes())
    if "boot2_checksum" in places:
        at = places["boot2_checksum"]
        image[at : at + 4] = boot_crc32(bytes(image[at - 252 : at])).to_bytes(4, "little")
        elf.write_bytes(bytes(image))


def boot_crc32(data: bytes) -> int:
    """CRC-32 with the bits of every byte taken from the top and nothing inverted at the end: polynomial 0x04C11DB7, start
    0xFFFFFFFF.  zlib takes them from the bottom, hence the mirrors.  Source: RP2040 datasheet, Flash Second Stage."""
    mirrored = bytes(int(f"{byte:08b}"[::-1], 2) for byte in data)
    return int(f"{zlib.crc32(mirrored) ^ 0xFFFFFFFF:032b}"[::-1], 2)
