"""Spans of time on the device: counters that wrap, and the sign of life that keeps the official runner waiting."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest

from edgec.harness.protocol import Decoder
from edgec.toolchain.host import build_harness, host_compiler
from tests.harness import fake_package

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")

CLOCK = 120_000_000
FAKE_PORT = """
#include "port.h"
bool fake_exact;
uint64_t fake_micros, fake_cycles;
bool port_cycles_exact(void) { return fake_exact; }
uint64_t port_micros(void) { return fake_micros; }
uint32_t port_cycles(void) { return (uint32_t)fake_cycles; }
uint32_t port_clock_hz(void) { return 120000000u; }
"""


class Mark(ctypes.Structure):
    _fields_ = [("micros", ctypes.c_uint64), ("cycles", ctypes.c_uint32)]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, root: Path) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("ticks")
    (folder / "port.c").write_text(FAKE_PORT)
    harness = root / "firmware" / "harness"
    sources = [str(harness / "ticks.c"), str(folder / "port.c")]
    flags = ["-shared", "-fPIC", "-fsanitize=undefined", "-fno-sanitize-recover=all"]
    subprocess.run([host_compiler(), *flags, f"-I{harness}", *sources, "-o", str(folder / "ticks.so")], check=True)
    loaded = ctypes.CDLL(str(folder / "ticks.so"))
    loaded.ticks_now.restype = Mark
    loaded.ticks_between.restype = ctypes.c_uint64
    loaded.ticks_counter.restype = ctypes.c_char_p
    loaded.ticks_unit.restype = ctypes.c_char_p
    return loaded


@pytest.mark.parametrize(("exact", "name", "unit"), [(False, b"timer", b"us"), (True, b"dwt", b"cycles")])
def test_cycles_are_exact_over_any_number_of_wraps(library: ctypes.CDLL, exact: bool, name: bytes, unit: bytes) -> None:
    ctypes.c_bool.in_dll(library, "fake_exact").value = exact
    micros = ctypes.c_uint64.in_dll(library, "fake_micros")
    cycles = ctypes.c_uint64.in_dll(library, "fake_cycles")
    assert (library.ticks_counter(), library.ticks_unit()) == (name, unit)
    for span in (0, 1, 119, 2**24 - 1, 2**24, 2**24 + 1, 2**31, 2**32 - 1, 2**32 + 7, 17 * 2**32 + 3, 3600 * CLOCK):
        for start in (0, 5, 2**24 - 3, 2**32 - 3):
            cycles.value, micros.value = start, start // 120
            begin = library.ticks_now()
            cycles.value, micros.value = start + span, (start + span) // 120
            end = library.ticks_now()
            found = library.ticks_between(ctypes.byref(begin), ctypes.byref(end))
            assert found == (span if exact else (start + span) // 120 - start // 120)


def test_long_windows_are_no_silence(tmp_path: Path, root: Path) -> None:
    """A clock on which every look takes a second: an empty line at least every two seconds, which no reply shows."""
    port = (root / "firmware" / "port" / "posix" / "port.c").read_text()
    head, tail = port.split("uint64_t port_micros(void)")
    rest = tail[tail.index("\n}\n") + 3 :]
    (tmp_path / "port.c").write_text(
        head + "uint64_t port_micros(void) { static uint64_t now; return now += 1000000u; }\n" + rest
    )
    board = [root / "firmware" / "harness" / "main.c", tmp_path / "port.c"]
    program = build_harness([fake_package.write(tmp_path / "kws")], tmp_path / "out", trace=True, board=board)
    for line in (b"infer 20 20%", b"edgec layers 20%", b"edgec cycles 20%"):
        answer = subprocess.run([program], input=line, capture_output=True, timeout=60, check=True).stdout
        assert answer.count(b"\r\n\r\n") >= 5
        assert all(Decoder().feed(answer)[1].lines)
