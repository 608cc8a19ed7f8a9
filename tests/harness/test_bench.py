"""Measuring a board over its line: what the document says, which port, and what is said when the board misbehaves."""

from __future__ import annotations

import random
import re
import shutil
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from edgec.errors import LinkError, UsageError
from edgec.harness import link, ports
from edgec.harness.bench import bench, watch
from edgec.report.csv import measured_csv
from edgec.target import Serial, load_target
from edgec.verify.devices import Remote
from tests.harness import fake_package
from tests.harness.served import Restarts, Unplugged, firmware_with_cycles, served

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")

QUICK = {"window": 0.02, "repeats": 3}


@pytest.fixture(scope="module")
def kws(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_package.write(tmp_path_factory.mktemp("bench") / "kws")


@pytest.fixture(scope="module")
def board(kws: Path, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return firmware_with_cycles([kws], tmp_path_factory.mktemp("board"), root, trace=True)


def test_what_a_board_tells(kws: Path, board: Path) -> None:
    samples = {"in": np.arange(490, dtype=np.int8).reshape(1, 1, 49, 10)}
    with served(board) as url:
        document = bench(kws, url, samples=samples, **QUICK)
    assert document["emulated"] is False and "emulator_microseconds" not in document
    assert document["microseconds"] == pytest.approx(1e6 / document["inferences_per_second"])
    assert document["runs"] >= 10 and len(document["windows"]) == 3 and document["spread"] >= 0
    assert min(document["windows"]) <= document["microseconds"] <= max(document["windows"])
    cycles = document["cycles"]
    assert 0 < cycles["least"] <= cycles["mean"] <= cycles["most"]
    assert [layer["name"] for layer in document["layers"]] == ["table_0", "sum_1", "dense_2"]
    assert all(layer["microseconds"] == round(layer["cycles"] / 1000, 1) for layer in document["layers"])
    assert document["output_crc32"] == f"{zlib.crc32(fake_package.reference(samples['in'].tobytes())[0]):08x}"
    lines = measured_csv(document).splitlines()
    assert lines[0] == "name,op,macs,cycles,microseconds" and len(lines) == 5
    assert lines[3].startswith("dense_2,dense,588,") and lines[4].startswith("(total),,588,")


def test_a_live_view_goes_on(kws: Path, board: Path) -> None:
    with served(board) as url:
        seen = list(islice(watch(kws, url, window=0.02), 3))
    assert [len(document["windows"]) for document in seen] == [1, 2, 3]


def test_a_live_view_finds_a_lost_board_again(kws: Path, board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgec.harness.bench.RETRY", 0.05)
    fault = OnInfer(Once(Unplugged), n=4)
    with served(board, fault) as url:
        seen = list(islice(watch(kws, url, window=0.02), 6))
    notes = ["trying again" in document.get("note", "") for document in seen]
    assert True in notes and not notes[0] and not notes[-1]
    assert len(seen[-1]["windows"]) == 6 - sum(notes)
    with pytest.raises(LinkError, match="cannot open"):
        next(watch(kws, "socket://127.0.0.1:1"))


@pytest.mark.parametrize(
    ("target", "counter", "url", "emulated"),
    [
        ("mps2-an386", "timer", "socket://127.0.0.1:1", True),
        ("mps2-an386", "dwt", "/dev/ttyUSB0", False),
        ("cortex-m4", "timer", "/dev/ttyACM0", True),
        ("nucleo-l4r5zi", "timer", "socket://127.0.0.1:1", True),
        ("nucleo-l4r5zi", "dwt", "socket://lab:4000", False),
        ("microbit", "timer", "/dev/ttyACM0", False),
        ("microbit", "timer", "socket://127.0.0.1:1", True),
        ("rpi-pico", "timer", "socket://lab:4000", False),
        ("host", "timer", "socket://127.0.0.1:1", False),
    ],
)
def test_an_emulator_is_told_from_a_board(target: str, counter: str, url: str, emulated: bool) -> None:
    assert ports.is_emulated(load_target(target), counter, url) is emulated


def plugged(device: str, vendor: int, product: int, description: str) -> ListPortInfo:
    """A USB serial port as pyserial tells it."""
    port = ListPortInfo(device, skip_link_detection=True)
    port.vid, port.pid, port.description = vendor, product, description
    return port


def test_the_port_is_found_by_its_usb_id(monkeypatch: pytest.MonkeyPatch) -> None:
    target = replace(load_target("nucleo-l4r5zi"), serial=Serial(usb=("0483:374b", "0483:374e")))
    there = [
        plugged("/dev/ttyUSB0", 0x0403, 0x6001, "a cable"),
        plugged("/dev/ttyACM3", 0x0483, 0x374B, "ST-Link"),
        ListPortInfo("/dev/ttyS0"),
    ]
    monkeypatch.setattr(list_ports, "comports", lambda: there)
    assert ports.find_port(target) == "/dev/ttyACM3"
    with pytest.raises(UsageError, match="0403:6001 a cable") as caught:
        ports.find_port(load_target("cortex-m4"))
    assert "--port URL" in caught.value.hint
    there.append(plugged("/dev/ttyACM4", 0x0483, 0x374E, "ST-Link"))
    with pytest.raises(UsageError, match="several ports .*ttyACM3.*ttyACM4"):
        ports.find_port(target)


def test_another_build_is_refused(kws: Path, board: Path, tmp_path: Path) -> None:
    changed = fake_package.write(tmp_path / "kws", run="    base[0] = 0;\n")
    with served(board) as url, pytest.raises(LinkError, match="another build") as caught:
        bench(changed, url, **QUICK)
    assert "edgec flash" in caught.value.hint


def test_weights_of_another_build_are_refused(kws: Path, board: Path) -> None:
    def torn(data: bytes, sent: bool) -> bytes:
        return data if sent else re.sub(rb"(m-edgec-build-\[)\w+", rb"\1unknown", data)

    with served(board, torn) as url, pytest.raises(LinkError, match="weights in the device's flash"):
        bench(kws, url, **QUICK)


class OnInfer:
    """A fault that strikes once the host has sent `infer` for the `n`th time."""

    def __init__(self, strike: Callable[[bytes, bool], bytes], n: int = 2) -> None:
        self.strike, self.left = strike, n

    def __call__(self, data: bytes, sent: bool) -> bytes:
        if sent:
            self.left -= data.count(b"infer")
        return self.strike(data, sent) if self.left <= 0 else data


def stalls(data: bytes, sent: bool) -> bytes:
    return data if sent else b""


def floods(data: bytes, sent: bool) -> bytes:
    return data if sent else random.Random(len(data)).randbytes(4096)


def chatters(data: bytes, sent: bool) -> bytes:
    return data if sent else b"[12:00:01] hello from another firmware\r\n" * 100


def unplugs(data: bytes, sent: bool) -> bytes:
    raise Unplugged


class Once:
    """A fault that ends the firmware or the connection, one time."""

    def __init__(self, end: type[Exception]) -> None:
        self.end, self.done = end, False

    def __call__(self, data: bytes, sent: bool) -> bytes:
        if self.done:
            return data
        self.done = True
        raise self.end


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (OnInfer(stalls), "did not answer within"),
        (OnInfer(floods), "no answer: "),
        (OnInfer(chatters), "no answer: .*hello"),
        (OnInfer(unplugs), "reading from the device failed|writing to the device failed"),
        (OnInfer(Once(Restarts)), "restarted while it worked on 'infer"),
    ],
    ids=["stalls", "sends garbage", "is other firmware", "is unplugged", "restarts"],
)
def test_a_board_that_fails_while_it_is_measured(
    kws: Path, board: Path, monkeypatch: pytest.MonkeyPatch, fault: OnInfer, message: str
) -> None:
    monkeypatch.setattr(link, "TIMEOUT", 0.6)
    begin = time.monotonic()
    with served(board, fault) as url, pytest.raises(LinkError, match=message) as caught:
        bench(kws, url, **QUICK)
    assert caught.value.hint
    assert time.monotonic() - begin < 10


def loops_back(data: bytes, sent: bool) -> bytes:
    """A cable whose ends are joined: the host's own bytes come back."""
    loops_back.held = getattr(loops_back, "held", b"") + (data if sent else b"")
    if sent:
        return b""
    held, loops_back.held = loops_back.held, b""
    return held


def boots_for_ever(data: bytes, sent: bool) -> bytes:
    return b"" if sent else b"m-timestamp-mode-performance\r\nm-lap-us-3\r\nm-init-done\r\nm-ready\r\n"


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (stalls, "did not answer"),
        (floods, "no answer: "),
        (loops_back, "no answer: .*name%"),
        (boots_for_ever, "answers, but not with 'm-name-dut-'"),
    ],
    ids=["silence", "garbage", "loopback", "boot loop"],
)
def test_a_board_that_never_answers(
    kws: Path, board: Path, monkeypatch: pytest.MonkeyPatch, fault: Callable[[bytes, bool], bytes], message: str
) -> None:
    monkeypatch.setattr(link, "TIMEOUT", 0.6)
    begin = time.monotonic()
    with served(board, fault) as url, pytest.raises(LinkError, match=message):
        bench(kws, url, **QUICK)
    assert time.monotonic() - begin < 10


class Noise:
    """Damages every `period`th run of digits: one of what is loaded, or of what is read back."""

    def __init__(self, period: int) -> None:
        self.period, self.count = period, 0

    def __call__(self, data: bytes, sent: bool) -> bytes:
        if not (data.startswith(b"db ") and len(data) > 40 if sent else b"m-output-" in data):
            return data
        self.count += 1
        return data.replace(b"0", b"1").replace(b"5", b"8") if self.count % self.period == 0 else data


def test_damaged_transfers_are_made_again(kws: Path, board: Path) -> None:
    rng = np.random.default_rng(5)
    samples = {"in": rng.integers(-128, 128, (3, 1, 49, 10)).astype(np.int8)}
    with served(board, Noise(30)) as url:
        made = Remote(kws, url).run(samples)
    for index, outputs in enumerate(made):
        assert outputs["out"].tobytes() == fake_package.reference(samples["in"][index].tobytes())[0]
    with served(board, Noise(1)) as url, pytest.raises(LinkError, match="damaged 3 times"):
        Remote(kws, url).run(samples)
