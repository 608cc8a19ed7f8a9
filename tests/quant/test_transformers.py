"""Transformers in int8: the keyword transformers' logits point where the float model's do, and the vision transformers' code has
no floating-point instruction left."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgec.compiler import compile_model, front
from edgec.emulate.boards import emulated_target
from edgec.options import CompileOptions
from edgec.quant import QuantOptions, quantize
from edgec.quant.runner import Runner
from edgec.quant.units import split_units
from edgec.target import load_target
from edgec.toolchain.firmware import build_firmware
from edgec.toolchain.gcc_arm import GccArm
from edgec.verify.load import load
from tests.quant.sounds import sounds

Array = np.ndarray[Any, Any]

FEATURES = "t214"  # kwt1_raw's value where its signal processing ends and the transformer begins
FLOAT_CALL = re.compile(
    r"__aeabi_(f|d|[iul]+2[fd])\w*|__\w+[sd]f[23]?|\b(exp|log|pow|sqrt|tanh|erf|sin|cos|floor|ceil|round|rint|lrint|nearbyint)f?\b"
)
CALL = re.compile(r"\tb[a-z.]*\t.*<([^+>]+)>")
FLOAT_INSTRUCTION = re.compile(r"^\s+[0-9a-f]+:\t[0-9a-f ]+\t(v\w+)", re.M)
MOVES = re.compile(
    r"v(mov|ldr|str|ldm|stm|push|pop)"
)  # words kept in floating-point registers: storage, not arithmetic


def spoken(shared: Path, name: str, count: int, seed: int) -> Array:
    """[count, *input shape without 1]: sounds, or for the model without signal processing what the other's makes of them."""
    heard = sounds(count, seed)
    if name == "kwt1_raw":
        return heard
    runner = Runner(ir.from_proto(onnx.load(shared / "models" / "kwt1_raw.onnx")), [FEATURES])
    return np.stack([values[0] for values in runner.run({"t0": heard}, [FEATURES], range(count))])


def cosine(a: Array, b: Array) -> float:
    return float(a.ravel() @ b.ravel() / (np.linalg.norm(a) * np.linalg.norm(b)))


def transformer(shared: Path, name: str) -> tuple[ir.Model, tuple[str, ...], str]:
    """The float model, the nodes of its signal processing, its first dense layer."""
    model = front(shared / "models" / f"{name}.onnx", CompileOptions())
    nodes = [str(node.name) for node in model.graph]
    border = next((i + 1 for i, node in enumerate(model.graph) if node.outputs[0].name == FEATURES), 0)
    dense = next(u.name for u in split_units(model) if u.kind == "linear" and u.name not in nodes[:border])
    return model, tuple(nodes[:border]), dense


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kwt1_mfcc", "kwt1_raw"])
def test_keyword_transformer(shared: Path, tmp_path: Path, name: str) -> None:
    """Float C within 1e-3 of onnxruntime; int8 C: cosine similarity of the logits on 50 sounds that calibration has not heard.

    kwt1_raw: int8 from the features on; a power spectrum and its logarithm span more decades than 8 bits.
    """
    path = shared / "models" / f"{name}.onnx"
    model, processing, _ = transformer(shared, name)
    source, test = str(model.graph.inputs[0].name), spoken(shared, name, 50, 2)
    made = quantize(model, {source: spoken(shared, name, 100, 1)}, QuantOptions(keep_float=processing))
    assert len(made.report["float"]) <= len(processing)
    ir.save(made.model, tmp_path / "q.onnx")
    real = load(compile_model(path, CompileOptions(target="host"), tmp_path / "float").dir)
    int8 = load(compile_model(tmp_path / "q.onnx", CompileOptions(target="host"), tmp_path / "int8").dir)
    shape, found = real.inputs[0].shape, []
    for values, sample in zip(Runner(model).run({source: test}, ["t808"], range(50)), test, strict=True):
        assert np.abs(real(sample.reshape(shape))[0] - values[0]).max() <= 1e-3 * max(1.0, np.abs(values[0]).max())
        found.append(cosine(int8(sample.reshape(shape))[0], values[0]))
    assert np.mean(found) >= 0.995, (np.mean(found), min(found))
    assert min(found) >= 0.96


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kwt1_mfcc", "kwt1_raw"])
def test_keyword_transformer_with_a_wide_residual_stream(shared: Path, name: str) -> None:
    """The rounding of the residual stream and of the features is most of the noise: with 16 bits there, least effort is enough."""
    model, processing, dense = transformer(shared, name)
    source, test = str(model.graph.inputs[0].name), spoken(shared, name, 50, 2)
    options = QuantOptions(
        effort=0, equalize=False, keep_float=processing, keep_int16=("Add", "LayerNormalization", dense)
    )
    made = quantize(model, {source: spoken(shared, name, 64, 1)}, options)
    real, wide = (Runner(m).run({source: test}, ["t808"], range(50)) for m in (model, made.model))
    found = [cosine(a[0], b[0]) for a, b in zip(real, wide, strict=True)]
    assert np.mean(found) >= 0.9975, (np.mean(found), min(found))
    assert min(found) >= 0.98


def objects(folder: Path, cpu: str) -> list[Path]:
    """The package's own files compiled for a CPU, without harness."""
    made = []
    for source in sorted(folder.glob("*.c")):
        made.append(source.with_suffix(".o"))
        command = [*GccArm().compiler(load_target(cpu)), "-I", str(folder), "-c", str(source), "-o", str(made[-1])]
        subprocess.run(command, check=True, capture_output=True)
    return made


def reached(folder: Path, cpu: str, out: Path) -> set[str]:
    """Functions that a run can call, of the library's own or of the toolchain's, in the linked firmware of the board that emulates a CPU."""
    image = build_firmware([folder], emulated_target(load_target(cpu)), out)
    functions = re.split(r"^[0-9a-f]+ <", shown("objdump", "-d", image.elf), flags=re.M)[1:]
    calls = {code.split(">")[0]: set(CALL.findall(code)) for code in functions}
    found, ahead = set[str](), {"net_init", "net_run"}
    while ahead:
        found |= ahead
        ahead = set().union(*(calls[name] for name in ahead)) - found
    return found


def shown(tool: str, *arguments: str | Path) -> str:
    return subprocess.run([f"arm-none-eabi-{tool}", *arguments], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("io", ["quantized", pytest.param("model", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["vit_fashion_p7", pytest.param("vit_fashion_p4", marks=pytest.mark.slow)])
def test_vision_transformer_has_no_float(shared: Path, tmp_path: Path, name: str, io: str) -> None:
    """No call of a float routine or of libm from Cortex-M3 code, none that a run reaches in linked firmware by whatever way, and no VFP
    arithmetic in Cortex-M4 code; with float borders none but those of the one conversion at each border."""
    if not shutil.which("arm-none-eabi-gcc"):
        pytest.skip("needs arm-none-eabi-gcc")
    image = np.random.default_rng(0).normal(size=(8, 1, 28, 28)).astype(np.float32)
    model = front(shared / "models" / f"{name}.onnx", CompileOptions())
    made = quantize(
        model, {str(model.graph.inputs[0].name): image}, QuantOptions(effort=0, equalize=False, trial_samples=8)
    )
    ir.save(made.model, tmp_path / "net.onnx")
    for cpu in ("cortex-m3", "cortex-m4"):
        package = compile_model(tmp_path / "net.onnx", CompileOptions(target=cpu, io=io), tmp_path / cpu)
        buffers = package.program.by_name
        borders = [
            s.op for s in package.program.steps if "float32" in {buffers[n].dtype for n in (*s.inputs, s.output)}
        ]
        assert borders == ([] if io == "quantized" else ["quantize", "dequantize"])
        files = objects(package.dir, cpu)
        if io == "quantized":
            assert not FLOAT_CALL.findall(shown("nm", "-u", *files)), cpu
        floats = {
            name for name in reached(package.dir, cpu, tmp_path / f"{cpu}-firmware") if FLOAT_CALL.fullmatch(name)
        }
        assert bool(floats) == (io == "model" and cpu == "cortex-m3"), (cpu, floats)
        for file in files:
            code = shown("objdump", "-d", file)
            functions = re.split(r"^[0-9a-f]+ <", code, flags=re.M)[1:]
            computing = [
                f.split(">")[0]
                for f in functions
                if any(not MOVES.match(i) for i in FLOAT_INSTRUCTION.findall(f)) or FLOAT_CALL.search(f)
            ]
            assert all("quantize" in f for f in computing) and len(computing) <= len(borders), (cpu, computing)
