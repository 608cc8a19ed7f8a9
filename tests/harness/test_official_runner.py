"""The MLPerf Tiny runner's own serial code against firmware on QEMU, where MLPERF_TINY_RUNNER names a checkout of it."""

from __future__ import annotations

import json
import os
import pty
import select
import socket
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from edgec.compiler import compile_model
from edgec.emulate.boards import start_board
from edgec.harness.wire import wire_bytes
from edgec.options import CompileOptions
from edgec.target import load_target
from edgec.toolchain.firmware import build_firmware
from edgec.toolchain.package import load_package

RUNNER = os.environ.get("MLPERF_TINY_RUNNER", "")
pytestmark = pytest.mark.skipif(
    not RUNNER, reason="needs MLPERF_TINY_RUNNER, a checkout of mlcommons/tiny's benchmark/runner"
)
PROFILES = {"kws": "kws01", "ad": "ad01", "ic": "ic01", "vww": "vww01"}


@contextmanager
def terminal(url: str) -> Iterator[str]:
    """A device name behind which the board at `url` is, booted: the runner opens no URLs."""
    host, port = url.removeprefix("socket://").split(":")
    master, slave = pty.openpty()
    tty.setraw(slave)
    with socket.create_connection((host, int(port))) as line:
        boot = b""
        while not boot.endswith(b"m-ready\r\n"):
            boot += line.recv(4096)
        stopped = threading.Event()

        def shovel() -> None:
            with suppress(OSError):
                while not stopped.is_set():
                    ready, _, _ = select.select([line, master], [], [], 0.1)
                    if line in ready:
                        os.write(master, line.recv(4096))
                    if master in ready:
                        line.sendall(os.read(master, 4096))

        thread = threading.Thread(target=shovel, daemon=True)
        thread.start()
        try:
            yield os.ttyname(slave)
        finally:
            stopped.set()
            thread.join()
            os.close(master)
            os.close(slave)


@pytest.mark.parametrize("mode", ["p", "a"])
@pytest.mark.parametrize("name", PROFILES)
def test_the_runners_own_code(shared: Path, tmp_path: Path, name: str, mode: str) -> None:
    folder, target = tmp_path / name, load_target("mps2-an386")
    made = compile_model(
        shared / "models" / f"{name}_int8_qdq.onnx", CompileOptions(target=target.name, name=name), folder
    )
    entry = made.manifest["inputs"][0]
    with np.load(shared / "models" / f"{name}.npz") as arrays:
        inputs, outputs = arrays["input_int8"], arrays["expected_int8"].astype(np.float64)
    count = 5 if mode == "p" else 3
    where = tmp_path / "datasets" / PROFILES[name]
    where.mkdir(parents=True)
    samples = {entry["name"]: inputs.reshape(len(inputs), *entry["shape"])}
    lines = []
    for index in range(count):
        data = wire_bytes(load_package(folder), samples, index)
        (where / f"{index}.bin").write_bytes(data)
        lines.append(f"{index}.bin,2,0" + (f",{len(data)},512" if name == "ad" else ""))
    (where / "y_labels.csv").write_text("\n".join(lines) + "\n")
    image = build_firmware([folder], target, folder / "build")
    driver = Path(__file__).with_name("official_driver.py")
    with start_board(target, image.elf) as board, terminal(board.url) as device:
        words = [RUNNER, device, str(where.parent), mode, str(tmp_path / "out.json")]
        done = subprocess.run(
            [sys.executable, str(driver), *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    found = json.loads((tmp_path / "out.json").read_text())
    assert (found["name"], found["model"]) == ("edgec", PROFILES[name])
    windows = [entry["infer"] for entry in found["results"] if "infer" in entry]
    assert len(windows) == count
    out = made.manifest["outputs"][0]
    for index, window in enumerate(windows):
        assert window["elapsed_time"] > 0 and ("throughput" in window) == (mode == "p")
        if name != "ad":
            real = ((outputs[index].reshape(-1) - out["zero_point"]) * out["scale"]).argmax()
            assert window["results"][real] >= max(window["results"]) - 0.0011  # three decimals: ties
        else:
            assert len(window["results"]) == 1
