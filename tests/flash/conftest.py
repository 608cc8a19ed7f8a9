"""What flash tests need: an image without a compiler, and tools that only say what they were asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgec.flash import choose, run
from edgec.flash import flash as flash_board
from edgec.flash.image import Image, Piece
from edgec.target import load_target

CODE, WEIGHTS = bytes(range(200)), bytes(range(100, 140))
FlashIt = Callable[..., dict[str, Any]]


@pytest.fixture(name="flash_it")
def _flash_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FlashIt:
    """flash_it(board, **options): flashes 200 bytes of code and 40 of weights, each where the board has them."""

    def flash_it(board: str, **options: Any) -> dict[str, Any]:
        target = load_target(board)

        def image(elf: Path, folder: Path, only: str | None = None) -> Image:
            code = target.regions("boot") or target.regions("code")
            pieces = (
                Piece("code", code[0].origin, CODE),
                Piece("weights", target.region("weights").origin, WEIGHTS),
            )
            return Image(elf, tuple(p for p in pieces if only in (None, p.kind)), only is None, folder)

        monkeypatch.setattr(run, "read_image", image)
        return flash_board(tmp_path / "firmware.elf", target, "0123456789abcdef", **options)

    return flash_it


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """tools(name, exit code, output): installs a fake executable, which writes its arguments to a file, and is all there is."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def install(name: str, code: int = 0, output: str = "", stderr: str = "") -> Path:
        log, program = tmp_path / f"{name}.log", folder / name
        (tmp_path / f"{name}.out").write_text(f"{output}\n")
        (tmp_path / f"{name}.err").write_text(f"{stderr}\n")
        program.write_text(
            f"#!/bin/sh\nfor word in \"$@\"; do echo \"$word\" >> '{log}'; done\necho >> '{log}'\n"
            f"while read -r line; do echo \"$line\"; done < '{tmp_path / name}.out'\n"
            f"while read -r line; do echo \"$line\" >&2; done < '{tmp_path / name}.err'\nexit {code}\n"
        )
        os.chmod(program, 0o755)
        return log

    return install


@pytest.fixture
def plugged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """plugged("0483:374b", ...): these USB devices are there, and no others."""
    root = tmp_path / "usb"
    root.mkdir()

    def plug(*devices: str) -> None:
        for number, device in enumerate(devices):
            (root / f"1-{number}").mkdir()
            (root / f"1-{number}" / "idVendor").write_text(device[:4] + "\n")
            (root / f"1-{number}" / "idProduct").write_text(device[5:] + "\n")

    found = choose.usb_devices
    monkeypatch.setattr(choose, "usb_devices", lambda: found(root))
    return plug
