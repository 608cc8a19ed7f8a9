"""A package as TVM loads it: edgec's own kernels behind the calling convention of the TVM FFI, or a Relax module."""

from __future__ import annotations

from pathlib import Path

from edgec.errors import UsageError
from edgec.target import load_target
from edgec.toolchain.base import compile_objects
from edgec.toolchain.cross import cross_compiler
from edgec.toolchain.host import build_shared
from edgec.toolchain.native import link_shared
from edgec.toolchain.package import Package, load_package
from edgec.toolchain.variants import library_objects

__all__ = ["build_ffi", "build_module"]


def build_ffi(folder: Path | str) -> Path:
    """The shared library of a package compiled with --backend tvm, for this machine.  UsageError where it was not."""
    package = load_package(folder)
    return build_shared(folder, extra=(_source(package),))


def build_module(folder: Path | str) -> Path:
    """What TVM loads on the package's target, either form: DIR/build/ffi/lib<name>.so of all its variants, DIR/build/relax/lib<name>.so.

    Errors: UsageError where the package has neither; ToolMissingError; BuildError.
    """
    package = load_package(folder)
    if "tvm" in package.manifest:
        from edgec.toolchain.relax import build_relax

        return build_relax(folder)
    target = load_target(package.target)
    if target.kind == "host":
        return build_ffi(folder)
    source, compiler, work = _source(package), cross_compiler(target), package.path / "build" / "ffi"
    flags = [*compiler.flags(target, target.variants[0]), "-fPIC"]
    objects = compile_objects(compiler.command, [(source, work / f"{source.stem}.o")], [package.path], flags=flags)
    objects += library_objects(package, target, compiler, work)
    library = work / f"lib{package.name}.so"
    link_shared(objects, library, target, compiler, work)
    return library


def _source(package: Package) -> Path:
    if "tvm_ffi" not in package.manifest:
        raise UsageError(f"{package.name} has no TVM functions", hint="compile it with --backend tvm")
    return package.path / str(package.manifest["tvm_ffi"]["source"])
