"""How weights and requantization numbers of convolutions and dense layers are laid out for their kernels."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from edgec.ir.program import Array, Site
from edgec.kernels.base import Scalar

INT32 = 2**31 - 1


def folded_bias(site: Site, axes: tuple[int, ...]) -> Array:
    """bias - zx * (sum of the weights of each output channel), int32 (int64 if the layer's bias is): what accumulators of
    raw inputs start from."""
    sums, bias = site.const("weight").astype(np.int64).sum(axis=axes), site.const("bias")
    return np.asarray(bias.astype(np.int64) - site.int("zx") * sums, bias.dtype)


def rounding(zy: int, shift: int) -> int:
    """What is added to the high word before it is shifted: the output zero point and half a unit."""
    return (zy << shift) + ((1 << shift) >> 1)


def requantize_fields(site: Site) -> dict[str, Scalar | Array]:
    """Fields shift, left, round, lo, hi, mult of portable kernels; k, zy, lo, hi, mult where int16 is involved."""
    if "k" in site.step.attrs:
        return {**{name: site.int(name) for name in ("k", "zy", "lo", "hi")}, "mult": site.const("mult")}
    shift = site.int("shift")
    numbers: dict[str, Scalar | Array] = {
        "shift": shift,
        "left": site.int("left"),
        "round": rounding(site.int("zy"), shift),
    }
    return {**numbers, "lo": site.int("lo"), "hi": site.int("hi"), "mult": site.const("mult")}


def accumulator_bound(site: Site, axes: tuple[int, ...]) -> int:
    """The largest magnitude that an accumulator of this layer can reach, whatever the input."""
    sums = np.abs(site.const("weight").astype(np.int64)).sum(axis=axes)
    return int((np.abs(site.const("bias").astype(np.int64)) + sums * (128 + abs(site.int("zx")))).max(initial=0))


def doubled_shift(site: Site, axes: tuple[int, ...]) -> tuple[int, int] | None:
    """(shift, left) with shift >= 1, for kernels whose only rounding is in the shift.

    n = 0 equals n = 1 on twice the accumulator.  None if twice the accumulator does not fit 32 bits.
    """
    shift, left = site.int("shift"), site.int("left")
    if shift:
        return shift, left
    return (1, left + 1) if accumulator_bound(site, axes) << (left + 1) <= INT32 else None


def factors(site: Site) -> tuple[Array, int]:
    """(m, n) with n >= 1: n = 0 is the same as n = 1 with factors twice as large, which still fit int32."""
    shift = site.int("shift")
    m = site.const("mult").astype(np.int64)
    return ((2 * m) if shift == 0 else m).astype(np.int32), max(shift, 1)


def dsp_fields(site: Site, axes: tuple[int, ...]) -> dict[str, Scalar | Array]:
    """Fields shift, left, round, lo, hi of DSP kernels (their multipliers are elsewhere)."""
    found = doubled_shift(site, axes)
    assert found is not None
    shift, left = found
    return {
        "shift": shift,
        "left": left,
        "round": rounding(site.int("zy"), shift),
        "lo": site.int("lo"),
        "hi": site.int("hi"),
    }


def pair_order(count: int) -> Array:
    """The order in which SXTB16 and SXTB16 ROR #8 leave a run of bytes, four at a time: 0 2 1 3, 4 6 5 7, ..."""
    return np.arange(count).reshape(-1, 4)[:, [0, 2, 1, 3]].reshape(-1)


def pad_to(array: Array, axis: int, multiple: int) -> Array:
    """Zeros appended along an axis up to a multiple."""
    widths = [(0, 0)] * array.ndim
    widths[axis] = (0, -array.shape[axis] % multiple)
    return np.pad(array, widths)


def has_tail(outputs: int, width: int) -> bool:
    """Whether the last group of eight channels is made as four (dsp_dot_1x8_tail)."""
    return width == 8 and outputs > 8 and 0 < outputs % 8 <= 4


def lanes(outputs: int, width: int) -> Array:
    """The channels that groups of `width` hold, in order: a last group that is not full holds the last `width` channels, some of them
    again, or the last four behind empty lanes (-1); fewer channels than `width` leave lanes empty."""
    if outputs < width:
        return np.concatenate([np.arange(outputs), np.full(width - outputs, -1)])
    last = np.arange(outputs - width, outputs)
    if has_tail(outputs, width):
        last = np.where(last < outputs - 4, -1, last)
    full = np.arange(outputs // width * width)
    return np.concatenate([full, last]) if outputs % width else full


def in_lanes(array: Array, width: int) -> Array:
    """The channels (first axis) as `lanes` orders them, zeros in the empty ones."""
    order = lanes(len(array), width)
    return np.where((order >= 0).reshape(-1, *[1] * (array.ndim - 1)), array[order], 0).astype(array.dtype)


CHUNK = 512
"""Inputs that the split form of the matrix kernels sums at a time (isa/dsp_split.j2)."""
LARGEST = 2**23
"""Beyond all magnitudes of a sum that the high bytes of halfwords can give."""


def odd_lanes(weight: Array, width: int) -> Array:
    """The channels that stand in the high bytes of halfwords: [lanes / 2, K] int64.  weight: [O, ...]."""
    return in_lanes(weight.reshape(len(weight), -1).astype(np.int64), width)[1::2]


def signs(lanes: Array) -> Array:
    """By which the odd channels b of lanes (a, b, a, b, ...: [lanes, K]) are multiplied, and their bias and factor too, so that -128 fits
    the halfword 256*b + a: 1; -1 where it stands over a negative a; 0 where neither will do."""
    even, least = lanes[0::2], lanes[1::2] == -128
    below, above = (least & (even < 0)).any(axis=1), (least & (even >= 0)).any(axis=1)
    return np.where(below, np.where(above, 0, -1), 1)


def can_pair(weight: Array, width: int) -> bool:
    """Whether channel pairs fit halfwords 256*b + a, with |dot_b| < 2^23 of any CHUNK int8 inputs.  weight: [O, ...] int8."""
    if weight.dtype != np.int8:
        return False
    most = np.abs(odd_lanes(weight, width))
    if most.shape[1] > CHUNK:
        most = np.partition(most, -CHUNK, axis=1)[:, -CHUNK:]
    flat = in_lanes(weight.reshape(len(weight), -1), width)
    return bool((most.sum(axis=1) * 128 < LARGEST).all() and signs(flat).all())


@lru_cache(maxsize=2)
def _stream(
    data: bytes, shape: tuple[int, int], bias: bytes, mult: bytes, width: int, safe: bool, split: bool
) -> Array:
    weight = in_lanes(np.frombuffer(data, np.int8).reshape(shape).astype(np.int32), width)
    starts = in_lanes(np.frombuffer(bias, np.int32), width).reshape(-1, width)
    factors = in_lanes(np.frombuffer(mult, np.int32), width).reshape(-1, width) * 2
    sign = np.ones(len(weight), np.int32)
    sign[1::2] = signs(weight)
    weight = weight * sign[:, None]
    starts, factors = (values * sign.reshape(-1, width) for values in (starts, factors))
    ordered = weight[:, pair_order(shape[1])].reshape(
        -1, width // 2, 2, shape[1] // 2, 2
    )  # group, pair, a or b, k-pair, which of it
    halves = (ordered[:, :, 1] * 256 + ordered[:, :, 0]).astype(np.int16).transpose(0, 2, 1, 3)
    words = np.ascontiguousarray(halves).view(np.int32).reshape(len(starts), -1)
    even, odd = starts[:, 0::2], starts[:, 1::2]
    if split:
        return np.concatenate([odd, even, words, factors], axis=1).astype(np.int32)
    if safe:
        return np.concatenate([even, words, odd, factors], axis=1).astype(np.int32)
    both = (odd.astype(np.int64) * 256 + even).astype(np.uint64).astype(np.uint32).view(np.int32)
    return np.concatenate([both, even, words, factors], axis=1).astype(np.int32)


def pair_stream(weight: Array, bias: Array, mult: Array, width: int, form: Mapping[str, Scalar | str | bool]) -> Array:
    """The weights of the DSP matrix kernels as they read them, `width` output channels after another (int32 words).

    weight: [O, K] int8, K a multiple of 4; bias (folded), mult: int32 [O]; form: `dot_variant`.  Each group of channels (a, b: even
    and odd `lanes`, b with its sign):
        256 * bias_b + bias_a modulo 2^32, then bias_a      split: bias_b, then bias_a      safe: bias_a
        for each k-pair, for each channel pair (a, b): 256*b + a of both k
                                                            safe: bias_b
        2 * mult of all
    A last group with empty lanes (has_tail) has no H words for them.
    """
    data, start, factor = (np.ascontiguousarray(values).tobytes() for values in (weight, bias, mult))
    split = bool(form["split"])
    safe = bool(form["safe"]) and not split
    made = _stream(data, (int(weight.shape[0]), int(weight.shape[1])), start, factor, width, safe, split)
    if not has_tail(len(weight), width):
        return made.reshape(-1)
    begin, end = width // 2 if safe else width, made.shape[1] - (12 if safe else 8)
    last = made[-1]
    halves = last[begin:end].reshape(-1, 4)[:, 2:]
    return np.concatenate([made[:-1].reshape(-1), last[:begin], halves.reshape(-1), last[end:]])


def extremes(site: Site, axes: tuple[int, ...]) -> Array:
    """The largest magnitude that the accumulator of each output channel can reach, whatever the int8 input.  int64 [O]."""
    weight = site.const("weight").astype(np.int64)
    bias = site.const("bias").astype(np.int64) - site.int("zx") * weight.sum(axis=axes)
    up, down = np.maximum(weight, 0).sum(axis=axes), np.minimum(weight, 0).sum(axis=axes)
    return np.asarray(np.maximum(np.abs(bias + 127 * up - 128 * down), np.abs(bias - 128 * up + 127 * down)))


def dot_variant(site: Site, axes: tuple[int, ...], width: int) -> dict[str, Scalar | str | bool]:
    """Template variables of the matrix kernels, `width` channels at a time: shifts, and whether odd lanes need the form that takes any
    bias (safe), in chunks of inputs (split)."""
    found = doubled_shift(site, axes)
    assert found is not None
    shift, left = found
    groups = site.int("groups") if "groups" in site.step.attrs else 1
    odd = np.concatenate([in_lanes(part, width)[1::2] for part in np.split(extremes(site, axes), groups)])
    parts = np.split(site.const("weight"), groups) if site.const("weight")[0].size > CHUNK else []
    split = any(bool((np.abs(odd_lanes(part, width)).sum(axis=1) * 128 >= LARGEST).any()) for part in parts)
    safe = split or shift > 15 or bool((odd << left >= LARGEST).any())
    return {"shift": shift, "left": left, "safe": safe, "split": split}


def dot_headers(site: Site, axes: tuple[int, ...], width: int) -> tuple[str, ...]:
    """The isa files that a matrix kernel needs."""
    numbers, shape = dot_variant(site, axes, width), "1x8" if width == 8 else "2x4"
    dot = f"dsp_dot_{shape} shift={numbers['shift']} left={numbers['left']}"
    dot += "".join(f" {form}={int(numbers[form])}" for form in ("safe", "split"))
    tail = ("dsp_dot_1x8_tail",) if has_tail(len(site.const("weight")), width) else ()
    return "dsp_dot", dot, *tail


def covered(site: Site) -> tuple[int, int, int]:
    """Columns before, inside and behind the image that the windows of a row cover."""
    size, out, stride, pad, dilation, kernel = (
        site.ints(n)[1] for n in ("size", "out", "stride", "pad", "dilation", "kernel")
    )
    span = (out - 1) * stride + (kernel - 1) * dilation + 1
    before = min(pad, span)
    inner = min(size, span - before)
    return before, inner, span - before - inner
