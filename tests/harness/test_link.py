"""The line itself: what is said when nobody answers, and replies across pyserial."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from edgec.errors import LinkError
from edgec.harness.link import Link
from edgec.harness.protocol import Reply


@contextmanager
def device(answers: dict[bytes, bytes], boot: bytes = b"", delay: float = 0.0) -> Iterator[str]:
    """A TCP device that gives fixed answers, the first of them after `delay` seconds."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with server, server.accept()[0] as connection:
            time.sleep(delay)
            connection.sendall(boot)
            pending = b""
            while data := connection.recv(4096):
                *lines, pending = (pending + data).split(b"%")
                for line in lines:
                    connection.sendall(answers.get(line, b"e-[Unknown command: " + line + b"]\r\n") + b"m-ready\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"socket://127.0.0.1:{server.getsockname()[1]}"
    thread.join(timeout=5)


def test_synchronise_drops_leftovers() -> None:
    boot = b"garbage\r\nm-init-done\r\nm-ready\r\nhalf a li"
    with device({b"name": b"\r\nm-name-dut-[x]\r\n"}, boot) as url, Link(url) as link:
        assert link.synchronise() == "x"


def test_synchronise_with_a_slow_device_leaves_no_answer_behind() -> None:
    with device({b"name": b"m-name-dut-[x]\r\n", b"n": b"m-n-1\r\n"}, delay=0.5) as url, Link(url) as link:
        link.receive = partial(_impatient, link.receive)  # type: ignore[method-assign]
        assert link.synchronise() == "x"
        assert link.ask(b"n%").value("m-n-") == "1"


def _impatient(receive: Callable[[float | None], Reply], timeout: float | None = None) -> Reply:
    return receive(0.2 if timeout == 2.0 else timeout)


def test_many_commands_keep_their_order() -> None:
    answers = {str(n).encode(): f"m-n-{n}\r\n".encode() for n in range(100)}
    with device(answers) as url, Link(url) as link:
        replies = link.ask_all([f"{n}%".encode() for n in range(100)], window=16)
        assert [reply.value("m-n-") for reply in replies] == [str(n) for n in range(100)]


def test_an_error_line_is_an_error_unless_asked_for() -> None:
    with device({}) as url, Link(url) as link:
        with pytest.raises(LinkError, match="refused 'x%'"):
            link.ask(b"x%")
        assert link.ask(b"x%", check=False).error == "e-[Unknown command: x]"


def test_a_silent_device() -> None:
    with Link("loop://", timeout=0.2) as link, pytest.raises(LinkError, match="did not answer") as caught:
        link.receive()
    assert "baud" in caught.value.hint


@pytest.mark.parametrize("url", ["/dev/no-such-device", "socket://127.0.0.1:1", "nonsense://x"])
def test_what_cannot_be_opened(url: str) -> None:
    with pytest.raises(LinkError, match="cannot open") as caught:
        Link(url)
    assert "socket://" in caught.value.hint
