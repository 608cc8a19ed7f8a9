"""A compiled package as one HTML page that needs nothing else: interface, memory map, steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from edgec.report.svg import memory_map
from edgec.report.text import clean, kb, number

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0 } th, td { padding: .2rem .8rem .2rem 0; text-align: left }
th { border-bottom: 1px solid #999 } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
"""


def page(document: Mapping[str, Any]) -> str:
    """The page for what `report` returns (one package, or two side by side)."""
    packages = [document["this"], document["other"]] if "this" in document else [document]
    title = " and ".join(escape(clean(p["name"])) for p in packages)
    body = "\n".join(_package(p) for p in packages)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{title} - edgec report</title><style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _package(p: Mapping[str, Any]) -> str:
    target = p["target"]
    ports = [
        (kind, e["name"], e["dtype"], "x".join(map(str, e["shape"])), e.get("scale") or "", e["function"] + "()")
        for kind, entries in (("input", p["inputs"]), ("output", p["outputs"]))
        for e in entries
    ]
    steps = [(s["index"], s["name"], s["op"], s["kernel"], number(s["macs"]), s["output"]) for s in p["steps"]]
    return "\n".join(
        (
            f"<h1>{escape(clean(p['name']))} for {escape(clean(target['name']))}</h1>",
            f"<p>{escape(clean(p['model']['file']))}, {number(p['macs'])} MACs, arena {kb(p['arena_bytes'])}, "
            f"scratch {kb(p['scratch_bytes'])}, edgec {escape(clean(p['edgec']))}.</p>",
            _table(("", "name", "type", "shape", "scale", "C function"), ports),
            "<h2>Memory</h2>",
            memory_map(p),
            "<h2>Steps</h2>",
            _table(("#", "step", "op", "kernel", "MACs", "makes"), steps, numbers=("#", "MACs")),
        )
    )


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]], numbers: Sequence[str] = ()) -> str:
    def row(cells: Sequence[Any], tag: str) -> str:
        made = (
            f"<{tag}{' class=n' if column in numbers else ''}>{escape(clean(cell))}</{tag}>"
            for column, cell in zip(columns, cells, strict=True)
        )
        return f"<tr>{''.join(made)}</tr>"

    return f"<table>{row(columns, 'th')}{''.join(row(cells, 'td') for cells in rows)}</table>"
