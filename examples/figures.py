"""Measure, and write what was measured into README.md: `make bench`.

Every block `<!-- figures:NAME -->` gets a table (models of ../shared; left as it is when they are absent), every block
`<!-- output:VERB -->` what the command above it prints.  Nothing in these blocks is written by hand.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from portable import on_portable
from twins import float_twin

import edgec

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT.parent / "shared" / "models"
CLOTHES = ROOT.parent / "shared" / "data" / "fashion_mnist_test10k_calib500.npz"
OUT = ROOT / "build" / "figures"
M4 = {"kws": "DS-CNN", "vww": "MobileNetV1-0.25", "ic": "ResNet8", "ad": "autoencoder"}
# tflite-micro 90b983c with CMSIS-NN 4ab83cc: executed instructions, RAM (arena and data, stack apart); the same emulator and compiler.
TFLM = {"kws": (7_696_253, 24_360), "vww": (24_101_545, 102_248), "ic": (29_863_159, 56_536), "ad": (582_865, 2_864)}
# XNNPACK in LiteRT 2.3: executed instructions on the same emulated processor; it computes all channels of vww.
XNNPACK = {
    "kws": ("kws_int8_qdq", 710_000),
    "vww": ("vww_int8_qdq", 1_930_000),
    "ic": ("ic_int8_qdq", 1_500_000),
    "mobilenetv2-224": ("mobilenetv2_224_ptq", 49_200_000),
    "vww, float": ("vww_f32", 3_520_000),
    "mobilenetv2-224, float": ("mobilenetv2_224_ptq", 120_500_000),
}
CORES = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55")
OTHERS = (
    ("vww, all channels", "vww_int8_qdq", "cortex-m4", {"keep_constant_channels": True}),
    ("vww, all channels", "vww_int8_qdq", "cortex-m55", {"keep_constant_channels": True}),
    ("mcunet-vww, bytes in and out", "mcunet_vww_int8", "cortex-m4", {"io": "quantized"}),
    ("vit_fashion_p4, calibrated here", "vit_fashion_p4", "cortex-m4", {"calib": "clothes.npz"}),
)
WEB = ("kws_int8_qdq", "vww_int8_qdq", "ic_int8_qdq", "mobilenetv2_224_ptq", "vww_f32", "ic_f32")
MEMORY = (
    *((name, f"{name}_int8_qdq", "mps2-an386", "model") for name in M4),
    ("mcunet-vww", "mcunet_vww_int8", "mps2-an386", "quantized"),
    ("mobilenetv2-224", "mobilenetv2_224_ptq", "mps2-an386-big", "model"),
)

DIGITS = "build/digits"
OUTPUTS = {
    "analyze": ["analyze", "examples/digits/digits.onnx"],
    "compile": ["compile", "examples/digits/digits.onnx", "--target", "mps2-an386", "-o", DIGITS],
    "verify": ["verify", DIGITS, "--on", "emulator", "--inputs", "examples/digits/digits.npz"],
    "bench": ["bench", DIGITS, "--emulate", "--layers"],
}


def measured(name: str, model: str | Path, target: str, **options: Any) -> dict[str, Any]:
    """Compiles a model (a file, or the name of one of ../shared) and measures it on the emulated board or processor of `target`."""
    folder = OUT / re.sub(r"[^\w.]+", "-", " ".join([name, target, *map(str, options.values())]))
    file = model if isinstance(model, Path) else MODELS / f"{model}.onnx"
    edgec.compile(file, folder, target=target, name=name, **options)
    return edgec.bench(folder, emulate=True)


def table(head: str, rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table, numbers to the right with separators."""
    names = head.split("|")
    lines = [f"| {' | '.join(names)} |", f"|{'|'.join(['---'] + ['---:'] * (len(names) - 1))}|"]
    for row in rows:
        cells = ["-" if c is None else f"{c:,}" if isinstance(c, int) else str(c) for c in row]
        lines.append(f"| {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def m4_table() -> str:
    """One row a model on Cortex-M4, beside what TFLM with CMSIS-NN needs."""

    def row(name: str) -> list[Any]:
        m = measured(name, f"{name}_int8_qdq", "cortex-m4")
        theirs, ram = TFLM[name]
        flash = m["flash"]
        share = f"{theirs / m['instructions']:.1f}x"
        return [
            f"{name} {M4[name]}", m["macs"], m["instructions"], theirs, share, m["cycles_estimate"],
            m["ram"]["total"], ram, flash["total"], flash["weights"],
        ]  # fmt: skip

    head = "model|MACs|instructions|TFLM + CMSIS-NN|fewer|cycles (estimate)|RAM|TFLM RAM|flash|of it weights"
    return table(head, map(row, M4))


def speed_table() -> str:
    """Cortex-M4 with --optimize speed: what flash buys."""

    def row(name: str) -> list[Any]:
        m = measured(name, f"{name}_int8_qdq", "cortex-m4", optimize="speed")
        return [f"{name} {M4[name]}", m["instructions"], m["cycles_estimate"], m["ram"]["total"], m["flash"]["total"]]

    return table("model|instructions|cycles (estimate)|RAM|flash", map(row, M4))


def phone_table() -> str:
    """64-bit Arm with dot products (Cortex-A76), beside XNNPACK; vww with all its channels, as XNNPACK computes them."""

    def row(name: str) -> list[Any]:
        model, theirs = XNNPACK[name]
        file = MODELS / f"{model}.onnx"
        if name.endswith("float") and model.endswith("ptq"):  # there is no float one: its quantization is taken out
            file = float_twin(file, OUT / f"{model}_float.onnx")
        m = measured(name, file, "linux-arm64", keep_constant_channels=name == "vww")
        return [name, m["macs"], m["instructions"], theirs, f"{theirs / m['instructions']:.2f}x", m["ram"]["total"]]

    return table("model|MACs|instructions|XNNPACK|fewer|RAM", map(row, XNNPACK))


def core_table() -> str:
    """Executed instructions of the four models on every core, in balanced mode."""

    def row(core: str) -> list[Any]:
        return [core, *(measured(name, f"{name}_int8_qdq", core)["instructions"] for name in M4)]

    plain = ["cortex-m3, portable C, gcc -O3", *(on_portable(MODELS / f"{name}_int8_qdq.onnx", "cortex-m3") for name in M4)]
    return table("core|" + "|".join(M4), [*map(row, CORES), plain])


def other_table() -> str:
    """What else is promised on Cortex-M."""
    images = np.load(CLOTHES)["calib"][:, None].astype(np.float32) / 255
    OUT.mkdir(parents=True, exist_ok=True)
    np.savez(OUT / "clothes.npz", image=(images - 0.286) / 0.353)  # the normalisation the model was trained with

    def row(entry: tuple[str, str, str, dict[str, Any]]) -> list[Any]:
        name, model, target, given = entry
        options = {key: str(OUT / value) if key == "calib" else value for key, value in given.items()}
        m = measured(model, model, target, **options)
        each = f"{m['instructions'] / m['macs']:.2f}"
        return [name, target, m["macs"], m["instructions"], each, m["ram"]["total"], m["flash"]["total"]]

    return table("model|target|MACs|instructions|each MAC|RAM|flash", map(row, OTHERS))


def web_table() -> str:
    """WebAssembly with SIMD beside onnxruntime-web, one thread in node, in turns."""

    def row(model: str) -> list[Any]:
        folder = OUT / f"web-{model}"
        edgec.compile(MODELS / f"{model}.onnx", folder, target="wasm32-simd", name=model.split("_")[0])
        built = edgec.build(folder)
        m = edgec.bench(folder, against=["onnxruntime-web"])
        ratio = m["runtimes"][-1]["ratio"]
        spread = f"{ratio['median']:.1f}x ({ratio['low']:.1f} to {ratio['high']:.1f})"
        return [model, spread, m["ram"]["total"], built["weights"], max(built["beside_weights"].values())]

    return table("model|faster than onnxruntime-web|RAM|weights|module beside them", map(row, WEB))


def ram_table() -> str:
    """`ram.total` with the whole input resident, and with the input pushed by rows."""

    def row(entry: tuple[str, str, str, str]) -> list[Any]:
        name, model, target, io = entry
        whole = measured(name, model, target, io=io)
        pushed = measured(name, model, target, io=io, input="rows") if name != "ad" else None
        loose = measured(name, model, target, io=io, ram="8M")
        cost = f"{whole['instructions'] / loose['instructions']:.3f}x"
        return [name, whole["ram"]["total"], pushed and pushed["ram"]["total"], loose["ram"]["total"], cost]

    head = "model|RAM, input resident|RAM, input by rows|RAM with --ram 8M|instructions against --ram 8M"
    return table(head, map(row, MEMORY))


def vit_table() -> str:
    """Vision transformers of examples/vit on a Cortex-M7 with 320 KB of RAM, weights in external flash, input by rows."""

    def row(shape: str) -> list[Any]:
        OUT.mkdir(parents=True, exist_ok=True)
        model = OUT / f"{shape}.onnx"
        subprocess.run([sys.executable, str(ROOT / "examples/vit/make_vit.py"), shape, str(model)], check=True)
        folder = OUT / f"vit-{shape}"
        small = OUT / f"{shape}_int8.onnx"  # random weights have no accuracy to lose: the simplest ranges will do
        calib = ["--calib", str(model.with_suffix(".npz")), "--method", "minmax", "--effort", "0", "--sensitivity", "0"]
        subprocess.run(
            [sys.executable, "-m", "edgec", "quantize", str(model), *calib, "-o", str(small), "--json"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        edgec.compile(small, folder, target="mps2-an500-320k", io="quantized", input="rows", name=f"vit_{shape}")
        m = edgec.bench(folder, emulate=True)
        return [shape, m["macs"], m["instructions"], m["ram"]["total"], m["ram"]["arena"], m["flash"]["weights"]]

    return table("model|MACs|instructions|RAM|of it arena|weights", map(row, ("mcuformer", "deit")))


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


TABLES = {
    "m4": m4_table,
    "speed": speed_table,
    "cores": core_table,
    "others": other_table,
    "ram": ram_table,
    "vit": vit_table,
    "phones": phone_table,
    "web": web_table,
}


def main() -> None:
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    for verb, arguments in OUTPUTS.items():
        text = put(text, f"output:{verb}", output_of(arguments))
    if MODELS.is_dir():
        for name, make in TABLES.items():
            text = put(text, f"figures:{name}", make())
    else:
        print("../shared/models is absent: the table of the MLPerf Tiny models stays as it is")
    readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
