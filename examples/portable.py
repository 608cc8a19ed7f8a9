"""Instructions on a core without DSP: this project's kernels for it, and its portable C kernels as gcc -O3 compiles them.

python examples/portable.py CORE MODEL.onnx ...     (int8 QDQ models; CORE: cortex-m3 or cortex-m0plus)
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from unittest import mock

import edgec
from edgec.target import load_target


def on_portable(model: Path, core: str) -> int:
    """Executed instructions of one inference with the portable kernels alone, compiled with -O3."""
    target = load_target(core)
    plain = replace(target, isa=frozenset(), flags=tuple("-O3" if flag == "-O2" else flag for flag in target.flags))
    with mock.patch("edgec.compiler.load_target", lambda name: plain), mock.patch("edgec.target.load_target", lambda name: plain):
        return on_own(model, core)


def on_own(model: Path, core: str) -> int:
    """The same with this project's kernels for the core."""
    with tempfile.TemporaryDirectory() as folder:
        edgec.compile(model, folder, target=core)
        return int(edgec.bench(folder, emulate=True)["instructions"])


def main() -> None:
    for model in map(Path, sys.argv[2:]):
        ours, portable = on_own(model, sys.argv[1]), on_portable(model, sys.argv[1])
        print(f"{model.stem}: {ours:,} against {portable:,} ({ours / portable:.2f})", flush=True)


if __name__ == "__main__":
    main()
