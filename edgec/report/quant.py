"""What `quantize` cost, as tables for people."""

from __future__ import annotations

from rich.console import Group, RenderableType

from edgec.report.text import Document, clean, facts, number, table

LONGEST = 40  # characters of a name in the table of layers
LAYERS = ("layer", "op", "SQNR dB", "own dB", "weights dB", "range", "clipped %", "by")


def quantized(document: Document) -> RenderableType:
    """The result in figures, every layer, the worst ones with advice, what int16 and float32 would bring and cost."""
    rows = [
        ("written", document.get("out", "-")),
        ("samples", document["samples"]),
        ("loss", f"{document['loss']:.3g} {document['loss_is']}"),
        ("units", _units(document)),
    ]
    for key in ("kept_int16", "kept_float", "equalized", "folded"):
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
        parts.append(_gains(document))
    if document.get("prices"):
        parts.append(_prices(document))
    return Group(*parts)


def _units(document: Document) -> str:
    wide = len(document["int16"])
    return f"{document['quantized'] - wide} int8, {wide} int16, {len(document['float'])} float32"


def _gains(document: Document) -> RenderableType:
    """Output error and loss with one more node kept, in either form."""
    lines = [
        (
            s["node"],
            f"{100 * s['int16_error_share']:.0f} %",
            f"{s['int16_loss']:.3g}",
            f"{100 * s['error_share']:.0f} %",
            f"{s['loss']:.3g}",
        )
        for s in document["sensitivity"]
    ]
    columns = ("node to keep", "error left (int16)", "loss (int16)", "error left (float32)", "loss (float32)")
    return table(columns, lines, title="What keeping a node would bring", right=", ".join(columns[1:]))


FIGURES = (("flash_bytes", "flash"), ("ram_bytes", "RAM"), ("instructions", "instructions"))


def _prices(document: Document) -> RenderableType:
    """All of int8, what was chosen, and what each node would add to int8 in either form."""
    prices = document["prices"]

    def line(name: str, form: str, price: Document | None, sign: str) -> tuple[str, ...]:
        cells = ["-" if price is None else f"{price[key]:{sign},}" for key, _ in FIGURES]
        return name, form, *cells

    lines = [line("all", "int8", prices["int8"], ""), line("as written", "", prices["chosen_more"], "+")]
    lines += [line(e["node"], form, e[form], "+") for e in prices["nodes"] for form in ("int16", "float32")]
    columns = ("node", "kept in", *(title for _, title in FIGURES))
    return table(columns, lines, title=f"Prices on {document['target']}, beyond int8", right="flash, RAM, instructions")


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
