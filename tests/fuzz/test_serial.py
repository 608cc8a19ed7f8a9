"""The serial harness against ten thousand bad command lines: on this machine under sanitizers, by libFuzzer, and on QEMU."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from edgec.emulate.boards import start_board
from edgec.harness.commands import infer, load_input, output_bytes
from edgec.harness.link import Link
from edgec.harness.protocol import Decoder
from edgec.target import load_target
from edgec.toolchain.firmware import build_firmware
from edgec.toolchain.host import build_harness
from tests.fuzz.serial import FEW_RUNS, build_target, fuzz, lines
from tests.harness import fake_package

INPUT = bytes((i * 11 + 5) % 256 for i in range(490))


def needs(*tools: str) -> pytest.MarkDecorator:
    missing = [tool for tool in tools if shutil.which(tool) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")


@needs("gcc")
@pytest.mark.parametrize("trace", [False, True])
def test_ten_thousand_lines_on_this_machine(tmp_path: Path, trace: bool) -> None:
    """Every command has its m-ready; at the end a good session gives the right bytes."""
    folder = fake_package.write(tmp_path / "kws")
    program = build_harness([folder], tmp_path / "out", sanitize=True, trace=trace, flags=[FEW_RUNS])
    noise = lines(10_000, seed=int(trace))
    loads = [b"db " + INPUT[at : at + 31].hex().encode() + b"%" for at in range(0, 490, 31)]
    session = b"%db load 490%" + b"".join(loads) + b"infer 1 0%edgec out%name%"
    done = subprocess.run([program], input=noise + session, capture_output=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, b""), done.stderr.decode(errors="replace")[-2000:]
    replies = Decoder().feed(done.stdout)
    assert len(replies) == 1 + noise.count(b"%") + session.count(b"%")
    assert replies[-1].lines == ("m-name-dut-[edgec]",)
    output = "".join(replies[-2].values("m-output-"))
    assert bytes.fromhex(output) == fake_package.reference(INPUT)[0]
    assert sum(reply.error is None for reply in replies) > 1500  # not everything is noise


def through_libfuzzer(folder: Path, *options: str) -> str:
    program = build_target(folder)
    if program is None:
        pytest.skip("needs clang with libFuzzer")
    done = fuzz(program, folder / "corpus", *options)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


def test_libfuzzer_finds_nothing(tmp_path: Path) -> None:
    assert "stat::number_of_executed_units: " in through_libfuzzer(tmp_path, "-runs=1500")


@pytest.mark.slow
def test_libfuzzer_finds_nothing_in_minutes(tmp_path: Path) -> None:
    through_libfuzzer(tmp_path, "-max_total_time=300")


def on_qemu(folder: Path, count: int, board: str) -> None:
    target = load_target(board)
    image = build_firmware(
        [fake_package.write(folder / "kws")], target, folder / "out", trace=True, harness_flags=[FEW_RUNS]
    )
    with start_board(target, image.elf) as running, Link(running.url, timeout=60.0) as link:
        link.synchronise()
        for batch in range(count // 50):
            noise = lines(50, seed=1000 + batch)
            link.send(noise)
            assert all(reply.lines is not None for reply in (link.receive() for _ in range(noise.count(b"%"))))
            assert running.alive()
        link.send(b"%")
        link.receive()
        assert link.ask(b"name%").lines == ("m-name-dut-[edgec]",)
        link.ask(b"edgec model kws%")
        load_input(link, INPUT, window=8)
        infer(link, 1, 0)
        assert output_bytes(link) == fake_package.reference(INPUT)[0]


@needs("arm-none-eabi-gcc", "qemu-system-arm")
def test_lines_on_an_emulated_board(tmp_path: Path) -> None:
    on_qemu(tmp_path, 300, "mps2-an386")


@pytest.mark.slow
@needs("arm-none-eabi-gcc", "qemu-system-arm")
@pytest.mark.parametrize("board", ["mps2-an386", "microbit"])
def test_ten_thousand_lines_on_an_emulated_board(tmp_path: Path, board: str) -> None:
    on_qemu(tmp_path, 10_000, board)
