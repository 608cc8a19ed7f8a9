"""Several models as one C library: each with its own functions and weights, kernels that are the same only once."""

from __future__ import annotations

from collections.abc import Sequence

from edgec.emit.c import Model, isa_text, model
from edgec.emit.parts import environment
from edgec.ir.program import Program
from edgec.memory.regions import Room


def emit_bundle(
    programs: Sequence[Program],
    name: str,
    features: frozenset[str] = frozenset(),
    version: str = "",
    flash: Sequence[Sequence[Room]] = (),
) -> dict[str, str]:
    """NAME.h and NAME.c, and for each program its header and its weights.  The programs' names differ, and none of them is `name`.

    flash: for each program, the target's memories for its constants (see `emit`).
    """
    functions: dict[str, str] = {}
    rooms = flash or [()] * len(programs)
    made: list[Model] = [
        model(program, features, version, own, functions) for program, own in zip(programs, rooms, strict=True)
    ]
    env = environment()
    body = env.get_template("model_body.c.j2")
    common = {
        "name": name,
        "upper": name.upper(),
        "version": version,
        "contract": programs[0].contract,
        "target": made[0].context["target"],
        "models": [m.name for m in made],
        "headers": [f"{m.name}.h" for m in made],
        "whole": [m.name for m in made if not m.context["regions"]],
        "arena": max((m.context["arena"] for m in made if not m.context["regions"]), default=0),
        "uses_math": any(m.context["uses_math"] for m in made),
        "isa": isa_text(features, [header for m in made for header in m.headers]),
        "push": any(m.context["push"] for m in made),
        "tap_types": sorted({kind for m in made for kind in m.context["tap_types"]}),
        "functions": [text for m in made for text in m.parts.functions],
        "bodies": [body.render({**m.context, "bundled": True}) for m in made],
    }
    files = {f"{name}.{kind}": env.get_template(f"bundle.{kind}.j2").render(common) for kind in ("h", "c")}
    for m in made:
        files |= m.files()
    return files
