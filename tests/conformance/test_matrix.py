"""The matrix: every model of ../shared/models on every platform there is, the bytes of the interpreter everywhere.

    host      arm64, under QEMU           WebAssembly: baseline and simd                TVM modules
    gcc       a53, a76, every feature     in wasmtime, node, headless Chromium          edgec's own kernels behind its ABI; Relax

and, as none of them keeps a state between calls, nets that do.  TVM modules for AArch64: tests/backends/test_arm64.py.

int8 must be the same to the byte, float32 within 1e-4 of the largest magnitude (`verify`).  The default suite runs small models, one
of each kind; `make sweep` runs all, and writes what it found to $EDGEC_MATRIX where that names a file.
"""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from edgec.api import compile
from edgec.verify.check import verify
from edgec.verify.devices import Samples
from edgec.verify.reference import read_program
from edgec.verify.samples import default_samples
from tests.verify.test_states import NETS, model_of, sequence

MODELS = (
    "ad_f32 ad_int8_qdq gru_fsdd ic_f32 ic_int8_qdq kws_f32 kws_int8_qdq kwt1_mfcc kwt1_raw mcunet_vww_int8 mlp_digits "
    "mobilenetv2_224_ptq vit_fashion_p4 vit_fashion_p7 vww_f32 vww_int8_qdq"
).split()
SMALL = {("ad_int8_qdq", "host"), ("gru_fsdd", "arm64"), ("mlp_digits", "wasm"), ("mlp_digits", "tvm")}
"""What the default suite runs: what it does not run elsewhere (see test_platforms), in a few seconds."""

PLACES = {
    "host": ("host", {}, ("host",)),
    "arm64": ("linux-arm64", {}, ("qemu-user/neon", "qemu-user/dotprod", "qemu-user/i8mm")),
    "wasm": (
        "wasm32-simd",
        {},
        tuple(f"{engine}/{v}" for engine in ("wasmtime", "node", "chromium") for v in ("baseline", "simd")),
    ),
    "tvm": ("host", {"backend": "tvm"}, ("tvm",)),
    "relax": ("host", {"backend": "tvm", "tvm_form": "relax"}, ("host", "tvm")),
}
"""Platform -> the target, options, and where its code is run."""

FEW = {"mobilenetv2_224_ptq": 1, "kwt1_mfcc": 1, "kwt1_raw": 1}
"""Samples of the models that take long in the interpreter."""


def runs_here(place: str) -> bool:
    """Whether the tools of a platform are installed."""
    tools = {"arm64": ("qemu-aarch64", "aarch64-linux-gnu-gcc"), "wasm": ("node", "chromium")}.get(place, ())
    packages = {"wasm": ("ziglang", "wasmtime"), "tvm": ("tvm_ffi",), "relax": ("tvm",)}.get(place, ())
    return all(map(shutil.which, tools)) and all(map(find_spec, packages))


def cases() -> list[object]:
    return [
        pytest.param(model, place, marks=[] if (model, place) in SMALL else pytest.mark.slow, id=f"{model}-{place}")
        for model in MODELS
        for place in PLACES
    ]


@pytest.mark.parametrize(("model", "place"), cases())
def test_the_same_everywhere(model: str, place: str, shared: Path, tmp_path: Path) -> None:
    if not runs_here(place):
        pytest.skip(f"needs the tools of {place}")
    target, options, devices = PLACES[place]
    folder = compile(shared / "models" / f"{model}.onnx", tmp_path, target=target, **options).dir
    samples = default_samples(read_program(folder))
    found = verify_all(folder, devices, {name: array[-FEW.get(model, 0) :] for name, array in samples.items()})
    record(model, found)
    assert all(verdict == "same" for verdict in found.values()), found


@pytest.mark.slow
@pytest.mark.parametrize("place", [place for place in PLACES if place != "relax"])  # Relax modules keep no state
@pytest.mark.parametrize("calibrated", [False, True], ids=["float", "int8"])
@pytest.mark.parametrize("net", NETS)
def test_states_everywhere(net: str, calibrated: bool, place: str, tmp_path: Path) -> None:
    """A sequence of calls from a reset."""
    if not runs_here(place):
        pytest.skip(f"needs the tools of {place}")
    target, options, devices = PLACES[place]
    frames = sequence(net)
    np.savez(tmp_path / "calib.npz", x=frames)
    given = {**options, **({"calib": tmp_path / "calib.npz"} if calibrated else {})}
    folder = compile(model_of(net, tmp_path), tmp_path / "p", target=target, state=NETS[net][3], **given).dir
    found = verify_all(folder, devices, {"x": frames})
    record(f"{net}_{'int8' if calibrated else 'f32'} with states", found)
    assert all(verdict == "same" for verdict in found.values()), found


def record(model: str, found: dict[str, str]) -> None:
    """Adds what was found to the table that is kept, if there is one."""
    if kept := os.environ.get("EDGEC_MATRIX"):
        with Path(kept).open("a", encoding="utf-8") as table:
            table.writelines(f"{model}\t{device}\t{verdict}\n" for device, verdict in found.items())


def verify_all(folder: Path, devices: tuple[str, ...], inputs: Samples | None) -> dict[str, str]:
    """Device -> `same`, or what differs."""
    found = {}
    for device in devices:
        document = verify(folder, inputs, device, with_onnxruntime=False)
        found[device] = "same" if document["ok"] else str(document["first_difference"])
    return found
