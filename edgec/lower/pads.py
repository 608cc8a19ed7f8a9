"""Padding that a convolution can do itself.  Bit-exact: the frame holds what the convolution's own padding stands for.

Before: step pad   pad        x -> p      fill = zero point of x (0 for float32)
        step conv  conv2d     p -> y      pad (0, 0)
After:  step conv  conv2d     x -> y      pad (top, left)
"""

from __future__ import annotations

from dataclasses import replace

from edgec.ir.program import Program, Step, site
from edgec.ir.reach import Window

WINDOWED = frozenset({"conv2d", "depthwise"})


def fold_pads(program: Program) -> Program:
    """The program without the pad steps whose only reader is a convolution that can pad for itself."""
    readers: dict[str, list[Step]] = {}
    for step in program.steps:
        for name in step.inputs:
            readers.setdefault(name, []).append(step)
    fixed = {p.buffer for p in program.exits} | {b.view_of for b in program.buffers if b.view_of}
    gone: dict[str, Step] = {}
    for step in program.steps:
        users = readers.get(step.output, [])
        framed = step.op == "pad" and "before" in step.attrs and step.output not in fixed
        if framed and len(users) == 1 and _can_take(program, step, users[0]):
            gone[step.output] = step
    steps = [
        _widened(program, step, gone[step.inputs[0]]) if step.inputs and step.inputs[0] in gone else step
        for step in program.steps
        if step.output not in gone
    ]
    return program.with_(steps=tuple(steps), buffers=tuple(b for b in program.buffers if b.name not in gone))


def _can_take(program: Program, pad: Step, conv: Step) -> bool:
    if conv.op not in WINDOWED or conv.inputs[0] != pad.output or not isinstance(conv.reach[0], Window):
        return False
    neutral = conv.attrs.get("zx", 0) if program.by_name[pad.output].dtype == "int8" else 0
    return pad.attrs["fill"] == neutral


def _widened(program: Program, conv: Step, pad: Step) -> Step:
    """The convolution reading the pad's input, with the frame as its own padding."""
    top, left = site(program, pad).ints("before")
    source, window = program.by_name[pad.inputs[0]], conv.reach[0]
    assert isinstance(window, Window)
    height, width = source.shape[1], source.shape[2] if len(source.shape) == 4 else 1
    before = site(program, conv).ints("pad")
    attrs = {**conv.attrs, "size": (height, width), "pad": (before[0] + top, before[1] + left)}
    reach = replace(window, height=height, pad=window.pad + top)
    return replace(conv, inputs=pad.inputs[:1], reach=(reach,), attrs=attrs)
