"""Executes a Program over one byte arena of exactly the planned size, so that a wrong overlap shows as a wrong answer.

Rows are computed in the order of pull.py and written where the plan says; everything else in the arena is poison.  Each region of it is
memory of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgec.ir.program import Array, Buffer, Program, Segment, Site, Step
from edgec.ir.pull import Arrival, Call, all_calls, pushed_input
from edgec.ir.reach import All

Reference = Callable[[Site, int, int, Sequence[Array]], Array]
POISON = 0xA5


class Interpreter:
    """Runs a placed program; its states live from one run to the next.  references: operator name -> reference(site, y0, y1, rows).

    watch, if given, is called with (step, first row, rows as array) after each call: layer-by-layer comparison.
    """

    def __init__(self, program: Program, references: Mapping[str, Reference]) -> None:
        self.program = program
        self.references = references
        self.buffers = program.by_name
        self.offsets = program.offsets
        self.bases = {name: program.base(name).name for name in self.buffers}
        self.arenas = {region: np.full(region.bytes, POISON, np.uint8) for region in program.parts}
        self.side: dict[str, Array] = {}  # tiles: one row outside the arena
        for buffer in program.buffers:
            if buffer.tile:
                self.side[buffer.name] = np.full(buffer.row_bytes, POISON, np.uint8)
        self.kept: dict[str, Array] = {}  # states by the name of their input: [rows, row_elements]
        self.reset()

    def reset(self) -> None:
        """Makes every state zero."""
        for state in self.program.states:
            buffer = self.buffers[state.input.buffer]
            zero = buffer.quant.zero_point if buffer.quant is not None else 0
            self.kept[state.input.name] = np.full((buffer.rows, buffer.row_elements), zero, buffer.dtype)

    def run(
        self, inputs: Mapping[str, Array], watch: Callable[[Step, int, Array], None] | None = None
    ) -> dict[str, Array]:
        """One inference, from the states that the one before has left.

        inputs: ONNX input name -> array of any shape with the right element count (stored dtype).

        Returns ONNX output name -> array in the stored dtype and physical order, shaped as the port.
        """
        for arena in self.arenas.values():
            arena[:] = POISON
        arriving = None
        for port in self.program.inputs:
            buffer = self.buffers[port.buffer]
            data = (
                np.ascontiguousarray(inputs[port.name])
                .astype(buffer.dtype, casting="equiv")
                .reshape(buffer.rows, buffer.row_elements)
            )
            if port.buffer == pushed_input(self.program):
                arriving = data
            else:
                self._whole(buffer)[...] = data
        for state in self.program.states:
            self._whole(self.buffers[state.input.buffer])[...] = self.kept[state.input.name]
        for index, call in all_calls(self.program):
            if isinstance(call, Arrival):
                assert arriving is not None
                self._slot(self.buffers[call.buffer], call.row)[...] = arriving[call.row]
                continue
            segment = self.program.segments[index]
            made = self._call(call, segment)
            if watch is not None:
                watch(call.step, call.first, made)
        for state in self.program.states:
            left = self._whole(self.buffers[state.output.buffer])
            self.kept[state.input.name] = left.reshape(self.kept[state.input.name].shape).copy()
        outputs = {}
        for port in self.program.outputs:
            outputs[port.name] = self._whole(self.buffers[port.buffer]).reshape(port.shape).copy()
        return outputs

    def _whole(self, buffer: Buffer) -> Array:
        """A full buffer as [rows, row_elements], a view onto the arena."""
        owner = self.buffers[self.bases[buffer.name]]
        raw = self.bytes(self.offsets[owner.name], 0, buffer.rows * buffer.row_bytes, buffer.name)
        view: Array = raw.view(buffer.dtype)
        return view.reshape(buffer.rows, buffer.row_elements)

    def bytes(self, offset: int, behind: int, size: int, who: str) -> Array:
        """`size` bytes of the arena, `behind` bytes behind an offset and in the region of that offset, writable."""
        region = self.program.region_at(offset)
        start = offset - region.start + behind
        raw = self.arenas[region][start : start + size]
        if raw.size != size:
            raise ValueError(f"{who!r} at {offset} leaves the {region.bytes} bytes of its region {region.name!r}")
        return raw

    def _slot(self, buffer: Buffer, row: int) -> Array:
        """The stored bytes of one row as elements, writable."""
        if buffer.tile:
            return self.side[buffer.name].view(buffer.dtype)
        slot = (row + buffer.shift) % buffer.stored_rows * buffer.row_bytes
        return self.bytes(self.offsets[buffer.name], slot, buffer.row_bytes, buffer.name).view(buffer.dtype)

    def _rows(self, step: Step, index: int, call: Call) -> Array:
        """Input `index` as [rows, row_elements]; of a ring only the rows this call may read, the rest is poison."""
        buffer = self.buffers[step.inputs[index]]
        owner = self.buffers[self.bases[buffer.name]]
        if owner.is_full:
            return self._whole(buffer)
        rows = np.full((buffer.rows, buffer.row_bytes), POISON, np.uint8).view(buffer.dtype)
        reach = step.reach[index]
        for y in range(call.first, call.stop):
            first, last = (0, buffer.rows - 1) if isinstance(reach, All) else reach.rows(y)
            for row in range(first, last + 1):
                rows[row] = self._slot(owner, row)
        return rows

    def _call(self, call: Call, segment: Segment) -> Array:
        step = call.step
        site = Site(step, tuple(self.buffers[n] for n in step.inputs), self.buffers[step.output])
        rows = [self._rows(step, i, call) for i in range(len(step.inputs))]
        made = np.asarray(self.references[step.op](site, call.first, call.stop, rows))
        if made.dtype != np.dtype(site.output.dtype):
            raise TypeError(f"{step.op} made {made.dtype}, its output {site.output.name!r} is {site.output.dtype}")
        made = made.reshape(call.stop - call.first, site.output.row_elements)
        if segment.scratch_offset >= 0:  # what the kernel leaves in its scratch
            self.bytes(segment.scratch_offset, 0, segment.scratch, f"scratch of {step.name}")[:] = POISON
        for y in range(call.first, call.stop):
            self._slot(site.output, y)[...] = made[y - call.first]
        return made


def run(program: Program, references: Mapping[str, Reference], inputs: Mapping[str, Any]) -> dict[str, Array]:
    """One inference of a placed program in a fresh arena."""
    return Interpreter(program, references).run(inputs)
