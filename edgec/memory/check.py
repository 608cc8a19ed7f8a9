"""An independent proof that a placed program never reads a byte that something else has overwritten.

Shares nothing with the planner: it walks the kernel calls in execution order and keeps, for every byte of the arena, which row of
which buffer was written there last.  A read of a row whose bytes have another owner is a collision.
"""

from __future__ import annotations

import numpy as np

from edgec.errors import EdgecError
from edgec.ir.program import ITEM_BYTES, Array, Buffer, Program, Step, scratch_layout
from edgec.ir.pull import Arrival, Call, all_calls, pushed_input
from edgec.ir.reach import Run

NOBODY = -1


class PlanError(EdgecError):
    """The memory plan is wrong: a defect of the planner (or of a hand-written program), never of the model."""


class _Arena:
    """Owner of each byte: buffer number * 2^24 + row."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.owner = np.full(program.arena, NOBODY, np.int64)
        self.offsets = program.offsets
        self.numbers = {b.name: i for i, b in enumerate(program.buffers)}
        self.bases = {b.name: program.base(b.name) for b in program.buffers}
        self.tiles: dict[str, int] = {}
        self.owners: dict[str, Array] = {}

    def cut(self) -> None:
        """The regions are pieces of the arena that do not overlap."""
        end = 0
        for region in self.program.regions:
            if region.bytes <= 0 or region.start < end or region.end > self.owner.size or region.start % 8:
                raise PlanError(
                    f"region {region.name!r} is no piece of the arena of its own", "the memory plan is wrong"
                )
            end = region.end

    def inside(self, first: int, end: int, who: str) -> None:
        """Bytes first..end-1 lie inside the arena, in one region of it."""
        if not any(region.holds(first, end) for region in self.program.parts):
            where = ", ".join(f"{r.name} {r.start}..{r.end}" for r in self.program.regions)
            raise PlanError(
                f"{who} at {first}..{end} leaves the arena of {self.owner.size} bytes{where and f', or its region: {where}'}",
                "the memory plan is wrong",
            )

    def placed(self) -> None:
        """Every stored buffer that is used lies inside one region of the arena, on a boundary of its elements."""
        used = {n for step in self.program.steps for n in (*step.inputs, step.output)}
        for name in sorted(used | {port.buffer for port in (*self.program.entries, *self.program.exits)}):
            base = self.bases[name]
            if base.tile:
                continue
            if base.name not in self.offsets:
                raise PlanError(f"buffer {name!r} has no place", "the memory plan is wrong")
            offset = self.offsets[base.name]
            self.inside(offset, offset + base.bytes, f"buffer {name!r}")
            if any(offset % min(ITEM_BYTES[dtype], 4) for dtype in (base.dtype, self.program.by_name[name].dtype)):
                raise PlanError(f"{base.dtype} buffer {name!r} at {offset} is not aligned", "the memory plan is wrong")

    def spans(self, name: str, first: int, stop: int) -> list[tuple[int, int, Array]]:
        """(start, end, expected owner of each byte) of rows first..stop-1 of a buffer or view."""
        seen, base = self.program.by_name[name], self.bases[name]
        number = self.numbers[base.name] << 24
        offset = self.offsets[base.name]
        if base.is_full:
            start, end = first * seen.row_bytes, stop * seen.row_bytes
            if base.name not in self.owners:  # of every byte of the buffer
                self.owners[base.name] = number + np.arange(base.bytes) // max(base.row_bytes, 1)
            return [(offset + start, offset + end, self.owners[base.name][start:end])]
        if seen.row_bytes != base.row_bytes:
            raise PlanError(
                f"view {name!r} cuts the rows of ring {base.name!r} differently", "keep all rows of the ring"
            )
        found = []
        for row in range(first, stop):
            start = offset + (row + base.shift) % base.stored_rows * base.row_bytes
            found.append((start, start + base.row_bytes, np.full(base.row_bytes, number + row)))
        return found

    def read(self, name: str, first: int, stop: int, who: str) -> None:
        base = self.bases[name]
        if base.tile:
            if self.tiles.get(base.name) != stop - 1 or stop - first != 1:
                raise PlanError(
                    f"{who} reads row {first} of tile {name!r}, which holds row {self.tiles.get(base.name)}",
                    "make it a ring",
                )
            return
        for start, end, owners in self.spans(name, first, stop):
            wrong = np.flatnonzero(self.owner[start:end] != owners)
            if wrong.size:
                at = start + int(wrong[0])
                raise PlanError(
                    f"{who} reads byte {at} as {self.describe(int(owners[wrong[0]]))}, but it holds {self.describe(int(self.owner[at]))}",
                    "the memory plan is wrong; please report the model",
                )

    def write(self, name: str, first: int, stop: int) -> None:
        base = self.bases[name]
        if base.tile:
            self.tiles[base.name] = stop - 1
            return
        for start, end, owners in self.spans(name, first, stop):
            self.owner[start:end] = owners

    def contiguous(self, name: str, first: int, stop: int, who: str) -> None:
        """Rows that one call takes as a run must not go round the end of a ring."""
        base = self.bases[name]
        if (
            not base.tile
            and not base.is_full
            and (first + base.shift) % base.stored_rows + stop - first > base.stored_rows
        ):
            raise PlanError(
                f"{who}: rows {first}..{stop - 1} of ring {name!r} do not lie behind one another",
                "the ring needs another size",
            )

    def describe(self, owner: int) -> str:
        if owner == NOBODY:
            return "nothing"
        return f"row {owner & 0xFFFFFF} of {self.program.buffers[owner >> 24].name!r}"


def _needed(step: Step, index: int, call: Call, source: Buffer) -> tuple[int, int]:
    """Rows first..stop-1 of input `index` that the call reads."""
    spans = [step.reach[index].rows(y) for y in range(call.first, call.stop)]
    wanted = [span for span in spans if span[0] <= span[1]]
    if not wanted:
        return 0, 0
    first, last = min(s[0] for s in wanted), max(s[1] for s in wanted)
    if first < 0 or last >= source.rows:
        raise PlanError(
            f"{step.name} reaches for rows {first}..{last} of {source.name!r}, which has {source.rows}",
            "the step's reach is wrong",
        )
    return first, last + 1


def _call(arena: _Arena, call: Call, scratch: tuple[int, int]) -> None:
    step, program = call.step, arena.program
    writes = [] if arena.bases[step.output].tile else arena.spans(step.output, call.first, call.stop)
    arena.contiguous(step.output, call.first, call.stop, step.name)
    for index, name in enumerate(step.inputs):
        source = program.by_name[name]
        first, stop = _needed(step, index, call, source)
        if first == stop:
            continue
        arena.read(name, first, stop, step.name)
        if isinstance(step.reach[index], Run):
            arena.contiguous(name, first, stop, step.name)
        if arena.bases[name].tile:
            continue
        for start, end, _ in arena.spans(name, first, stop):
            if scratch[0] < end and start < scratch[1]:
                raise PlanError(
                    f"{step.name}: its scratch lies on the rows of {name!r} that it reads", "the memory plan is wrong"
                )
            for low, high, _ in writes:
                if low >= end or start >= high:
                    continue
                out = program.by_name[step.output]
                narrow = (
                    out.row_bytes <= source.row_bytes
                    and out.row_elements == source.row_elements
                    and out.rows == source.rows
                )
                if (
                    index not in step.inplace or low > start or not narrow
                ):  # in ascending order an element is read before it is covered
                    raise PlanError(
                        f"{step.name} overwrites rows of {name!r} while it reads them",
                        "its kernel cannot work in place",
                    )
    for low, high, _ in writes:
        if scratch[0] < high and low < scratch[1]:
            raise PlanError(f"{step.name}: its scratch lies on the rows it makes", "the memory plan is wrong")
    if scratch[1] > scratch[0]:
        arena.owner[scratch[0] : scratch[1]] = NOBODY
    arena.write(step.output, call.first, call.stop)


def check(program: Program, keep_input: bool = False) -> None:
    """Raises PlanError with the step, the byte and both owners if any live byte would be overwritten; returns None for a sound plan."""
    arena = _Arena(program)
    arena.cut()
    arena.placed()
    for state in program.states:
        first, last = (program.by_name[port.buffer] for port in (state.input, state.output))
        if (first.bytes, first.dtype, first.quant) != (last.bytes, last.dtype, last.quant):
            raise PlanError(f"state {state.input.name!r} does not begin as it ends", "lowering has to bring it there")
    for port in program.entries:
        if port.buffer == pushed_input(program):
            continue
        arena.write(port.buffer, 0, program.by_name[port.buffer].rows)
    scratch = []
    for segment in program.segments:
        size = scratch_layout(program, segment)[2]
        if size > segment.scratch:
            raise PlanError(
                f"a segment needs {size} bytes of scratch and was given {segment.scratch}", "the memory plan is wrong"
            )
        if segment.scratch_offset >= 0:
            arena.inside(segment.scratch_offset, segment.scratch_offset + size, "the scratch of a segment")
            scratch.append((segment.scratch_offset, segment.scratch_offset + size))
        elif size > program.scratch:
            raise PlanError(
                f"a segment needs {size} bytes of scratch, there are {program.scratch}", "the memory plan is wrong"
            )
        else:
            scratch.append((0, 0))
    for index, call in all_calls(program):
        if isinstance(call, Arrival):
            arena.write(call.buffer, call.row, call.row + 1)
        else:
            _call(arena, call, scratch[index])
    kept = (*program.exits, *(program.inputs if keep_input else ()))
    for port in kept:
        arena.read(
            port.buffer,
            0,
            program.by_name[port.buffer].rows,
            f"{'output' if port in program.exits else 'kept input'} {port.name!r}",
        )
