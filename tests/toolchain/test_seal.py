"""Weights apart from code: other weights fit the same code, damaged or foreign ones are told, on the emulated board."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from edgec.emulate.boards import start_board
from edgec.errors import LinkError
from edgec.harness.commands import infer, output_bytes
from edgec.harness.link import Link
from edgec.target import load_target
from edgec.toolchain.firmware import build_firmware
from edgec.toolchain.package import load_package
from edgec.toolchain.sizes import elf_contents, elf_places
from tests.harness import fake_package

pytestmark = pytest.mark.skipif(
    not (shutil.which("arm-none-eabi-gcc") and shutil.which("qemu-system-arm")), reason="needs gcc for Arm and QEMU"
)
BOARD = "netduinoplus2"  # its weights have a region of their own


def build(folder: Path, change: tuple[str, str] = ("", "")) -> Path:
    """The fake model, with `change` (pattern, replacement) made in the file of its weights or in its code."""
    package = fake_package.write(folder / "kws")
    for source in sorted(package.glob("*.c")):
        text = source.read_text()
        source.write_text(re.sub(*change, text, count=1) if change[0] else text)
    return build_firmware([package], load_target(BOARD), folder / "out").elf


def combined(code: Path, weights: Path, out: Path) -> Path:
    """The image `code` with the weights of the image `weights`: what flashing only weights leaves on a board."""
    image = bytearray(code.read_bytes())
    at = elf_places(code, ("edgec_seal",))["edgec_seal"]
    data = elf_contents(weights)[".weights"]
    image[at : at + len(data)] = data
    out.write_bytes(bytes(image))
    return out


def outcome(elf: Path) -> tuple[str, bytes]:
    """Build hash and output; raises LinkError where the firmware refuses."""
    with start_board(load_target(BOARD), elf) as board, Link(board.url) as link:
        link.synchronise()
        found = link.ask(b"edgec info%").value("m-edgec-build-")
        infer(link, 1, 0)
        return found, output_bytes(link)


def test_other_weights_leave_the_code_as_it_is(tmp_path: Path) -> None:
    first = build(tmp_path / "first")
    second = build(tmp_path / "second", (r"(kws_weights\[\d+\] = \{)-?\d+", r"\g<1>77"))
    before, after = elf_contents(first), elf_contents(second)
    assert before[".weights"] != after[".weights"]
    assert {name: data for name, data in before.items() if name != ".weights"} == {
        name: data for name, data in after.items() if name != ".weights"
    }
    mixed = outcome(combined(first, second, tmp_path / "mixed.elf"))
    assert mixed == outcome(second) != outcome(first)
    assert mixed[0] == load_package(tmp_path / "second" / "kws").build_hash()


@pytest.mark.parametrize(("kind", "words"), [("damaged", "damaged"), ("erased", "damaged"), ("foreign", "other code")])
def test_wrong_weights_are_told(kind: str, words: str, tmp_path: Path) -> None:
    elf = build(tmp_path / "first")
    if kind == "foreign":
        other = build(tmp_path / "other", (r"void kws_run\(void\)\s*\{", r"\g<0> volatile int more = 1; (void)more;"))
        elf = combined(elf, other, tmp_path / "mixed.elf")
    else:
        image = bytearray(elf.read_bytes())
        at = elf_places(elf, ("edgec_seal",))["edgec_seal"]
        size = len(elf_contents(elf)[".weights"])
        image[at : at + size] = b"\xff" * size if kind == "erased" else bytes(image[at : at + size - 1]) + b"\x55"
        elf.write_bytes(bytes(image))
    with start_board(load_target(BOARD), elf) as board, Link(board.url) as link:
        boot = link.receive()
        assert words in (boot.error or "")
        assert link.ask(b"edgec info%").value("m-edgec-build-") == "unknown"
        with pytest.raises(LinkError, match=words):
            infer(link, 1, 0)
        link.synchronise()  # it still talks
