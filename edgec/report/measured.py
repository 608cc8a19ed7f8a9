"""What `bench` measured as tables: counted by an emulator, timed on a board or beside other runtimes, scored by MLPerf Tiny's rules."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from edgec.report.text import Document, by_memory, facts, number, table, target_line

__all__ = ["measured", "raced", "scored"]


def measured(document: Document, layers: bool = False) -> RenderableType:
    """What `bench` measured."""
    ram, flash = document.get("ram"), document.get("flash")
    rows: list[tuple[str, Any]] = [("model", document.get("model", "")), ("target", target_line(document))]
    rows += [(label, number(document[key])) for key, label in _COUNTS if document.get(key) is not None]
    if ram:
        parts = ", ".join(f"{name} {number(ram[name])}" for name in ("arena", "scratch", "io", "data_bss", "stack"))
        rows.append(("RAM", f"{number(ram['total'])} B  ({parts})"))
        if len(ram.get("regions", ())) > 1:
            rows.append(("RAM by memory", by_memory(ram["regions"])[2:-1]))
    if flash:
        rows.append(
            ("flash", f"{number(flash['total'])} B  (code {number(flash['code'])}, weights {number(flash['weights'])})")
        )
        if len(flash.get("regions", ())) > 1:
            rows.append(("flash by memory", by_memory(flash["regions"])[2:-1]))
    rows += _on_a_board(document)
    if document.get("output_crc32"):
        rows.append(("output CRC-32", document["output_crc32"]))
    if not layers or not document.get("layers"):
        return facts(rows)
    return Group(facts(rows), *_layers(document))


def _layers(document: Document) -> list[RenderableType]:
    """A line for each layer, with the columns something is known for; and what keeps layers far from the target's limit."""
    unit = next(name for name in _UNITS if name in document["layers"][0])
    counted = list(document["layers"])
    if overhead := document.get("overhead"):
        counted.append({"name": "(between layers)", "op": "", "macs": 0, **overhead})
    total = sum(layer[unit] or 0 for layer in counted) or 1
    limits = [name for name in ("limit",) if name in counted[0]]
    others = [name for name in ("cycles_estimate", "microseconds") if name != unit and name in counted[0]]
    labels = {"limit": "limit", "cycles_estimate": "cycles est.", "microseconds": "microseconds"}
    shown = [*limits, "share", *others]
    columns = ("layer", "op", "MACs", unit.replace("_", " "), "per MAC", *(labels.get(name, name) for name in shown))
    lines = [
        (
            layer["name"],
            layer["op"],
            number(layer["macs"]),
            number(layer[unit]),
            f"{(layer[unit] or 0) / layer['macs']:.3g}" if layer["macs"] else "-",
            *(f"{layer[name]:.3g}" if layer.get(name) else "-" for name in limits),
            f"{100 * (layer[unit] or 0) / total:.1f} %",
            *(number(layer.get(name)) for name in others),
        )
        for layer in counted
    ]
    hints = [(layer["name"], layer["hint"]) for layer in counted if layer.get("hint")]
    far = [table(("layer", "why"), hints, title="Above 1.5 times the limit of the target")] if hints else []
    return [table(columns, lines, right=", ".join(columns[2:])), *far]


def raced(document: Document) -> RenderableType:
    """What `bench --against` measured."""
    lines = []
    for row in document["runtimes"]:
        times, used, ratio = row["microseconds"], row["processor_microseconds"], row["ratio"]
        cells = [f"{times['median']:,.1f}", f"{times['low']:,.1f} - {times['high']:,.1f}", f"{used['median']:,.1f}"]
        if ratio:
            cells += [
                f"{ratio['median']:.2f}",
                f"{ratio['low']:.2f} - {ratio['high']:.2f}",
                f"{ratio['processor']:.2f}",
            ]
            cells.append(f"{row['difference']:.2g}")
        lines.append((" ".join(filter(None, (row["version"], row["note"]))), *cells, *[""] * (7 - len(cells))))
    times = ("µs", "quartiles", "processor µs")
    columns = ("runtime", *times, "ratio", "its quartiles", "by processor", "outputs differ by")
    place = f"{document['where']}, one thread, medians of {document['rounds']} rounds in turns"
    ram = document["ram"]
    memory = f"{number(ram['total'])} B  ({', '.join(f'{name} {number(ram[name])}' for name in ('arena', 'scratch', 'state'))})"
    measured_on = [("RAM", memory), ("measured on", place)]
    head = facts([("model", document["model"]), ("target", target_line(document)), *measured_on])
    skipped = [(entry["name"], entry["why"]) for entry in document["skipped"]]
    more = [table(("not measured", "why"), skipped)] if skipped else []
    return Group(head, table(columns, lines, right=", ".join(columns[1:])), *more)


_UNITS = ("instructions", "cycles", "microseconds", "emulator_microseconds")

_COUNTS = (
    ("macs", "MACs"),
    ("instructions", "instructions"),
    ("cycles_estimate", "cycles (estimate)"),
    ("cycles_model", "cycle model"),
    ("device", "device"),
    ("port", "port"),
    ("microseconds", "microseconds"),
    ("inferences_per_second", "inferences a second"),
    ("emulator_microseconds", "emulator's microseconds"),
    ("stack", "stack bytes"),
    ("note", "note"),
)


def _on_a_board(document: Document) -> list[tuple[str, Any]]:
    """What only a board's document has: how far its windows lie apart, and cycles of the run alone."""
    rows: list[tuple[str, Any]] = []
    if windows := document.get("windows"):
        counted = f" of {number(document['runs'])} inferences" if document.get("runs") else ""
        rows.append(("spread", f"{100 * document['spread']:.2f} % over {len(windows)} windows{counted}"))
    if cycles := document.get("cycles"):
        clock = f" at {document['clock_hz'] / 1e6:g} MHz" if document.get("clock_hz") else ""
        span = f"least {number(cycles['least'])}, most {number(cycles['most'])}"
        rows.append(("cycles of the run", f"{number(cycles['mean'])}{clock}  ({span})"))
    return rows


def scored(document: Document) -> RenderableType:
    """What the MLPerf Tiny sequence ended with: the runner's own lines, and what keeps them from counting."""
    lines = [Text(line) for line in document["lines"]]
    rows = [("device", document["device"]), ("model", document["profile"]), ("samples", number(document["samples"]))]
    rows += [("note", note) for note in document["notes"]]
    return Group(facts(rows), *lines)
