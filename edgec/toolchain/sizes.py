"""Bytes read from ELF files: never from a plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "ElfSizes", "Symbol", "binary_image", "elf_contents", "elf_places", "elf_sections", "elf_segments", "elf_sizes",
    "elf_symbols", "intel_hex", "undefined_symbols", "write_hex",
]  # fmt: skip

_ALLOC, _WRITE = 2, 1


@dataclass(frozen=True)
class ElfSizes:
    """Bytes of an ELF file.  `flash`: everything that must be stored (code, constants, initial values of variables);
    `weights`: its sections of that name (`.weights`, `.weights_1`, ..)."""

    flash: int
    weights: dict[str, int]


@dataclass(frozen=True)
class Symbol:
    """A function or object: address (Thumb bit cleared), bytes, whether it is code, whether it is a variable."""

    name: str
    address: int
    size: int
    code: bool
    variable: bool


def elf_sizes(elf: Path) -> ElfSizes:
    """Sizes of a linked firmware or of an object file."""
    from elftools.elf.elffile import ELFFile

    flash, weights = 0, {}
    with elf.open("rb") as stream:
        for section in ELFFile(stream).iter_sections():
            if section["sh_flags"] & _ALLOC and section["sh_type"] != "SHT_NOBITS":
                flash += int(section["sh_size"])
                if section.name.startswith(".weights"):
                    weights[section.name] = int(section["sh_size"])
    return ElfSizes(flash, weights)


def elf_sections(elf: Path) -> dict[str, tuple[int, int]]:
    """Address and bytes of every section."""
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as stream:
        return {s.name: (int(s["sh_addr"]), int(s["sh_size"])) for s in ELFFile(stream).iter_sections()}


def elf_symbols(elf: Path) -> list[Symbol]:
    """All functions and objects with a size or a name, in address order."""
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    found: list[Symbol] = []
    with elf.open("rb") as stream:
        elf_file = ELFFile(stream)
        table = elf_file.get_section_by_name(".symtab")
        writable = {n for n, s in enumerate(elf_file.iter_sections()) if s["sh_flags"] & _WRITE}
        for symbol in table.iter_symbols() if isinstance(table, SymbolTableSection) else ():
            kind = symbol["st_info"]["type"]
            if kind in ("STT_FUNC", "STT_OBJECT") or (kind == "STT_NOTYPE" and symbol.name.startswith("__")):
                code = kind == "STT_FUNC"
                address = int(symbol["st_value"]) & (~1 if code else ~0)
                variable = kind == "STT_OBJECT" and symbol["st_shndx"] in writable
                found.append(Symbol(symbol.name, address, int(symbol["st_size"]), code, variable))
    return sorted(found, key=lambda symbol: (symbol.address, symbol.name))


def undefined_symbols(objects: list[Path]) -> list[str]:
    """Names that object files use and none of them has."""
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    used: set[str] = set()
    there: set[str] = set()
    for path in objects:
        with path.open("rb") as stream:
            table = ELFFile(stream).get_section_by_name(".symtab")
            for symbol in table.iter_symbols() if isinstance(table, SymbolTableSection) else ():
                if symbol["st_info"]["bind"] != "STB_LOCAL":
                    (used if symbol["st_shndx"] == "SHN_UNDEF" else there).add(symbol.name)
    return sorted(used - there)


def elf_contents(elf: Path) -> dict[str, bytes]:
    """The bytes of every section that must be stored, in the file's order."""
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as stream:
        return {
            section.name: section.data()
            for section in ELFFile(stream).iter_sections()
            if section["sh_flags"] & _ALLOC and section["sh_type"] != "SHT_NOBITS"
        }


def elf_places(elf: Path, names: Sequence[str]) -> dict[str, int]:
    """Where in the file the contents of the named objects begin; those it lacks are left out."""
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    with elf.open("rb") as stream:
        elf_file = ELFFile(stream)
        table = elf_file.get_section_by_name(".symtab")
        found = {}
        for name in names:
            symbols = table.get_symbol_by_name(name) if isinstance(table, SymbolTableSection) else None
            for symbol in symbols or ():
                section = elf_file.get_section(symbol["st_shndx"])
                found[name] = int(section["sh_offset"] + symbol["st_value"] - section["sh_addr"])
    return found


def elf_segments(elf: Path) -> list[tuple[int, bytes]]:
    """(load address, bytes) of everything that must be stored, in address order."""
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as stream:
        return sorted(
            (int(segment["p_paddr"]), segment.data())
            for segment in ELFFile(stream).iter_segments()
            if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]
        )


def binary_image(elf: Path, out: Path) -> Path:
    """Writes the flash image from its lowest address, gaps up to 16 MB filled with 0xFF; the rest is left out."""
    segments = elf_segments(elf)
    base, image = segments[0][0], bytearray()
    for address, data in segments:
        if address - base - len(image) > 1 << 24:
            break
        image += b"\xff" * (address - base - len(image))
        image[address - base : address - base + len(data)] = data
    out.write_bytes(bytes(image))
    return out


def intel_hex(elf: Path, out: Path) -> Path:
    """Writes all segments as Intel HEX."""
    return write_hex(elf_segments(elf), out)


def write_hex(pieces: Sequence[tuple[int, bytes]], out: Path) -> Path:
    """Writes (address, bytes) pieces as Intel HEX (extended linear addresses, 16 bytes a line)."""

    def record(kind: int, address: int, data: bytes) -> str:
        body = bytes([len(data), address >> 8, address & 255, kind]) + data
        return f":{(body + bytes([-sum(body) & 255])).hex().upper()}\n"

    lines: list[str] = []
    upper = -1
    for base, data in pieces:
        at = 0
        while at < len(data):
            address = base + at
            if address >> 16 != upper:
                upper = address >> 16
                lines.append(record(4, 0, upper.to_bytes(2, "big")))
            count = min(16, len(data) - at, 0x10000 - (address & 0xFFFF))
            lines.append(record(0, address & 0xFFFF, data[at : at + count]))
            at += count
    lines.append(record(1, 0, b""))
    out.write_text("".join(lines), encoding="ascii")
    return out
