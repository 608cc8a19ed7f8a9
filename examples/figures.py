"""Measure, and write what was measured into README.md: `make bench`.

Every block `<!-- figures:NAME -->` gets a table (models of ../shared; left as it is when they are absent), every block
`<!-- output:VERB -->` what the command above it prints.  Nothing in these blocks is written by hand.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import edgec

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT.parent / "shared" / "models"
OUT = ROOT / "build" / "figures"
M4 = {"kws": "DS-CNN", "vww": "MobileNetV1-0.25", "ic": "ResNet8", "ad": "autoencoder"}

DIGITS = "build/digits"
OUTPUTS = {
    "analyze": ["analyze", "examples/digits/digits.onnx"],
    "compile": ["compile", "examples/digits/digits.onnx", "--target", "mps2-an386", "-o", DIGITS],
    "verify": ["verify", DIGITS, "--on", "emulator", "--inputs", "examples/digits/digits.npz"],
    "bench": ["bench", DIGITS, "--emulate", "--layers"],
}


def m4_table() -> str:
    """One row a model, from `bench --emulate`."""
    lines = [
        "| model | MACs | instructions | cycles (estimate) | RAM bytes | arena | stack | flash bytes | of it weights |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, net in M4.items():
        folder = OUT / name
        edgec.compile(MODELS / f"{name}_int8_qdq.onnx", folder, target="mps2-an386", name=name)
        m = edgec.bench(folder, emulate=True)
        ram, flash = m["ram"], m["flash"]
        cells = (
            m["macs"], m["instructions"], m["cycles_estimate"], ram["total"], ram["arena"], ram["stack"],
            flash["total"], flash["weights"],
        )  # fmt: skip
        lines.append(f"| {name} {net} | {' | '.join('-' if c is None else f'{c:,}' for c in cells)} |")
        print(lines[-1])
    return "\n".join(lines)


def output_of(arguments: list[str]) -> str:
    """What a command prints, as a block of text."""
    environment = {**os.environ, "COLUMNS": "110"}
    done = subprocess.run(
        [sys.executable, "-m", "edgec", *arguments], cwd=ROOT, capture_output=True, text=True, env=environment
    )
    if done.returncode:
        sys.exit(f"edgec {' '.join(arguments)} failed:\n{done.stderr}")
    lines = [line.rstrip() for line in done.stdout.rstrip().splitlines()]
    return "\n".join(["```text", *lines, "```"])


def put(text: str, name: str, content: str) -> str:
    """`text` with `content` between the comments of block `name`."""
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    return pattern.sub(lambda match: f"{match[1]}\n{content}\n\n{match[2]}", text)


def main() -> None:
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    for verb, arguments in OUTPUTS.items():
        text = put(text, f"output:{verb}", output_of(arguments))
    if MODELS.is_dir():
        text = put(text, "figures:m4", m4_table())
    else:
        print("../shared/models is absent: the table of the MLPerf Tiny models stays as it is")
    readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
