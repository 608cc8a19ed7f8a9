"""The options of one compilation, frozen, and where they may come from: the caller, the command line, `edgec.toml`.

`edgec.toml` in the working directory holds defaults for a project; what the caller states wins:

    [compile]
    target = "nucleo-l4r5zi"
    ram = "320K"
    optimize = "ram"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypedDict

from edgec.errors import UsageError

PROJECT_FILE = "edgec.toml"

# What the options that are a word may say.
CHOICES: dict[str, tuple[str, ...]] = {
    "optimize": ("balanced", "speed", "ram", "flash"),
    "input": ("tensor", "rows"),
    "io": ("model", "quantized"),
    "backend": ("c", "tvm"),
    "tvm_form": ("auto", "library", "relax"),
}

_UNITS = {"": 1, "K": 1024, "M": 1024 * 1024}


@dataclass(frozen=True)
class CompileOptions:
    """Everything that decides what `compile` writes.  Same model, options and version give the same bytes."""

    target: str = "host"  # a CPU, a board, a phone, a web target or "host"
    name: str | None = None  # C prefix of the library; None: made from the model's file name
    calib: Path | None = None  # DATA.npz that turns a float model into int8
    ram: int | None = None  # bytes the model may use while it runs; None: what the board has
    flash: int | None = None  # bytes of code and weights; None: what the board has
    optimize: str = "balanced"  # balanced | speed | ram | flash
    input: str = "tensor"  # tensor: whole input at once | rows: pushed row by row
    io: str = "model"  # model: the model's own types | quantized: int8 at the borders
    backend: str = "c"  # c | tvm
    tvm_form: str = "auto"  # auto | library (edgec's kernels for TVM's loader) | relax (a module that TVM compiles)
    dump_stages: Path | None = None  # folder for the ONNX model after every pass
    batch: int = 1  # pins a symbolic first dimension
    tune: int = 0  # choose kernels by measuring; with --backend tvm: trials of MetaSchedule
    state: tuple[tuple[str, str], ...] = ()  # (input, output) of the model that the library keeps from run to run
    replay: Path | None = None  # an edgec.json whose choice of kernels is taken as it is
    keep_input: bool = False  # run() leaves the input buffer as it was
    keep_constant_channels: bool = False  # do not remove provably constant channels
    format: str = "all"  # build systems the folder is a package of: all, none, or some of edgec.formats, with commas
    frontend: Mapping[str, Any] | None = None  # what stands around the model: see edgec.frontend.spec

    def __post_init__(self) -> None:
        for option, allowed in CHOICES.items():
            value = getattr(self, option)
            if value not in allowed:
                name = option.replace("_", "-")
                raise UsageError(f"--{name} {value!r} is not a choice", f"use one of: {', '.join(allowed)}")
        if not isinstance(self.batch, int) or self.batch < 1:
            raise UsageError(f"--batch must be a whole number of at least 1, not {self.batch!r}", "leave it out for 1")
        if self.tune < 0:
            raise UsageError("--tune takes a number of trials", "for example --tune 64; without a number: 1")
        for option in ("ram", "flash"):
            value = getattr(self, option)
            if value is not None and value <= 0:
                raise UsageError(f"--{option} must be more than 0 bytes", "for example --ram 320K")
        if self.keep_input and self.input == "rows":
            raise UsageError("an input that arrives by rows is not kept", "leave out --keep-input or --input rows")

    def as_dict(self) -> dict[str, Any]:
        """The options as plain JSON values, for edgec.json (files by name only: the output holds no machine paths)."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values.pop("dump_stages")  # says where to leave notes, changes nothing that is compiled
        values.pop("frontend")  # edgec.json tells it whole, with what the model says itself
        return {name: value.name if isinstance(value, Path) else value for name, value in values.items()}


class CompileKeywords(TypedDict, total=False):
    """The keyword arguments of `edgec.compile`: the fields of CompileOptions, sizes and files as a caller writes them."""

    target: str
    name: str | None
    calib: str | Path | None
    ram: str | int | None
    flash: str | int | None
    optimize: Literal["balanced", "speed", "ram", "flash"]
    input: Literal["tensor", "rows"]
    io: Literal["model", "quantized"]
    backend: Literal["c", "tvm"]
    tvm_form: Literal["auto", "library", "relax"]
    dump_stages: str | Path | None
    batch: int
    tune: bool | int
    state: Mapping[str, str] | Sequence[str]
    replay: str | Path | None
    keep_input: bool
    keep_constant_channels: bool
    format: str
    frontend: Mapping[str, Any] | str | Path | None


def parse_size(text: str | int) -> int:
    """Bytes from `320K`, `1M`, `1.5M`, `327680` (K = 1024, M = 1024 K; a trailing B or iB may stand), or UsageError."""
    if isinstance(text, int):
        return text
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KM]?)(?:i?B)?\s*", text, re.IGNORECASE)
    size = float(match[1]) * _UNITS[match[2].upper()] if match else 0.5
    if size != int(size) or size <= 0:
        raise UsageError(f"{text!r} is not a size", "write bytes, or K or M of 1024: 327680, 320K, 1M")
    return int(size)


def parse_states(given: Any) -> tuple[tuple[str, str], ...]:
    """(input, output) pairs from `["h0=hn", ...]`, a dict or pairs, or UsageError."""
    pairs = list(given.items()) if isinstance(given, Mapping) else [given] if isinstance(given, str) else list(given)
    found = []
    for pair in pairs:
        ends = tuple(pair.split("=", 1)) if isinstance(pair, str) else tuple(pair)
        if len(ends) != 2 or not all(isinstance(end, str) and end for end in ends):
            raise UsageError(
                f"--state {pair!r} is not INPUT=OUTPUT", "name a model input and the output that becomes it"
            )
        found.append((ends[0], ends[1]))
    return tuple(found)


def make_options(given: Mapping[str, Any], project: Mapping[str, Any] | None = None) -> CompileOptions:
    """CompileOptions from what the caller gave (None: not given), over the project file's values, over the defaults.

    Sizes may be text, files may be text.  Raises UsageError for names or types that no option has.
    """
    values = {**(project or {}), **{name: value for name, value in given.items() if value is not None}}
    known = {field.name: str(field.type) for field in fields(CompileOptions)}
    for name, value in values.items():
        if name not in known:
            raise UsageError(f"there is no option {name!r}", f"options are: {', '.join(sorted(known))}")
        values[name] = _convert(name, known[name], value)
    return CompileOptions(**values)


def _convert(name: str, annotation: str, value: Any) -> Any:
    """`value` as the type its field is annotated with."""
    if value is None:
        return None
    if name in ("ram", "flash"):
        return parse_size(value)
    if name == "state":
        return parse_states(value)
    if name == "tune" and isinstance(value, bool):
        return int(value)
    if name == "frontend":
        return value if isinstance(value, Mapping) else around(_toml(Path(value)), Path(value).parent)
    if annotation.startswith("Path"):
        return Path(value)
    expected: type = {"bool": bool, "int": int}.get(annotation, str)
    if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
        raise UsageError(f"option {name} must be {expected.__name__}, not {value!r}", "see edgec compile --help")
    return value


def read_project(folder: Path) -> dict[str, Any]:
    """The `[compile]` table of `folder`/edgec.toml with `-` in names read as `_`; empty when there is no such file."""
    path = folder / PROJECT_FILE
    if not path.is_file():
        return {}
    whole = _toml(path)
    table = whole.get("compile", {})
    if not isinstance(table, dict):
        hint = 'write [compile] on a line of its own, then target = "..."'
        raise UsageError(f"compile in {path} is not a table", hint)
    values = {name.replace("-", "_"): value for name, value in table.items()}
    for name in ("calib", "dump_stages", "replay", "frontend"):  # files are meant from where the project file stands
        if isinstance(values.get(name), str):
            values[name] = folder / values[name]
    if "frontend" not in values and (stated := around(whole, folder)):
        values["frontend"] = stated
    return values


def around(whole: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The tables `input` and `output` of a project file; files of labels are meant from its folder."""
    found = {key: whole[key] for key in ("input", "output") if key in whole}
    outputs = found.get("output")
    if isinstance(outputs, dict):
        for entry in outputs.values():
            if isinstance(entry, dict) and isinstance(entry.get("labels"), str):
                entry["labels"] = str(folder / entry["labels"])
    return found


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "give a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}", "see the README for its form") from error
