"""A real image onto a real (emulated) chip: through QEMU's gdb server, reset, and asked over its serial line what it runs."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgec import api
from edgec.errors import FlashError, UsageError
from edgec.flash import flash
from edgec.flash.image import read_image
from edgec.target import load_target
from edgec.toolchain.package import load_package
from tests.harness import fake_package

BOARD = "netduinoplus2"
pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")
needs_gdb = pytest.mark.skipif(
    not (shutil.which("gdb-multiarch") and shutil.which("qemu-system-arm")), reason="needs gdb-multiarch and QEMU"
)


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


@contextlib.contextmanager
def blank_chip() -> Iterator[tuple[str, str]]:
    """A chip with nothing in its flash: (address of its gdb server, URL of its serial line)."""
    debug, line = free_ports(2)
    serial = f"socket,id=uart,host=127.0.0.1,port={line},server=on,wait=off,nodelay=on"
    options = ["-display", "none", "-monitor", "none", "-nodefaults", "-chardev", serial, "-serial", "chardev:uart"]
    command = ["qemu-system-arm", "-M", BOARD, "-S", "-gdb", f"tcp:127.0.0.1:{debug}", *options]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", line)):
                break
            time.sleep(0.05)
        yield f"127.0.0.1:{debug}", f"socket://127.0.0.1:{line}"
    finally:
        process.kill()
        process.wait()


def compiled(folder: Path, board: str = BOARD, change: tuple[str, str] = ("", "")) -> Path:
    """The fake model compiled for `board`, with `change` (pattern, replacement) made in its weights."""
    package = fake_package.write(folder)
    manifest = json.loads((package / "edgec.json").read_text())
    manifest["target"].update(name=board, board=board)
    (package / "edgec.json").write_text(json.dumps(manifest))
    weights = package / "kws_weights.c"
    weights.write_text(re.sub(*change, weights.read_text(), count=1))
    return package


@needs_gdb
def test_flashed_through_the_debugger(tmp_path: Path) -> None:
    first = compiled(tmp_path / "first")
    second = compiled(tmp_path / "second", change=(r"\{-?\d+", "{77"))
    third = compiled(tmp_path / "third")
    source = third / "kws.c"
    source.write_text(
        source.read_text().replace(
            "void kws_run(void)\n{", "void kws_run(void)\n{\n    volatile int more = 1;\n    (void)more;"
        )
    )
    one, two, three = (load_package(folder).build_hash() for folder in (first, second, third))
    assert len({one, two, three}) == 3
    with blank_chip() as (server, line):
        document = api.flash(first, tool="gdb", probe=server, port=line)
        assert (document["flashed"], document["answered"]) == (True, one)
        assert [piece["kind"] for piece in document["pieces"]] == ["code", "weights"]
        document = api.flash(second, tool="gdb", probe=server, port=line, only="weights")
        assert document["answered"] == two
        assert [piece["kind"] for piece in document["pieces"]] == ["weights"]
        with pytest.raises(UsageError, match="belong to code") as caught:  # refused before anything is written
            api.flash(third, tool="gdb", probe=server, port=line, only="weights")
        assert "flash both" in caught.value.hint
        with pytest.raises(FlashError, match=f"flashed build {two}, but the board answers with {one}"):
            flash(first / "build/firmware.elf", load_target(BOARD), two, tool="gdb", probe=server, port=line)
        assert api.flash(third, tool="gdb", probe=server, port=line)["answered"] == three


@needs_gdb
def test_no_server(tmp_path: Path) -> None:
    package = compiled(tmp_path / "kws")
    with pytest.raises(FlashError, match="finds no probe or board"):
        api.flash(package, tool="gdb", probe=f"127.0.0.1:{free_ports(1)[0]}")


def test_pieces(tmp_path: Path) -> None:
    image = read_image(build(compiled(tmp_path / "pico", "rpi-pico")), tmp_path)
    assert [(piece.kind, piece.address) for piece in image.pieces] == [("code", 0x10000000), ("weights", 0x10040000)]
    small = build(compiled(tmp_path / "microbit", "microbit"))
    assert {piece.kind for piece in read_image(small, tmp_path).pieces} == {"code"}
    with pytest.raises(UsageError, match="do not lie apart"):
        read_image(small, tmp_path, "weights")
    with pytest.raises(UsageError, match="no part 'soup'"):
        read_image(small, tmp_path, "soup")


def build(package: Path) -> Path:
    return Path(api.build(package)["artifacts"]["elf"])
