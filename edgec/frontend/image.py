"""Pixels to a model's input: the reference in numpy, and the tables the generated C looks pixels up in.

A pixel has 256 values, so an integer input is a table of 256 for each channel whose mean and std differ: exactly the byte that
(pixel / range - mean) / std, computed in float32, becomes in QuantizeLinear.
"""

from __future__ import annotations

import numpy as np

from edgec.frontend.spec import Image
from edgec.ir.program import Array, Quant


def channel_values(spec: Image, channels: int) -> Array:
    """[channels, 256] float32: the model's input for every pixel value."""
    pixel = np.arange(256, dtype=np.float32) / np.float32(spec.range)
    mean, std = (
        np.broadcast_to(np.asarray(values, np.float32), (channels,)) for values in (spec.mean, spec.std)
    )
    values: Array = (pixel[None, :] - mean[:, None]) / std[:, None]
    return values


def quantized(values: Array, quant: Quant, dtype: str) -> Array:
    """Real values in the integers of an input: round half to even, saturated, as QuantizeLinear."""
    info = np.iinfo(dtype)
    made = np.rint(values.astype(np.float32) / np.float32(quant.scale)) + quant.zero_point
    return np.asarray(np.clip(made, info.min, info.max).astype(dtype))


def table(spec: Image, channels: int, dtype: str, quant: Quant | None) -> Array:
    """[channels or 1, 256] of the input's type: what each pixel becomes; one row where all channels have the same."""
    values = channel_values(spec, channels)
    made = quantized(values, quant, dtype) if quant is not None else values
    if dtype == "uint8" and quant is None:
        made = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    same = (made == made[:1]).all()
    return made[:1] if same else made


def reference(spec: Image, pixels: Array, dtype: str, quant: Quant | None) -> Array:
    """[height, width, channels] in the model's order of channels, from uint8 pixels of that shape in the camera's."""
    ordered = pixels[..., ::-1] if spec.order != "as_model" else pixels
    channels = ordered.shape[-1]
    rows = np.broadcast_to(table(spec, channels, dtype, quant), (channels, 256))
    return np.stack([rows[c][ordered[..., c]] for c in range(channels)], axis=-1)
