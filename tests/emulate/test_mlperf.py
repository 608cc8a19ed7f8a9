"""The MLPerf Tiny runner's sequence against real firmware on QEMU: ic, kws, vww and ad, performance and accuracy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgec.compiler import compile_model
from edgec.emulate.boards import start_board
from edgec.emulate.run import run_inputs
from edgec.errors import InputError, LinkError, UsageError
from edgec.harness import mlperf
from edgec.harness.line import RunnerLine
from edgec.harness.scores import accuracy, area_under_curve, by_file
from edgec.options import CompileOptions
from edgec.target import load_target
from edgec.toolchain.firmware import build_firmware
from tests.harness import fake_package

TARGET = "mps2-an386"
PROFILES = {"ic": "ic01", "kws": "kws01", "vww": "vww01", "ad": "ad01"}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may hold up the emulator for longer than the runner waits for a board."""
    monkeypatch.setattr("edgec.harness.line.LINE_TIMEOUT", 60.0)


@contextmanager
def running(folder: Path) -> Iterator[str]:
    target = load_target(TARGET)
    with start_board(target, build_firmware([folder], target, folder / "build").elf) as board:
        yield board.url


@pytest.fixture(scope="module", params=PROFILES)
def benchmark(
    request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path, Any]:
    """(name, package, samples of ../shared) of a benchmark."""
    name = str(request.param)
    folder = tmp_path_factory.mktemp("mlperf") / name
    made = compile_model(shared / "models" / f"{name}_int8_qdq.onnx", CompileOptions(target=TARGET, name=name), folder)
    entry = made.manifest["inputs"][0]
    with np.load(shared / "models" / f"{name}.npz") as arrays:
        inputs = arrays["input_int8"]
    return name, folder, {entry["name"]: inputs.reshape(len(inputs), *entry["shape"])}


def expected(name: str, folder: Path, samples: Any, count: int) -> list[list[float]]:
    """What the device should print: the outputs as reals, for ad the mean squared error."""
    ((key, inputs),) = samples.items()
    made = np.frombuffer(run_inputs(folder, load_target(TARGET), {key: inputs[:count]}), np.int8).reshape(count, -1)
    ends = {end: mlperf.load_package(folder).manifest[end][0] for end in ("inputs", "outputs")}
    real = {end: (entry["scale"] or 1.0, entry["zero_point"] or 0) for end, entry in ends.items()}
    found = (made.astype(np.float64) - real["outputs"][1]) * real["outputs"][0]
    if name != "ad":
        return [list(row) for row in found]
    given = (inputs[:count].reshape(count, -1).astype(np.float64) - real["inputs"][1]) * real["inputs"][0]
    return [[float(error)] for error in ((found - given) ** 2).mean(axis=1)]


def check(name: str, folder: Path, samples: Any, count: int, modes: str, runs: int | None = None) -> None:
    """Every printed result is the model's to half a thousandth, and the closing lines are the runner's."""
    ((key, inputs),) = samples.items()
    want = np.array(expected(name, folder, samples, count))
    labels = want.argmax(axis=1) if want.shape[1] > 1 else (want[:, 0] > np.median(want)).astype(int)
    with running(folder) as url:
        if "accuracy" in modes:
            document = mlperf.run(folder, url, "accuracy", {key: inputs[:count]}, {"labels": labels})
            assert (document["profile"], document["device"], document["samples"]) == (PROFILES[name], "edgec", count)
            assert np.abs(np.array(document["results"]) - want).max() < 0.0011
            assert document["lines"][0].endswith(f"ulp-mlperf: Top 1% = {document['accuracy']:2.1f}")
            assert document["accuracy"] == 100.0 or name == "ad"
        if "performance" in modes:
            document = mlperf.run(folder, url, "performance", {key: inputs[:1]}, {}, runs)
            median = f"Median throughput is {document['median_throughput']:>10.3f} inf./sec."
            assert len(document["windows"]) == 5 and document["emulated"]
            assert all(np.abs(np.array(made) - want[0]).max() < 0.0011 for made in document["results"])
            assert document["lines"][1].endswith(f"ulp-mlperf: {median}")


def test_both_modes(benchmark: tuple[str, Path, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading 27 KB takes seconds on the emulated line: of vww one sample, once (the rest with the slow tests)."""
    monkeypatch.setattr(mlperf, "SETTLE", 0.0)
    name, folder, samples = benchmark
    check(
        name,
        folder,
        samples,
        1 if name == "vww" else 3,
        "accuracy" if name == "vww" else "accuracy performance",
        runs=5,
    )


@pytest.mark.slow
def test_both_modes_at_full_length(benchmark: tuple[str, Path, Any]) -> None:
    """The runner's own numbers of inferences and pauses, and all samples there are."""
    name, folder, samples = benchmark
    check(name, folder, samples, len(next(iter(samples.values()))), "accuracy performance")


def test_the_runner_would_stop(kws: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends a session: no benchmark, no classes."""
    monkeypatch.setattr(mlperf, "SETTLE", 0.0)
    samples = {"in": np.zeros((2, 1, 49, 10), np.int8)}
    with running(kws) as url:
        for truth, error in (({}, UsageError), ({"labels": np.zeros(3)}, InputError)):
            with pytest.raises(error):
                mlperf.run(kws, url, "accuracy", samples, truth)
        with pytest.raises(UsageError, match="no MLPerf mode"):
            mlperf.run(kws, url, "energy", samples, {})
    other = fake_package.write(tmp_path / "other", name="other")
    with running(other) as url, pytest.raises(LinkError, match="no benchmark of MLPerf Tiny"):
        mlperf.run(other, url, "performance", None, {})


def test_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgec.harness.line.LINE_TIMEOUT", 0.3)
    with RunnerLine("loop://") as line, pytest.raises(LinkError, match="no line for 0.3 s in the reply to 'name'"):
        line.send_command("name")


def test_scores_are_those_of_scikit_learn() -> None:
    """Areas computed by hand from the definition: pairs in the right order, ties by half."""
    scores = np.array([[0.1], [0.4], [0.35], [0.8]])
    assert area_under_curve(scores, np.array([0, 0, 1, 1])) == 0.75
    assert area_under_curve(np.array([[0.5], [0.5]]), np.array([0, 1])) == 0.5
    assert area_under_curve(scores, np.zeros(4)) is None
    three = np.array([[0.8, 0.1, 0.1], [0.2, 0.6, 0.2], [0.3, 0.4, 0.3], [0.1, 0.2, 0.7]])
    assert area_under_curve(three, np.array([0, 1, 2, 2])) == 1.0
    assert accuracy(three, np.array([0, 1, 2, 2])) == 75.0
    merged, classes = by_file(np.array([[1.0, 3.0], [3.0, 1.0], [0.0, 2.0]]), np.array([1, 1, 0]), np.array([7, 7, 4]))
    assert merged.tolist() == [[0.0, 1.0], [0.5, 0.5]] and classes.tolist() == [0, 1]
    assert accuracy(np.array([[1.0], [2.0], [3.0]]), np.array([0, 0, 1])) == pytest.approx(100.0)
