"""`edgec targets` and `edgec ops`: what can be compiled for, and what can be compiled."""

from __future__ import annotations

from edgec.cli.output import JsonFlag, show


def targets_command(as_json: JsonFlag = False) -> None:
    """List the CPUs, boards and other targets."""
    from edgec import api
    from edgec.report import text

    show(api.targets(), text.targets, as_json)


def ops_command(as_json: JsonFlag = False) -> None:
    """List the ONNX operators edgec compiles."""
    from edgec import api
    from edgec.report import text

    show(api.ops(), text.operators, as_json)
