"""`--backend tvm`: one more C file that gives the library the calling convention of the TVM FFI."""

from __future__ import annotations

from typing import Any

from edgec.emit.names import comment
from edgec.emit.parts import environment

__all__ = ["ffi_source"]

# DLPack's type classes: signed, unsigned, floating point, boolean.
CODES = {"int8": 0, "int16": 0, "int32": 0, "int64": 0, "uint8": 1, "float32": 2, "bool": 6}


def ffi_source(manifest: dict[str, Any], version: str, function: str = "run") -> tuple[str, str]:
    """(file name, text) of <name>_tvm_ffi.c from the content of edgec.json; function: the name by which TVM finds it."""
    tensors = [
        {
            "input": index < len(manifest["inputs"]),
            "function": port["function"],
            "shape": port["shape"],
            "bytes": port["bytes"],
            "code": CODES[port["dtype"]],
            "bits": 8 * port["bytes"] // max(1, port["elements"]),
            "note": _note(port),
        }
        for index, port in enumerate([*manifest["inputs"], *manifest["outputs"]])
    ]
    rows = manifest["input_rows"]
    context = {
        "name": manifest["name"],
        "header": manifest["header"],
        "version": version,
        "entry": function,
        "tensors": tensors,
        "rows": rows,
        "row_bytes": manifest["inputs"][0]["bytes"] // rows if rows else 0,
    }
    return f"{manifest['name']}_tvm_ffi.c", environment().get_template("package/tvm_ffi.c.j2").render(context)


def _note(port: dict[str, Any]) -> str:
    """The port in words that can stand in a C comment and in a C string."""
    words = comment(f"{port['name']}: {port['dtype']} {port['shape']}")
    return "".join(c for c in words if c.isprintable() and c not in '"\\')
