"""How long each stored buffer must keep its bytes, in units of segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgec.ir.program import Program
from edgec.memory.share import shared
from edgec.memory.trail import Trail

SCRATCH = "scratch@"


@dataclass(frozen=True)
class Block:
    """Bytes that need a place: from segment `first` to segment `last` (inclusive)."""

    name: str
    bytes: int
    first: int
    last: int

    def meets(self, other: Block) -> bool:
        """Whether both are alive during some segment."""
        return self.first <= other.last and other.first <= self.last


def uses(program: Program, keep_input: bool = False) -> dict[str, tuple[int, int]]:
    """Stored buffer -> (first segment, last segment) of its life.  Inputs and states live from -1 on, outputs and
    the next states until behind the last segment."""
    life: dict[str, tuple[int, int]] = {}

    def touch(name: str, when: int) -> None:
        base = program.base(name)
        if not base.tile:
            first, last = life.get(base.name, (when, when))
            life[base.name] = min(first, when), max(last, when)

    end = len(program.segments)
    for port in program.entries:
        touch(port.buffer, -1)
        if keep_input and port in program.inputs:
            touch(port.buffer, end)
    for index, segment in enumerate(program.segments):
        for name in segment.steps:
            step = program.step_by_name[name]
            for source in step.inputs:
                touch(source, index)
            touch(step.output, index)
    for port in program.exits:
        touch(port.buffer, end)
    return life


def blocks(program: Program, keep_input: bool = False) -> list[Block]:
    """What needs a place: stored buffers (whole words; of those that share their bytes the first), and the scratch of each segment."""
    life = uses(program, keep_input)
    others = {name for group in shared(program, life) for name in group[1:]}
    found = [Block(n, (program.by_name[n].bytes + 3) // 4 * 4, *life[n]) for n in life if n not in others]
    found += [Block(f"{SCRATCH}{i}", s.scratch, i, i) for i, s in enumerate(program.segments) if s.scratch]
    return found


def lower_bound(found: Sequence[Block], trails: dict[tuple[str, str], Trail]) -> int:
    """No placement needs less: the most bytes alive during any one segment, each output over at most one input."""
    sizes = {b.name: b for b in found}
    saved: dict[int, dict[str, int]] = {}
    for (out, source), trail in trails.items():
        gain = sizes[out].bytes + sizes[source].bytes - max(trail.bytes + sizes[source].bytes, sizes[out].bytes)
        at = saved.setdefault(sizes[source].last, {})
        at[out] = max(at.get(out, 0), gain)
    whens = range(-1, max((b.last for b in found), default=0) + 1)
    return max(
        (sum(b.bytes for b in found if b.first <= w <= b.last) - sum(saved.get(w, {}).values()) for w in whens),
        default=0,
    )
