"""What the memories of a target leave to a model: for the arena, fastest first."""

from __future__ import annotations

from edgec.ir.program import Program
from edgec.memory.regions import Room
from edgec.options import CompileOptions
from edgec.target import Target

RESERVE = 768  # bytes of RAM for the stack and the counters of the library, beside the arena
UNLIMITED = 1 << 40


def beside(program: Program) -> int:
    """Bytes of RAM that a model takes where the application's variables are."""
    return RESERVE + program.state_bytes


def ram_of(target: Target) -> int:
    """RAM the arena may fill on a target; practically unlimited off a board."""
    return sum(region.size - region.reserve for region in target.regions("arena")) or UNLIMITED + RESERVE


def arena_rooms(target: Target, program: Program, options: CompileOptions) -> tuple[Room, ...]:
    """What each memory has for the arena, together no more than --ram allows; () where the target has but one for it."""
    regions = target.regions("arena")
    if len(regions) < 2:
        return ()
    left = UNLIMITED if options.ram is None else max(options.ram - beside(program), 0)
    rooms = []
    for region in regions:
        own = region.size - region.reserve - (beside(program) if "data" in region.holds else 0)
        size = min(max(own, 0), left)
        rooms.append(Room(region.name, size, region.wait_states))
        left -= size
    return tuple(rooms)
