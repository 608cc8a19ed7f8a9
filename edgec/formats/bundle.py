"""`edgec package`: compiled models, one or several, as one library with its build systems' files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import edgec
from edgec.emit import package
from edgec.emit.bundle import emit_bundle
from edgec.emit.names import c_name
from edgec.errors import UsageError
from edgec.formats.write import Bundle, format_files, wanted_formats
from edgec.ir.program import Program
from edgec.schedule.rooms import flash_rooms
from edgec.target import load_target

MARK = "edgec-package.json"
"""What tells a folder made here, which may be made again, from any other."""


def write_bundle(
    folders: Sequence[Path], manifests: Sequence[dict[str, Any]], programs: Sequence[Program], out: Path, name: str, formats: str
) -> dict[str, Any]:
    """Writes the library NAME of these packages into `out`, whole or not at all.  Returns what edgec-package.json says.

    UsageError: names that meet, targets that differ, models whose code is TVM's.
    """
    wanted, prefix = wanted_formats(formats), c_name(name)
    package.check_destination(out, MARK)
    _check(manifests, prefix)
    target = load_target(manifests[0]["target"]["name"])
    flash = [flash_rooms(target, program) for program in programs]
    files = emit_bundle(programs, prefix, target.isa, edgec.__version__, flash)
    for folder, manifest in zip(folders, manifests, strict=True):
        around = [f"{manifest['name']}_frontend.{kind}" for kind in ("h", "c")] if manifest.get("frontend") else []
        files |= {file: (folder / file).read_text(encoding="utf-8") for file in around}
    sources = [file for file in files if file.endswith(".c")]
    headers = [f"{prefix}.h", *(file for file in files if file.endswith("_frontend.h"))]
    bundle = Bundle(prefix, edgec.__version__, manifests, sources, headers, target.flags)
    about = {
        "edgec": edgec.__version__,
        "name": prefix,
        "target": manifests[0]["target"],
        "models": [{"name": m["name"], "model": m["model"], "arena_bytes": m["arena_bytes"]} for m in manifests],
        "sources": sources,
        "headers": headers,
        "formats": list(wanted),
    }
    written = {**files, **format_files(bundle, wanted), MARK: json.dumps(about, indent=1) + "\n"}
    package.write(out, {file: content.encode() for file, content in written.items()})
    return about


def _check(manifests: Sequence[dict[str, Any]], prefix: str) -> None:
    """UsageError where the models cannot be one library."""
    names = [str(m["name"]) for m in manifests]
    if len({prefix, *names}) <= len(names):
        hint = "compile each with a --name of its own, and give the package another with --name"
        raise UsageError(f"the names {', '.join([prefix, *names])} are not all different", hint)
    targets = {str(m["target"]["name"]) for m in manifests}
    if len(targets) > 1:
        raise UsageError(f"the models are compiled for {' and '.join(sorted(targets))}", "compile them for one target")
    for manifest in manifests:
        if manifest["options"].get("backend", "c") != "c":
            raise UsageError(f"{manifest['name']!r} is compiled with --backend tvm", "compile it with --backend c")
