"""`verify --on URL`: firmware on an emulated board over its serial line, sound and with a kernel broken on purpose."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from edgec.compiler import compile_model
from edgec.emulate.boards import start_board
from edgec.errors import LinkError
from edgec.options import CompileOptions
from edgec.target import load_target
from edgec.toolchain.firmware import build_firmware
from edgec.toolchain.package import load_package
from edgec.verify.check import verify
from edgec.verify.reference import read_program

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("arm-none-eabi-gcc", "qemu-system-arm"))), reason="needs a cross compiler and QEMU"
)
TARGET = "mps2-an386"


@pytest.fixture(scope="module")
def compiled(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model for an emulated board."""
    folder = tmp_path_factory.mktemp("remote") / "digits"
    compile_model(digits / "digits.onnx", CompileOptions(target=TARGET), folder)
    return folder


@contextmanager
def running(folder: Path, trace: bool = True) -> Iterator[str]:
    """The URL of the package's firmware."""
    target = load_target(TARGET)
    image = build_firmware([folder], target, folder / "build", trace=trace)
    with start_board(target, image.elf) as board:
        yield board.url


def test_every_layer_on_the_board(compiled: Path, digits: Path) -> None:
    samples = {"image": np.load(digits / "digits.npz")["image"].reshape(-1, 1, 1, 8, 8)[:3]}
    with running(compiled) as url:
        document = verify(compiled, samples, url, layers=True)
    assert document["ok"] and document["samples"] == 3
    assert document["mismatching_bytes"] == 0 and document["first_difference"] is None
    assert [layer["name"] for layer in document["layers"]] == [step.name for step in load_package(compiled).steps]


@pytest.mark.parametrize("step", [1, 3])
def test_a_broken_kernel_is_named(compiled: Path, tmp_path: Path, step: int) -> None:
    """The lowest bit of the third value of row 0 turned over, right after the kernel of one step has made it."""
    broken = tmp_path / "broken"
    shutil.copytree(compiled, broken, ignore=shutil.ignore_patterns("build"))
    source = broken / "digits.c"
    text = source.read_text(encoding="utf-8")
    spoil = f"if (y == 0) {{ ((uint8_t *)out)[2] ^= 1u; }}\n    EDGEC_TRACE({step}, y, out"
    patched, count = re.subn(rf"EDGEC_TRACE\({step}, y, out", spoil, text)
    assert count == 1
    source.write_text(patched, encoding="utf-8")
    with running(broken) as url:
        document = verify(broken, on=url, layers=True, with_onnxruntime=False)
        with pytest.raises(LinkError, match="another build"):
            verify(compiled, on=url, with_onnxruntime=False)
    assert not document["ok"]
    difference = document["difference"]
    named = read_program(broken).steps[step]
    assert (difference["step"], difference["op"], difference["node"]) == (named.name, named.op, named.node)
    assert (difference["row"], difference["element"]) == (0, 2)
    assert difference["got"] == (difference["expected"] ^ 1)
    assert document["first_difference"].startswith(f"step {named.name} ({named.op}, node ")
    assert all(layer["differing"] == 0 for layer in document["layers"][:step])
    assert document["layers"][step]["differing"] >= 1


def test_firmware_without_trace_says_how_to_get_layers(compiled: Path) -> None:
    with running(compiled, trace=False) as url:
        with pytest.raises(LinkError, match="layers apart") as caught:
            verify(compiled, on=url, layers=True, with_onnxruntime=False)
        assert verify(compiled, on=url, with_onnxruntime=False)["ok"]
    assert "--trace" in caught.value.hint
