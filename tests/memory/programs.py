"""Small random programs of elementwise, window and reducing steps with cheap references: what planners are tested on.

No operator page is involved: `first` copies its first input, `sum` adds all rows that its reach allows, and so on, all int8 modulo 256.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from edgec.ir.interp import Reference
from edgec.ir.program import Array, Buffer, Port, Program, Segment, Site, Step
from edgec.ir.reach import All, Reach, Run, Window


def mix(site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
    """Output row y: for each input the sum of the rows it reaches, weighted by their distance, stretched to the output's width."""
    made = np.zeros((y1 - y0, site.output.row_elements), np.int64)
    for index, (reach, source) in enumerate(zip(site.step.reach, rows, strict=True)):
        for y in range(y0, y1):
            for k, row in enumerate(reach.taps(y)):
                if row is not None:
                    made[y - y0] += (k + 3 + index) * np.resize(source[row].astype(np.int64), site.output.row_elements)
    return (made + np.arange(y0, y1)[:, None]).astype(np.int8)


def twice(site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
    """Elementwise over all inputs: works in place."""
    total = sum(((i + 2) * source[y0:y1].astype(np.int64) for i, source in enumerate(rows)), np.zeros(1, np.int64))
    return np.asarray(total + 1).astype(np.int8)


REFERENCES: dict[str, Reference] = {"mix": mix, "twice": twice}


@st.composite
def programs(draw: st.DrawFn, longest: int = 7) -> Program:
    """Chains, branches, residuals; one or two inputs; one to three outputs; steps that may work in place; scratch."""
    buffers: list[Buffer] = []
    steps: list[Step] = []

    def buffer(rows: int, width: int) -> Buffer:
        made = Buffer(f"t{len(buffers)}", "int8", (1, rows, width), rows)
        buffers.append(made)
        return made

    inputs = [buffer(draw(st.integers(1, 6)), draw(st.integers(1, 7))) for _ in range(draw(st.integers(1, 2)))]
    for index in range(draw(st.integers(1, longest))):
        first = draw(st.sampled_from(buffers))
        alike = [b for b in buffers if b.shape == first.shape]
        scratch = draw(st.sampled_from([0, 0, 0, 8, 24]))
        if draw(st.booleans()):
            sources = [first] + ([draw(st.sampled_from(alike))] if draw(st.booleans()) else [])
            output = buffer(first.rows, first.row_elements)
            reach: tuple[Reach, ...] = tuple(Run(b.rows) for b in sources)
            inplace = draw(st.sampled_from([(), (0,), (0, 1)]))[: len(sources)]
            steps.append(_step(index, "twice", sources, output, reach, draw(st.sampled_from([0, 1])), inplace, scratch))
            continue
        kernel, stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
        pad = draw(st.integers(0, kernel - 1))
        rows = (first.rows + 2 * pad - (kernel - 1) * dilation - 1) // stride + 1
        window: Reach = Window(first.rows, rows, kernel, stride, dilation, pad) if rows > 0 else All(first.rows)
        output = buffer(max(rows, 1), draw(st.integers(1, 7)))
        group = draw(st.sampled_from([0, 1, 1, 2, 3]))
        shift = draw(st.integers(0, group - 1)) if group > 1 else 0
        steps.append(replace(_step(index, "mix", [first], output, (window,), group, (), scratch), shift=shift))
    outputs = draw(st.lists(st.sampled_from([s.output for s in steps]), min_size=1, max_size=3, unique=True))
    by_name = {b.name: b for b in buffers}
    ports = tuple(Port(b.name, b.name, b.shape) for b in inputs)
    ends = tuple(Port(f"out_{name}", name, by_name[name].shape) for name in outputs)
    return Program("net", tuple(buffers), tuple(steps), ports, ends)


def _step(
    index: int,
    op: str,
    inputs: list[Buffer],
    output: Buffer,
    reach: tuple[Reach, ...],
    group: int,
    inplace: tuple[int, ...],
    scratch: int,
) -> Step:
    return Step(
        f"s{index}",
        op,
        tuple(b.name for b in inputs),
        output.name,
        reach,
        group=group,
        inplace=inplace,
        scratch=scratch,
    )


def segmented(program: Program, cuts: Sequence[bool], reverse: bool = False) -> Program:
    """One segment for each step; with cuts, neighbours stay together where cuts[i] is False.  reverse: rows last to first."""
    groups: list[list[str]] = []
    for i, step in enumerate(program.steps):
        if not groups or (cuts[i - 1] if i - 1 < len(cuts) else True):
            groups.append([])
        groups[-1].append(step.name)
    return program.with_(segments=tuple(Segment(tuple(g), reverse=reverse and turnable(program, g)) for g in groups))


def turnable(program: Program, names: Sequence[str]) -> bool:
    """Whether every step of a segment makes whole groups of rows, so that it may run last to first."""
    steps = [program.step_by_name[name] for name in names]
    return all(s.group and not s.shift and program.by_name[s.output].rows % s.group == 0 for s in steps)


def meaning(program: Program, sample: dict[str, Array]) -> dict[str, Array]:
    """What the program means: every step on whole tensors, nothing ever overwritten."""
    values = {p.buffer: sample[p.name].reshape(program.by_name[p.buffer].rows, -1) for p in program.inputs}
    for step in program.steps:
        at = Site(step, tuple(program.by_name[n] for n in step.inputs), program.by_name[step.output])
        values[step.output] = REFERENCES[step.op](at, 0, at.output.rows, [values[n] for n in step.inputs])
    return {p.name: values[p.buffer].reshape(p.shape) for p in program.outputs}


def sample_of(program: Program, seed: int = 1) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {p.name: rng.integers(-128, 128, p.shape).astype(np.int8) for p in program.inputs}
