"""The package folder that `edgec compile` writes, as the tools below the compiler see it: `edgec.json` and C files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgec.errors import UsageError

__all__ = ["DTYPE_BYTES", "Package", "Step", "Tensor", "load_package"]

DTYPE_BYTES = {"int8": 1, "uint8": 1, "int16": 2, "float32": 4, "int32": 4, "int64": 8, "bool": 1}


@dataclass(frozen=True)
class Tensor:
    """A model input or output; `real = scale * (q - zero_point)`, scale None where it is not quantized."""

    name: str
    function: str
    dtype: str
    shape: tuple[int, ...]
    elements: int
    bytes: int
    scale: float | None
    zero_point: int | None


@dataclass(frozen=True)
class Step:
    """One step of the program: `symbol` is its C function, an output row has `row_bytes` bytes."""

    index: int
    name: str
    op: str
    macs: int
    symbol: str
    rows: int
    row_bytes: int


@dataclass(frozen=True)
class Package:
    """A compiled model on disk."""

    path: Path
    name: str
    model_file: str
    target: str
    sources: tuple[Path, ...]
    header: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    arena_bytes: int
    scratch_bytes: int
    macs: int
    steps: tuple[Step, ...]
    manifest: dict[str, Any]

    @property
    def input_bytes(self) -> int:
        """Bytes of all inputs, one after another."""
        return sum(tensor.bytes for tensor in self.inputs)

    @property
    def output_bytes(self) -> int:
        """Bytes of all outputs, one after another."""
        return sum(tensor.bytes for tensor in self.outputs)

    @property
    def input_rows(self) -> int:
        """Rows in which the one input is pushed (`<name>_push_row`); 0 where it is given at once."""
        return int(self.manifest.get("input_rows", 0))

    @property
    def regions(self) -> tuple[tuple[str, int], ...]:
        """Memory and bytes of each piece of the arena, in the order `<name>_init` takes them; no name where it is one piece."""
        found = self.manifest.get("regions") or [{"name": "", "bytes": self.arena_bytes}]
        return tuple((str(region["name"]), int(region["bytes"])) for region in found)

    @property
    def weight_regions(self) -> tuple[str, ...]:
        """The flash memories that have a section of their own for their constants; () where all lie in one piece."""
        return tuple(str(region["name"]) for region in self.manifest.get("weight_regions", ()))

    def objects(self, variant: str = "") -> tuple[Path, ...]:
        """Object files that belong to the sources, for one variant of a platform: what TVM has compiled."""
        named = self.manifest.get("tvm", {}).get("objects", {})
        return (self.path / named[variant],) if variant in named else ()

    def build_hash(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 over the sources."""
        digest = hashlib.sha256()
        for source in self.sources:
            digest.update(source.read_bytes())
        return digest.hexdigest()[:16]


def load_package(path: Path | str) -> Package:
    """Reads DIR/edgec.json.  Raises UsageError when DIR is not a compiled model or lacks files."""
    folder = Path(path)
    manifest_file = folder / "edgec.json"
    if not manifest_file.is_file():
        raise UsageError(
            f"'{folder}' is not a compiled model: it has no edgec.json",
            hint="make one with `edgec compile MODEL.onnx -o DIR`",
        )
    try:
        data = json.loads(manifest_file.read_text(encoding="utf-8"))
        package = Package(
            path=folder,
            name=data["name"],
            model_file=data["model"]["file"],
            target=data["target"]["name"],
            sources=tuple(folder / source for source in data["sources"]),
            header=data["header"],
            inputs=tuple(_tensor(entry) for entry in data["inputs"]),
            outputs=tuple(_tensor(entry) for entry in data["outputs"]),
            arena_bytes=int(data["arena_bytes"]),
            scratch_bytes=int(data["scratch_bytes"]),
            macs=int(data["macs"]),
            steps=tuple(_step(entry) for entry in data["steps"]),
            manifest=data,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"'{manifest_file}' is damaged: {error!r}", hint="compile the model again") from error
    missing = [source.name for source in package.sources if not source.is_file()]
    if missing:
        raise UsageError(f"'{folder}' lacks {', '.join(missing)}", hint="compile the model again")
    return package


def _tensor(entry: dict[str, Any]) -> Tensor:
    if entry["dtype"] not in DTYPE_BYTES:
        raise ValueError(f"dtype {entry['dtype']}")
    return Tensor(
        name=entry["name"],
        function=entry["function"],
        dtype=entry["dtype"],
        shape=tuple(entry["shape"]),
        elements=int(entry["elements"]),
        bytes=int(entry["bytes"]),
        scale=entry["scale"],
        zero_point=entry["zero_point"],
    )


def _step(entry: dict[str, Any]) -> Step:
    return Step(
        index=int(entry["index"]),
        name=entry["name"],
        op=entry["op"],
        macs=int(entry["macs"]),
        symbol=entry["symbol"],
        rows=int(entry["rows"]),
        row_bytes=int(entry["row_bytes"]),
    )
