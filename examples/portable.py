"""Instructions on a core without DSP: this project's kernels for it, and its portable C kernels as gcc -O3 compiles them.

python examples/portable.py CORE MODEL.onnx ...     (int8 QDQ models; CORE: cortex-m3 or cortex-m0plus)
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from edgec.compiler import compile_model
from edgec.emulate.run import measure
from edgec.options import CompileOptions
from edgec.target import Target, load_target


def instructions(model: Path, target: Target, folder: Path) -> int:
    """Executed instructions of one inference of the package compiled for exactly that target."""
    import edgec.compiler as compiler

    compiler.load_target = lambda name: target  # type: ignore[attr-defined]
    compile_model(path=model, out=folder, options=CompileOptions(target=target.name))
    return int(measure(folder, target, None)["instructions"])


def main() -> None:
    target = load_target(sys.argv[1])
    plain = replace(target, isa=frozenset(), flags=tuple("-O3" if flag == "-O2" else flag for flag in target.flags))
    for model in map(Path, sys.argv[2:]):
        with tempfile.TemporaryDirectory() as folder:
            ours = instructions(model, target, Path(folder) / "ours")
            portable = instructions(model, plain, Path(folder) / "portable")
        print(f"{model.stem}: {ours:,} against {portable:,} ({ours / portable:.2f})", flush=True)


if __name__ == "__main__":
    main()
