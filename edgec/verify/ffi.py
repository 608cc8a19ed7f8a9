"""A package as TVM calls it: a library with the TVM FFI calling convention through the tvm_ffi package (no compiler-side TVM needed), or a
Relax module in TVM's virtual machine."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgec.errors import ToolMissingError, UsageError
from edgec.ir.program import Array
from edgec.toolchain.ffi import build_ffi, build_module
from edgec.toolchain.package import Package, load_package

__all__ = ["load_ffi", "load_module"]


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
    """Builds what TVM loads, either form, and opens it: numpy arrays in, in order; a list of numpy arrays out.

    A library for another processor is built for this machine; a Relax module is not: UsageError.
    """
    package = load_package(folder)
    if "tvm" not in package.manifest:
        return load_ffi(folder)
    if package.manifest["target"]["cpu"] == "arm64" and platform.machine() not in ("aarch64", "arm64"):
        raise UsageError(
            f"the Relax module of {package.name} is for {package.target}, not for this machine",
            "edgec build makes it, to be loaded there; what it calls runs here: verify --on qemu-user",
        )
    from edgec.backends.tvm import open_relax

    run = open_relax(build_module(folder))
    return lambda *arrays: run(arrays)
