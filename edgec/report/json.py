"""Documents to JSON text: paths, dataclasses and numpy scalars become plain values, NaN and infinity become null."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def plain(value: Any) -> Any:
    """`value` made of dict, list, str, int, float, bool and None only.  Arrays become nested lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy scalar or array, without importing numpy
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Path):
        return value.as_posix()
    return str(value)


def to_json(document: Any) -> str:
    """One JSON document, indented, ending in a newline."""
    return json.dumps(plain(document), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
