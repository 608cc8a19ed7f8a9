"""Two packages side by side: their totals, and the steps whose kernel or instructions differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]


def differences(this: Document, other: Document) -> list[tuple[str, int, int]]:
    """(what, here, there) of every figure both have."""
    found = [
        (key.replace("_", " "), this[key], other[key])
        for key in ("arena_bytes", "scratch_bytes", "weight_bytes", "macs")
    ]
    found.append(("steps", len(this["steps"]), len(other["steps"])))
    here, there = this["measured"], other["measured"]
    if here and there:
        for name, path in _FIGURES.items():
            a, b = _at(here, path), _at(there, path)
            if a is not None and b is not None:
                found.append((name, a, b))
    elif "predicted" in this and "predicted" in other:
        for key in ("instructions", "cycles"):
            found.append((f"{key}, predicted", this["predicted"][key], other["predicted"][key]))
    return found


_FIGURES = {
    "instructions": ("instructions",),
    "cycles, estimated": ("cycles_estimate",),
    "RAM in all": ("ram", "total"),
    "stack": ("ram", "stack"),
    "flash in all": ("flash", "total"),
    "code": ("flash", "code"),
}


def _at(document: Document, path: tuple[str, ...]) -> int | None:
    value: Any = document
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, int) else None


def moved(this: Document, other: Document) -> list[tuple[str, str, str, str, int | None, int | None]]:
    """(step, operator, kernel here, kernel there, instructions here, there) of steps of one name that differ, the largest difference
    first, then the steps only one of them has (kernel `-`)."""
    costs = [{layer["name"]: layer["instructions"] for layer in d["costs"]["layers"]} for d in (this, other)]
    here, there = ({step["name"]: step for step in d["steps"]} for d in (this, other))
    found = []
    for name in [*here, *(name for name in there if name not in here)]:
        a, b = here.get(name), there.get(name)
        kernels = a["kernel"] if a else "-", b["kernel"] if b else "-"
        counts = costs[0].get(name), costs[1].get(name)
        if kernels[0] != kernels[1] or counts[0] != counts[1]:
            op = (a or b or {})["op"]
            found.append((name, op, *kernels, *counts))
    return sorted(found, key=lambda row: ("-" in row[2:4], -abs((row[4] or 0) - (row[5] or 0))))
