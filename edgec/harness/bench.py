"""Measuring a board over its serial line: windows of inferences, cycles of the run alone, layers, memory.

one inference, to know how long it takes -> warm-up and `repeats` windows of at least `window` seconds and 10 inferences
-> the median and its spread; then cycles, stack and, in a trace build, layers
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgec.errors import LinkError, UsageError
from edgec.harness import commands
from edgec.harness.link import Link
from edgec.harness.ports import AUTO, find_port, is_emulated
from edgec.harness.wire import wire_bytes
from edgec.target import Target, load_target
from edgec.toolchain.firmware import built_sizes
from edgec.toolchain.package import Package, load_package

__all__ = ["Board", "bench", "connected", "watch"]

LEAST_RUNS = 10
MOST_RUNS = 1_000_000  # what the firmware takes
WARM_UP = 1.0  # seconds
FIRST = 120.0  # seconds the first inference may take: how long it takes is not known yet
RETRY = 1.0  # seconds between attempts to find a lost board again
LAYER_TIME = 2.0  # seconds given to cycles and to layers, each
EMULATED = (
    "these are times of an emulator on this computer, not of a board: nothing here counts processor cycles. "
    "Instructions are exact: edgec bench DIR --emulate"
)


@dataclass
class Board:
    """An open line to a device that runs `package`; `seconds`: what one inference takes, once known."""

    link: Link
    package: Package
    target: Target
    url: str
    name: str
    info: commands.Info
    seconds: float = 0.0

    @property
    def emulated(self) -> bool:
        """Whether its times say nothing about a board."""
        return is_emulated(self.target, self.info.counter, self.url)

    def patience(self, runs: int = 1) -> float:
        """Seconds without a sign of life (firmware gives one every two seconds, between inferences) that are too many."""
        return self.link.timeout + 4.0 * self.seconds * min(runs, 4)

    def window(self, runs: int, warmups: int = 0) -> tuple[float, list[float]]:
        """Seconds of one inference in a window of `runs`, and the printed results."""
        micros, results = commands.infer(self.link, runs, warmups, self.patience(runs) if self.seconds else FIRST)
        return max(1, micros) / 1e6 / runs, results

    def runs_in(self, seconds: float, least: int = 1) -> int:
        """How many inferences take that long."""
        return min(MOST_RUNS, max(least, math.ceil(seconds / self.seconds)))


@contextmanager
def connected(package: Package, url: str) -> Iterator[Board]:
    """Opens the line (`auto`: the board's USB port), selects the model and makes sure that it is this package.

    Raises UsageError when no port is found, LinkError when nobody answers or the device runs something else.
    """
    target = load_target(package.target)
    url = find_port(target) if url == AUTO else url
    with Link(url, target.serial.baud) as link:
        name = link.synchronise()
        info = commands.info(link)
        if info is None:
            raise LinkError(
                f"the device '{name}' runs other firmware than edgec's", hint="edgec build DIR, then edgec flash DIR"
            )
        if info.models > 1:
            commands.select(link, package.name)
            info = commands.info(link) or info
        if info.build_hash == commands.UNKNOWN:
            raise LinkError(
                "the weights in the device's flash are damaged, or do not belong to the code beside them",
                hint="flash both: edgec build DIR, then edgec flash DIR",
            )
        if info.build_hash != package.build_hash():
            raise LinkError(
                f"the device runs another build: {info.model} {info.build_hash}, {package.path} is {package.name} "
                f"{package.build_hash()}",
                hint="flash this one: edgec build DIR, then edgec flash DIR",
            )
        commands.select(link, package.name)  # a fresh start, whatever was loaded or run before
        yield Board(link, package, target, url, name, info)


def bench(
    folder: Path | str,
    url: str = AUTO,
    runs: int | None = None,
    samples: Mapping[str, Any] | None = None,
    repeats: int = 5,
    window: float = 10.0,
) -> dict[str, Any]:
    """The document of `edgec bench DIR --port URL --json`.

    The median of `repeats` windows of `runs` inferences; without `runs` of as many as take `window` seconds, 10 at least.
    Without `samples` the firmware's own pattern is the input.  Layers are timed where the firmware is a trace build.  An
    emulated board has `emulator_microseconds` in place of `microseconds` and `inferences_per_second`.
    """
    package = load_package(folder)
    with connected(package, url) as board:
        if samples is not None:
            commands.load_input(board.link, wire_bytes(package, samples), checked=True)
        board.seconds, _ = board.window(1)
        warmups = min(10, board.runs_in(WARM_UP))
        board.seconds, _ = board.window(warmups)
        count = runs or board.runs_in(window, LEAST_RUNS)
        windows = [board.window(count, 1) for _ in range(repeats)]
        results = windows[-1][1]
        return {
            **_identity(board),
            "runs": count,
            "warmups": warmups,
            **_times(board, [1e6 * seconds for seconds, _ in windows]),
            "results": results,
            "output_crc32": commands.crc32(board.link),
            **_memory(board),
            **_spans(board),
        }


def watch(
    folder: Path | str, url: str = AUTO, samples: Mapping[str, Any] | None = None, window: float = 1.0
) -> Iterator[dict[str, Any]]:
    """The same for a live view: after each window of `window` seconds a document of all windows so far.

    A board that is lost on the way (unplugged, restarted) is asked again every second; its last document then says so in `note`.
    """
    package = load_package(folder)
    micros: list[float] = []
    document: dict[str, Any] | None = None
    while True:
        try:
            with connected(package, url) as board:
                for document in _windows(board, samples, window, micros):
                    yield document
        except (LinkError, UsageError) as error:
            if document is None:
                raise
            yield {**document, "note": f"{error.message}; trying again"}
            time.sleep(RETRY)


def _windows(
    board: Board, samples: Mapping[str, Any] | None, window: float, micros: list[float]
) -> Iterator[dict[str, Any]]:
    """A document after each window, without end; `micros`: what an inference took in every window so far, which grows."""
    if samples is not None:
        commands.load_input(board.link, wire_bytes(board.package, samples), checked=True)
    board.seconds, _ = board.window(1)
    memory = _memory(board)
    while True:
        seconds, results = board.window(board.runs_in(window))
        micros.append(1e6 * seconds)
        yield {**_identity(board), **_times(board, micros), "results": results, **memory, **_spans(board, window / 4)}


def _identity(board: Board) -> dict[str, Any]:
    return {
        "model": board.package.model_file,
        "target": board.target.name,
        "device": board.name,
        "port": board.url,
        "build_hash": board.info.build_hash,
        "clock_hz": board.info.clock_hz,
        "counter": board.info.counter,
        "emulated": board.emulated,
        "macs": board.package.macs,
    }


def _times(board: Board, micros: list[float]) -> dict[str, Any]:
    """Median and spread, (slowest - fastest) / median, of the microseconds of an inference in each window."""
    median = statistics.median(micros)
    spread = {"windows": list(micros), "spread": (max(micros) - min(micros)) / median}
    if board.emulated:
        return {"emulator_microseconds": median, "note": EMULATED, **spread}
    return {"microseconds": median, "inferences_per_second": 1e6 / median, **spread}


def _memory(board: Board) -> dict[str, Any]:
    """The model's RAM and flash from the ELF files beside the package, where they are there, with the stack the device painted."""
    stack = commands.stack(board.link)
    sizes = built_sizes(board.package)
    if sizes is None:
        return {"stack": stack}
    ram = {name: getattr(sizes, name) for name in ("arena", "scratch", "io", "data_bss")} | {"stack": stack or 0}
    data = board.target.region("data").name
    regions = {**sizes.ram_regions, data: sizes.ram_regions[data] + (stack or 0)}
    found = {"stack": stack, "ram": {**ram, "total": sum(ram.values()), "regions": regions}}
    if board.info.trace:  # its calls are in no product
        return found
    flash = {"code": sizes.flash_code, "weights": sizes.flash_weights, "total": sizes.flash_total}
    return {**found, "flash": {**flash, "regions": sizes.flash_regions}}


def _spans(board: Board, seconds: float = LAYER_TIME) -> dict[str, Any]:
    """Cycles of the run alone, and of every layer in a trace build."""
    count = min(10_000, board.runs_in(seconds))
    patience = board.patience(count)
    run = commands.cycles(board.link, count, patience)
    cycles = None if run.unit == "us" else {name: value for name, value in asdict(run).items() if name != "unit"}
    if not board.info.trace:
        return {"cycles": cycles, "layers": None}
    timed = commands.layers(board.link, count, patience)
    package = board.package
    if len(timed.ticks) != len(package.steps):
        raise LinkError(
            f"the device has {len(timed.ticks)} steps, {package.name} has {len(package.steps)}",
            hint="flash this build: edgec build DIR --trace, then edgec flash DIR",
        )
    layers = [
        {"name": step.name, "op": step.op, "macs": step.macs, **_span(board, timed.unit, ticks)}
        for step, ticks in zip(package.steps, timed.ticks, strict=True)
    ]
    return {"cycles": cycles, "layers": layers, "overhead": _span(board, timed.unit, timed.total - sum(timed.ticks))}


def _span(board: Board, unit: str, ticks: int) -> dict[str, Any]:
    """Ticks as cycles and microseconds; those of an emulator under a name of their own."""
    if unit == "us":
        return {"emulator_microseconds" if board.emulated else "microseconds": ticks}
    return {"cycles": ticks, "microseconds": round(1e6 * ticks / max(1, board.info.clock_hz), 1)}
