"""Real models on emulated boards: the same bytes on every core, figures that are exact, two models in one arena, input by rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgec.compiler import compile_model
from edgec.emulate.boards import start_board
from edgec.emulate.run import measure, run_inputs
from edgec.harness.commands import infer, load_input, output_bytes
from edgec.harness.link import Link
from edgec.harness.protocol import command
from edgec.options import CompileOptions
from edgec.target import load_target
from edgec.toolchain.firmware import build_firmware
from edgec.verify.load import load
from edgec.verify.reference import reference

CORES = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55")
# model: instructions on Cortex-M4, ram.total resident, flash.total beyond weights: what may not be exceeded (bytes)
CEILINGS = {"kws": (7_696_253, 18 * 1024), "vww": (24_101_545, 68 * 1024), "ic": (29_863_159, 54 * 1024), "ad": (582_865, 3072)}
CODE = 16 * 1024


@pytest.mark.parametrize("core", CORES)
def test_every_core_gives_the_interpreters_bytes(digits: Path, tmp_path: Path, core: str) -> None:
    """The bundled model, its 50 labelled samples, in one boot."""
    compile_model(digits / "digits.onnx", CompileOptions(target=core), tmp_path / "package")
    samples = np.load(digits / "digits.npz")["image"].reshape(-1, 1, 1, 8, 8)
    raw = run_inputs(tmp_path / "package", load_target(core), {"image": samples})
    meaning = reference(tmp_path / "package")
    want = np.stack([meaning.run({"image": sample})["scores"] for sample in samples])
    np.testing.assert_array_equal(np.frombuffer(raw, np.float32).reshape(want.shape), want)


@pytest.mark.parametrize("name", CEILINGS)
def test_figures_of_the_reference_models(shared: Path, tmp_path: Path, name: str) -> None:
    """At most TFLM's instructions on Cortex-M4, RAM and flash within their budgets, and one CRC on M0+, M4 and M55."""
    model = shared / "models" / f"{name}_int8_qdq.onnx"
    found = {}
    for core in ("cortex-m0plus", "cortex-m4", "cortex-m55"):
        compile_model(model, CompileOptions(target=core, name=name), tmp_path / core)
        found[core] = measure(tmp_path / core, load_target(core))
    assert len({document["output_crc32"] for document in found.values()}) == 1
    instructions, ram = CEILINGS[name]
    document = found["cortex-m4"]
    assert document["instructions"] <= instructions
    assert document["ram"]["total"] <= ram
    assert document["flash"]["total"] <= document["flash"]["weights"] + CODE


def test_two_models_share_one_arena(digits: Path, tmp_path: Path) -> None:
    """Both in one firmware, run by turns: neither disturbs the other."""
    names = ("digits", "again")
    for name, optimize in zip(names, ("balanced", "ram"), strict=True):
        options = CompileOptions(target="cortex-m4", name=name, optimize=optimize)
        compile_model(digits / "digits.onnx", options, tmp_path / name)
    samples = np.load(digits / "digits.npz")["image"].reshape(-1, 1, 1, 8, 8)[:4]
    target = load_target("cortex-m4")
    image = build_firmware([tmp_path / name for name in names], target, tmp_path / "firmware")
    meaning = reference(tmp_path / "digits")
    with start_board(target, image.elf) as running, Link(running.url) as link:
        link.synchronise()
        for number, sample in enumerate(samples):
            link.ask(command("edgec", "model", names[number % 2]))
            load_input(link, sample.tobytes(), window=8)
            infer(link, 1, 0)
            assert output_bytes(link) == meaning.run({"image": sample})["scores"].tobytes()


def test_input_by_rows_gives_the_same(digits: Path, tmp_path: Path) -> None:
    """Pushed row by row on the host and on the board; the image is in no arena."""
    for target, rows in (("host", "tensor"), ("host", "rows"), ("cortex-m4", "rows")):
        options = CompileOptions(target=target, input=rows)
        compile_model(digits / "digits.onnx", options, tmp_path / f"{target}-{rows}")
    samples = np.load(digits / "digits.npz")["image"].reshape(-1, 1, 1, 8, 8)[:8]
    whole, pushed = load(tmp_path / "host-tensor"), load(tmp_path / "host-rows")
    want = np.stack([whole(sample)[0] for sample in samples])
    by_rows = samples.transpose(0, 1, 3, 4, 2)  # one channel: the same bytes, pixels together
    np.testing.assert_array_equal(np.stack([pushed(sample)[0] for sample in by_rows]), want)
    raw = run_inputs(tmp_path / "cortex-m4-rows", load_target("cortex-m4"), {"image": by_rows})
    np.testing.assert_array_equal(np.frombuffer(raw, np.float32).reshape(want.shape), want)
