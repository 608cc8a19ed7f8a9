"""What one asks a device: one function a command, a link in, values out.  firmware/harness/protocol.c and extras.c answer."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from edgec.errors import LinkError
from edgec.harness.link import Link
from edgec.harness.protocol import Reply, command, dump_rows, load_commands

__all__ = [
    "Cycles", "Info", "Layers", "crc32", "cycles", "dump", "infer", "info", "layers", "load_input", "output_bytes", "select",
    "stack",
]  # fmt: skip

INFER_TIMEOUT = 600.0
UNKNOWN = "unknown"  # the build of firmware whose weights are not its own
ATTEMPTS = 3  # of a transfer that arrived damaged


@dataclass(frozen=True)
class Info:
    """What edgec firmware says of itself.  `code`: hash of all but the weights; `counter`: dwt (cycles) or timer (microseconds);
    `clock_hz`: the processor's."""

    model: str
    build_hash: str
    code: str
    clock_hz: int
    counter: str
    steps: int
    models: int
    wire_bytes: int
    trace: bool


@dataclass(frozen=True)
class Cycles:
    """Ticks of the model's run alone over several inferences.  `unit`: cycles or us."""

    unit: str
    least: int
    mean: int
    most: int


@dataclass(frozen=True)
class Layers:
    """Mean ticks of every step, and of the whole run.  `unit`: cycles or us."""

    unit: str
    ticks: tuple[int, ...]
    total: int


def info(link: Link) -> Info | None:
    """None for firmware that is not edgec's."""
    reply = link.ask(command("edgec", "info"), check=False)
    if reply.error is not None or not reply.values("m-edgec-build-"):
        return None
    names = ("clock", "steps", "models", "wire", "trace")
    clock, steps, models, wire, trace = (reply.numbers(f"m-edgec-{name}-")[:1] or [0] for name in names)
    return Info(
        model=reply.value("m-edgec-model-"),
        build_hash=reply.value("m-edgec-build-"),
        code=(reply.values("m-edgec-code-") or [""])[0],
        clock_hz=clock[0],
        counter=(reply.values("m-edgec-counter-") or ["timer"])[0],
        steps=steps[0],
        models=models[0],
        wire_bytes=wire[0],
        trace=trace[0] == 1,
    )


def select(link: Link, name: str) -> None:
    """Chooses a model of the firmware and starts it anew: states, loaded input and results are forgotten."""
    link.ask(command("edgec", "model", name))


def load_input(link: Link, data: bytes, window: int = 1, checked: bool = False) -> None:
    """Loads the input buffer.  `window` commands may be under way at once (see Link.ask_all).

    `checked`: compares the device's CRC-32 of the whole buffer and loads again where the line damaged something (edgec
    firmware only; `data` fills the buffer).
    """
    for attempt in range(ATTEMPTS):
        try:
            link.ask_all(load_commands(data), window)
            if not checked or link.ask(command("edgec", "input")).value("m-input-crc-") == f"{zlib.crc32(data):08x}":
                return
        except LinkError:
            if not checked or attempt == ATTEMPTS - 1:
                raise
            link.synchronise()
    raise LinkError(
        f"the input arrived damaged {ATTEMPTS} times", hint="check wiring, ground and baud rate; try a shorter cable"
    )


def infer(link: Link, runs: int = 1, warmups: int = 10, timeout: float = INFER_TIMEOUT) -> tuple[int, list[float]]:
    """Runs inferences; returns the microseconds of the timed window and the printed results."""
    reply = link.ask(command("infer", runs, warmups), timeout)
    laps = reply.numbers("m-lap-us-")
    if len(laps) != 2:
        raise LinkError(
            f"the device sent {len(laps)} times instead of 2", hint="a line was lost: check baud rate and wiring"
        )
    return laps[1] - laps[0], _results(reply)


def cycles(link: Link, runs: int = 1, timeout: float = INFER_TIMEOUT) -> Cycles:
    """Ticks of the run alone, without copying inputs and outputs."""
    reply = link.ask(command("edgec", "cycles", runs), timeout)
    least, mean, most = (_number(reply, f"m-cycles-{which}-") for which in ("least", "mean", "most"))
    return Cycles(reply.value("m-cycles-unit-"), least, mean, most)


def layers(link: Link, runs: int = 1, timeout: float = INFER_TIMEOUT) -> Layers:
    """Mean ticks of every step (trace builds only)."""
    reply = link.ask(command("edgec", "layers", runs), timeout)
    try:
        ticks = {int(index): int(count) for index, count in (text.split("-") for text in reply.values("m-layer-"))}
        listed = tuple(ticks[index] for index in range(len(ticks)))
    except (ValueError, KeyError) as error:
        raise LinkError(f"the list of layers arrived damaged: {error}", hint="check baud rate and wiring") from error
    return Layers(reply.value("m-layers-unit-"), listed, _number(reply, "m-layers-total-"))


def crc32(link: Link) -> str:
    """CRC-32 of the output bytes of the last inference, eight hexadecimal digits."""
    return link.ask(command("edgec", "crc")).value("m-crc-")


def stack(link: Link) -> int | None:
    """Bytes of stack the first inference used, None where the device cannot tell."""
    found = link.ask(command("edgec", "stack"), INFER_TIMEOUT, check=False).numbers("m-stack-")
    return found[0] if found else None


def output_bytes(link: Link) -> bytes:
    """The output bytes of the last inference, outputs one after another, by the device's own CRC-32."""
    for _ in range(ATTEMPTS):
        data = _hex("".join(link.ask(command("edgec", "out")).values("m-output-")))
        if data is not None and f"{zlib.crc32(data):08x}" == crc32(link):
            return data
    raise LinkError(f"the outputs arrived damaged {ATTEMPTS} times", hint="check wiring, ground and baud rate")


def dump(link: Link, step: int | str = "all", timeout: float = INFER_TIMEOUT) -> list[tuple[int, int, int, bytes]]:
    """(step, row, offset within the group of rows, bytes) of one inference in the order they were made (trace builds only).

    Raises LinkError where the bytes are not those of the device's CRC-32; the inference then has to be made again.
    """
    reply = link.ask(command("edgec", "dump", step), timeout)
    wanted = reply.value("m-dumped-")
    try:
        rows = dump_rows(reply)
    except ValueError:
        rows = []
    if f"{zlib.crc32(b''.join(data for *_, data in rows)):08x}" != wanted:
        raise LinkError(
            "what the steps wrote arrived damaged", hint="check wiring, ground and baud rate, and try again"
        )
    return rows


def _number(reply: Reply, prefix: str) -> int:
    reply.value(prefix)
    return reply.numbers(prefix)[0]


def _hex(digits: str) -> bytes | None:
    try:
        return bytes.fromhex(digits)
    except ValueError:
        return None


def _results(reply: Reply) -> list[float]:
    try:
        return [float(text) for text in reply.value("m-results-").split(",")]
    except ValueError as error:
        raise LinkError(f"the results arrived damaged: {error}", hint="check baud rate and wiring") from error
