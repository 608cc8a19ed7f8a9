"""A package as TVM calls it: a library with the TVM FFI calling convention through the tvm_ffi package (no compiler-side TVM needed), or a
Relax module in TVM's virtual machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgec.errors import ToolMissingError, UsageError
from edgec.ir.program import Array
from edgec.toolchain.host import build_shared
from edgec.toolchain.package import Package, load_package

__all__ = ["build_ffi", "build_module", "load_ffi", "load_module"]


def build_ffi(folder: Path | str) -> Path:
    """The shared library of a package compiled with --backend tvm.  UsageError where it was not."""
    package = load_package(folder)
    if "tvm_ffi" not in package.manifest:
        raise UsageError(f"{package.name} has no TVM functions", hint="compile it with --backend tvm")
    return build_shared(folder, extra=(package.path / package.manifest["tvm_ffi"]["source"],))


def build_module(folder: Path | str) -> Path:
    """What TVM loads of a package, either form."""
    if "tvm" in load_package(folder).manifest:
        from edgec.toolchain.relax import build_relax

        return build_relax(folder)
    return build_ffi(folder)


class _Function:
    """numpy arrays in, in order; a list of numpy arrays out."""

    def __init__(self, package: Package, library: Path) -> None:
        try:
            import tvm_ffi
        except ImportError as error:
            raise ToolMissingError("tvm_ffi is not installed", hint="pip install apache-tvm-ffi") from error
        self.package = package
        self.tensor: Any = tvm_ffi.from_dlpack
        self.run: Any = tvm_ffi.load_module(str(library))["run"]

    def __call__(self, *arrays: Array) -> list[Array]:
        made = [np.empty(tensor.shape, tensor.dtype) for tensor in self.package.outputs]
        given = [np.array(array) for array in arrays]  # DLPack wants to know that it may be written
        self.run(*(self.tensor(array) for array in (*given, *made)))
        return made


def load_ffi(folder: Path | str) -> _Function:
    """Builds the library and opens it with tvm_ffi.  Errors: UsageError, ToolMissingError, BuildError."""
    return _Function(load_package(folder), build_ffi(folder))


def load_module(folder: Path | str) -> Callable[..., list[Array]]:
    """Builds what TVM loads, either form, and opens it: numpy arrays in, in order; a list of numpy arrays out."""
    if "tvm" not in load_package(folder).manifest:
        return load_ffi(folder)
    from edgec.backends.tvm import open_relax

    run = open_relax(build_module(folder))
    return lambda *arrays: run(arrays)
