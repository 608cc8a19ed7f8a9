"""The arrays of a firmware that its models share: an arena for each memory that some model uses, the constants of each flash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgec.target import Memory, Target
from edgec.toolchain.package import Package

__all__ = ["Arena", "WeightSection", "arenas_of", "home", "weight_sections"]


@dataclass(frozen=True)
class Arena:
    """An array that all models with a region of that name share.  suffix: of its C names and sections."""

    name: str
    suffix: str
    bytes: int


@dataclass(frozen=True)
class WeightSection:
    """An output section of the linker: the constants that packages put into one flash.  inputs: names of their sections."""

    name: str
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
    pieces = [(name or first, size) for package in packages for name, size in package.regions]
    sizes = {name: 0 for name, _ in sorted(pieces, key=lambda piece: piece[0] != first)}
    for name, size in pieces:
        sizes[name] = max(sizes[name], size)
    return [Arena(name, f"_{n}" if n else "", size) for n, (name, size) in enumerate(sizes.items())]


def weight_sections(packages: Sequence[Package], first: str) -> list[WeightSection]:
    """One section for each flash.  first: the name of the flash of constants that lie in one piece."""
    inputs: dict[str, list[str]] = {first: []}
    for package in packages:
        inputs[first].append(f".rodata.{package.name}_weights")
        for name in package.weight_regions:
            inputs.setdefault(name, []).append(f".rodata.{package.name}_weights_{name}")
    return [
        WeightSection(name, f".weights{f'_{n}' if n else ''}", tuple(found))
        for n, (name, found) in enumerate(inputs.items())
    ]
