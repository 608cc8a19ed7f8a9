"""Measuring a device over its serial line, with the commands of the official runner and edgec's extras."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgec.harness.link import Link
from edgec.harness.protocol import Reply, command, load_commands
from edgec.harness.wire import wire_bytes
from edgec.toolchain.package import Package, load_package

__all__ = ["bench", "crc32", "infer", "layers", "load_input", "output_bytes", "stack"]

INFER_TIMEOUT = 600.0


def bench(
    folder: Path | str, url: str, runs: int = 10, samples: Mapping[str, Any] | None = None, repeats: int = 5
) -> dict[str, Any]:
    """Times inference on the device at `url` as the official runner does: the median of `repeats` windows of `runs`.

    Without `samples` the firmware's own pattern is the input.  Layers are timed where the firmware is a trace build.
    """
    package = load_package(folder)
    with Link(url) as link:
        name = link.synchronise()
        info = link.ask(command("edgec", "info"), check=False)
        if len(info.numbers("m-edgec-models-")) and info.numbers("m-edgec-models-")[0] > 1:
            link.ask(command("edgec", "model", package.name))
        if samples is not None:
            load_input(link, wire_bytes(package, samples))
        infer(link, 1, 0)
        rates = []
        for _ in range(repeats):
            micros, results = infer(link, runs, 1)
            rates.append(runs * 1e6 / max(1, micros))
        rate = statistics.median(rates)
        has_trace = info.values("m-edgec-trace-") == ["1"]
        timed = layers(link, runs) if has_trace else None
        return {
            "model": package.model_file, "target": package.target, "device": name, "port": url, "macs": package.macs,
            "build_hash": info.values("m-edgec-build-")[:1] or None, "runs": runs,
            "inferences_per_second": rate, "microseconds": 1e6 / rate, "results": results,
            "output_crc32": crc32(link) if info.error is None else None,
            "stack": stack(link) if info.error is None else None,
            "layers": _layers(package, timed),
        }  # fmt: skip


def load_input(link: Link, data: bytes, window: int = 1) -> None:
    """Loads the input buffer.  `window` commands may be under way at once (see Link.ask_all)."""
    link.ask_all(load_commands(data), window)


def infer(link: Link, runs: int = 1, warmups: int = 10) -> tuple[int, list[float]]:
    """Runs inferences; returns the microseconds of the timed window and the printed results."""
    reply = link.ask(command("infer", runs, warmups), INFER_TIMEOUT)
    reply.value("m-lap-us-")
    begin, end = reply.numbers("m-lap-us-")[:2]
    return end - begin, _results(reply)


def layers(link: Link, runs: int = 1) -> list[int]:
    """Mean microseconds of every step (trace builds only)."""
    reply = link.ask(command("edgec", "layers", runs), INFER_TIMEOUT)
    return [int(text.split("-")[1]) for text in reply.values("m-layer-")]


def crc32(link: Link) -> str:
    """CRC-32 of the output bytes of the last inference, eight hexadecimal digits."""
    return link.ask(command("edgec", "crc")).value("m-crc-")


def stack(link: Link) -> int | None:
    """Bytes of stack the first inference used, None where the device cannot tell."""
    found = link.ask(command("edgec", "stack"), INFER_TIMEOUT, check=False).numbers("m-stack-")
    return found[0] if found else None


def output_bytes(link: Link) -> bytes:
    """The output bytes of the last inference, outputs one after another."""
    return bytes.fromhex("".join(link.ask(command("edgec", "out")).values("m-output-")))


def _results(reply: Reply) -> list[float]:
    return [float(text) for text in reply.value("m-results-").split(",")]


def _layers(package: Package, timed: list[int] | None) -> list[dict[str, Any]] | None:
    if timed is None:
        return None
    return [
        {"name": step.name, "op": step.op, "macs": step.macs, "microseconds": micros}
        for step, micros in zip(package.steps, timed, strict=False)
    ]
