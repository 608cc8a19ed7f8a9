"""One step, or a whole program, through numpy reference, interpreter and compiled host C under sanitizers: equal bytes or a failure."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edgec.emit.c import emit
from edgec.emit.literals import C_TYPES
from edgec.ir.interp import Interpreter
from edgec.ir.program import Array, Buffer, Port, Program, Site, Step
from edgec.ir.pull import pushed_input
from edgec.ir.reach import Reach
from edgec.ir.text import constants, parse_program, print_program
from edgec.ops.registry import by_name
from edgec.schedule.plan import plan

FLAGS = "-std=c11 -Wall -Wextra -Wconversion -Wpedantic -Werror -fsanitize=address,undefined -fno-sanitize-recover=all".split()


def references() -> dict[str, object]:
    return {name: op.reference for name, op in by_name().items()}


def main_c(program: Program, source: object, gaps: Sequence[tuple[int, int]] = ()) -> str:
    """A main that reads all inputs from stdin, runs once, writes all outputs to stdout, again and again; nothing may touch the `gaps`
    (first byte, number of bytes) of the arena."""
    name = program.name
    loop = "for (;;)" if program.inputs else "for (int once = 1; once; once = 0)"
    lines = [
        f'#include "{name}.h"',
        "#include <stdio.h>",
        "#include <sanitizer/asan_interface.h>",
        f"_Alignas(16) static unsigned char arena[{name.upper()}_ARENA_BYTES];",
        f"static const int gaps[][2] = {{ {', '.join(f'{{ {a}, {n} }}' for a, n in (*gaps, (0, 0)))} }};",
        "int main(void)",
        "{",
        "    for (int i = 0; gaps[i][1]; ++i) {",
        "        ASAN_POISON_MEMORY_REGION(arena + gaps[i][0], (size_t)gaps[i][1]);",
        "    }",
        f"    {name}_init(arena);",
        f"    {loop} {{",
    ]
    if pushed_input(program):
        size = f"{name.upper()}_INPUT_ROW_BYTES"
        ctype = C_TYPES[program.by_name[program.inputs[0].buffer].dtype]
        lines.append(f"        {ctype} row[{size} / sizeof({ctype})];")
        lines.append(
            f"        do {{ if (fread(row, 1, {size}, stdin) != {size}) return 0; }} while (!{name}_push_row(row));"
        )
    else:
        for function in source.input_functions:  # type: ignore[attr-defined]
            lines.append(
                f"        if (fread({function}(), 1, {function.upper()}_BYTES, stdin) != {function.upper()}_BYTES) return 0;"
            )
        lines.append(f"        {name}_run();")
    for function in source.output_functions:  # type: ignore[attr-defined]
        lines.append(f"        fwrite({function}(), 1, {function.upper()}_BYTES, stdout);")
    return "\n".join([*lines, "    }", "}", ""])


def run_host(
    program: Program,
    samples: Sequence[Mapping[str, Array]],
    features: frozenset[str] = frozenset(),
    cc: str = "gcc",
    gaps: Sequence[tuple[int, int]] = (),
    level: Sequence[str] = ("-O1", "-g"),
) -> list[dict[str, Array]]:
    """Compiles a placed program under ASan and UBSan and runs it on each sample (ONNX input name -> array)."""
    source = emit(program, features)
    with tempfile.TemporaryDirectory() as folder:
        for file, text in {**source.files, "main.c": main_c(program, source, gaps)}.items():
            (Path(folder) / file).write_text(text)
        files = [str(Path(folder) / f) for f in (*source.files, "main.c") if f.endswith(".c")]
        built = subprocess.run(
            [cc, *level, *FLAGS, *files, "-o", f"{folder}/a.out", "-lm"], capture_output=True, text=True, check=False
        )
        assert built.returncode == 0, built.stderr[:4000]
        data = b"".join(
            np.ascontiguousarray(sample[p.name]).astype(program.by_name[p.buffer].dtype, casting="equiv").tobytes()
            for sample in samples
            for p in program.inputs
        )
        ran = subprocess.run([f"{folder}/a.out"], input=data, capture_output=True, check=False)
        assert ran.returncode == 0, ran.stderr.decode()[:4000]
    results, at = [], 0
    for _ in samples:
        result = {}
        for port in program.outputs:
            buffer = program.by_name[port.buffer]
            size = buffer.rows * buffer.row_bytes
            result[port.name] = np.frombuffer(ran.stdout[at : at + size], buffer.dtype).reshape(port.shape)
            at += size
        results.append(result)
    assert at == len(ran.stdout)
    return results


def run_program(
    program: Program,
    samples: Sequence[Mapping[str, Array]],
    features: frozenset[str] = frozenset(),
    *,
    planned: bool = False,
) -> list[dict[str, Array]]:
    """Plans (unless planned), checks the text form, runs interpreter and host C, asserts equal results and returns them."""
    if not planned:
        program = plan(program, features).program
    assert print_program(parse_program(print_program(program), constants(program))) == print_program(program)
    interp = Interpreter(program, references())  # type: ignore[arg-type]
    expected = [interp.run(sample) for sample in samples]
    for want, got in zip(expected, run_host(program, samples, features), strict=True):
        for key in want:
            if want[key].dtype == np.float32:
                np.testing.assert_allclose(got[key], want[key], rtol=1e-4, atol=1e-5)
            else:
                np.testing.assert_array_equal(got[key], want[key])
    return expected


def single(
    op: str,
    in_buffers: Sequence[Buffer],
    out_buffer: Buffer,
    reach: Sequence[Reach],
    attrs: Mapping[str, object],
    consts: Mapping[str, Array],
) -> Program:
    """A program of one step.  Buffers that the step reads twice are listed twice."""
    step = Step(
        "step0", op, tuple(b.name for b in in_buffers), out_buffer.name, tuple(reach), dict(attrs), dict(consts)
    )  # type: ignore[arg-type]
    unique = {b.name: b for b in (*in_buffers, out_buffer)}
    ports = tuple(Port(name, name, unique[name].shape) for name in dict.fromkeys(b.name for b in in_buffers))
    return Program(
        "net", tuple(unique.values()), (step,), ports, (Port(out_buffer.name, out_buffer.name, out_buffer.shape),)
    )


def run_step(
    op: str,
    inputs: Sequence[Array],
    in_buffers: Sequence[Buffer],
    out_buffer: Buffer,
    reach: Sequence[Reach],
    attrs: Mapping[str, object],
    consts: Mapping[str, Array],
    features: frozenset[str] = frozenset(),
) -> Array:
    """One step through reference (whole tensor), interpreter and sanitized host C; returns the common result, physical shape."""
    program = single(op, in_buffers, out_buffer, reach, attrs, consts)
    at = Site(program.steps[0], tuple(in_buffers), out_buffer)
    rows = [x.reshape(b.rows, b.row_elements) for x, b in zip(inputs, in_buffers, strict=True)]
    direct = np.asarray(by_name()[op].reference(at, 0, out_buffer.rows, rows)).reshape(out_buffer.shape)
    sample = {b.name: x for b, x in zip(in_buffers, inputs, strict=True)}
    result = run_program(program, [sample], features)[0][out_buffer.name]
    if direct.dtype == np.float32:
        np.testing.assert_allclose(result, direct, rtol=1e-5, atol=1e-6)
    else:
        np.testing.assert_array_equal(result, direct)
    return result
