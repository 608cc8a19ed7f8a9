"""Trails: how far behind the start of an output its input must lie, so that the output may be written over rows that are no longer read.

For output o made over input i in one segment the arena must satisfy  offset(i) >= offset(o) + trail(o, i),  or keep them apart.  0 is in-place.
Derived by walking the kernel calls; nothing is assumed about operators.  Source: memory note, section B; MCUFormer's token overwriting.
"""

from __future__ import annotations

from edgec.ir.program import ITEM_BYTES, Buffer, Program
from edgec.ir.pull import Call, calls


def _reads(program: Program, call: Call, base: Buffer) -> tuple[int, bool] | None:
    """(oldest row of `base` that the call reads, whether the call may overwrite it element by element); None if it reads none."""
    oldest: int | None = None
    alike = True
    for index, name in enumerate(call.step.inputs):
        seen = program.by_name[name]
        if program.base(name).name != base.name:
            continue
        spans = [call.step.reach[index].rows(y) for y in range(call.first, call.stop)]
        first = 0 if seen.rows != base.rows else min((a for a, b in spans if a <= b), default=base.rows)
        oldest = first if oldest is None else min(oldest, first)
        out = program.by_name[call.step.output]
        narrow = ITEM_BYTES[out.dtype] <= ITEM_BYTES[seen.dtype] and out.row_elements == seen.row_elements and out.rows == seen.rows
        alike = alike and index in call.step.inplace and narrow
    return None if oldest is None else (oldest, alike)


def trails(program: Program, dying: dict[str, int]) -> dict[tuple[str, str], int]:
    """(output, input) -> trail in bytes, for every pair that may overlap.  dying: stored buffer -> segment of its last use."""
    found: dict[tuple[str, str], int] = {}
    for index, segment in enumerate(program.segments):
        order = list(calls(program, segment))
        made = {call.step.output for call in order}
        outs = [program.by_name[name] for name in made if program.by_name[name].is_full and dying.get(name, -1) > index]
        names = {program.base(n).name for call in order for n in call.step.inputs}
        sources = [program.by_name[n] for n in sorted(names - made) if dying.get(n) == index and not program.by_name[n].tile]
        for source in sources:
            reads = [_reads(program, call, source) for call in order]
            later = source.rows  # oldest row that calls behind the current one read
            after = []
            for read in reversed(reads):
                after.append(later)
                later = min(later, read[0]) if read is not None else later
            after.reverse()
            for out in outs:
                need = 0
                for call, read, behind in zip(order, reads, after, strict=True):
                    if call.step.output != out.name:
                        continue
                    oldest = behind if read is None or read[1] else min(behind, read[0])
                    need = max(need, call.stop * out.row_bytes - oldest * source.row_bytes)
                    if read is not None and read[1]:
                        need = max(need, call.first * (out.row_bytes - source.row_bytes))
                if need < out.bytes:
                    found[(out.name, source.name)] = need
    return found
