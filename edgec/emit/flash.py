"""Constants spread over several flash memories: what an inference reads most for its size into the fastest, the rest into the next."""

from __future__ import annotations

from collections.abc import Sequence

from edgec.emit.parts import Parts
from edgec.errors import BudgetError
from edgec.memory.pack import aligned
from edgec.memory.regions import Room
from edgec.ops.registry import by_name

BORDER = 16  # the linker begins the constants of a memory on such a boundary


def reads(parts: Parts) -> dict[str, float]:
    """How often an inference reads each constant, on average over its elements.

    A weight is read once for each of the multiply-accumulates it takes part in, a number of a channel or of a table as often as
    elements are made of it.  What belongs to no step (row tables, rows of padding) is small and read for every row: before all else.
    """
    found: dict[str, float] = {}
    for part in parts.steps:
        mine = [name for name in part.initial.values() if name in parts.constants]
        largest = max(mine, key=lambda name: parts.constants[name].nbytes, default="")
        for name in dict.fromkeys(mine):
            macs = by_name()[part.step.op].macs(part.site) if name == largest else 0
            found[name] = found.get(name, 0.0) + max(macs, part.site.output.elements) / parts.constants[name].size
    return {name: found.get(name, float("inf")) for name in parts.constants}


def homes(parts: Parts, rooms: Sequence[Room]) -> dict[str, str]:
    """The memory of every constant; {} where the first has room for all of them, or there is but one (no rooms).

    BudgetError where they do not fit into all together.
    """
    sizes = {name: aligned(array.nbytes) for name, array in parts.constants.items()}
    if not rooms or sum(sizes.values()) <= rooms[0].bytes:
        return {}
    density = reads(parts)
    left = {room.name: room.bytes // BORDER * BORDER for room in rooms}
    found: dict[str, str] = {}
    for name in sorted(sizes, key=lambda name: (-density[name], name)):
        room = next((room for room, free in left.items() if sizes[name] <= free), "")
        if room:
            left[room] -= sizes[name]
            found[name] = room
    missing = sum(size for name, size in sizes.items() if name not in found)
    if missing:
        has = " and ".join(f"{room.bytes} bytes in {room.name}" for room in rooms)
        raise BudgetError(
            f"the constants take {sum(sizes.values())} bytes, {missing} too many: there are {has} beside the code",
            "use int8 instead of float32 (--calib), --optimize flash or fewer channels, raise --flash if that is given, "
            "or take a board with more flash",
        )
    return found
