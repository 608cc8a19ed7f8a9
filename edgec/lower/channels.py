"""Removes channels that are provably constant, or that nothing can observe.  Bit-exact.

Intervals of the stored integers are propagated forward, channel by channel (weights, biases, clamps are known).  A channel whose two ends
meet is constant.  Then, backwards, the largest set of channels is found that can be dropped from every buffer at once:

    reader                            drops input channel c if
    dense, conv2d (one group)         its weights for c are zero, or c is constant (and, where rows or columns are padded, equal to
                                      the padding): what it contributes becomes bias
    channelwise (depthwise, unary,    its own output channel c is dropped
    add, pools, requantize)
    anything else                     never

Source: arithmetic note, "Constant channels".
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np

from edgec.arithmetic import requantize
from edgec.ir.program import Array, Buffer, Origin, Program, Site, Step, site
from edgec.ops._average import average

LINEAR = frozenset({"conv2d", "dense"})
TIED = frozenset({"depthwise", "unary", "requantize", "maxpool", "avgpool", "add", "copy", "reduce_mean"})


@dataclass(frozen=True)
class Removed:
    """What was removed.  channels of `of` channels of convolutions and dense layers; by step: name -> (removed, all)."""

    channels: int = 0
    of: int = 0
    steps: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass
class _Range:
    """Bounds of the stored integers of a buffer, one pair for each channel of the last axis (int64)."""

    lo: Array
    hi: Array

    @property
    def constant(self) -> Array:
        found: Array = self.lo == self.hi
        return found


def _full(channels: int) -> _Range:
    return _Range(np.full(channels, -128, np.int64), np.full(channels, 127, np.int64))


def _padded(step: Step) -> bool:
    """Whether some tap of the step can lie in the padding (rows or columns)."""
    if "pad" not in step.attrs:
        return False
    pads, sizes, outs, kernels, strides, dilations = (
        np.array(step.attrs[name]) for name in ("pad", "size", "out", "kernel", "stride", "dilation")
    )
    behind = (outs - 1) * strides + (kernels - 1) * dilations + 1 - pads - sizes
    return bool((pads > 0).any() or (behind > 0).any())


def _zero_point(step: Step) -> int:
    """Zero point of the step's input."""
    return int(cast(int, step.attrs["zx"]))


def _requantized(step: Step, lo: Array, hi: Array) -> _Range:
    """Output bounds from accumulator bounds (requantization is monotone: multipliers are not negative)."""
    a = step.attrs
    args = (step.consts["mult"], int(a["shift"]), int(a["left"]), int(a["zy"]), int(a["lo"]), int(a["hi"]))  # type: ignore[arg-type]
    return _Range(requantize(lo, *args).astype(np.int64), requantize(hi, *args).astype(np.int64))


def _weights(step: Step) -> Array:
    """Weights as [taps, in, out] (depthwise: [taps, out]) int64."""
    w = step.consts["weight"].astype(np.int64)
    if step.op == "dense":
        return w.T[None]
    if step.op == "conv2d":
        return w.reshape(w.shape[0], -1, w.shape[-1]).transpose(1, 2, 0)
    return w.reshape(-1, w.shape[-1])


def _linear(step: Step, x: _Range) -> _Range:
    """Bounds through a convolution or dense layer, exact for each weight's sign."""
    zx = _zero_point(step)
    lo, hi = x.lo - zx, x.hi - zx
    if _padded(step):
        lo, hi = np.minimum(lo, 0), np.maximum(hi, 0)
    w = _weights(step)
    bias = step.consts["bias"].astype(np.int64)
    if step.op == "depthwise":
        repeat = w.shape[-1] // lo.size
        lo, hi = np.repeat(lo, repeat), np.repeat(hi, repeat)
        low, high = np.minimum(w * lo, w * hi).sum(0), np.maximum(w * lo, w * hi).sum(0)
    else:
        low = np.minimum(w * lo[:, None], w * hi[:, None]).sum((0, 1))
        high = np.maximum(w * lo[:, None], w * hi[:, None]).sum((0, 1))
    return _requantized(step, bias + low, bias + high)


def _last_axes(program: Program, name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Channels of a buffer as it is seen and as its maker made it: a view may cut the same bytes differently."""
    return program.by_name[name].shape[-1:], program.base(name).shape[-1:]


def _one_group(step: Step, program: Program) -> bool:
    """Whether a linear step reads all channels of its input, as its maker made them, with plain int8 weights."""
    w = step.consts.get("weight")
    source, base = program.by_name[step.inputs[0]], program.base(step.inputs[0])
    return w is not None and w.dtype == np.int8 and w.shape[-1] == source.shape[-1] == base.shape[-1]


def _forward(program: Program, step: Step, ranges: dict[str, _Range]) -> _Range:
    """Bounds of a step's output."""
    out = program.by_name[step.output]
    channels = out.shape[-1] if out.shape else 1
    sources = [ranges[program.base(name).name] for name in step.inputs]
    same = all(_last_axes(program, n) == (out.shape[-1:], out.shape[-1:]) for n in step.inputs)
    mixed = any(program.by_name[n].shape[-1:] != program.base(n).shape[-1:] for n in step.inputs)
    if out.dtype != "int8" or any(program.by_name[n].dtype != "int8" for n in step.inputs) or not sources or mixed:
        return _full(channels)
    if (step.op == "depthwise" and len(set(_last_axes(program, step.inputs[0]))) == 1) or (
        step.op in LINEAR and _one_group(step, program)
    ):
        return _linear(step, sources[0])
    if step.op == "unary" and same:
        table = step.consts["table"].reshape(-1).astype(np.int64)
        spans = [table[int(a) + 128 : int(b) + 129] for a, b in zip(sources[0].lo, sources[0].hi, strict=True)]
        return _Range(np.array([s.min() for s in spans]), np.array([s.max() for s in spans]))
    if step.op in ("maxpool", "copy") and same:
        return sources[0]
    if step.op in ("avgpool", "reduce_mean") and same and not _padded(step) and _tied(program, step):
        return _averaged(site(program, step), sources[0])
    return _full(channels)


def _averaged(at: Site, x: _Range) -> _Range:
    """Bounds through an average over all elements or over windows that lie within the image."""
    count = at.int("count") if at.step.op == "reduce_mean" else int(np.prod(at.ints("kernel")))
    lo, hi = (average(at, count * (end - at.int("zx"))).astype(np.int64) for end in (x.lo, x.hi))
    return _Range(lo, hi)


def _tied(program: Program, step: Step) -> bool:
    """Whether output channel c depends on channel c of every input only, and the step can be narrowed."""
    out = program.by_name[step.output]
    channels = out.shape[-1] if out.shape else 0
    if step.op not in TIED or not channels or any(_last_axes(program, n) != ((channels,),) * 2 for n in step.inputs):
        return False
    if step.op == "add":
        return step.attrs.get("mode") == "same" and not step.consts
    if step.op == "reduce_mean":
        return step.attrs.get("inner") == channels
    return step.attrs.get("channels", channels) == channels


def _droppable(program: Program, ranges: dict[str, _Range]) -> dict[str, Array]:
    """Buffer -> mask of channels that can be dropped: the greatest set that every reader and every maker supports."""
    drop = {b.name: np.ones(b.shape[-1] if b.shape else 1, bool) for b in program.buffers if not b.view_of}
    for buffer in program.buffers:  # a view keeps channels apart only if it has the same ones
        base = program.base(buffer.name)
        if buffer.dtype != "int8" or buffer.shape[-1:] != base.shape[-1:]:
            drop[base.name][:] = False
    for port in (*program.entries, *program.exits):
        drop[program.base(port.buffer).name][:] = False

    def settle(step: Step) -> None:
        out = drop[step.output]
        bases = [program.base(name).name for name in step.inputs]
        if step.op in LINEAR and _one_group(step, program):
            x = ranges[bases[0]]
            w = _weights(step)
            zx = _zero_point(step)
            free = x.constant & ((x.lo == zx) | (not _padded(step)))
            drop[bases[0]] &= free | ~w.any((0, 2))
        elif _tied(program, step):
            both = out.copy()
            for base in bases:
                both &= drop[base]
            out &= both
            for base in bases:
                drop[base] &= both
        else:
            out[:] = False
            for base in bases:
                drop[base][:] = False

    before = -1
    while before != (before := sum(int(mask.sum()) for mask in drop.values())):
        for step in reversed(program.steps):
            settle(step)
    for mask in drop.values():
        if mask.all() and mask.size:
            mask[0] = False
    before = -1
    while before != (before := sum(int(mask.sum()) for mask in drop.values())):
        for step in program.steps:
            settle(step)
    return drop


def _sliced(program: Program, step: Step, drop: dict[str, Array], ranges: dict[str, _Range]) -> Step:
    """The step without the dropped channels of its input and output."""
    keep_out = ~drop[step.output]
    if step.op not in LINEAR | TIED or not any(
        drop[n].any() for n in (step.output, *(program.base(i).name for i in step.inputs))
    ):
        return step
    consts: dict[str, Any] = dict(step.consts)
    if step.op in LINEAR and step.inputs and _one_group(step, program):
        base = program.base(step.inputs[0]).name
        gone = drop[base]
        x, w = ranges[base], _weights(step)
        zx = _zero_point(step)
        known = gone & x.constant
        shift = (w[:, known].sum(0) * (x.lo[known] - zx)[:, None]).sum(0)
        consts["bias"] = (consts["bias"].astype(np.int64) + shift).astype(np.int32)
        consts["weight"] = np.ascontiguousarray(consts["weight"][keep_out][..., ~gone])
        for name in ("bias", "mult"):
            consts[name] = np.ascontiguousarray(consts[name][keep_out])
    elif step.op == "depthwise":
        for name in ("weight", "bias", "mult"):
            consts[name] = np.ascontiguousarray(consts[name][..., keep_out])
    keep = keep_out if step.op in TIED else ~drop[program.base(step.inputs[0]).name]
    narrow = {"channels", "inner"} & step.attrs.keys() if not keep.all() else set()
    return replace(step, consts=consts, attrs={**step.attrs, **{name: int(keep.sum()) for name in narrow}})


def _narrowed(buffer: Buffer, keep: Array) -> Buffer:
    origin = buffer.origin
    if origin is not None:
        origin = Origin(origin.value, origin.perm, tuple(int(i) for i in np.flatnonzero(keep)))
    return replace(buffer, shape=(*buffer.shape[:-1], int(keep.sum())), origin=origin)


def remove_constant_channels(program: Program) -> tuple[Program, Removed]:
    """The program without its removable channels, and what was removed.  Outputs are identical, byte for byte."""
    ranges: dict[str, _Range] = {}
    for buffer in program.buffers:
        if not buffer.view_of:
            ranges[buffer.name] = _full(buffer.shape[-1] if buffer.shape else 1)
    for step in program.steps:
        ranges[step.output] = _forward(program, step, ranges)
    drop = _droppable(program, ranges)
    steps = tuple(_sliced(program, step, drop, ranges) for step in program.steps)
    buffers = []
    for buffer in program.buffers:
        mask = drop[program.base(buffer.name).name]
        buffers.append(_narrowed(buffer, ~mask) if mask.any() else buffer)
    made = [step for step in program.steps if step.op in LINEAR or step.op == "depthwise"]
    by_step = {step.name: (int(drop[step.output].sum()), drop[step.output].size) for step in made}
    removed = Removed(sum(a for a, _ in by_step.values()), sum(b for _, b in by_step.values()), by_step)
    return program.with_(buffers=tuple(buffers), steps=steps), removed
