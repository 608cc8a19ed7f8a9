"""A compiled package as one HTML page that needs nothing else: figures, memory map, layers, rounding errors, boards.

`page` takes what `edgec report` returns: one package, or two, which are then compared before each is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from edgec.report.compare import differences, moved
from edgec.report.plots import bar, roofline
from edgec.report.style import STYLE
from edgec.report.svg import memory_map
from edgec.report.text import by_memory, clean, kb, number

Document = Mapping[str, Any]


class Html(str):
    """Text that is markup already."""


def page(document: Document) -> str:
    """The page for what `report` returns (one package, or two side by side)."""
    packages = [document["this"], document["other"]] if "this" in document else [document]
    title = " and ".join(escape(clean(p["name"])) for p in packages)
    parts = [_comparison(document)] if "this" in document else []
    body = "\n".join((*parts, *map(_package, packages)))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title} - edgec report</title><style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _package(p: Document) -> str:
    sections = (
        ("Memory", _memory(p)),
        ("Layers", _layers(p)),
        ("Error of rounding", _rounding(p)),
        ("Boards", _boards(p)),
        ("Interface", _interface(p)),
        ("How it was compiled", _origin(p)),
    )
    head = f"<h1>{escape(clean(p['name']))} for {escape(clean(p['target']['name']))}</h1>\n{_tiles(p)}"
    return "\n".join((head, *(f"<h2>{title}</h2>\n{text}" for title, text in sections if text)))


def _tiles(p: Document) -> str:
    """The figures one looks for first, and whether each is measured."""
    measured, need, costs = p["measured"] or {}, p["need"], p["costs"]
    instructions = measured.get("instructions") or p.get("predicted", {}).get("instructions")
    tiles = [
        (kb(need["ram"]), "RAM in all, measured" if need["how"] == "measured" else "RAM of arena, scratch and states"),
        (kb(need["flash"]), "flash in all, measured" if need["how"] == "measured" else "weights"),
        (number(p["macs"]), "multiply-accumulates"),
    ]
    if instructions:
        how = "instructions, " + ("counted" if measured.get("instructions") else "predicted")
        tiles += [(number(instructions), how), (f"{instructions / max(p['macs'], 1):.2f}", "instructions a MAC")]
    if cycles := measured.get("cycles_estimate") or p.get("predicted", {}).get("cycles"):
        tiles.append((number(cycles), "cycles, estimated"))
    note = (
        "" if costs["how"] == "measured" else '<p class="note">Nothing was measured yet: edgec bench DIR --emulate.</p>'
    )
    cells = "".join(
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(what)}</span></div>' for value, what in tiles
    )
    return f'<div class="tiles">{cells}</div>{note}'


def _memory(p: Document) -> str:
    parts = [f"arena {kb(p['arena_bytes'])}{by_memory(p.get('regions', ()))}"]
    if ram := (p["measured"] or {}).get("ram"):
        names = {"scratch": "scratch", "io": "inputs and outputs", "data_bss": "other data", "stack": "stack, painted"}
        parts += [f"{text} {number(ram[key])} B" for key, text in names.items() if ram.get(key)]
    note = "Bytes of the arena, over the segments of one inference. Dashed: a ring of rows; dark edge: written over what is read."
    return f'<p>{escape(", ".join(parts))}. {note}</p><div class="wide">{memory_map(p)}</div>'


def _layers(p: Document) -> str:
    costs = p["costs"]
    total = sum(layer["instructions"] for layer in costs["layers"]) or 1
    rows = []
    by_name = {layer["name"]: layer for layer in costs["layers"]}
    for s in p["steps"]:
        layer = by_name.get(s["name"])
        cells: list[Any] = [s["index"], s["name"], s["op"], s["kernel"], number(s["macs"])]
        if layer is not None:
            share = layer["instructions"] / total
            cells += [number(layer["instructions"]), Html(bar(share, text=f"{100 * share:.1f} %"))]
            cells += [
                f"{layer['instructions'] / s['macs']:.2f}" if s["macs"] else "",
                f"{layer['limit']:.2f}" if layer.get("limit") else "",
            ]
        rows.append(cells)
    columns = ["#", "step", "op", "kernel", "MACs"]
    if by_name:
        columns += ["instructions", "share", "instr / MAC", "limit"]
    numbers = ("#", "MACs", "instructions", "instr / MAC", "limit")
    plot = roofline(costs["layers"])
    note = "<p>A disc is a layer, its area its share of all instructions; dashed lines are the best known for their kind.</p>"
    hints = [(layer["name"], layer["hint"]) for layer in costs["layers"] if layer.get("hint")]
    told = "<h3>What keeps layers from their limit</h3>" + _table(("step", ""), hints) if hints else ""
    return (note + plot if plot else "") + _table(columns, rows, numbers) + told


def _rounding(p: Document) -> str:
    """Signal to noise of every layer; a bar is full at 60 dB."""
    found = p["quantization"]
    if not found:
        return ""
    if "loss" in found:
        note = f"Against the float model, on {found['samples']} calibration samples: {found['loss']:.3g} {found['loss_is']}."
    else:
        origin = "random inputs: give real ones with --inputs" if found["random"] else "the samples given"
        note = f"Of activations, against the same model without rounding, on {found['samples']} samples ({origin})."
    rows: list[tuple[Any, ...]] = []
    for layer in found["layers"]:
        db = layer["sqnr_db"]
        shown = (
            Html(bar(db / 60, "var(--bad)" if db < 20 else "var(--accent)", f"{db:.1f} dB"))
            if db is not None
            else "exact"
        )
        own = [layer.get(key) for key in ("range_sqnr_db", "weight_sqnr_db")]
        rows.append((layer["node"], layer["op"], shown, *("" if value is None else f"{value:.1f}" for value in own)))
    columns = ("node", "op", "signal to noise", "of its range", "of its weights")[: 5 if "loss" in found else 3]
    return f"<p>{escape(clean(note))}</p>" + _table(columns, rows, ("of its range", "of its weights"), cut=("node",))


def _boards(p: Document) -> str:
    need = p["need"]
    rows = []
    for board in p["boards"]:
        cells: list[Any] = [board["name"] + (" (emulated)" if board["emulated"] else ""), board["cpu"]]
        for kind in ("ram", "flash"):
            share = need[kind] / board[kind] if board[kind] else 2.0
            fill = "var(--good)" if share <= 1 else "var(--bad)"
            cells.append(Html(bar(share, fill, f"{kb(need[kind])} of {kb(board[kind])}")))
        word = '<span class="good">fits</span>' if board["fits"] else '<span class="bad">too large</span>'
        rows.append((*cells, Html(word)))
    what = (
        "measured on " + p["target"]["name"]
        if need["how"] == "measured"
        else "arena and weights; stack and code come on top"
    )
    note = f"What the model needs ({what}). Other cores take other kernels: compile for the board to be sure."
    return f"<p>{escape(clean(note))}</p>" + _table(("board", "core", "RAM", "flash", ""), rows)


def _interface(p: Document) -> str:
    ports = [
        (kind, e["name"], e["dtype"], "x".join(map(str, e["shape"])), e.get("scale") or "", e["function"] + "()")
        for kind, entries in (("input", p["inputs"]), ("output", p["outputs"]))
        for e in entries
    ]
    return _table(("", "name", "type", "shape", "scale", "C function"), ports)


def _origin(p: Document) -> str:
    stated = {key: value for key, value in p.get("options", {}).items() if value not in (None, False, [], "")}
    rows = [
        ("model", f"{p['model']['file']}, SHA-256 {p['model'].get('sha256', '')[:16]}"),
        ("edgec", f"{p['edgec']}, {p.get('contract', '')}"),
        ("options", ", ".join(f"{key} {value}" for key, value in stated.items())),
    ]
    return _table(("", ""), rows)


def _comparison(document: Document) -> str:
    """Totals and steps of two packages, the difference coloured by whether it is less."""
    this, other = document["this"], document["other"]

    def delta(a: float, b: float) -> Html:
        if a == b:
            return Html('<span class="of">same</span>')
        share = f" ({100 * (a - b) / b:+.1f} %)" if b else ""
        return Html(f'<span class="{"good" if a < b else "bad"}">{escape(f"{a - b:+,}{share}")}</span>')

    totals = [(what, number(a), number(b), delta(a, b)) for what, a, b in differences(this, other)]
    steps = [
        (name, op, a_kernel, b_kernel, number(a), number(b), delta(a or 0, b or 0))
        for name, op, a_kernel, b_kernel, a, b in moved(this, other)
    ]
    names = [clean(d["dir"]) for d in (this, other)]
    text = f"<h1>{escape(names[0])} against {escape(names[1])}</h1>" + _table(
        ("", names[0], names[1], "difference"), totals, (names[0], names[1])
    )
    if steps:
        columns = ("step", "op", "kernel", "kernel there", "instructions", "there", "difference")
        text += "<h2>Steps that differ</h2>" + _table(columns, steps, ("instructions", "there"))
    return text


def _table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], numbers: Sequence[str] = (), cut: Sequence[str] = ()
) -> str:
    """A table in a box that scrolls by itself.  numbers: columns to the right; cut: columns of which 60 characters are shown."""

    def shown(column: str, cell: Any) -> str:
        if isinstance(cell, Html):
            return cell
        text = clean(cell)
        return escape(f"{text[:28]}…{text[-31:]}" if column in cut and len(text) > 60 else text)

    def row(cells: Sequence[Any], tag: str) -> str:
        made = []
        for column, cell in zip(columns, cells, strict=False):
            kind = " class=n" if column in numbers else " class=long" if tag == "td" and len(str(cell)) > 60 else ""
            made.append(f"<{tag}{'' if isinstance(cell, Html) else kind}>{shown(column, cell)}</{tag}>")
        return f"<tr>{''.join(made)}</tr>"

    return f'<div class="wide"><table>{row(columns, "th")}{"".join(row(cells, "td") for cells in rows)}</table></div>'
