"""A package as a Python callable: compiled for this machine, numpy arrays in, numpy arrays out (`edgec.load`)."""

from __future__ import annotations

import ctypes
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgec.errors import InputError
from edgec.ir.program import Array
from edgec.toolchain.host import build_shared
from edgec.toolchain.package import Tensor, load_package

Trace = Callable[[int, int, bytes], None]
_HOOK = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)


class Loaded:
    """A compiled model.  Call it with one array for each input, in order or by the input's ONNX name.

    Arrays have the ONNX shape and the library's own type (`inputs`: name, dtype, shape, scale, zero_point of each); results come as a
    list, one array of ONNX shape for each of `outputs`.  Errors: InputError for arrays that do not fit.  Not reentrant: one arena.
    """

    def __init__(self, folder: Path, trace: bool = False) -> None:
        package = load_package(folder)
        self.name = package.name
        self.inputs: tuple[Tensor, ...] = package.inputs
        self.outputs: tuple[Tensor, ...] = package.outputs
        self._library = _open(build_shared(folder, trace=trace))
        self._rows = package.input_rows
        given = () if self._rows else self.inputs
        self._getters = {t.function: self._function(t.function, ctypes.c_void_p) for t in (*given, *self.outputs)}
        if self._rows:
            self._push = self._function(f"{self.name}_push_row", ctypes.c_int)
        else:
            self._run = self._function(f"{self.name}_run", None)
        self._restart = (
            self._function(f"{self.name}_reset", None) if self._rows or package.manifest.get("states") else None
        )
        self._function(f"{self.name}_init", None)(None)

    def _function(self, name: str, result: Any) -> Any:
        function = getattr(self._library, name)
        function.restype = result
        return function

    def reset(self) -> None:
        """Makes the states that live from call to call zero; nothing where the model has none."""
        if self._restart is not None:
            self._restart()

    def __call__(self, *arrays: Array, **named: Array) -> list[Array]:
        """One inference."""
        self.prepared(*arrays, **named)()
        return [self._read(tensor) for tensor in self.outputs]

    def prepared(self, *arrays: Array, **named: Array) -> Callable[[], None]:
        """An inference of these arrays, to be called once or, where its time is taken, again and again; its results are not read."""
        given = self._bind(arrays, named)
        data = [_fitting(array, tensor) for tensor, array in zip(self.inputs, given, strict=True)]
        if self._rows:
            rows = [row for array in data for row in array.reshape(self._rows, -1)]
            places = [ctypes.c_void_p(row.ctypes.data) for row in rows]

            def push() -> None:
                for place, _ in zip(places, rows, strict=True):
                    self._push(place)

            return push
        moves = [(self._getters[t.function], a.ctypes.data, a.nbytes) for t, a in zip(self.inputs, data, strict=True)]

        def run(kept: list[Array] = data) -> None:
            for getter, address, count in moves:
                ctypes.memmove(getter(), address, count)
            self._run()

        return run

    def _bind(self, arrays: tuple[Array, ...], named: dict[str, Array]) -> list[Array]:
        """One array for each input, in order."""
        names = [tensor.name for tensor in self.inputs]
        given = dict(zip(names, arrays, strict=False))
        if (
            len(arrays) > len(names)
            or set(named) - set(names)
            or set(given) & set(named)
            or len(given) + len(named) != len(names)
        ):
            got = [f"{len(arrays)} by order"] * bool(arrays) + [repr(name) for name in named]
            raise InputError(
                f"model {self.name!r} takes {len(names)} input(s), {', '.join(map(repr, names))}; given: {', '.join(got) or 'nothing'}",
                "give one array for each input, in this order or by name",
            )
        given.update(named)
        return [given[name] for name in names]

    def _read(self, tensor: Tensor) -> Array:
        raw = ctypes.string_at(self._getters[tensor.function](), tensor.bytes)
        return np.frombuffer(raw, tensor.dtype).reshape(tensor.shape).copy()

    def traced(self, arrays: list[Array], heard: Trace) -> list[Array]:
        """One inference of a trace build; heard(step, first row, bytes) after each call of a kernel."""

        def hook(step: int, row: int, data: int | None, count: int) -> None:
            heard(step, row, ctypes.string_at(data, count) if data else b"")

        pointer = _HOOK.in_dll(self._library, f"{self.name}_trace_hook")
        callback = _HOOK(hook)
        try:
            ctypes.memmove(ctypes.byref(pointer), ctypes.byref(callback), ctypes.sizeof(ctypes.c_void_p))
            return self(*arrays)
        finally:
            ctypes.memset(ctypes.byref(pointer), 0, ctypes.sizeof(ctypes.c_void_p))


def _fitting(array: Array, tensor: Tensor) -> Array:
    """The array contiguous, after checking type and shape."""
    array = np.asarray(array)
    if array.dtype != np.dtype(tensor.dtype):
        hint = f"convert it: array.astype(numpy.{np.dtype(tensor.dtype).name})"
        if tensor.scale is not None and array.dtype.kind == "f":
            hint = f"quantize it: numpy.clip(numpy.rint(array / {tensor.scale!r}) + {tensor.zero_point}, ...).astype(numpy.{tensor.dtype})"
        raise InputError(f"input {tensor.name!r} takes {tensor.dtype}, the array is {array.dtype}", hint)
    if array.shape != tuple(tensor.shape):
        raise InputError(
            f"input {tensor.name!r} has shape {list(tensor.shape)}, the array {list(array.shape)}",
            "one call is one inference: give the whole ONNX shape, first dimension included, and loop over samples",
        )
    return np.ascontiguousarray(array)


def _open(library: Path) -> ctypes.CDLL:
    """The library under a name of its own: dlopen returns the old code for a path it has seen, even after a rebuild."""
    with tempfile.TemporaryDirectory(prefix="edgec-") as folder:
        copy = Path(folder) / library.name
        shutil.copy2(library, copy)
        return ctypes.CDLL(str(copy))


def load(folder: Path | str, trace: bool = False) -> Loaded:
    """Compiles the package in `folder` for this machine and opens it.  Errors: UsageError (no package), ToolMissingError, BuildError."""
    return Loaded(Path(folder), trace)
