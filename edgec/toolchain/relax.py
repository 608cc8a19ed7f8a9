"""Relax modules of packages as shared libraries: TVM's code, and edgec's kernels for the steps that have no TIR."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgec.backends.llvm import llvm_targets
from edgec.backends.tvm import export_relax
from edgec.errors import UsageError
from edgec.target import load_target
from edgec.toolchain.base import compile_objects, run_tool
from edgec.toolchain.cross import cross_compiler
from edgec.toolchain.host import host_compiler
from edgec.toolchain.package import load_package

__all__ = ["build_relax"]


def build_relax(folder: Path | str) -> Path:
    """DIR/build/relax/lib<name>.so for this machine or, of a package for AArch64, for the variant that is measured.

    Errors: UsageError where the package has no Relax module; ToolMissingError without TVM or a compiler; BuildError.
    """
    package = load_package(folder)
    entry = package.manifest.get("tvm", {})
    if "module" not in entry:
        raise UsageError(
            f"{package.name} has no Relax module",
            "compile it for the host or AArch64 with --backend tvm --tvm-form relax",
        )
    target, here = load_target(package.target), package.path
    if target.kind == "host":
        compiler, flags = [host_compiler()], [*target.flags, "-fPIC"]
    else:
        cross, variant = cross_compiler(target), next(v for v in target.variants if v.name == target.measured)
        compiler, flags = list(cross.command), [*cross.flags(target, variant), "-fPIC"]
    work = here / "build" / "relax"
    work.mkdir(parents=True, exist_ok=True)
    jobs = [(here / source, work / f"{Path(source).stem}.o") for source in entry["sources"]]
    objects = compile_objects(compiler, jobs, [here / "relax"], flags=flags) if jobs else []
    library = work / f"lib{package.name}.so"

    def link(file: str, files: Sequence[str]) -> None:
        run_tool([*compiler, "-shared", "-fPIC", *files, "-o", file, "-lm"])

    with np.load(here / entry["constants"], allow_pickle=False) as stored:
        constants = {name: stored[name] for name in stored.files}
    database = here / entry["database"] if "database" in entry else None
    llvm = llvm_targets(target)[target.measured]
    text = (here / entry["module"]).read_text(encoding="utf-8")
    export_relax(text, constants, llvm.options, library, link, objects, database)
    return library
