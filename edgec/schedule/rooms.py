"""What the memories of a target leave to a model: for the arena and for the constants, fastest first."""

from __future__ import annotations

from dataclasses import replace

from edgec.ir.program import Program, site
from edgec.kernels.predict import code_keys, code_of
from edgec.kernels.registry import kernel
from edgec.memory.regions import Room
from edgec.options import CompileOptions
from edgec.target import Target

RESERVE = 768  # bytes of RAM for the stack and the counters of the library, beside the arena
UNLIMITED = 1 << 40
GUARDS = 32  # bytes of each memory for the words around its piece of the arena that tell of an overrun
CODE = 1.05, 512  # what the code may take at most: times as much as predicted, and bytes more


def beside(program: Program) -> int:
    """Bytes of RAM that a model takes where the application's variables are."""
    return RESERVE + program.state_bytes


def ram_of(target: Target) -> int:
    """RAM the arena may fill on a target; practically unlimited off a board."""
    return sum(region.size - region.reserve for region in target.regions("arena")) or UNLIMITED + RESERVE


def arena_rooms(target: Target, program: Program) -> tuple[Room, ...]:
    """What each memory has for the arena; () where the target has but one for it."""
    rooms = _rooms(target, "arena", "data", beside(program))
    return tuple(replace(room, bytes=max(room.bytes - GUARDS, 0)) for room in rooms)


def arena_limit(target: Target, program: Program, options: CompileOptions) -> int | None:
    """Bytes that the whole arena may take: what --ram leaves, and what several memories have; None for no limit."""
    rooms = arena_rooms(target, program)
    limits = [sum(room.bytes for room in rooms)] * bool(rooms)
    limits += [] if options.ram is None else [options.ram - beside(program)]
    return min(limits, default=None)


def flash_of(target: Target) -> int:
    """Flash that code and constants may fill on a target; 0 off a board."""
    regions = dict.fromkeys((*target.regions("code"), *target.regions("weights")))
    return sum(region.size - region.reserve for region in regions)


def flash_rooms(target: Target, program: Program) -> tuple[Room, ...]:
    """What each memory has for the constants of a program with its kernels; () where the target has but one for them."""
    keys = (key for step in program.steps for key in code_keys(kernel(step.kernel), site(program, step)))
    code = round(CODE[0] * code_of(keys, len(program.steps), program.target)) + CODE[1]
    return _rooms(target, "weights", "code", code)


def _rooms(target: Target, part: str, other: str, taken: int) -> tuple[Room, ...]:
    """Room for a part in each memory that may hold it, where there are several.  taken: bytes that the model needs where `other` is."""
    regions = target.regions(part)
    left = (m.size - m.reserve - (taken if other in m.holds else 0) for m in regions)
    rooms = (Room(m.name, max(size, 0), m.wait_states) for m, size in zip(regions, left, strict=True))
    return tuple(rooms) if len(regions) > 1 else ()
