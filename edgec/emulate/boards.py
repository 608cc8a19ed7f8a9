"""Starting and stopping QEMU for a board, its serial line on a local TCP port."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edgec.errors import BuildError, LinkError, ToolMissingError, UsageError
from edgec.target import Target, load_target

__all__ = ["Board", "emulated_target", "run_batch", "start_board"]

QEMU = "qemu-system-arm"


def emulated_target(target: Target) -> Target:
    """`target` itself where QEMU has its machine, else the target of its CPU.  UsageError for the host."""
    if target.qemu is not None:
        return target
    stand_in = load_target(target.cpu) if target.cpu != target.name else target
    if stand_in.qemu is None:
        raise UsageError(f"'{target.name}' cannot be emulated", hint="compile for a Cortex-M CPU or board")
    return stand_in


@dataclass(frozen=True)
class Board:
    """A running emulated board; `url` is what Link opens."""

    url: str
    process: subprocess.Popen[bytes]

    def alive(self) -> bool:
        """Whether the emulator still runs."""
        return self.process.poll() is None


@contextlib.contextmanager
def start_board(target: Target, elf: Path, extra: Sequence[str] = ()) -> Iterator[Board]:
    """Runs `elf` on the target's machine until the context ends; the processor waits for the first connection.

    Raises ToolMissingError without QEMU, LinkError with its message when it does not start.
    """
    for attempt in range(5):
        port = _free_port()
        with tempfile.TemporaryFile() as log:
            serial = f"socket,id=uart,host=127.0.0.1,port={port},server=on,wait=on,nodelay=on"
            command = [*_machine(target, elf), "-chardev", serial, "-serial", "chardev:uart", *extra]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                if _listening(process, log):
                    yield Board(f"socket://127.0.0.1:{port}", process)
                    return
            finally:
                _stop(process)
            log.seek(0)
            message = log.read().decode(errors="replace").strip()
            # Between choosing the port and QEMU taking it, somebody else may have: try another.
            if "Address already in use" not in message or attempt == 4:
                raise LinkError(
                    f"{QEMU} did not start: {message[-300:]}", hint=f"is {QEMU} 7.2 or newer? see `edgec doctor`"
                )


def run_batch(target: Target, elf: Path, folder: Path, timeout: float) -> None:
    """Runs batch firmware to its end; it reads and writes files in `folder` through semihosting."""
    command = [*_machine(target, elf), "-serial", "none", "-semihosting-config", "enable=on,target=native"]
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(
            f"the emulated firmware did not finish in {timeout:.0f} s", hint="give it fewer samples"
        ) from error
    if done.returncode != 0:
        message = done.stderr.decode(errors="replace").strip()[-300:]
        raise BuildError(
            f"the emulated firmware failed (exit {done.returncode}) {message}",
            hint="a fault, or the guard words around the arena were overwritten; try `edgec bench --emulate`",
        )


def _machine(target: Target, elf: Path) -> list[str]:
    found = shutil.which(QEMU)
    if found is None:
        raise ToolMissingError(f"{QEMU} is not installed", hint="apt-get install qemu-system-arm")
    if target.qemu is None:
        raise UsageError(f"'{target.name}' cannot be emulated", hint="see `edgec targets`")
    return [found, "-M", target.qemu, "-kernel", str(elf), "-display", "none", "-monitor", "none", "-nodefaults"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listening(process: subprocess.Popen[bytes], log: IO[bytes], timeout: float = 15.0) -> bool:
    """Waits until QEMU says that it waits; connecting to find out would use up the one connection it takes."""
    deadline = time.monotonic() + timeout
    while process.poll() is None and time.monotonic() < deadline:
        log.seek(0)
        if b"waiting for connection" in log.read():
            return True
        time.sleep(0.01)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
