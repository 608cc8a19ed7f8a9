"""The MLPerf Tiny benchmark as its open-source runner plays it: the same commands, waits, parsing and scores.

    performance   5 x (load a sample, infer N W)                median of N / time; at least 10 s in all
    accuracy      each sample: load it, infer 1 0               top-1 and area under the curve, over files

Rules taken from github.com/mlcommons/tiny, benchmark/runner (serial_device.py, device_under_test.py, script.py, main.py,
tests_performance.yaml); written anew.  What differs: samples are arrays, not files, and a reply that breaks the rules ends in an
error that says which; the energy mode needs the interface board and is not here.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgec.errors import InputError, LinkError, UsageError
from edgec.harness.commands import info
from edgec.harness.line import RunnerLine
from edgec.harness.link import Link
from edgec.harness.ports import AUTO, find_port, is_emulated
from edgec.harness.scores import accuracy, area_under_curve, by_file
from edgec.harness.wire import wire_bytes
from edgec.target import load_target
from edgec.toolchain.package import Package, load_package

__all__ = ["Infer", "identify", "infer", "load", "run"]

Array = NDArray[Any]

#: Model -> (inferences, warm-ups) of a window.
PERFORMANCE = {"ad01": (1500, 10), "ic01": (20, 5), "kws01": (70, 10), "vww01": (20, 5)}
LOOPS = 5
LEAST_SECONDS = 10.0
CHUNK = 31  # bytes in a `db` command; 26 with a power monitor
RETRIES = 3
SETTLE = 2.0  # seconds between opening the port and the first command
RULE = "-" * 57


class Infer:
    """What an `infer` reply says: `results`, and `seconds` between the two times."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.results: list[float] | None = None
        micros: list[int] = []
        for line in lines:
            if match := re.match(r"^m-results-\[([^]]+)\]$", line):
                self.results = [float(text) for text in match[1].split(",") if text.strip()]
            elif match := re.match(r"^m-lap-us-([0-9]+)$", line):
                micros.append(int(match[1]))
        if len(micros) < 2:
            raise LinkError("the runner finds no start and end time in the reply to infer", "edgec build, edgec flash")
        self.seconds = (micros[1] - micros[0]) / 1e6


def identify(line: RunnerLine) -> tuple[str, str, str]:
    """(name, model, profile), each asked for up to three times."""
    found: dict[str, str] = {}
    for command, keys in (("name", ("name",)), ("profile", ("model", "profile"))):
        for _ in range(RETRIES):
            for text in line.send_command(command):
                if match := re.match(r"^m-(name)-dut-\[([^]]+)]$|^m-(model|profile)-\[([^]]+)]$", text):
                    found[match[1] or match[3]] = match[2] or match[4]
            if any(key in found for key in keys):
                break
    missing = [key for key in ("name", "model", "profile") if key not in found]
    if missing:
        raise LinkError(
            f"the device does not tell its {' and '.join(missing)}",
            "is the firmware running?  press reset and try again",
        )
    return found["name"], found["model"], found["profile"]


def load(line: RunnerLine, data: bytes) -> None:
    """Sends one sample, 31 bytes a command."""
    line.send_command(f"db load {len(data)}")
    reply: list[str] = []
    for at in range(0, len(data), CHUNK):
        reply = line.send_command(f"db {data[at : at + CHUNK].hex()}")
    if "m-load-done" not in reply:
        raise LinkError(
            f"the device did not take {len(data)} bytes: {' / '.join(reply)}", "is this firmware for this model?"
        )


def infer(line: RunnerLine, runs: int, warmups: int) -> Infer:
    """Always names the warm-ups: the device's default is 10."""
    return Infer(line.send_command(f"infer {runs} {warmups}"))


def run(
    folder: Path | str,
    url: str,
    mode: str,
    samples: Mapping[str, Array] | None,
    truth: Mapping[str, Array],
    runs: int | None = None,
) -> dict[str, Any]:
    """The document of `edgec bench DIR --mlperf MODE`; `lines` are those the runner prints at the end.

    truth: `labels`, the class of each sample (accuracy), and `files`, a number for each sample, where several are parts of one.
    runs: inferences in a window in place of the runner's own number.  Errors: UsageError, InputError, LinkError.
    """
    if mode not in ("performance", "accuracy"):
        raise UsageError(f"there is no MLPerf mode '{mode}'", "--mlperf performance or --mlperf accuracy")
    package = load_package(folder)
    target = load_target(package.target)
    url = find_port(target) if url == AUTO else url
    emulated = is_emulated(target, _counter(url, target.serial.baud), url)
    with RunnerLine(url, target.serial.baud) as line:
        time.sleep(SETTLE)
        name, model, profile = identify(line)
        if model not in PERFORMANCE:
            raise LinkError(
                f"the device runs '{model}', which is no benchmark of MLPerf Tiny",
                f"benchmarks are {', '.join(PERFORMANCE)}; name the model ic, kws, vww or ad: edgec compile --name",
            )
        if mode == "performance":
            found = _performance(line, list(_payloads(package, samples, LOOPS)), *_counts(model, runs))
        else:
            found = _accuracy(line, package, samples, truth)
    notes = found.pop("notes")
    if emulated:
        notes = ["times are an emulator's: no result of a board", *notes]
    return {
        "mode": mode, "model": package.model_file, "device": name, "profile": model, "suite": profile, "port": url,
        "emulated": emulated, **found, "notes": notes,
    }  # fmt: skip


def _counter(url: str, baud: int) -> str:
    """What counts time on the device; asked before the runner's own sequence, which has no such command."""
    with Link(url, baud) as link:
        link.synchronise()
        known = info(link)
    return known.counter if known is not None else "dwt"


def _counts(model: str, runs: int | None) -> tuple[int, int]:
    inferences, warmups = PERFORMANCE[model]
    return runs or inferences, warmups


def _payloads(package: Package, samples: Mapping[str, Array] | None, count: int) -> Iterator[bytes]:
    """The wire bytes of `count` samples, those there are over and over; without samples zeros."""
    if samples is None:
        from edgec.toolchain.glue import wire_format

        yield from [bytes(wire_format(package)[2])] * count
        return
    there = min(len(array) for array in samples.values())
    for index in range(count):
        yield wire_bytes(package, samples, index % there)


def _performance(line: RunnerLine, payloads: list[bytes], runs: int, warmups: int) -> dict[str, Any]:
    begin = time.monotonic()
    windows = []
    for payload in payloads:
        load(line, payload)
        windows.append(infer(line, runs, warmups))
    spent = time.monotonic() - begin
    rates = [runs / window.seconds if window.seconds > 0 else 0.0 for window in windows]
    median = statistics.median(rates)
    notes = []
    if spent < LEAST_SECONDS:
        notes.append(
            f"ERROR 2: the runner accepts no performance loop below {LEAST_SECONDS:.0f} s (this took {spent:.1f} s); "
            f"more inferences: --runs {int(runs * LEAST_SECONDS / max(spent, 0.1)) + 1}"
        )
    return {
        "samples": len(payloads), "runs": runs, "warmups": warmups, "windows": rates, "median_throughput": median,
        "results": [window.results for window in windows],
        "lines": [_stamped(RULE), _stamped(f"Median throughput is {median:>10.3f} inf./sec."), _stamped(RULE)],
        "notes": notes,
    }  # fmt: skip


def _accuracy(
    line: RunnerLine, package: Package, samples: Mapping[str, Array] | None, truth: Mapping[str, Array]
) -> dict[str, Any]:
    if samples is None or "labels" not in truth:
        raise UsageError(
            "accuracy needs samples and their classes",
            "--inputs DATA.npz with the model's inputs and an array `labels`",
        )
    labels = np.asarray(truth["labels"]).reshape(-1)
    count = min(len(array) for array in samples.values())
    files = np.asarray(truth.get("files", np.arange(count))).reshape(-1)
    if len(labels) != count or len(files) != count:
        raise InputError(f"{count} samples, {len(labels)} labels, {len(files)} files", "one of each for every sample")
    results = []
    for payload in _payloads(package, samples, count):
        load(line, payload)
        made = infer(line, 1, 0).results
        if made is None:
            raise LinkError("the runner finds no results in the reply to infer", "edgec build, edgec flash")
        results.append(made)
    scores, classes = by_file(np.array(results), labels, files)
    top, area = accuracy(scores, classes), area_under_curve(scores, classes)
    shown = "nan" if area is None else f"{area:.3f}"
    return {
        "samples": count, "files": len(classes), "results": results, "accuracy": top, "auc": area,
        "lines": [_stamped(f"Top 1% = {top:2.1f}"), _stamped(f"AUC = {shown}")],
        "notes": [] if area is not None else ["AUC needs samples of every class"],
    }  # fmt: skip


def _stamped(text: str) -> str:
    return f"{datetime.now():%m%d.%H%M%S} ulp-mlperf: {text}"
