"""Every error edgec raises on purpose, as a tree; each carries a hint and the exit code of the command line.

    EdgecError
    |- UsageError        2  the call itself is wrong (unknown target, bad option)
    |- ModelError        2  the model file is broken or inconsistent
    |  `- UnsupportedError   2  the model is sound, but asks for what edgec cannot compile
    |- InputError        2  arrays given for calibration or verification do not fit the model
    |- BudgetError       3  the result does not fit --ram or --flash
    |- ToolMissingError  4  a compiler, emulator or package is not installed
    |- BuildError        1  a tool was run and failed
    |- FlashError        1  the board could not be programmed, or does not run what was
    |- VerifyError       1  the compiled code disagrees with its reference
    `- LinkError         1  the serial line did not answer as the protocol says

A message says what is wrong and where; the hint says what to try next.
"""

from __future__ import annotations


class EdgecError(Exception):
    """Base of all deliberate errors.  `message`: one sentence; `hint`: the next action; `node`: the ONNX node, if one is to blame."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "", node: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.node = node

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class UsageError(EdgecError):
    """The call is wrong: unknown target, contradictory options, an output folder that is a file."""

    exit_code = 2


class ModelError(EdgecError):
    """The model file cannot be read, or contradicts itself."""

    exit_code = 2


class UnsupportedError(ModelError):
    """The model is sound ONNX but needs something edgec does not have.  `problems`: (node name, op type, reason) for every case found."""

    def __init__(self, message: str, hint: str = "", problems: tuple[tuple[str, str, str], ...] = ()) -> None:
        super().__init__(message, hint, problems[0][0] if problems else "")
        self.problems = problems


class InputError(EdgecError):
    """Arrays given for verification, calibration or measurement do not match the model's inputs."""

    exit_code = 2


class BudgetError(EdgecError):
    """The compiled model needs more RAM or flash than allowed."""

    exit_code = 3


class ToolMissingError(EdgecError):
    """A compiler, an emulator, a flash tool or an optional package is not installed."""

    exit_code = 4


class BuildError(EdgecError):
    """An external tool was started and failed."""


class FlashError(EdgecError):
    """A flash tool failed, or the board does not answer as the flashed firmware would."""


class VerifyError(EdgecError):
    """Compiled code and reference disagree."""


class LinkError(EdgecError):
    """The device at the other end of the serial line did not answer as the protocol says."""
