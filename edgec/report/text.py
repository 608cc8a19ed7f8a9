"""Documents as tables for people: one function a verb, from the dict the verb returns to a rich renderable.

Nothing here measures or decides; a value that a document lacks is simply not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgec.report.compare import differences, moved

Document = Mapping[str, Any]


def kb(count: int | None) -> str:
    """Bytes as `1,234 B` or `12.3 KB` (KB = 1024 bytes)."""
    if count is None:
        return "-"
    return f"{count:,} B" if count < 10_000 else f"{count / 1024:,.1f} KB"


def number(count: float | str | None) -> str:
    """A count with thousands separators (other numbers to two places), `-` for none."""
    if count is None or isinstance(count, str):
        return count or "-"
    return f"{count:,.2f}" if isinstance(count, float) else f"{count:,}"


def clean(value: Any) -> str:
    """A name from a model on one line, whatever it holds."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(value))


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "", right: str = "") -> Table:
    """A plain table.  right: names of right-aligned columns, comma separated."""
    out = Table(title=title or None, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False, title_style="bold")
    to_right = {name.strip() for name in right.split(",")}
    for column in columns:
        out.add_column(column, justify="right" if column in to_right else "left", overflow="fold")
    for row in rows:
        out.add_row(*(cell if isinstance(cell, Text) else Text(clean(cell)) for cell in row))
    return out


def facts(rows: Iterable[tuple[str, Any]]) -> Table:
    """Name and value pairs without a header."""
    out = Table(box=None, show_header=False, pad_edge=False)
    out.add_column(style="bold")
    out.add_column(overflow="fold")
    for name, value in rows:
        out.add_row(name, value if isinstance(value, Text) else Text(clean(value)))
    return out


def by_memory(sizes: Iterable[Document] | Mapping[str, int]) -> str:
    """` (dtcm 16.0 KB, psram 8.0 KB)` where bytes lie in several memories, nothing where they do not.  sizes: bytes by name, or entries
    with both."""
    named = sizes if isinstance(sizes, Mapping) else {entry["name"]: entry["bytes"] for entry in sizes}
    parts = [f"{name} {kb(size)}" for name, size in named.items()]
    return f" ({', '.join(parts)})" if parts else ""


def compiled(document: Document, verbose: bool = False) -> RenderableType:
    """What `compile` made.  verbose: with the kernel of every step, the runner-up, what both should cost, and why."""
    summary, regions = document.get("summary", {}), by_memory(document.get("regions", ()))
    rows = [
        ("model", f"{document['model']['file']} -> {document['dir']}"),
        ("target", target_line(document)),
        *(("input", _port(entry)) for entry in document["inputs"]),
        *(("output", _port(entry)) for entry in document["outputs"]),
        ("steps", f"{len(document['steps'])}, {number(document['macs'])} MACs"),
        ("RAM", f"{kb(document['arena_bytes'])} arena{regions} + {kb(document['scratch_bytes'])} scratch"),
        *(
            ("state", f"{entry['output']} becomes {entry['input']}, {number(entry['bytes'])} B")
            for entry in document.get("states", ())
        ),
    ]
    if "arena_lower_bound" in document:
        rows.append(("placement", placement(document)))
    if patches := document.get("patches"):
        more = f"{number(patches['recomputed_macs'])} multiply-accumulates more ({patches['recomputed_percent']} %)"
        rows.append(
            ("patches", f"the steps up to {patches['last_step']} in {patches['strips']} strips: recomputes {more}")
        )
    if "constant_bytes" in summary:
        rows.append(("weights", kb(summary["constant_bytes"]) + by_memory(document.get("weight_regions", ()))))
    if summary.get("removed_channels"):
        rows.append(("constant channels", f"{summary['removed_channels']} of {summary['all_channels']} removed"))
    formats = summary.get("number_formats", ())
    if "float32" in formats and not {"int8", "uint8"} & set(formats):
        rows.append(("note", "computes in float32, as the model is not quantized"))
    if verbose and (total := document.get("predicted")):
        known = "" if total["calibrated"] else " (rough: nothing was measured for this target)"
        rows.append(
            ("predicted", f"{number(total['instructions'])} instructions, {number(total['cycles'])} cycles{known}")
        )
    rows.append(("next", f"edgec build {document['dir']}, then edgec verify or edgec bench"))
    return Group(facts(rows), _choices(document)) if verbose else facts(rows)


def _choices(document: Document) -> RenderableType:
    """Two lines a step: the kernel it has, and the next best."""
    lines: list[tuple[Any, ...]] = []
    for step in document["steps"]:
        numbers = step.get("choice") or {"kernel": step["kernel"], **step["predicted"]}
        for name, entry, why in (
            (step["name"], numbers, step.get("why", "")),
            ("", step.get("runner_up"), "runner-up"),
        ):
            if entry:
                figures = (number(entry[key]) for key in ("instructions", "cycles", "flash", "scratch"))
                lines.append((name, entry["kernel"], *figures, why))
    columns = ("step", "kernel", "instructions", "cycles", "flash", "scratch", "why")
    return table(columns, lines, title="Kernels", right="instructions, cycles, flash, scratch")


def placement(document: Document) -> str:
    """How good the offsets are: bytes of arena above what no placement of these segments in one memory goes below."""
    arena, bound = document["arena_bytes"], document["arena_lower_bound"]
    if arena <= bound:
        return f"{number(arena)} bytes, proven the smallest for these segments"
    memories = len(document.get("regions", ()))
    over = f"in {memories} memories, " if memories > 1 else ""
    return (
        f"{number(arena)} bytes, {over}{100 * (arena - bound) / bound:.1f} % above the lower bound of {number(bound)}"
    )


def analyzed(document: Document) -> RenderableType:
    """What `analyze` found."""
    parts: list[RenderableType] = [
        facts(
            (label, show(document[key]))
            for key, label, show in (
                ("model", "model", clean),
                ("target", "target", lambda value: value or "any"),
                ("macs", "MACs", number),
                ("parameters", "parameters", number),
                ("peak_ram_bytes", "peak RAM, step by step", kb),
                ("regions", "of which in", lambda found: by_memory(found)[2:-1]),
                ("weights_bytes", "weights", kb),
                ("constant_channels", "constant channels", str),
            )
            if document.get(key) not in (None, [])
        )
    ]
    if operators := document.get("operators"):
        rows = operators.items() if isinstance(operators, Mapping) else [(o["op"], o["count"]) for o in operators]
        parts.append(table(("operator", "count"), rows, right="count"))
    if unsupported := document.get("unsupported"):
        rows = [tuple(u.values()) if isinstance(u, Mapping) else tuple(u) for u in unsupported]
        parts.append(table(("node", "operator", "why not"), rows, title=f"Not supported: {len(rows)}"))
    if points := document.get("tradeoff"):
        bought = [(kb(p["arena"]), number(p["instructions"]), p["segments"], p["longest"]) for p in points]
        columns = ("arena", "instructions (predicted)", "segments", "longest")
        parts.append(table(columns, bought, title="What RAM buys (compile --ram SIZE)", right=",".join(columns)))
    if (boards := document.get("boards")) is not None:
        parts.append(facts([("fits", ", ".join(_name(b) for b in boards) or "none of the boards")]))
    return Group(*parts)


def built(document: Document) -> RenderableType:
    """What `build` made."""
    board, toolchain = document["board"], document.get("toolchain")
    rows = [("target", document["target"] + (f" on {board}" if board else "") + (f", with {toolchain}" if toolchain else ""))]
    rows += [(kind, path) for kind, path in document["artifacts"].items()]
    if modules := document.get("modules"):
        each = ", ".join(f"{name} {kb(size)}" for name, size in modules.items())
        rows.append(("modules", f"{each}, of which weights {kb(document['weights'])}"))
    if sizes := document.get("sizes"):
        rows.append(("flash", f"{kb(sizes['flash_total'])}, of which weights {kb(sizes['flash_weights'])}"))
        ram = sum(sizes[part] for part in ("arena", "scratch", "io", "data_bss"))
        rows.append(("RAM", f"{kb(ram)} and the stack, which bench measures"))
    return facts(rows)


def flashed(document: Document) -> RenderableType:
    """What `flash` wrote, or would."""
    pieces = ", ".join(f"{p['kind']} {kb(p['bytes'])} at {p['address']:#010x}" for p in document["pieces"])
    rows = [("board", document["board"]), ("tool", document["tool"]), ("flash", pieces)]
    rows += [("command", command) for command in document["commands"]]
    if not document["flashed"]:
        rows.append(("done", "nothing: leave out --dry-run to do it"))
    elif document["answered"]:
        rows.append(("board runs", f"build {document['answered']}, as flashed ({document['port']})"))
    else:
        rows.append(("board runs", "not asked: no serial port is known to be the board's; name it with --port URL"))
    return facts(rows)


def verified(document: Document) -> RenderableType:
    """What `verify` found."""
    verdict = Text("same", "bold green") if document["ok"] else Text("different", "bold red")
    rows: list[tuple[str, Any]] = [("verdict", verdict), ("compiled code on", document.get("on", "host"))]
    rows += [
        (key.replace("_", " "), value)
        for key, value in document.items()
        if key not in _SAID and value is not None and _small(value)
    ]
    parts: list[RenderableType] = [facts(rows)]
    for key in ("outputs", "layers"):
        entries = [entry for entry in document.get(key) or () if isinstance(entry, Mapping)]
        if entries:
            columns = [name for name, value in entries[0].items() if _small(value)]
            lines = [[_cell(entry.get(column)) for column in columns] for entry in entries]
            parts.append(table([column.replace("_", " ") for column in columns], lines, title=key))
    return Group(*parts)


_LONGEST = 40  # names of nodes can be pages long
_SAID = frozenset(("ok", "on", "dir", "outputs", "layers"))


def package(document: Document) -> RenderableType:
    """What `report` shows of one package: steps and memory plan."""
    steps = [
        (s["index"], s["name"], s["op"], number(s["macs"]), s["kernel"], s["rows"], s["row_bytes"], s["output"])
        for s in document["steps"]
    ]
    columns = ("#", "step", "op", "MACs", "kernel", "rows", "row bytes", "makes")
    plan = [
        (p["buffer"], p["offset"], p["offset"] + p["bytes"], number(p["bytes"]), p["first"], p["last"])
        for p in document["memory_plan"]
    ]
    return Group(
        compiled(document),
        table(columns, steps, title="Steps", right="#, MACs, rows, row bytes"),
        table(
            ("buffer", "from", "to", "bytes", "first step", "last step"),
            plan,
            title=f"Arena: {number(document['arena_bytes'])} B",
            right="from, to, bytes, first step, last step",
        ),
    )


def compared(document: Document) -> RenderableType:
    """What `report --against` shows: the figures of two packages side by side, and the steps that differ."""
    this, other = document["this"], document["other"]
    rows = [(what, number(a), number(b), f"{a - b:+,}") for what, a, b in differences(this, other)]
    head = table(("", this["dir"], other["dir"], "difference"), rows, right="difference")
    changed = [(name, *kernels, number(a), number(b)) for name, _, *kernels, a, b in moved(this, other)]
    if not changed:
        return head
    columns = ("step", "kernel", "kernel there", "instructions", "there")
    return Group(head, table(columns, changed, title="Steps that differ", right="instructions, there"))


def packaged(document: Document) -> RenderableType:
    """What `package` wrote."""
    return facts(
        (
            ("library", f"{document['name']} in {document['dir']}"),
            ("models", ", ".join(f"{clean(m['name'])} (arena {kb(m['arena_bytes'])})" for m in document["models"])),
            ("formats", ", ".join(document["formats"]) or "none"),
        )
    )


def targets(document: Document) -> RenderableType:
    """What `targets` lists."""
    lines = [
        (t["name"], t["kind"], t["cpu"], kb(t["ram"]), kb(t["flash"]), "yes" if t["emulated"] else "", t["about"])
        for t in document["targets"]
    ]
    return table(("target", "kind", "CPU", "RAM", "flash", "emulated", "about"), lines, right="RAM, flash")


def operators(document: Document) -> RenderableType:
    """What `ops` lists, the operators that become the same step in one row."""
    rows = document["operators"]
    steps = sorted({row["step"] for row in rows})
    lines = [(step, ", ".join(row["onnx"] for row in rows if row["step"] == step)) for step in steps]
    return table(("step", "ONNX operators that become it"), lines, title=f"{len(rows)} ONNX operators")


def doctor(document: Document) -> RenderableType:
    """What `doctor` found."""
    found, missing = Text("yes", "green"), Text("no", "yellow")
    lines = [
        (row["name"], found if row["found"] else missing, row["version"] or "", row["needed_for"], row["get"])
        for row in document["tools"]
    ]
    return table(("tool or package", "found", "version", "for", "get it with"), lines)


def target_line(document: Document) -> str:
    target = document.get("target", "")
    board = document.get("board")
    if isinstance(target, Mapping):
        target, board = target["name"], target.get("board")
    return f"{target} (board {board})" if board and board != target else clean(target)


def _port(entry: Document) -> str:
    """One input or output: `image float32 [1,1,8,8]`, with its quantization where it has one."""
    shape = ",".join(map(str, entry["shape"]))
    quant = f", scale {entry['scale']:g}, zero point {entry['zero_point']}" if entry.get("scale") else ""
    return f"{clean(entry['name'])} {entry['dtype']} [{shape}]{quant} through {entry['function']}()"


def _name(board: Any) -> str:
    return clean(board["name"] if isinstance(board, Mapping) else board)


def _small(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float, bool))


def _cell(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    if isinstance(value, float):
        return f"{value:.6g}"
    text = clean(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
