"""A hand-written package folder that follows the contract of `edgec compile -o DIR`: three steps, one shared kernel.

input [1, rows, 10] int8 -> table (one byte to another) -> row sums (arithmetic shift) -> dense to `classes`
"""

from __future__ import annotations

import json
from pathlib import Path

WIDTH = 10

HEADER = """#ifndef NAME_H
#define NAME_H
#include <stdint.h>
#define UPPER_ARENA_BYTES ARENA
#ifdef __cplusplus
extern "C" {
#endif
void NAME_init(void *arena);
int8_t *NAME_input(void);
const int8_t *NAME_output(void);
void NAME_run(void);
#ifdef __cplusplus
}
#endif
#endif
"""

SOURCE = """#include "NAME.h"
#include <stddef.h>
#include <string.h>

extern const int8_t NAME_weights[CLASSES * ROWS];
extern const int32_t NAME_bias[CLASSES];

#ifdef UPPER_TRACE
void NAME_trace(int step, int row, const void *bytes, size_t count);
#define TRACE(STEP, ROW, BYTES, COUNT) NAME_trace(STEP, ROW, BYTES, COUNT)
#else
#define TRACE(STEP, ROW, BYTES, COUNT) ((void)0)
#endif

#ifndef UPPER_SHARED_ARENA
static _Alignas(16) uint8_t NAME_arena[UPPER_ARENA_BYTES];
#endif
static uint8_t *base;
static uint8_t NAME_scratch[16];

void NAME_init(void *arena)
{
#ifndef UPPER_SHARED_ARENA
    base = arena != NULL ? arena : NAME_arena;
#else
    base = arena;
#endif
}

int8_t *NAME_input(void) { return (int8_t *)base; }
const int8_t *NAME_output(void) { return (const int8_t *)(base + ROWS * 20 + 64); }

static __attribute__((noinline)) int32_t kernel_dot(const int8_t *a, const int8_t *b, int n)
{
    int32_t sum = 0;
    for (int i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

static __attribute__((noinline)) void NAME_step_000_table(int row)
{
    const int8_t *in = NAME_input() + row * 10;
    int8_t *out = (int8_t *)base + ROWS * 10 + row * 10;
    for (int i = 0; i < 10; i++) {
        NAME_scratch[i] = (uint8_t)(in[i] ^ 0x15);
    }
    memcpy(out, NAME_scratch, 10);
    TRACE(0, row, out, 10);
}

static __attribute__((noinline)) void NAME_step_001_sum(int row)
{
    static const int8_t ones[10] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    int8_t *out = (int8_t *)base + row;
    out[0] = (int8_t)(kernel_dot((int8_t *)base + ROWS * 10 + row * 10, ones, 10) >> 4);
    TRACE(1, row, out, 1);
}

static __attribute__((noinline)) void NAME_step_002_dense(void)
{
    int8_t *out = (int8_t *)base + ROWS * 20 + 64;
    for (int c = 0; c < CLASSES; c++) {
        int32_t sum = NAME_bias[c] + kernel_dot((int8_t *)base, &NAME_weights[c * ROWS], ROWS);
        sum >>= 6;
        out[c] = (int8_t)(sum < -128 ? -128 : (sum > 127 ? 127 : sum));
    }
    TRACE(2, 0, out, CLASSES);
}

static __attribute__((noinline)) void NAME_segment_000(void)
{
    for (int row = 0; row < ROWS; row++) {
        NAME_step_000_table(row);
    }
    for (int row = 0; row < ROWS; row++) {
        NAME_step_001_sum(row);
    }
}

void NAME_run(void)
{
    NAME_segment_000();
    NAME_step_002_dense();
}
"""


def weights(rows: int, classes: int) -> tuple[list[list[int]], list[int]]:
    """Weights [classes][rows] and biases of the dense step."""
    return (
        [[(c * 31 + r * 17 + 5) % 255 - 127 for r in range(rows)] for c in range(classes)],
        [c * 100 - 450 for c in range(classes)],
    )


def reference(inputs: bytes, rows: int = 49, classes: int = 12) -> tuple[bytes, list[bytes]]:
    """Output bytes, and the output bytes of every step."""
    table = [(byte ^ 0x15) - 256 if (byte ^ 0x15) > 127 else byte ^ 0x15 for byte in inputs]
    sums = [sum(table[r * WIDTH : (r + 1) * WIDTH]) >> 4 for r in range(rows)]
    matrix, bias = weights(rows, classes)
    out = [
        max(-128, min(127, (bias[c] + sum(w * x for w, x in zip(matrix[c], sums, strict=True))) >> 6))
        for c in range(classes)
    ]

    def pack(values: list[int]) -> bytes:
        return bytes(v & 255 for v in values)

    return pack(out), [pack(table), pack(sums), pack(out)]


def pattern(count: int) -> bytes:
    """The default input."""
    return bytes((37 * i + 11) % 256 for i in range(count))


def write(folder: Path, name: str = "kws", rows: int = 49, classes: int = 12, run: str = "") -> Path:
    """Writes the package and returns its folder; `run` is C put at the end of <name>_run."""
    folder.mkdir(parents=True, exist_ok=True)
    arena = -(-(rows * 20 + 64 + classes) // 16) * 16
    matrix, bias = weights(rows, classes)

    def fill(text: str) -> str:
        text = text.replace("NAME", name).replace("UPPER", name.upper())
        return text.replace("ROWS", str(rows)).replace("CLASSES", str(classes))

    source = SOURCE.replace("    NAME_step_002_dense();\n}", f"    NAME_step_002_dense();\n{run}}}")
    (folder / f"{name}.h").write_text(fill(HEADER.replace("UPPER_ARENA_BYTES ARENA", f"UPPER_ARENA_BYTES {arena}")))
    (folder / f"{name}.c").write_text(fill(source))
    section = f'__attribute__((section(".rodata.{name}_weights")))'
    flat = ", ".join(str(v) for row in matrix for v in row)
    (folder / f"{name}_weights.c").write_text(
        "#include <stdint.h>\n"
        f"extern const int8_t {name}_weights[{rows * classes}];\nextern const int32_t {name}_bias[{classes}];\n"
        f"{section} const int8_t {name}_weights[{rows * classes}] = {{{flat}}};\n"
        f"{section} const int32_t {name}_bias[{classes}] = {{{', '.join(map(str, bias))}}};\n"
    )

    def tensor(label: str, function: str, shape: list[int], count: int) -> dict[str, object]:
        entry = {"name": label, "function": f"{name}_{function}", "dtype": "int8", "shape": shape}
        return {**entry, "elements": count, "bytes": count, "scale": 1 / 256, "zero_point": -128}

    def step(index: int, op: str, macs: int, count: int, size: int) -> dict[str, object]:
        entry = {"index": index, "name": f"{op}_{index}", "op": op, "macs": macs, "kernel": "k", "output": f"b{index}"}
        return {**entry, "symbol": f"{name}_step_00{index}_{op}", "rows": count, "row_bytes": size}

    manifest = {
        "edgec": "0.1.0",
        "contract": "edgec.int8.v1",
        "name": name,
        "model": {"file": f"{name}.onnx", "sha256": "0" * 64},
        "target": {"name": "mps2-an386", "cpu": "cortex-m4", "board": "mps2-an386"},
        "options": {},
        "licence": "MIT-0",
        "sources": [f"{name}.c", f"{name}_weights.c"],
        "header": f"{name}.h",
        "inputs": [tensor("in", "input", [1, rows, 10], rows * 10)],
        "outputs": [tensor("out", "output", [1, classes], classes)],
        "arena_bytes": arena,
        "scratch_bytes": 16,
        "macs": rows * classes,
        "steps": [
            step(0, "table", 0, rows, 10),
            step(1, "sum", 0, rows, 1),
            step(2, "dense", rows * classes, 1, classes),
        ],
        "memory_plan": [],
    }
    (folder / "edgec.json").write_text(json.dumps(manifest))
    return folder
