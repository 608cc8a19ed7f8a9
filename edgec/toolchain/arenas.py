"""What the models of a firmware share: an arena in each memory that some model uses, a section of constants in each flash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgec.target import Memory, Target
from edgec.toolchain.package import Package

__all__ = ["Arena", "Constants", "arenas_of", "constants_of", "home"]


@dataclass(frozen=True)
class Arena:
    """An array that all models with a region of that name share.  rank: place of that region among a model's, fastest first; suffix: of
    its C names and sections."""

    name: str
    rank: int
    suffix: str
    bytes: int


@dataclass(frozen=True)
class Constants:
    """An output section of the linker: the constants that packages put into one flash.  inputs: names of their own sections."""

    name: str
    rank: int
    output: str
    inputs: tuple[str, ...]


def home(name: str, rank: int, part: str, target: Target) -> Memory:
    """The memory of the board a firmware is linked for that stands for one of the target a package was compiled for: that of the same
    name, else the one that comes as late in the order of speed."""
    regions = target.regions(part) or (target.region(part),)
    return next((region for region in regions if region.name == name), regions[min(rank, len(regions) - 1)])


def arenas_of(packages: Sequence[Package], first: str = "") -> list[Arena]:
    """One array for each name of a region, as large as the largest model needs.  first: the name of the memory of arenas in one piece,
    whose array is the first one."""
    found: dict[str, tuple[int, int]] = {}
    pieces = [(name or first, rank, size) for package in packages for rank, (name, size) in enumerate(package.regions)]
    for name, rank, size in sorted(pieces, key=lambda piece: piece[0] != first):
        known = found.get(name, (rank, 0))
        found[name] = min(known[0], rank), max(known[1], size)
    return [Arena(name, rank, _suffix(n), size) for n, (name, (rank, size)) in enumerate(found.items())]


def constants_of(packages: Sequence[Package], first: str) -> list[Constants]:
    """One section for each flash.  first: the name of the flash of constants that lie in one piece."""
    found: dict[str, tuple[int, list[str]]] = {first: (0, [])}
    for package in packages:
        own = f".rodata.{package.name}_weights"
        names = [(name, f"{own}_{name}") for name in package.weight_regions] or [(first, own)]
        for rank, (name, section) in enumerate(names):
            found.setdefault(name, (rank, []))[1].append(section)
    return [
        Constants(name, rank, f".weights{_suffix(n)}", tuple(inputs))
        for n, (name, (rank, inputs)) in enumerate(found.items())
    ]


def _suffix(number: int) -> str:
    """Of the names of the second, third, .. of several."""
    return f"_{number}" if number else ""
