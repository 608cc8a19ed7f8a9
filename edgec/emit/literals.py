"""numpy values as C11 initialisers."""

from __future__ import annotations

import math

import numpy as np

from edgec.ir.program import Array

C_TYPES = {
    "int8": "int8_t",
    "uint8": "uint8_t",
    "bool": "uint8_t",
    "int16": "int16_t",
    "uint16": "uint16_t",
    "int32": "int32_t",
    "uint32": "uint32_t",
    "int64": "int64_t",
    "uint64": "uint64_t",
    "float32": "float",
}
LINE = 120


def integer(value: int) -> str:
    """An int32_t constant expression.  The smallest one has no literal of its own in C."""
    if value == -(2**31):
        return "(-2147483647 - 1)"
    if not -(2**31) < value < 2**31:
        raise ValueError(f"{value} does not fit int32_t")
    return str(value)


def floating(value: float) -> str:
    """A float constant that reads back to the same bits."""
    single = float(np.float32(value))
    if math.isnan(single):
        return "(0.0f / 0.0f)"
    if math.isinf(single):
        return "(1.0f / 0.0f)" if single > 0 else "(-1.0f / 0.0f)"
    return f"{single.hex()}f"


def _element(value: int | float, dtype: str) -> str:
    if dtype == "float32":
        return floating(value)
    if dtype == "int64":
        return f"(-{2**63 - 1}LL - 1)" if value == -(2**63) else f"{value}LL"
    if dtype == "uint64":
        return f"{value}ULL"
    if dtype == "uint32":
        return f"{value}u"
    return integer(int(value))


def initialiser(array: Array, indent: str = "    ") -> str:
    """The elements of an array, in order, as the inside of a brace initialiser, wrapped."""
    dtype = str(array.dtype)
    lines: list[str] = []
    line = indent
    for value in array.reshape(-1).tolist():
        text = _element(value, dtype) + ","
        if len(line) + len(text) > LINE:
            lines.append(line.rstrip())
            line = indent
        line += text + " "
    lines.append(line.rstrip())
    return "\n".join(lines)
