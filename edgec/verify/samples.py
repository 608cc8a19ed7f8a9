"""Inputs for a check that was given none: a few structured ones, then random ones with a fixed seed."""

from __future__ import annotations

import numpy as np

from edgec.ir.program import Array, Buffer, Program

SEED = 20260101
RANDOM = 3


def default_samples(program: Program) -> dict[str, Array]:
    """For each input an array [samples, *shape]: one quiet, one ramp, one with the extremes, then random ones."""
    rng = np.random.default_rng(SEED)
    return {
        port.name: _samples(program, program.by_name[port.buffer], rng).reshape(-1, *port.shape)
        for port in program.inputs
    }


def _samples(program: Program, buffer: Buffer, rng: np.random.Generator) -> Array:
    """[samples, elements] in the buffer's type."""
    n = buffer.elements
    if buffer.dtype == "float32":
        low, high = _range(program, buffer)
        unit = [np.zeros(n), (37 * np.arange(n) + 11) % 256 / 255, np.arange(n) % 2.0, *rng.random((RANDOM, n))]
        made = low + (high - low) * np.stack(unit)
        made[0] = min(max(0.0, low), high)
        return made.astype(np.float32)
    if buffer.dtype == "bool":
        return np.stack([np.zeros(n), np.arange(n) % 2, np.ones(n), *rng.integers(0, 2, (RANDOM, n))]).astype(bool)
    if buffer.dtype not in (
        "int8",
        "uint8",
        "int16",
    ):  # indices, most likely: zero is the one value that is always allowed
        return np.zeros((3 + RANDOM, n), buffer.dtype)
    info = np.iinfo(buffer.dtype)
    quiet = buffer.quant.zero_point if buffer.quant else 0
    codes = ((37 * np.arange(n) + 11) % 256).astype(np.uint8)
    ramp = codes.view(np.int8).astype(np.int16) * 256 if buffer.dtype == "int16" else codes.view(buffer.dtype)
    extremes = np.where(np.arange(n) % 2, info.min, info.max)
    noise = rng.integers(info.min, info.max + 1, (RANDOM, n))
    return np.stack([np.full(n, quiet), ramp, extremes, *noise]).astype(buffer.dtype)


def _range(program: Program, buffer: Buffer) -> tuple[float, float]:
    """Real values worth giving to a float input: what its quantize step can represent, else -1 .. 1."""
    for step in program.steps:
        output = program.by_name[step.output]
        reads = any(program.base(name).name == buffer.name for name in step.inputs)
        if reads and output.quant is not None and output.dtype == output.quant.dtype:
            quant = output.quant
            return (quant.lowest - quant.zero_point) * quant.scale, (quant.highest - quant.zero_point) * quant.scale
    return -1.0, 1.0
