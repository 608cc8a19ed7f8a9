"""The memory plan as a picture: segments to the right, arena bytes upwards, a box for every buffer while it lives.

Rings are dashed; a buffer that is written over another while that is still read (a trail) has a dark edge.  Regions of an arena in
several memories lie above one another, the fastest lowest.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from edgec.report.text import clean

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 960, 360, 70, 30
COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756", "#72b7b2", "#b08d00", "#9d755d")


def colour(index: int) -> str:
    """One of the page's colours (`--c0` ...), for a picture on its own the same in its light form."""
    return f"var(--c{index % len(COLOURS)},{COLOURS[index % len(COLOURS)]})"


def memory_map(document: Mapping[str, Any]) -> str:
    """An <svg> element of edgec.json's memory plan.  Overlapping boxes are buffers that share bytes on purpose."""
    arena = max(int(document["arena_bytes"]), 1)
    steps = max(len(document.get("segments", document["steps"])), 1)
    across = (_WIDTH - _LEFT) / steps
    up = (_HEIGHT - _BOTTOM) / arena
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        'aria-label="Arena bytes over segments" font-family="sans-serif" font-size="11" fill="var(--ink,#222)">',
        f'<rect x="{_LEFT}" y="0" width="{_WIDTH - _LEFT}" height="{_HEIGHT - _BOTTOM}" fill="var(--soft,#f6f6f6)"/>',
    ]
    for index, entry in enumerate(document["memory_plan"]):
        first, last = max(entry["first"], 0), min(entry["last"], steps - 1)
        x, width = _LEFT + first * across, max((last - first + 1) * across, 1)
        y, height = _HEIGHT - _BOTTOM - (entry["offset"] + entry["bytes"]) * up, max(entry["bytes"] * up, 1)
        name = escape(clean(entry["buffer"]))
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'fill="{colour(index)}" fill-opacity="0.75" {_edge(entry)}>'
            f"<title>{name}: bytes {entry['offset']}..{entry['offset'] + entry['bytes']}, segments {first}..{last}"
            f"{_kind(entry)}</title>"
            "</rect>"
        )
        if width > 7 * len(name) and height > 12:
            parts.append(f'<text x="{x + 4:.1f}" y="{y + height / 2 + 4:.1f}" fill="#fff">{name}</text>')
    for region in document.get("regions", ()):
        y, name = _HEIGHT - _BOTTOM - region["start"] * up, escape(clean(region["name"]))
        parts.append(
            f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH}" y2="{y:.1f}" stroke="var(--ink,#222)" stroke-width="1.5"/>'
        )
        parts.append(
            f'<text x="{_WIDTH - 4}" y="{y - 4:.1f}" text-anchor="end">{name}, {region["bytes"]:,} bytes</text>'
        )
    for share in (0.0, 0.5, 1.0):
        y = (_HEIGHT - _BOTTOM) * (1 - share)
        parts.append(f'<text x="{_LEFT - 6}" y="{max(y, 10):.0f}" text-anchor="end">{int(arena * share):,}</text>')
    parts.append(f'<text x="{_LEFT}" y="{_HEIGHT - 10}">segment 0</text>')
    parts.append(f'<text x="{_WIDTH}" y="{_HEIGHT - 10}" text-anchor="end">segment {steps - 1}</text></svg>')
    return "\n".join(parts)


def _edge(entry: Mapping[str, Any]) -> str:
    """Stroke of a box: dashed for a ring, dark where it overwrites another on purpose."""
    stroke = "var(--ink,#222)" if entry.get("over") else "var(--paper,#fff)"
    return f'stroke="{stroke}"' + (' stroke-dasharray="4 2"' if entry.get("ring") else "")


def _kind(entry: Mapping[str, Any]) -> str:
    """What a box is, for its tooltip."""
    ring = f", a ring of {entry['ring']} rows" if entry.get("ring") else ""
    over = f", over {', '.join(map(clean, entry['over']))}" if entry.get("over") else ""
    where = f", in {clean(entry['region'])}" if "region" in entry else ""
    return escape(where + ring + over)
