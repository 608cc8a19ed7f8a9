"""The whole path in one go: `make demo`, or `python examples/digits/demo.py [DIR]` (default build/digits).

Compiles digits.onnx for an emulated Cortex-M4, builds firmware, verifies it, sends 50 test digits over the serial line,
compares the answers with onnxruntime's, and measures memory and instructions.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
from rich.console import Console

import edgec
from edgec.emulate.boards import start_board
from edgec.harness.commands import infer, load_input, output_bytes
from edgec.harness.link import Link
from edgec.harness.samples import load_samples
from edgec.harness.wire import wire_bytes
from edgec.report import text
from edgec.report.measured import measured
from edgec.target import load_target
from edgec.toolchain.package import load_package

HERE = Path(__file__).resolve().parent
MODEL, DATA = HERE / "digits.onnx", HERE / "digits.npz"
TARGET = "mps2-an386"
OUT = Path(*sys.argv[1:2] or ["build/digits"])

console = Console(width=None if sys.stdout.isatty() else 110, highlight=False, markup=False)


def scores_from_board(elf: Path) -> np.ndarray:
    """[50, 10] scores of the test digits, computed by the firmware in QEMU and read over its serial line."""
    package = load_package(OUT)
    samples = load_samples(DATA, package.manifest["inputs"])
    rows = []
    with start_board(load_target(TARGET), elf) as board, Link(board.url) as link:
        console.print(f"The board answers as {link.synchronise()!r} on {board.url}")
        for index in range(len(samples["image"])):
            load_input(link, wire_bytes(package, samples, index), window=16)  # QEMU's line has flow control
            infer(link, 1, 0)
            rows.append(np.frombuffer(output_bytes(link), "<f4"))
    return np.array(rows)


def scores_from_onnxruntime() -> np.ndarray:
    """The same from onnxruntime."""
    session = ort.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
    images = np.load(DATA)["image"]
    return np.concatenate([session.run(None, {"image": image[None]})[0] for image in images])


def show_digits(answers: np.ndarray, labels: np.ndarray) -> None:
    """The first ten digits as pictures with the answer below each, then all answers over the labels."""
    images = np.load(DATA)["image"][:10, 0]
    shades = " .:-=+*#%@"
    for y in range(8):
        console.print(" ".join("".join(shades[int(v * 9.99)] for v in image[y]) for image in images))
    console.print(" ".join(f"{answer:^8}" for answer in answers[:10]))
    console.print()
    console.print("answers", " ".join(map(str, answers)))
    console.print("labels ", " ".join(map(str, labels)))


def main() -> int:
    console.rule("compile")
    result = edgec.compile(MODEL, OUT, target=TARGET)
    console.print(text.compiled({"dir": str(OUT), **result.manifest, "summary": result.summary}))

    console.rule("build")
    built = edgec.build(OUT)
    console.print(text.built(built))

    console.rule("verify on the emulator")
    verdict = edgec.verify(OUT, inputs=DATA, on="emulator")
    console.print(text.verified(verdict))

    console.rule("50 test digits over the serial line")
    labels = np.load(DATA)["labels"]
    answers = scores_from_board(Path(built["artifacts"]["elf"])).argmax(axis=1)
    expected = scores_from_onnxruntime().argmax(axis=1)
    show_digits(answers, labels)
    right, right_there = int((answers == labels).sum()), int((expected == labels).sum())
    console.print(f"\nCortex-M4: {right} of {len(labels)} right; onnxruntime: {right_there} of {len(labels)}")

    console.rule("measure")
    console.print(measured(edgec.bench(OUT, emulate=True, inputs=DATA), layers=True))
    return 0 if verdict["ok"] and right == right_there else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except edgec.errors.EdgecError as error:
        console.print(f"error: {error}")
        sys.exit(error.exit_code)
