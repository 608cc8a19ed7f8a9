"""Pictures of a report as SVG text: the roofline-like plot of layers, and bars inside tables.

Colours come from the page's style sheet (`var(--...)`), so that the pictures follow its light and dark form.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from edgec.report.svg import colour
from edgec.report.text import clean, number

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 960, 360, 64, 190, 16, 44


def bar(share: float, fill: str = "var(--accent)", text: str = "") -> str:
    """A bar of `share` (0 to 1, cut there) with a text beside it."""
    width = 100 * min(max(share, 0.0), 1.0)
    return f'<span class="bar"><i style="width:{width:.1f}%;background:{fill}"></i></span><span class="of">{escape(text)}</span>'


def roofline(layers: Sequence[Mapping[str, Any]]) -> str:
    """Layers by their MACs (across) and the MACs they make an instruction (up), a disc's area its share of all instructions.

    A dashed line is the best known for a kind of layer (`limit`, instructions a MAC); "" if no layer has MACs.
    """
    drawn = [layer for layer in layers if layer["macs"] and layer["instructions"]]
    if not drawn:
        return ""
    limits = sorted({layer["limit"] for layer in drawn if layer.get("limit")})
    speeds = [layer["macs"] / layer["instructions"] for layer in drawn] + [1 / limit for limit in limits]
    top = 1.08 * max(speeds)
    low = math.floor(math.log10(min(layer["macs"] for layer in drawn)))
    high = max(math.ceil(math.log10(max(layer["macs"] for layer in drawn))), low + 1)
    total = sum(layer["instructions"] for layer in layers)

    def x(macs: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (math.log10(macs) - low) / float(high - low)

    def y(speed: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * speed / float(top)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" class="plot" '
        'aria-label="Multiply-accumulates an instruction of every layer">',
        *_grid(x, y, low, high, top),
    ]
    written = -math.inf
    for limit in limits:  # the fastest, on top, first: a number that would lie on the last one is left out
        at = y(1 / limit)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}" class="limit"/>')
        if at - written > 13:
            text = f"limit {1 / limit:.2f}"
            parts.append(f'<text x="{_WIDTH - _RIGHT - 4}" y="{at - 4:.1f}" text-anchor="end" class="limit">{text}</text>')
            written = at
    ops = sorted({layer["op"] for layer in drawn})
    for layer in sorted(drawn, key=lambda layer: -layer["instructions"]):
        share, speed = layer["instructions"] / total, layer["macs"] / layer["instructions"]
        told = (
            f"{layer['name']}: {number(layer['macs'])} MACs, {number(layer['instructions'])} instructions, "
            f"{speed:.2f} MACs an instruction, {100 * share:.1f} % of all"
        )
        parts.append(
            f'<circle cx="{x(layer["macs"]):.1f}" cy="{y(speed):.1f}" r="{4 + 26 * math.sqrt(share):.1f}" '
            f'fill="{colour(ops.index(layer["op"]))}" class="disc"><title>{escape(clean(told))}</title></circle>'
        )
    for index, op in enumerate(ops):
        line = _TOP + 10 + 18 * index
        parts.append(
            f'<circle cx="{_WIDTH - _RIGHT + 24}" cy="{line - 4}" r="5" fill="{colour(index)}"/>'
            f'<text x="{_WIDTH - _RIGHT + 36}" y="{line}">{escape(clean(op))}</text>'
        )
    return "\n".join((*parts, "</svg>"))


def _grid(x: Any, y: Any, low: int, high: int, top: float) -> list[str]:
    """Axes with their numbers: powers of ten across, about five even steps up."""
    step = next(s for s in (0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 1000, 1e9) if top / s <= 6)
    parts = []
    for power in range(low, high + 1):
        parts.append(
            f'<line x1="{x(10**power):.1f}" x2="{x(10**power):.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}" class="grid"/>'
            f'<text x="{x(10**power):.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{10**power:,}</text>'
        )
    for index in range(int(top / step) + 1):
        speed = index * step
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(speed):.1f}" y2="{y(speed):.1f}" class="grid"/>'
            f'<text x="{_LEFT - 8}" y="{y(speed) + 4:.1f}" text-anchor="end">{speed:g}</text>'
        )
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    parts.append(f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 8}" text-anchor="middle">MACs of the layer</text>')
    parts.append(
        f'<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">MACs an instruction</text>'
    )
    return parts
