"""What `quantize` cost, as tables for people."""

from __future__ import annotations

from rich.console import Group, RenderableType

from edgec.report.text import Document, clean, facts, number, table

LONGEST = 40  # characters of a name in the table of layers
LAYERS = ("layer", "op", "SQNR dB", "own dB", "weights dB", "range", "clipped %", "by")


def quantized(document: Document) -> RenderableType:
    """The result in figures, every layer, the worst ones with advice, what float32 would bring."""
    rows = [
        ("written", document.get("out", "-")),
        ("samples", document["samples"]),
        ("loss", f"{document['loss']:.3g} {document['loss_is']}"),
        ("units", f"{document['quantized']} int8, {len(document['float'])} float32"),
    ]
    for key in ("kept_float", "equalized", "folded"):
        if document[key]:
            rows.append((key.replace("_", " "), ", ".join(map(clean, document[key]))))
    parts: list[RenderableType] = [facts(rows), _layers(document)]
    if document["low_rank"]:
        lines = [
            (
                f["node"],
                f"{f['rank']} of {f['of']}",
                number(f["macs_before"]),
                number(f["macs_after"]),
                f"{100 * f['error']:.2f} %",
            )
            for f in document["low_rank"]
        ]
        parts.append(
            table(
                ("layer", "rank", "MACs before", "after", "error"),
                lines,
                title="Low rank",
                right="MACs before, after, error",
            )
        )
    if document["worst"]:
        bad = [(w["node"], w["op"], _db(w["sqnr_db"]), w["advice"]) for w in document["worst"]]
        parts.append(
            table(("worst layers", "op", "SQNR dB", "what to do"), bad, title="Where accuracy is lost", right="SQNR dB")
        )
    if document["sensitivity"]:
        gains = [
            (
                s["node"],
                f"{100 * s['error_share']:.0f} %",
                f"{s['loss']:.3g}",
                number(s["weight_bytes"]),
                number(s["macs"]),
            )
            for s in document["sensitivity"]
        ]
        columns = ("--keep-float", "output error left", "loss", "more flash bytes", "float MACs")
        parts.append(table(columns, gains, title="What float32 would bring", right=", ".join(columns[1:])))
    return Group(*parts)


def _layers(document: Document) -> RenderableType:
    lines = [
        (
            _short(e["node"]),
            e["op"],
            _db(e["sqnr_db"]),
            _db(e["range_sqnr_db"]),
            _db(e["weight_sqnr_db"]),
            f"{e['lo']:.4g} .. {e['hi']:.4g}",
            f"{e['saturated_percent']:g}",
            e["method"],
        )
        for e in document["layers"]
    ]
    return table(LAYERS, lines, title="Layers", right="SQNR dB, own dB, weights dB, clipped %")


def _short(name: str) -> str:
    """The end of a long name; --json has it whole."""
    return name if len(name) <= LONGEST else f"…{name[1 - LONGEST :]}"


def _db(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
