"""Trails: how far behind the start of an output its input must lie, so that the output may be written over rows that are no longer read.

Rows made first to last: the arena must satisfy  offset(input) >= offset(output) + trail;  last to first, the same for the far ends:
end(output) >= end(input) + trail.  A trail of 0 is in-place.  Otherwise the two are kept apart.
Derived by walking the kernel calls; nothing is assumed about operators.  Source: memory note, section B; MCUFormer's token overwriting.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from edgec.ir.program import ITEM_BYTES, Buffer, Program, Segment
from edgec.ir.pull import Call, calls, rows_read, signature


@dataclass(frozen=True)
class Trail:
    """Bytes between the starts (or, in reverse, the ends) of an output and of the input it may overwrite."""

    bytes: int
    reverse: bool = False

    def allows(self, out: int, out_bytes: int, source: int, source_bytes: int) -> bool:
        """Whether these two offsets keep every unread row of the input."""
        if self.reverse:
            return out + out_bytes >= source + source_bytes + self.bytes
        return out + self.bytes <= source


def _reads(program: Program, call: Call, base: Buffer) -> tuple[int, int, bool] | None:
    """(oldest, newest row of `base` that the call reads, whether it may overwrite them element by element); None if it reads none."""
    spans: list[tuple[int, int]] = []
    alike = True
    for index, name in enumerate(call.step.inputs):
        seen = program.by_name[name]
        if program.base(name).name != base.name:
            continue
        spans += rows_read(program, call, index)
        out = program.by_name[call.step.output]
        narrow = (
            ITEM_BYTES[out.dtype] <= ITEM_BYTES[seen.dtype]
            and out.row_elements == seen.row_elements
            and out.rows == seen.rows
        )
        alike = alike and index in call.step.inplace and narrow
    spans = [span for span in spans if span[0] <= span[1]]
    return (min(a for a, _ in spans), max(b for _, b in spans), alike) if spans else None


def _forward(order: list[Call], reads: list[tuple[int, int, bool] | None], out: Buffer, source: Buffer) -> int:
    """Trail of rows made first to last."""
    need, later = 0, source.rows  # later: oldest row that calls behind the current one read
    for call, read in zip(reversed(order), reversed(reads), strict=True):
        oldest = later if read is None or (read[2] and call.step.output == out.name) else min(later, read[0])
        if call.step.output == out.name:
            need = max(need, call.stop * out.row_bytes - oldest * source.row_bytes)
        later = min(later, read[0]) if read is not None else later
    return need


def _backward(order: list[Call], reads: list[tuple[int, int, bool] | None], out: Buffer, source: Buffer) -> int:
    """Trail of rows made last to first: everything counted from the far ends."""
    need, later = 0, -1  # later: newest row that calls behind the current one read
    for call, read in zip(reversed(order), reversed(reads), strict=True):
        later = max(later, read[1]) if read is not None else later
        if call.step.output == out.name:
            need = max(need, (out.rows - call.first) * out.row_bytes - (source.rows - 1 - later) * source.row_bytes)
    return need


def _segment(program: Program, index: int, segment: Segment, dying: dict[str, int]) -> dict[tuple[str, str], Trail]:
    order = [call for call in calls(program, segment) if isinstance(call, Call)]
    made = {call.step.output for call in order}
    outs = [
        program.by_name[name] for name in sorted(made) if program.by_name[name].is_full and dying.get(name, -1) > index
    ]
    names = {program.base(n).name for call in order for n in call.step.inputs}
    found = {}
    for source in (
        program.by_name[n] for n in sorted(names - made) if dying.get(n) == index and not program.by_name[n].tile
    ):
        if segment.push and source.name == program.inputs[0].buffer:
            continue
        reads = [_reads(program, call, source) for call in order]
        for out in outs:
            need = (_backward if segment.reverse else _forward)(order, reads, out, source)
            if segment.reverse:  # blocks are whole words: their far ends lie up to three bytes behind the rows
                need = max(need + -out.bytes % 4 - -source.bytes % 4, 0)
            if need < out.bytes:
                found[(out.name, source.name)] = Trail(need, segment.reverse)
    return found


def trails(program: Program, dying: dict[str, int]) -> dict[tuple[str, str], Trail]:
    """(output, input) -> trail, for every pair that may overlap.  dying: stored buffer -> segment of its last use."""
    found: dict[tuple[str, str], Trail] = {}
    known: dict[Hashable, dict[tuple[int, int], Trail]] = {}  # equal segments are walked once
    for index, segment in enumerate(program.segments):
        shape, names = signature(program, segment)
        ends = tuple((dying.get(n, -1) > index) - (dying.get(n, -1) < index) for n in names)
        if (shape, ends) not in known:
            numbers = {name: number for number, name in enumerate(names)}
            made = _segment(program, index, segment, dying)
            known[(shape, ends)] = {(numbers[out], numbers[source]): trail for (out, source), trail in made.items()}
        found.update({(names[out], names[source]): trail for (out, source), trail in known[(shape, ends)].items()})
    return found
