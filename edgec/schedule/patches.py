"""Patches: the first steps of an image network computed in strips of columns, so that their rings are as narrow as a strip.

    Before: step a  conv2d  x -> t      step b  depthwise  t -> y          rings of whole rows of x and t
    After:  for each strip k:  slice x -> x_k    a  x_k -> t_k    b  t_k -> y_k      rings of rows of one strip
            then              concat y_0, y_1, .. -> y

Windows of neighbouring strips overlap: those columns of x and t are computed anew, so this is tried only where nothing else fits.  Every
step stays an ordinary one with other columns (attributes size, out, pad), so that interpreter, emitter and check know nothing of it.

Source: Lin et al. 2021 (MCUNetV2); rows need no patches, for a pipeline never computes them twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from edgec.ir.program import Array, Attr, Buffer, Program, Site, Step, site
from edgec.ir.reach import Run
from edgec.ops._rowcopy import row_copy
from edgec.ops.registry import by_name

STRIPS = (2, 3, 4)
MOST = 1.0  # multiply-accumulates that may be done again, as a multiple of those of the whole model
WINDOWS = frozenset({"conv2d", "depthwise", "maxpool", "avgpool"})
PIXELWISE = frozenset({"dense", "unary", "quantize", "dequantize", "requantize", "copy"})

Columns = tuple[int, int]  # first, and the one behind the last


@dataclass(frozen=True)
class Patched:
    """A program with its first steps in strips.  last: the step whose output is joined; extra: multiply-accumulates done again, macs:
    those without strips."""

    program: Program
    strips: int
    last: str
    extra: int
    macs: int

    def document(self) -> dict[str, int | float | str]:
        """What edgec.json says of it."""
        percent = round(100 * self.extra / max(self.macs, 1), 1)
        return {
            "strips": self.strips,
            "last_step": self.last,
            "recomputed_macs": self.extra,
            "recomputed_percent": percent,
        }


def patchings(program: Program, room: int) -> list[Patched]:
    """Every number of strips and end of the part that is cut that could fit in `room` bytes of arena, least recomputation first.

    program: ordered.  Ends are tensors not larger than any that could be the end before: what is joined is stored as a whole.
    """
    found, smallest = [], None
    start, ends = region(program)
    before, held = macs(program), _held(program, start)
    for end in ends:
        joined = program.by_name[program.steps[end].output]
        if smallest is not None and joined.bytes > smallest:
            continue
        smallest = joined.bytes
        for strips in STRIPS:
            fits = held + joined.bytes * (strips - 1) // strips <= room
            other = in_strips(program, start, end, strips) if fits else None
            if other is not None and (extra := macs(other) - before) <= MOST * before:
                found.append(Patched(other, strips, program.steps[end].name, extra, before))
    return sorted(found, key=lambda patched: (patched.extra, patched.strips))


def _held(program: Program, start: int) -> int:
    """Bytes of model inputs that step `start` reads: all strips but the last leave them whole."""
    names = {program.base(port.buffer).name for port in program.inputs}
    reads = {program.base(name).name for step in program.steps[start : start + 1] for name in step.inputs}
    return sum(program.by_name[name].bytes for name in names & reads)


def macs(program: Program) -> int:
    """Multiply-accumulates of one inference."""
    return sum(by_name()[step.op].macs(site(program, step)) for step in program.steps)


def region(program: Program) -> tuple[int, list[int]]:
    """The first step that can be cut by columns, and the steps behind it where the cut part may end: all before can be cut, and
    nothing but the output of that step is read later."""
    count = len(program.steps)
    start = next((i for i, step in enumerate(program.steps) if by_columns(site(program, step))), count)
    last_read = {program.base(port.buffer).name: count for port in program.exits}
    for i in range(count - 1, -1, -1):
        for name in program.steps[i].inputs:
            last_read.setdefault(program.base(name).name, i)
    made: set[str] = set()
    ends, open_until = [], -1
    for i in range(start, count):
        step = program.steps[i]
        reshaped = any(program.by_name[name].view_of in made for name in step.inputs)
        if reshaped or not by_columns(site(program, step)):
            break
        made.add(step.output)
        if open_until <= i and i > start:
            ends.append(i)
        open_until = max(open_until, last_read.get(step.output, i))
    return start, ends


def image(buffer: Buffer) -> bool:
    """[N,H,W,C], an image row each row, with bytes of its own or seen as such."""
    return len(buffer.shape) == 4 and buffer.rows == prod(buffer.shape[:2])


def by_columns(at: Site) -> bool:
    """Whether output columns of the step need known columns of images: a window, or the same column."""
    step = at.step
    if not at.inputs or at.output.view_of or not all(image(b) for b in (*at.inputs, at.output)):
        return False
    if step.op in WINDOWS:
        return True
    alike = all(b.shape[:3] == at.output.shape[:3] for b in at.inputs) and all(isinstance(r, Run) for r in step.reach)
    if step.op == "concat":
        return alike and step.attrs.get("count") == at.output.shape[2]
    if "mode" in step.attrs:  # two operands, or one and constants repeated along the channels
        repeats = all(at.output.shape[3] % max(array.size, 1) == 0 for array in step.consts.values())
        return alike and (step.attrs["mode"] == "same" or (step.attrs["mode"] == "const" and repeats))
    return alike and step.op in PIXELWISE


def needed(at: Site, made: Columns) -> Columns | None:
    """The columns of its inputs that a step needs for those of its output; None where they lie wholly in the padding behind."""
    if at.step.op not in WINDOWS:
        return made
    first, stop = _span(at, made)
    width = at.input.shape[2]
    return (max(first, 0), min(max(stop, 1), width)) if first < width else None


def _span(at: Site, made: Columns) -> Columns:
    """The columns that windows reach, padding included."""
    kernel, stride, dilation, pad = (at.ints(name)[1] for name in ("kernel", "stride", "dilation", "pad"))
    return made[0] * stride - pad, (made[1] - 1) * stride - pad + (kernel - 1) * dilation + 1


def narrowed(at: Site, made: Columns) -> tuple[dict[str, Attr], dict[str, Array]]:
    """attrs and consts of a step that makes only those columns of its output from the columns it needs."""
    attrs: dict[str, Attr] = dict(at.step.attrs)
    consts: dict[str, Array] = dict(at.step.consts)
    if at.step.op in WINDOWS:
        taken = needed(at, made)
        assert taken is not None
        across = {"size": taken[1] - taken[0], "out": made[1] - made[0], "pad": taken[0] - _span(at, made)[0]}
        attrs |= {name: (at.ints(name)[0], value) for name, value in across.items()}
        consts |= {k: v[slice(*made)] for k, v in consts.items() if k == "column_class"}
    elif at.step.op == "concat":
        attrs["count"] = made[1] - made[0]
    return attrs, consts


def in_strips(program: Program, start: int, end: int, strips: int) -> Program | None:
    """The program with steps start..end in that many strips; None where a strip would need no column of some input."""
    whole = program.by_name[program.steps[end].output]
    width = whole.shape[2]
    if width < strips:
        return None
    added: list[Buffer] = []
    steps, parts = list(program.steps[:start]), []
    for k in range(strips):
        strip = _Strip(program, program.steps[start : end + 1], k)
        if not strip.demand((width * k // strips, width * (k + 1) // strips)):
            return None
        steps += strip.rewritten()
        added += strip.buffers.values()
        parts.append(strip.buffers[whole.name, strip.columns[whole.name]])
    inside = {step.output for step in program.steps[start:end]}
    runs = tuple(part.row_elements for part in parts)
    joint = Step(f"{program.steps[end].name}_join", "concat", tuple(part.name for part in parts), whole.name,
                 (Run(whole.rows),) * strips, {"count": 1, "runs": runs}, node=program.steps[end].node)  # fmt: skip
    kept = [b for b in program.buffers if program.base(b.name).name not in inside]
    return program.with_(buffers=(*kept, *added), steps=(*steps, joint, *program.steps[end + 1 :]))


class _Strip:
    """Strip number k of a chain of steps: which columns of each tensor it makes, and the steps and buffers that make them."""

    def __init__(self, program: Program, steps: tuple[Step, ...], k: int) -> None:
        self.program, self.steps, self.k = program, steps, k
        self.columns: dict[str, Columns] = {}  # of each tensor that the strip makes
        self.buffers: dict[tuple[str, Columns], Buffer] = {}  # columns of a tensor of the program

    def demand(self, made: Columns) -> bool:
        """Works out the columns of every tensor, from the last one's; False where a step would need none."""
        self.columns[self.steps[-1].output] = made
        for step in reversed(self.steps):
            taken = needed(site(self.program, step), self.columns[step.output])
            if taken is None:
                return False
            for name in step.inputs:
                first, stop = self.columns.get(name, taken)
                self.columns[name] = min(first, taken[0]), max(stop, taken[1])
        return True

    def rewritten(self) -> Iterator[Step]:
        """The steps on their columns; a slice where a step takes fewer columns than there are."""
        made = {step.output for step in self.steps}
        there: Mapping[str, Columns] = {name: self.columns[name] for name in made}
        for step in self.steps:
            at = site(self.program, step)
            own = self.columns[step.output]
            taken = needed(at, own)
            assert taken is not None
            inputs = []
            for source in at.inputs:
                have = there.get(source.name, (0, source.shape[2]))
                if taken != have and (source.name, taken) not in self.buffers:
                    yield self._slice(source, have, taken, source.name in made)
                inputs.append(source.name if taken == have and source.name not in made else self._named(source, taken))
            attrs, consts = narrowed(at, own)
            output = self._buffer(at.output, own, "")
            yield replace(
                step,
                name=f"{step.name}_s{self.k}",
                inputs=tuple(inputs),
                output=output.name,
                attrs=attrs,
                consts=consts,
            )

    def _named(self, source: Buffer, columns: Columns) -> str:
        return self.buffers[source.name, columns].name

    def _buffer(self, whole: Buffer, columns: Columns, word: str) -> Buffer:
        """Columns of a tensor as a buffer of their own."""
        shape = (*whole.shape[:2], columns[1] - columns[0], whole.shape[3])
        made = Buffer(f"{whole.name}_s{self.k}{word}", whole.dtype, shape, whole.rows, quant=whole.quant)
        self.buffers[whole.name, columns] = made
        return made

    def _slice(self, source: Buffer, have: Columns, taken: Columns, made: bool) -> Step:
        """The step that cuts columns `taken` out of the columns `have` of a tensor."""
        name = self.buffers[source.name, have].name if made else source.name
        output = self._buffer(source, taken, f"_{taken[0]}_{taken[1]}")
        shape = (*source.shape[:2], have[1] - have[0], source.shape[3])
        maps = [np.arange(size) for size in shape]
        maps[2] = np.arange(taken[0] - have[0], taken[1] - have[0])
        reach, attrs, consts = row_copy(shape, maps, 0)
        return Step(output.name, "slice", (name,), output.name, (reach,), attrs, consts)
