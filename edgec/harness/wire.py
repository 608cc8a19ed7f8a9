"""Model inputs as the bytes of `db`: each MLPerf Tiny benchmark has its own format, other models send raw bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgec.errors import InputError
from edgec.toolchain.glue import wire_format
from edgec.toolchain.package import Package

__all__ = ["input_bytes", "wire_bytes"]

Arrays = Mapping[str, "np.ndarray[Any, Any]"]


def input_bytes(package: Package, samples: Arrays, index: int = 0) -> bytes:
    """Sample `index` as the model's own input bytes, inputs one after another (little endian)."""
    parts = []
    for tensor in package.inputs:
        if tensor.name not in samples:
            raise InputError(
                f"there is no array for input '{tensor.name}'", hint=f"given: {', '.join(samples) or 'none'}"
            )
        array = np.ascontiguousarray(np.asarray(samples[tensor.name])[index])
        if array.nbytes != tensor.bytes:
            raise InputError(
                f"input '{tensor.name}' takes {tensor.elements} {tensor.dtype} values, "
                f"a sample has {array.size} {array.dtype}",
                hint="convert the array to the model's input type and shape",
            )
        parts.append(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return b"".join(parts)


def wire_bytes(package: Package, samples: Arrays, index: int = 0) -> bytes:
    """Sample `index` as this firmware's `db` expects it."""
    raw = input_bytes(package, samples, index)
    _, wire, _ = wire_format(package)
    if wire == "EDGEC_WIRE_UINT8":
        return bytes(byte ^ 0x80 for byte in raw)
    if wire == "EDGEC_WIRE_FLOAT_ERROR":
        tensor = package.inputs[0]
        steps = np.frombuffer(raw, np.int8).astype(np.float32) - np.float32(tensor.zero_point or 0)
        return (steps * np.float32(tensor.scale or 1.0)).astype("<f4").tobytes()
    return raw
