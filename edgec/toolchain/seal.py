"""What is filled into a linked image: checksums over bytes that only the linker knows.

edgec_seal, edgec_code   weights may be flashed apart from code: firmware/harness/weights.c tells by them whether weights are whole
                         and whether they are this code's.  Other weights in the same places leave the code as it is.
boot2_checksum           the RP2040's boot ROM runs the first 252 bytes of flash when the word behind them is their CRC-32
"""

from __future__ import annotations

import zlib
from pathlib import Path

from edgec.toolchain.sizes import elf_contents, elf_places

__all__ = ["boot_crc32", "code_of", "seal"]

SEAL_BYTES = 12  # magic, CRC-32 of the code, CRC-32 of the weights behind it


def seal(elf: Path) -> None:
    """Fills in what the image has a place for; the file is changed in place."""
    places = elf_places(elf, ("edgec_seal", "edgec_code", "boot2_checksum"))
    image = bytearray(elf.read_bytes())

    def fill(at: int, value: int) -> None:
        image[at : at + 4] = value.to_bytes(4, "little")

    if "edgec_code" in places:  # nobody asks in batch firmware, so the linker left it out
        parts = elf_contents(elf)
        weights = b"".join(data for name, data in parts.items() if name.startswith(".weights"))
        code = zlib.crc32(b"".join(data for name, data in parts.items() if not name.startswith(".weights")))
        fill(places["edgec_code"], code)
        fill(places["edgec_seal"] + 4, code)
        fill(places["edgec_seal"] + 8, zlib.crc32(weights[SEAL_BYTES:]))
    if "boot2_checksum" in places:
        at = places["boot2_checksum"]
        fill(at, boot_crc32(bytes(image[at - 252 : at])))
    elf.write_bytes(bytes(image))


def code_of(elf: Path) -> int:
    """What a sealed image calls its code: equal where other weights may be put beside it."""
    at = elf_places(elf, ("edgec_code",))["edgec_code"]
    return int.from_bytes(elf.read_bytes()[at : at + 4], "little")


def boot_crc32(data: bytes) -> int:
    """CRC-32 with the bits of every byte taken from the top and nothing inverted at the end: polynomial 0x04C11DB7, start
    0xFFFFFFFF.  zlib takes them from the bottom, hence the mirrors.  Source: RP2040 datasheet, Flash Second Stage."""
    mirrored = bytes(int(f"{byte:08b}"[::-1], 2) for byte in data)
    return int(f"{zlib.crc32(mirrored) ^ 0xFFFFFFFF:032b}"[::-1], 2)
