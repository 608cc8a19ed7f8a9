"""Many nodes as one program, each step with a kernel that the caller names: how the sweeps make every kernel compute every shape.

One compilation and one boot test hundreds of nodes.  Nothing overlaps in the arena, so that placing them costs nothing either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgec.ir.program import Array, Place, Port, Program, Segment, site
from edgec.kernels.base import Kernel
from edgec.kernels.registry import candidates, kernel
from edgec.memory.lifetime import SCRATCH, blocks
from edgec.memory.pack import aligned
from edgec.schedule.segment import with_scratch
from edgec.schedule.select import choose

FORMS = [(True, True), (False, True), (False, False)]
"""How a step is called: in as few calls as its kernel likes, else by rows, several at a time or one."""
GAP = 32
"""Bytes between what lies in the arena."""


@dataclass(frozen=True)
class Given:
    """Some nodes as a program without kernels, and what its inputs (by name) hold in each run."""

    program: Program
    samples: tuple[Mapping[str, Array], ...]


def joined(given: Sequence[Given], name: str = "net") -> Given:
    """Independent programs as one; all have equally many samples."""
    buffers, steps, inputs, outputs = [], [], [], []
    samples: list[dict[str, Array]] = [{} for _ in given[0].samples]
    for i, one in enumerate(given):

        def named(name: str, i: int = i) -> str:
            return f"k{i}_{name}" if name else ""

        program = one.program
        buffers += [replace(b, name=named(b.name), view_of=named(b.view_of)) for b in program.buffers]
        steps += [
            replace(s, name=named(s.name), inputs=tuple(map(named, s.inputs)), output=named(s.output))
            for s in program.steps
        ]
        inputs += [Port(named(p.name), named(p.buffer), p.shape) for p in program.inputs]
        outputs += [Port(named(p.name), named(p.buffer), p.shape) for p in program.outputs]
        for sample, values in zip(samples, one.samples, strict=True):
            sample.update({named(key): value for key, value in values.items()})
    return Given(Program(name, tuple(buffers), tuple(steps), tuple(inputs), tuple(outputs)), tuple(samples))


def forced(given: Given, features: frozenset[str], wanted: Callable[[Kernel], bool], form: int) -> Iterator[Given]:
    """The node once for each wanted kernel that can compute one of its steps, called in the forms by turns from `form` on."""
    fits = {s.name: candidates(site(given.program, s), features, True) for s in given.program.steps}
    for number in range(max(map(len, fits.values()), default=0)):
        if not any(number < len(found) and wanted(found[number]) for found in fits.values()):
            continue
        alone, several = FORMS[(form + number) % len(FORMS)]
        steps = tuple(
            choose(site(given.program, s), found[number if number < len(found) else 0], alone, several)
            for s, found in ((s, fits[s.name]) for s in given.program.steps)
        )
        yield replace(given, program=given.program.with_(steps=steps))


def apart(program: Program, gap: int = GAP) -> Program:
    """Every step (with its kernel) a segment of its own, everything in bytes of its own, `gap` between them; what is made later lies
    lower, so that a kernel that writes behind its output spoils a result that stands there already."""
    cut = with_scratch(program.with_(segments=tuple(Segment((s.name,)) for s in program.steps)))
    wide = any(buffer.dtype in ("int64", "float64") for buffer in program.buffers)
    at, end = {}, gap
    for block in sorted(blocks(cut), key=lambda b: b.first, reverse=True):
        at[block.name] = end
        end = aligned(end + block.bytes + gap, 8 if wide else 4)
    segments = tuple(replace(s, scratch_offset=at.get(f"{SCRATCH}{i}", -1)) for i, s in enumerate(cut.segments))
    places = tuple(Place(b.name, at[b.name]) for b in cut.buffers if b.name in at)
    return cut.with_(segments=segments, places=places, arena=end)


def batches(
    given: Iterable[Given], most: int = 600, ports: int = 400_000, whole: int = 1_800_000
) -> Iterator[list[Given]]:
    """As many nodes a batch as the memories of the smallest board hold: so many bytes of inputs and outputs, so many in all."""
    batch: list[Given] = []
    used = np.zeros(2, np.int64)
    for one in given:
        names, steps = one.program.by_name, one.program.steps
        outside = sum(names[p.buffer].bytes for p in (*one.program.inputs, *one.program.outputs))
        # Kernels that spend flash transform their weights to up to eight times as many bytes.
        weights = sum(a.nbytes * (8 if kernel(s.kernel).large else 1) for s in steps for a in s.consts.values())
        size = np.array([outside, outside + weights + sum(s.scratch for s in steps)])
        if batch and (len(batch) == most or (used + size > (ports, whole)).any()):
            yield batch
            batch, used = [], np.zeros(2, np.int64)
        batch.append(one)
        used += size
    if batch:
        yield batch


def used_kernels(given: Iterable[Given]) -> set[str]:
    return {kernel(s.kernel).name for one in given for s in one.program.steps}


def extremes(values: Array) -> Array:
    """Blocks of the largest and the least code; other types as they are."""
    if values.dtype not in (np.int8, np.int16, np.uint8):
        return values
    info = np.iinfo(values.dtype)
    high = np.random.default_rng(values.size).integers(0, 2, -(-values.size // 3)).repeat(3)[: values.size]
    return np.where(high, info.max, info.min).astype(values.dtype).reshape(values.shape)


def by_code(given: Iterable[Given]) -> list[Given]:
    """Nodes whose kernels have the same code beside one another: a batch then compiles few functions."""

    def code(one: Given) -> list[str]:
        return [
            f"{s.kernel} {sorted(kernel(s.kernel).variant(site(one.program, s)).items())}" for s in one.program.steps
        ]

    return sorted(given, key=code)


def gaps(program: Program) -> list[tuple[int, int]]:
    """(First byte, number of bytes) of what lies between the buffers of a program that was placed by `apart`; where kernels may load
    whole vectors behind their inputs, none."""
    if any(kernel(s.kernel).behind for s in program.steps):
        return []
    sizes = {name: (at, program.by_name[name].bytes) for name, at in program.offsets.items()}
    held = [*sizes.values(), *((s.scratch_offset, s.scratch) for s in program.segments if s.scratch)]
    held.sort()
    ends = [0, *(at + size for at, size in held)]
    return [(end, at - end) for end, at in zip(ends, [*(at for at, _ in held), program.arena], strict=True) if at > end]
