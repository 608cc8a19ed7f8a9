"""The firmware built for this machine, behind a TCP port: a board that can be made to misbehave."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgec.toolchain.host import build_harness

#: What a board does to the bytes on their way; returns what goes on.  `sent`: to the device (True) or from it.
Fault = Callable[[bytes, bool], bytes]


class Unplugged(Exception):
    """Raised by a Fault: the connection ends."""


class Restarts(Exception):
    """Raised by a Fault: the firmware starts anew."""


def firmware_with_cycles(folders: list[Path], out: Path, root: Path, trace: bool = False) -> Path:
    """The harness of this machine whose port claims to count cycles, at 1 GHz, as a board does."""
    out.mkdir(parents=True, exist_ok=True)
    port = (root / "firmware/port/posix/port.c").read_text(encoding="utf-8")
    claim = "bool port_cycles_exact(void) { return true; }"
    (out / "port.c").write_text(port.replace("bool port_cycles_exact(void) { return false; }", claim), encoding="utf-8")
    assert claim in (out / "port.c").read_text(encoding="utf-8")
    return build_harness(folders, out, trace=trace, board=[root / "firmware/harness/main.c", out / "port.c"])


@contextmanager
def served(program: Path, fault: Fault = lambda data, _: data) -> Iterator[str]:
    """The URL of a device that runs `program`, a new process for every connection."""
    server = socket.create_server(("127.0.0.1", 0))
    stopped = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            while not stopped.is_set():
                connection = server.accept()[0]
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with connection, suppress(OSError):
                    _converse(connection, program, fault, stopped)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"socket://127.0.0.1:{server.getsockname()[1]}"
    finally:
        stopped.set()
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(timeout=10)


def _converse(connection: socket.socket, program: Path, fault: Fault, stopped: threading.Event) -> None:
    with suppress(Unplugged):
        while not stopped.is_set():
            with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
                try:
                    _shovel(connection, process, fault, stopped)
                    return
                except Restarts:
                    continue
                finally:
                    process.kill()


def _shovel(
    connection: socket.socket, process: subprocess.Popen[bytes], fault: Fault, stopped: threading.Event
) -> None:
    """Bytes both ways until the host hangs up or a fault ends it."""
    assert process.stdin is not None and process.stdout is not None
    source = process.stdout.fileno()
    while not stopped.is_set():
        ready, _, _ = select.select([connection, source], [], [], 0.02)
        if connection in ready:
            data = connection.recv(4096)
            if not data:
                raise Unplugged
            process.stdin.write(fault(data, True))
        if source in ready:
            connection.sendall(fault(os.read(source, 4096), False))
        if not ready:
            connection.sendall(fault(b"", False))
        time.sleep(0)
