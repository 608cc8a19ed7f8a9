"""The meaning of a package: its Program, run by the numpy interpreter with the operator pages' references."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np

from edgec.errors import UsageError
from edgec.ir.interp import Interpreter, Reference
from edgec.ir.program import Program
from edgec.ir.text import parse_program
from edgec.ops.registry import by_name


def references() -> dict[str, Reference]:
    """Operator name -> its reference."""
    return {name: cast(Reference, op.reference) for name, op in by_name().items()}


def read_program(folder: Path) -> Program:
    """The Program in DIR/reference.  UsageError if the folder is not a whole package."""
    text, weights = folder / "reference" / "program.txt", folder / "reference" / "weights.npz"
    try:
        with np.load(weights) as constants:
            return parse_program(text.read_text(encoding="utf-8"), {name: constants[name] for name in constants.files})
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{folder} has no readable reference program: {error}", "compile the model again") from error


def reference(folder: Path | str) -> Interpreter:
    """The interpreter of a package's Program."""
    return Interpreter(read_program(Path(folder)), references())


__all__ = ["read_program", "reference", "references"]
