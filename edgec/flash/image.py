"""What is written where: the pieces of an ELF file, and the files that flash tools read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgec.errors import UsageError
from edgec.flash.uf2 import uf2_blocks
from edgec.toolchain.sizes import elf_sections, elf_segments, write_hex

__all__ = ["ONLY", "Image", "Piece", "read_image"]

ONLY = ("weights", "code")
GAP = 4096  # bytes: what lies nearer than this to each other is written at once


@dataclass(frozen=True)
class Piece:
    """`data` at `address`; `kind`: weights or code (all else)."""

    kind: str
    address: int
    data: bytes


@dataclass(frozen=True)
class Image:
    """The pieces to write, in address order, and where files for tools are put.  `elf`: has all pieces, chosen or not."""

    elf: Path
    pieces: tuple[Piece, ...]
    whole: bool
    folder: Path

    @property
    def name(self) -> str:
        """firmware, weights or code."""
        return "firmware" if self.whole else self.pieces[0].kind

    def hex(self) -> Path:
        """One Intel HEX file of all pieces."""
        return write_hex([(piece.address, piece.data) for piece in self.pieces], self._file(f"{self.name}.hex"))

    def bins(self) -> list[tuple[int, Path]]:
        """A raw file for each piece, with its address."""
        files = []
        for piece in self.pieces:
            path = self._file(f"{piece.kind}_{piece.address:08x}.bin")
            path.write_bytes(piece.data)
            files.append((piece.address, path))
        return files

    def bin(self) -> tuple[int, Path]:
        """One raw file from the lowest address on, gaps filled as erased flash."""
        base = self.pieces[0].address
        data = bytearray()
        for piece in self.pieces:
            data += b"\xff" * (piece.address - base - len(data)) + piece.data
        path = self._file(f"{self.name}.bin")
        path.write_bytes(bytes(data))
        return base, path

    def uf2(self, family: int) -> Path:
        """One UF2 file of all pieces."""
        path = self._file(f"{self.name}.uf2")
        path.write_bytes(uf2_blocks([(piece.address, piece.data) for piece in self.pieces], family))
        return path

    def script(self, name: str, lines: Sequence[str]) -> Path:
        """A file of commands for a tool that reads one."""
        path = self._file(name)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    def _file(self, name: str) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / name


def read_image(elf: Path, folder: Path, only: str | None = None) -> Image:
    """The pieces of `elf`, all or only weights or code.  Raises UsageError where the two do not lie apart."""
    places = [place for name, place in elf_sections(elf).items() if name.startswith(".weights") and place[1]]
    pieces: list[Piece] = []
    for address, data in elf_segments(elf):
        kind = "weights" if (address, len(data)) in places else "code"
        last = pieces[-1] if pieces else None
        if last is not None and last.kind == kind == "code" and address - last.address - len(last.data) < GAP:
            gap = b"\xff" * (address - last.address - len(last.data))
            pieces[-1] = Piece(kind, last.address, last.data + gap + data)
        else:
            pieces.append(Piece(kind, address, data))
    if only is not None and only not in ONLY:
        raise UsageError(f"there is no part '{only}' to flash", hint=f"--only takes {' or '.join(ONLY)}")
    chosen = tuple(piece for piece in pieces if only in (None, piece.kind))
    if only is not None and len({piece.kind for piece in pieces}) < 2:
        raise UsageError(
            "the weights of this firmware do not lie apart from its code",
            hint="its board gives them no flash region of their own: flash the whole firmware",
        )
    return Image(elf, chosen, only is None, folder)
