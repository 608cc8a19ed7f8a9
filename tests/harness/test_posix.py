"""The harness's C code on this machine under AddressSanitizer and UBSan: the runner's commands, then random bytes."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgec.harness.protocol import Decoder, Reply
from edgec.toolchain.host import build_harness
from tests.harness import fake_package
from tests.harness.runner import official_sequence

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("posix")
    return build_harness([fake_package.write(folder / "kws")], folder / "build", sanitize=True)


def converse(program: Path, sent: bytes) -> list[Reply]:
    """Everything in, everything out; a sanitizer's complaint is a failure."""
    done = subprocess.run([program], input=sent, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    assert done.stderr == b""
    return Decoder().feed(done.stdout)


def test_official_sequence(harness: Path) -> None:
    process = subprocess.Popen([harness], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    decoder = Decoder()

    def receive() -> Reply:
        replies: list[Reply] = []
        while not replies:
            line = process.stdout.readline()  # type: ignore[union-attr]
            assert line
            replies = decoder.feed(line)
        return replies[0]

    def ask(command: bytes) -> Reply:
        process.stdin.write(command)  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
        return receive()

    boot = receive().lines
    assert boot[0] == "m-timestamp-mode-performance"
    assert boot[1].startswith("m-lap-us-")
    assert boot[2] == "m-init-done"
    official_sequence(ask, bytes((i * 7 + 3) % 256 for i in range(490)))
    process.stdin.close()
    assert process.wait(timeout=10) == 0
    process.stdout.close()


WORDS = st.sampled_from(
    b"name profile timestamp help db load print infer results edgec info crc stack dump layers model out".split()
    + b"490 0 -1 4294967297 00ff f kws".split()
)
LINES = st.lists(st.lists(WORDS, max_size=4).map(b" ".join) | st.binary(max_size=120), max_size=20).map(b"%".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=LINES)
def test_fuzz(harness: Path, noise: bytes) -> None:
    noise = noise.replace(b"infer 4294967297", b"")
    replies = converse(harness, noise + b"%name%")
    assert replies[-1].lines == ("m-name-dut-[edgec]",)
    assert len(replies) == 1 + noise.count(b"%") + 2


def test_printing_reals(harness: Path, tmp_path: Path) -> None:
    """The mean squared error of ad01 over float32 inputs, among them ones no sensor sends."""
    folder = fake_package.write(tmp_path / "ad", name="ad", rows=64, classes=640)
    program = build_harness([folder], tmp_path / "build", sanitize=True)
    pattern = fake_package.pattern(640)
    floats = [((byte - 256 if byte > 127 else byte) + 128) / 256 for byte in pattern]
    output, _ = fake_package.reference(pattern, 64, 640)
    made = [((byte - 256 if byte > 127 else byte) + 128) / 256 for byte in output]
    error = sum((a - b) ** 2 for a, b in zip(floats, made, strict=True)) / 640

    def load(values: list[float]) -> bytes:
        raw = struct.pack(f"<{len(values)}f", *values)
        pieces = [b"db " + raw[at : at + 31].hex().encode() + b"%" for at in range(0, len(raw), 31)]
        return b"db load 2560%" + b"".join(pieces)

    strange = [float("nan"), float("inf"), float("-inf"), 1e30, -1e30, *floats[5:]]
    replies = converse(program, b"profile%" + load(floats) + b"infer 1 0%edgec out%" + load(strange) + b"infer 1 0%")
    assert replies[1].lines[1] == "m-model-[ad01]"
    answers = [reply for reply in replies if reply.values("m-results-")]
    assert abs(float(answers[0].value("m-results-")) - error) <= 0.0011
    assert answers[1].value("m-results-")
    shown = next(reply for reply in replies if reply.values("m-output-"))
    assert bytes.fromhex("".join(shown.values("m-output-"))) == output


FLOATS = [0.0, -0.0, 1.0, -1.5, 0.0005, 0.0004999, 123456.789, -0.001, 1e-30, 1e-45, 16777216.0, 3.0e8, 0.9995]


def test_printing_floats(tmp_path: Path) -> None:
    """A float32 model that copies: what goes in is printed with three decimals, rounded to nearest."""
    folder = tmp_path / "copy"
    folder.mkdir()
    count = len(FLOATS)
    (folder / "copy.h").write_text(
        "#include <stdint.h>\nvoid copy_init(void *arena);\nfloat *copy_input(void);\nconst float *copy_output(void);\n"
        "void copy_run(void);\n"
    )
    (folder / "copy.c").write_text(
        '#include "copy.h"\n#include <stddef.h>\nstatic float *base;\n'
        "void copy_init(void *arena) { base = arena; }\nfloat *copy_input(void) { return base; }\n"
        "const float *copy_output(void) { return base; }\nvoid copy_run(void) {}\n"
    )
    tensor = {"dtype": "float32", "shape": [count], "elements": count, "bytes": 4 * count, "scale": None}
    manifest = {
        "name": "copy",
        "model": {"file": "copy.onnx"},
        "target": {"name": "host"},
        "sources": ["copy.c"],
        "header": "copy.h",
        "inputs": [{"name": 'x"\\', "function": "copy_input", "zero_point": None, **tensor}],
        "outputs": [{"name": "y", "function": "copy_output", "zero_point": None, **tensor}],
        "arena_bytes": 64,
        "scratch_bytes": 0,
        "macs": 0,
        "steps": [],
    }
    (folder / "edgec.json").write_text(json.dumps(manifest))
    program = build_harness([folder], tmp_path / "build", sanitize=True)
    raw = struct.pack(f"<{count}f", *FLOATS)
    pieces = b"".join(b"db " + raw[at : at + 31].hex().encode() + b"%" for at in range(0, len(raw), 31))
    replies = converse(program, b"db load %d%%" % len(raw) + pieces + b"infer 1 0%")
    shown = [float(text) for text in replies[-1].value("m-results-").split(",")]
    exact = struct.unpack(f"<{count}f", raw)
    assert all(abs(a - b) <= 0.0005 + 1e-9 for a, b in zip(shown, exact, strict=True))
    # without an input: byte i of the pattern as int8, divided by 128
    pattern = [((37 * i + 11) % 256 + 128) % 256 - 128 for i in range(count)]
    replies = converse(program, b"infer 1 0%edgec out%edgec dump 0%")
    assert bytes.fromhex("".join(replies[2].values("m-output-"))) == struct.pack(
        f"<{count}f", *(p / 128 for p in pattern)
    )
    assert replies[3].error is not None
