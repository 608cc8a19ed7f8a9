"""UF2, the format of boot loaders that show themselves as a drive: 512-byte blocks of 256 bytes each, in any order.

Source: https://github.com/microsoft/uf2, "Block format".
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["copy_to_volume", "find_volumes", "uf2_blocks"]

PAYLOAD = 256
SECTOR = 4096  # what the chips erase at once: the boot ROM wants all of it
MAGIC_START, MAGIC_SECOND, MAGIC_END = 0x0A324655, 0x9E5D5157, 0x0AB16F30
FAMILY_PRESENT = 0x2000


def uf2_blocks(pieces: Iterable[tuple[int, bytes]], family: int) -> bytes:
    """A UF2 file of (address, bytes) pieces, filled with 0xFF to whole sectors of 4 KB."""
    pages: dict[int, bytearray] = {}
    for address, data in pieces:
        first, last = address // SECTOR * SECTOR, -(-(address + len(data)) // SECTOR) * SECTOR
        for page in range(first, last, PAYLOAD):
            pages.setdefault(page, bytearray(b"\xff" * PAYLOAD))
        for at, byte in enumerate(data, address):
            pages[at // PAYLOAD * PAYLOAD][at % PAYLOAD] = byte
    return b"".join(_block(n, len(pages), page, bytes(pages[page]), family) for n, page in enumerate(sorted(pages)))


def _block(number: int, count: int, address: int, data: bytes, family: int) -> bytes:
    head = (MAGIC_START, MAGIC_SECOND, FAMILY_PRESENT, address, PAYLOAD, number, count, family)
    return struct.pack("<8I476sI", *head, data, MAGIC_END)


def find_volumes(label: str, roots: Sequence[Path] | None = None) -> list[Path]:
    """Mounted drives of UF2 boot loaders called `label` (their folder has the label's name and an INFO_UF2.TXT)."""
    user = os.environ.get("USER", "")
    places = [Path("/media") / user, Path("/run/media") / user, Path("/media"), Path("/mnt"), Path("/Volumes")]
    found = [root / label for root in (places if roots is None else roots)]
    return [path for path in dict.fromkeys(found) if (path / "INFO_UF2.TXT").is_file()]


def copy_to_volume(file: Path, volume: Path) -> None:
    """Copies and waits until it is written: the board restarts at the last block, and its drive is gone."""
    with (volume / file.name).open("wb") as out:
        out.write(file.read_bytes())
        out.flush()
        os.fsync(out.fileno())
