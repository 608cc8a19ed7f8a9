"""A whole conversation with a device, each reply compared with what the protocol documents: good commands, then hostile ones.

How the official runner itself talks, waits and parses is in edgec/harness/mlperf.py, and tested in tests/emulate/test_mlperf.py.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

from edgec.harness.protocol import Reply
from tests.harness.fake_package import reference

Ask = Callable[[bytes], Reply]


def results(output: bytes) -> str:
    """What the fake model's output prints as: scale 1/256, zero point -128, three decimals."""
    values = ((byte if byte < 128 else byte - 256) + 128 for byte in output)
    return ",".join(f"{(value * 1000 * 2 + 256) // 512 / 1000:.3f}" for value in values)


def official_sequence(ask: Ask, inputs: bytes, micros_pass: bool = True) -> None:
    """Drives a device that runs the fake `kws` as the runner does, then as a hostile host would."""
    expected, _ = reference(inputs)
    assert ask(b"name%").lines == ("m-name-dut-[edgec]",)
    assert ask(b"profile%").lines == ("m-profile-[ULPMark for tinyML Firmware V0.0.1]", "m-model-[kws01]")
    first = ask(b"timestamp%").numbers("m-lap-us-")[0]
    assert ask(b"help%").lines
    # before anything was loaded or run
    assert ask(b"db 00%").error == "e-[db: no db load before it]"
    assert ask(b"results%").error is not None
    assert ask(b"edgec crc%").error is not None
    # as the runner loads: 31 bytes a command, m-load-done with the last
    assert ask(b"db load 490%").lines == ("m-[Expecting 490 bytes]",)
    for at in range(0, 490, 31):
        last = at + 31 >= 490
        assert ask(b"db " + inputs[at : at + 31].hex().encode() + b"%").lines == (("m-load-done",) if last else ())
    printed = ask(b"db print%").lines
    assert len(printed) == 62
    assert printed[0] == "m-buffer-" + "-".join(f"{byte:02x}" for byte in inputs[:8])
    assert printed[-1] == "m-buffer-" + "-".join(f"{byte:02x}" for byte in inputs[488:])
    reply = ask(b"infer 3 2%")
    assert reply.lines[:3] == ("m-warmup-start-2", "m-warmup-done", "m-infer-start-3")
    begin, end = reply.numbers("m-lap-us-")
    assert first <= begin <= end
    assert reply.lines[5:] == ("m-infer-done", f"m-results-[{results(expected)}]")
    assert ask(b"results%").lines == (f"m-results-[{results(expected)}]",)
    assert ask(b"infer%").lines[:3] == ("m-warmup-start-10", "m-warmup-done", "m-infer-start-1")
    assert bytes.fromhex("".join(ask(b"edgec out%").values("m-output-"))) == expected
    assert ask(b"edgec input%").value("m-input-crc-") == f"{zlib.crc32(inputs):08x}"
    assert ask(b"edgec cycles 2%").numbers("m-cycles-mean-")[0] >= 0
    hostile_sequence(ask)
    # and after all that the same answer
    assert ask(b"db load 490%").error is None
    for at in range(0, 490, 31):
        ask(b"db " + inputs[at : at + 31].hex().upper().encode() + b"%")
    assert ask(b"infer 1 0%").lines[-1] == f"m-results-[{results(expected)}]"


def hostile_sequence(ask: Ask) -> None:
    """Commands no device may trip over."""
    assert ask(b"%").lines == ("e-[Unknown command: ]",)
    assert ask(b"nonsense 1 2%").lines == ("e-[Unknown command: nonsense 1 2]",)
    assert ask(b"\x01\xfe\x80%").lines == ("e-[Unknown command: ???]",)
    assert ask(b"names%").lines == ("e-[Unknown command: names]",)
    assert ask(b" name%").lines == ("e-[Unknown command:  name]",)
    assert ask(b"x" * 5000 + b"%").error == "e-[Command longer than 80 characters]"
    for oversize in (b"db load 491%", b"db load 4294967296%", b"db load 99999999999999999999999%"):
        assert ask(oversize).error == "e-[db load takes 1 to 490 bytes]"
    for bad in (
        b"db load%",
        b"db load -1%",
        b"db load 0%",
        b"db load x%",
        b"db%",
        b"infer x%",
        b"infer 0%",
        b"infer -1%",
    ):
        assert ask(bad).error is not None
    assert ask(b"db load 2%").error is None
    assert ask(b"infer 1 0%").error == "e-[Input incomplete: finish db]"
    assert ask(b"db 0%").error == "e-[db: odd number of digits]"
    assert ask(b"db zz%").error == "e-[db: not hexadecimal]"
    assert ask(b"db 000000%").error == "e-[db: more bytes than announced]"
    assert ask(b"db 0102%").lines == ("m-load-done",)
    assert ask(b"db 03%").error == "e-[db: more bytes than announced]"
    assert ask(b"db print%").lines == ("m-buffer-01-02",)
    for extra in (
        b"edgec%",
        b"edgec x%",
        b"edgec model nobody%",
        b"edgec dump 0%",
        b"edgec layers%",
        b"edgec layers x%",
        b"edgec cycles 0%",
        b"edgec cycles -1%",
    ):
        assert ask(extra).error is not None
