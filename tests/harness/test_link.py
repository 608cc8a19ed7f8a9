"""The line itself: what is said when nobody answers, and replies across pyserial."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edgec.errors import LinkError
from edgec.harness.link import Link


@contextmanager
def device(answers: dict[bytes, bytes], boot: bytes = b"") -> Iterator[str]:
    """A TCP device that gives fixed answers."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with server, server.accept()[0] as connection:
            connection.sendall(boot)
            pending = b""
            while data := connection.recv(4096):
                *lines, pending = (pending + data).split(b"%")
                for line in lines:
                    connection.sendall(answers.get(line, b"e-[Unknown command: ?]\r\n") + b"m-ready\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"socket://127.0.0.1:{server.getsockname()[1]}"
    thread.join(timeout=5)


def test_synchronise_drops_leftovers() -> None:
    boot = b"garbage\r\nm-init-done\r\nm-ready\r\nhalf a li"
    with device({b"name": b"\r\nm-name-dut-[x]\r\n"}, boot) as url, Link(url) as link:
        assert link.synchronise() == "x"


def test_many_commands_keep_their_order() -> None:
    answers = {str(n).encode(): f"m-n-{n}\r\n".encode() for n in range(100)}
    with device(answers) as url, Link(url) as link:
        replies = link.ask_all([f"{n}%".encode() for n in range(100)], window=16)
        assert [reply.value("m-n-") for reply in replies] == [str(n) for n in range(100)]


def test_an_error_line_is_an_error_unless_asked_for() -> None:
    with device({}) as url, Link(url) as link:
        with pytest.raises(LinkError, match="refused 'x%'"):
            link.ask(b"x%")
        assert link.ask(b"x%", check=False).error == "e-[Unknown command: ?]"


def test_a_silent_device() -> None:
    with Link("loop://", timeout=0.2) as link, pytest.raises(LinkError, match="did not answer") as caught:
        link.receive()
    assert "baud" in caught.value.hint


@pytest.mark.parametrize("url", ["/dev/no-such-device", "socket://127.0.0.1:1", "nonsense://x"])
def test_what_cannot_be_opened(url: str) -> None:
    with pytest.raises(LinkError, match="cannot open") as caught:
        Link(url)
    assert "socket://" in caught.value.hint
