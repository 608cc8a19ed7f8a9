"""The memory plan as text: for each segment what lies where in the arena (where it has regions, in one row behind one another)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgec.report.html import page
from edgec.report.svg import memory_map
from edgec.report.text import clean, placement

_COLUMNS = 64


def memory_text(document: Mapping[str, Any]) -> str:
    """One block a segment: its steps, then a bar for each live buffer (`=` full, `o` ring, `#` written over another, `s` scratch)."""
    arena = max(int(document["arena_bytes"]), 1)
    segments = document.get("segments") or [
        {"steps": [s["name"]], "reverse": False, "push": False} for s in document["steps"]
    ]
    lines = [f"arena {arena} bytes, {len(segments)} segments; each column is {-(-arena // _COLUMNS)} bytes", ""]
    if "arena_lower_bound" in document:
        lines.insert(1, f"placement: {placement(document)}")
    regions = {region["name"]: region["start"] for region in document.get("regions", ())}
    lines[-1:] = [*(f"region {clean(name)} from byte {start} of the arena on" for name, start in regions.items()), ""]
    for index, segment in enumerate(segments):
        notes = [word for word in ("reverse", "push") if segment[word]]
        lines.append(
            f"{index:3d}  {' -> '.join(map(clean, segment['steps']))}{'  (' + ', '.join(notes) + ')' if notes else ''}"
        )
        live = [e for e in document["memory_plan"] if e["first"] <= index <= e["last"]]
        for entry in sorted(live, key=lambda e: (e["offset"], e["buffer"])):
            start, stop = entry["offset"], entry["offset"] + entry["bytes"]
            first = start * _COLUMNS // arena
            width = max(1, min(-(-stop * _COLUMNS // arena), _COLUMNS) - first)
            made_here = entry.get("over") and entry["first"] == index
            mark = (
                "s"
                if entry["buffer"].startswith("scratch")
                else "#"
                if made_here
                else "o"
                if entry.get("ring")
                else "="
            )
            over = f" over {', '.join(map(clean, entry['over']))}" if made_here else ""
            bar = " " * first + mark * width
            where = f" in {clean(entry['region'])}" if "region" in entry else ""
            lines.append(f"     |{bar:<{_COLUMNS}}| {clean(entry['buffer'])} {start}..{stop}{where}{over}")
    return "\n".join(lines) + "\n"


def write(folder: Path, document: Mapping[str, Any]) -> list[Path]:
    """Writes what `report` returned as files into `folder`, and returns their paths: index.html, memory.svg and memory.txt of a package,
    against.html of two."""
    if "this" in document:
        files = {"against.html": page(document)}
    else:
        files = {"index.html": page(document), "memory.svg": memory_map(document), "memory.txt": memory_text(document)}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in files]
