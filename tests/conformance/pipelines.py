"""Random int8 programs of real operators, cut into random segments: what the emitter's pull pipelines are tested on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from edgec.arithmetic import addition, multipliers
from edgec.ir.program import Array, Attr, Buffer, Port, Program, Segment, Step
from edgec.ir.reach import Run, Window
from edgec.kernels.registry import kernel
from edgec.memory.place import place
from edgec.schedule.order import order
from edgec.schedule.plan import alternated
from edgec.schedule.segment import with_rings, with_scratch
from edgec.schedule.select import select


class Builder:
    """Adds steps to a program; images are [N,H,W,C]."""

    def __init__(self, shape: tuple[int, int, int, int], seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.buffers = [Buffer("x", "int8", shape, shape[0] * shape[1])]
        self.steps: list[Step] = []

    def add(
        self,
        op: str,
        sources: list[Buffer],
        shape: tuple[int, ...],
        reach: object,
        attrs: dict[str, Attr],
        **consts: Array,
    ) -> Buffer:
        made = Buffer(f"t{len(self.steps)}", "int8", shape, shape[0] * shape[1])
        names = tuple(b.name for b in sources)
        self.steps.append(Step(f"{op}_{len(self.steps)}", op, names, made.name, reach, attrs, consts))  # type: ignore[arg-type]
        self.buffers.append(made)
        return made

    def layer(self, x: Buffer, weight: Array, axis: int) -> tuple[dict[str, Attr], dict[str, Array]]:
        """Numbers that spread the result over the int8 range."""
        channels = weight.shape[axis]
        size = max(weight.size // channels, 1)
        m = multipliers(self.rng.uniform(0.3, 1.2, channels) / (60.0 * np.sqrt(size)))
        attrs: dict[str, Attr] = {"zx": int(self.rng.integers(-128, 128)), "zy": int(self.rng.integers(-20, 20))}
        attrs |= {"lo": -128, "hi": 127, "shift": m.shift, "left": m.left}
        return attrs, {"weight": weight, "bias": self.rng.integers(-500, 500, channels).astype(np.int32), "mult": m.m}

    def weights(self, *shape: int) -> Array:
        return self.rng.integers(-127, 128, shape).astype(np.int8)

    def dense(self, x: Buffer, channels: int) -> Buffer:
        attrs, consts = self.layer(x, self.weights(channels, x.shape[-1]), 0)
        return self.add("dense", [x], (*x.shape[:-1], channels), (Run(x.rows),), attrs, **consts)

    def residual(self, a: Buffer, b: Buffer) -> Buffer:
        ma, mb, k = addition(0.5, 0.7, 1.0)
        numbers: dict[str, Attr] = {"ma": ma, "mb": mb, "k": k, "za": 3, "zb": -5, "zy": 1, "lo": -128, "hi": 127}
        return self.add("add", [a, b], a.shape, (Run(a.rows), Run(b.rows)), {"kind": "add", "mode": "same", **numbers})

    def windowed(
        self,
        op: str,
        x: Buffer,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        dilation: tuple[int, int],
        channels: int,
    ) -> Buffer:
        """conv2d, depthwise or maxpool with `same`-like padding, unevenly split."""
        n, h, w, c = x.shape
        pad = tuple((k - 1) * d // 2 for k, d in zip(kernel, dilation, strict=True))
        sides = zip((h, w), pad, kernel, dilation, stride, strict=True)
        out = tuple(max((size + p + p // 2 - (k - 1) * d - 1) // s + 1, 1) for size, p, k, d, s in sides)
        attrs: dict[str, Attr] = {
            "kernel": kernel,
            "stride": stride,
            "dilation": dilation,
            "pad": pad,
            "size": (h, w),
            "out": out,
            "channels": c,
        }
        reach = (Window(h, out[0], kernel[0], stride[0], dilation[0], pad[0]),)
        if op == "maxpool":
            return self.add(op, [x], (n, *out, c), reach, attrs)
        if op == "depthwise":
            more, consts = self.layer(x, self.weights(*kernel, c), 2)
            return self.add(op, [x], (n, *out, c), reach, attrs | more, **consts)
        more, consts = self.layer(x, self.weights(channels, *kernel, c), 0)
        return self.add(op, [x], (n, *out, channels), reach, attrs | more | {"groups": 1}, **consts)


def may_shift(program: Program, step: Step, alone: set[str]) -> bool:
    """Whether the first call of a step in a pipeline may make fewer rows: nobody reads or makes runs of several rows around it."""
    readers = [s for s in program.steps if step.output in s.inputs]
    runs = any(isinstance(reach, Run) for s in (step, *readers) for reach in s.reach)
    return step.group > 1 and step.name not in alone and kernel(step.kernel).units is not None and not runs


@st.composite
def pipelines(draw: st.DrawFn, features: frozenset[str] = frozenset(), longest: int = 5) -> Program:
    """A placed program: a chain with residuals, cut anywhere, run in either direction."""
    size = st.integers(1, 9)
    shape = (draw(st.sampled_from([1, 1, 1, 2])), draw(size), draw(size), draw(st.integers(1, 9)))
    build = Builder(shape, draw(st.integers(0, 2**16)))
    x = build.buffers[0]
    for _ in range(draw(st.integers(1, longest))):
        op = draw(st.sampled_from(["conv2d", "depthwise", "depthwise", "dense", "maxpool", "add"]))
        pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
        alike = [b for b in build.buffers if b.shape == x.shape and b is not x]
        if op == "add" and alike:
            x = build.residual(x, draw(st.sampled_from(alike)))
        elif op in ("dense", "add"):
            x = build.dense(x, draw(st.sampled_from([x.shape[-1], x.shape[-1], 1, 4, 8, 13])))
        else:
            stride = draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (2, 1), (3, 2)]))
            dilation = draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (2, 2)]))
            x = build.windowed(op, x, draw(pair), stride, dilation, draw(st.integers(1, 9)))
    outputs = (Port("y", x.name, x.shape),)
    program = order(Program("net", tuple(build.buffers), tuple(build.steps), (Port("x", "x", shape),), outputs))
    if not program.steps:  # the output is the input
        program = program.with_(outputs=outputs)
    groups: list[list[str]] = []
    for step in program.steps:
        if not groups or draw(st.booleans()):
            groups.append([])
        groups[-1].append(step.name)
    whole, rowwise = select(program, features, alone=True), select(program, features, alone=False, several=draw(st.booleans()))
    rows = {s.name: s for s in rowwise.steps}
    alone = {g[0] for g in groups if len(g) == 1 and draw(st.booleans())}
    steps = tuple(s if s.name in alone else rows[s.name] for s in whole.steps)
    shifts = {s.name: draw(st.integers(0, s.group - 1)) for s in steps if may_shift(program, s, alone)}
    steps = tuple(replace(s, shift=shifts.get(s.name, 0)) for s in steps)
    program = program.with_(steps=steps, segments=tuple(Segment(tuple(g)) for g in groups))
    if draw(st.booleans()):
        program = alternated(program)
    return replace(place(with_scratch(with_rings(program))).program, target="host")
