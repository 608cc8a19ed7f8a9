"""`--backend tvm`: the files that it adds to a package, and what edgec.json says of them.

library   edgec's own kernels behind the calling convention of the TVM FFI; needs no TVM (emit/ffi.py)
relax     steps as TIR functions that TVM compiles: objects that the C library calls, without TVM's runtime, on every target; where TVM
          itself runs (this machine, AArch64) also a Relax module of the whole model, which `edgec build` exports
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgec.backends.llvm import llvm_targets
from edgec.backends.relax import RelaxModule, relax_module
from edgec.backends.tir import pointer_module
from edgec.emit.ffi import ffi_source
from edgec.errors import UsageError
from edgec.ir.program import Program
from edgec.options import CompileOptions
from edgec.target import Target

__all__ = ["check_form", "tvm_files", "tvm_form"]

DATABASE = "relax/database"


def tvm_form(options: CompileOptions, target: Target) -> str:
    """ "" (no TVM), "library" or "relax".  "auto" means a library where one can be loaded and nothing is tuned."""
    if options.backend != "tvm":
        return ""
    if options.tvm_form != "auto":
        return options.tvm_form
    return "library" if runs_tvm(target) and not options.tune else "relax"


def runs_tvm(target: Target) -> bool:
    """Whether TVM's runtime exists there."""
    return target.kind == "host" or target.cpu == "arm64"


def check_form(options: CompileOptions, target: Target) -> None:
    """UsageError for options that contradict each other; ToolMissingError where TVM is needed and not there."""
    if tvm_form(options, target) != "relax":
        if options.backend == "tvm" and options.tune:
            raise UsageError(
                "--tune of a TVM library would tune nothing", "take --tvm-form relax, whose functions TVM tunes"
            )
        return
    if options.input == "rows":
        raise UsageError("TVM's functions take whole tensors, not rows", "leave out --input rows, or --tvm-form relax")
    if options.state and runs_tvm(target):
        raise UsageError("a Relax module keeps no state between calls", "leave out --state, or take --tvm-form library")
    if options.tune and target.kind != "host":
        raise UsageError(
            "MetaSchedule measures on this machine", "tune with --target host; other targets take the default schedule"
        )
    from edgec.backends.tvm import require_tvm

    require_tvm()


def tvm_files(
    content: dict[str, Any], low: Program, planned: Program, target: Target, options: CompileOptions, out: Path
) -> dict[str, bytes]:
    """The files beside the C library; adds their entry to `content` (edgec.json).  low: the program as lowered, whole tensors; planned:
    the one that the C library is; out: where an earlier compilation may have left what MetaSchedule found."""
    if tvm_form(options, target) == "library":
        name, text = ffi_source(content, str(content["edgec"]))
        content["tvm_ffi"] = {"source": name, "function": "run"}
        return {name: text.encode()}
    entry: dict[str, Any] = {"form": "relax", "objects": {}}
    files = _objects(planned, target, entry)
    if runs_tvm(target):
        made = relax_module(low)
        files |= _module(made, entry)
        if options.tune:
            files |= _tuned(made, target, options.tune, out, entry)
    content["tvm"] = entry
    return files


def _objects(planned: Program, target: Target, entry: dict[str, Any]) -> dict[str, bytes]:
    """What the C library calls, compiled for each instruction set."""
    from edgec.backends.tvm import compiled_object

    text = pointer_module(planned)
    if not text:
        return {}
    files = {"tir/functions.py": text.encode()}
    for variant, llvm in llvm_targets(target).items():
        file = f"tir/{variant or target.cpu or target.name}.o"
        files[file] = compiled_object(text, llvm.options, llvm.vectors)
        entry["objects"][variant] = file
    return files


def _module(made: RelaxModule, entry: dict[str, Any]) -> dict[str, bytes]:
    """The Relax module as text, its constants, and C for the steps without TIR."""
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **made.constants)
    entry |= {"module": "relax/module.py", "constants": "relax/constants.npz", "kernels": made.kernels}
    entry["sources"] = [f"relax/{name}" for name in made.sources if name.endswith(".c")]
    sources = {f"relax/{name}": text.encode() for name, text in made.sources.items()}
    return {"relax/module.py": made.text.encode(), "relax/constants.npz": stream.getvalue(), **sources}


def _tuned(made: RelaxModule, target: Target, trials: int, out: Path, entry: dict[str, Any]) -> dict[str, bytes]:
    """MetaSchedule's database.  What an earlier compilation of the same functions found is kept; no trials are left then, or fewer."""
    from edgec.backends.tvm import tune

    before = _read(out / "edgec.json").get("tvm", {})
    old = out / str(before.get("database", DATABASE))
    same = before.get("database") and (out / before["module"]).read_text(encoding="utf-8") == made.text
    done = int(before.get("trials", 0)) if same else 0
    with tempfile.TemporaryDirectory(prefix="edgec-tune-") as scratch:
        folder = Path(scratch)
        for file in old.glob("*.json") if same else ():
            (folder / file.name).write_bytes(file.read_bytes())
        if trials > done:
            tune(made.text, llvm_targets(target)[""].options, folder, trials - done)
        entry |= {"database": DATABASE, "trials": max(trials, done)}
        return {f"{DATABASE}/{file.name}": file.read_bytes() for file in sorted(folder.glob("*.json"))}


def _read(file: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
