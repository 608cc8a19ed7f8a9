"""What `bench` measured as comma-separated values: a line for each layer and one, named `(total)`, for the whole."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

__all__ = ["measured_csv"]

_FIGURES = ("macs", "instructions", "cycles_estimate", "cycles", "microseconds", "emulator_microseconds")


def measured_csv(document: Mapping[str, Any]) -> str:
    """Columns: name, op, and those of macs, instructions, cycles_estimate, cycles, microseconds that anything has a figure for."""
    cycles = document.get("cycles")
    total = {**document, "name": "(total)", "op": "", "cycles": cycles["mean"] if cycles else None}
    rows = [*(document.get("layers") or ()), total]
    columns = ["name", "op", *(name for name in _FIGURES if any(row.get(name) is not None for row in rows))]
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({column: _plain(row.get(column)) for column in columns} for row in rows)
    return out.getvalue()


def _plain(figure: Any) -> Any:
    return f"{figure:.1f}" if isinstance(figure, float) else figure
