"""What counts of any step are made of: calls, rows, elements, and pixels times a matrix in blocks."""

from __future__ import annotations

from edgec.ir.program import Site
from edgec.kernels._packing import has_tail

Counts = dict[str, float]
BLOCKS = {"2x4": (2, 4, 4), "1x8": (1, 8, 4), "4x4": (4, 4, 16)}
"""(pixels, channels, inputs a turn) of the loop nests of matrix kernels."""


def up(count: int, multiple: int) -> int:
    """How many groups of `multiple` hold `count`."""
    return -(-count // multiple)


def calls(site: Site) -> list[int]:
    """Output rows of each call of one inference."""
    rows, group = site.output.rows, site.step.group or site.output.rows
    return [min(group, rows - y) for y in range(0, rows, group)]


def is_clamped(site: Site) -> bool:
    """Whether int8 results have limits of their own."""
    attrs = site.step.attrs
    return site.output.dtype == "int8" and (attrs.get("lo", -128), attrs.get("hi", 127)) != (-128, 127)


def plain(site: Site) -> Counts:
    """What any operator has: calls, rows, elements in and out."""
    read = sum(b.elements for b in site.inputs)
    depth = int(site.step.attrs.get("depth", 0) or 0)  # type: ignore[arg-type]
    vectors = site.output.elements / depth if depth else 0.0
    return {
        "call": len(calls(site)),
        "row": site.output.rows,
        "out": site.output.elements,
        "in": read,
        "vector": vectors,
        "vector words": vectors * (depth // 4),
        "vector rest": vectors * (depth % 4),
        "clamped": up(site.output.elements, 4) if is_clamped(site) else 0,
        "quad": up(site.output.row_elements, 4) * site.output.rows,
        "chunk": up(site.output.row_elements, 16) * site.output.rows,
    }


def matrix(runs: list[int], depth: int, outputs: int) -> Counts:
    """Runs of pixels times a matrix [outputs, depth], in every block shape."""
    pixels = sum(runs)
    found: Counts = {"pixel": pixels, "mac": pixels * depth * outputs, "result": pixels * outputs}
    found["tail"] = pixels * (outputs % 4 > 0)
    found["product"] = pixels * outputs * up(depth, 4)
    for name, (wide, high, deep) in BLOCKS.items():
        whole, rest = sum(n // wide for n in runs), sum(n % wide for n in runs)
        groups, turns = up(outputs, high), up(depth, deep)
        full = groups - 0.5 * has_tail(outputs, high)
        found |= {f"{name} turn": whole * full * turns, f"{name} block": whole * groups, f"{name} run": whole}
        found |= {f"{name} round": whole * full * up(turns, 4)}
        if wide > 1:
            single = {
                f"{name} one turn": rest * groups * turns,
                f"{name} one block": rest * groups,
                f"{name} one": rest,
            }
            found |= single | {f"{name} one round": rest * groups * up(turns, 4)}
        found[f"{name} widened"] = pixels * turns
    for wide, count in tiles(runs).items():
        found |= {f"4x4 of {wide}": count, f"4x4 of {wide} block": count * up(outputs, 4)}
        found[f"4x4 of {wide} turn"] = count * up(outputs, 4) * up(depth, 16)
    return found


def tiles(runs: list[int]) -> dict[int, int]:
    """Tiles of four, three, two pixels and one that runs are made in: the last five of a run as three and two."""
    found = dict.fromkeys((4, 3, 2, 1), 0)
    for n in runs:
        split = n > 4 and n % 4 == 1
        found[4] += n // 4 - split
        for rest in (3, 2) if split else (n % 4,) if n % 4 else ():
            found[rest] += 1
    return found
