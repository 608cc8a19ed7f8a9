"""A serial line to a device: anything pyserial opens (a device name, socket://, loop://, rfc2217://).

The only file that imports pyserial.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Iterable
from types import TracebackType

from edgec.errors import LinkError
from edgec.harness.protocol import Decoder, Reply, command

__all__ = ["Link"]


class Link:
    """Opens `url` and exchanges commands and replies.  Use as a context manager.

    `timeout`: seconds without a single received byte before LinkError; a long inference sends nothing meanwhile, so
    `ask` takes its own.
    """

    def __init__(self, url: str, baud: int = 115200, timeout: float = 10.0) -> None:
        import serial

        try:
            self._port = serial.serial_for_url(url, baudrate=baud, timeout=0.05, write_timeout=timeout)
        except (serial.SerialException, ValueError, OSError) as error:
            raise LinkError(
                f"cannot open '{url}': {error}", hint="name a serial device (/dev/ttyACM0) or socket://host:port"
            ) from error
        self._failures = (serial.SerialException, OSError)
        self._decoder = Decoder()
        self._replies: deque[Reply] = deque()
        self._timeout = timeout
        raw = getattr(self._port, "_socket", None)
        if isinstance(raw, socket.socket) and raw.family in (socket.AF_INET, socket.AF_INET6):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # Nagle costs 45 ms a command

    def __enter__(self) -> Link:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the line."""
        self._port.close()

    def synchronise(self) -> str:
        """Asks for the device's name until it answers, dropping boot lines and leftovers.  Returns the name."""
        deadline = time.monotonic() + self._timeout
        asked = 0
        while True:
            asked += 1
            self.send(command("name"))
            try:
                name = self._until("m-name-dut-", min(2.0, self._timeout)).value("m-name-dut-")
                break
            except LinkError:
                if time.monotonic() > deadline:
                    raise
        if asked > 1:  # a slow device still has answers to the earlier ones under way: mark where they end
            self.send(command(f"mark-{asked}"))
            self._until(f"e-[Unknown command: mark-{asked}", self._timeout)
        return name

    def _until(self, prefix: str, timeout: float) -> Reply:
        """Receives until a reply has a line that starts with `prefix`."""
        while True:
            reply = self.receive(timeout)
            if reply.values(prefix):
                return reply

    def ask(self, line: bytes, timeout: float | None = None, check: bool = True) -> Reply:
        """Sends one command, returns its reply.  With `check`, an error line of the device raises LinkError."""
        self.send(line)
        return self._checked(self.receive(timeout), line, check)

    def ask_all(self, lines: Iterable[bytes], window: int = 1) -> list[Reply]:
        """Sends commands with up to `window` unanswered.  More than 1 only with flow control (an emulator)."""
        replies: list[Reply] = []
        waiting: deque[bytes] = deque()
        for line in lines:
            if len(waiting) == window:
                replies.append(self._checked(self.receive(), waiting.popleft(), True))
            self.send(line)
            waiting.append(line)
        replies += [self._checked(self.receive(), line, True) for line in waiting]
        return replies

    def send(self, data: bytes) -> None:
        """Writes raw bytes."""
        try:
            self._port.write(data)
        except self._failures as error:
            raise LinkError(f"writing to the device failed: {error}", hint="is it still connected?") from error

    def receive(self, timeout: float | None = None) -> Reply:
        """Waits for the next reply."""
        limit = self._timeout if timeout is None else timeout
        deadline = time.monotonic() + limit
        while not self._replies:
            try:
                data = self._port.read(max(1, self._port.in_waiting))
            except self._failures as error:
                raise LinkError(f"reading from the device failed: {error}", hint="is it still connected?") from error
            if data:
                deadline = time.monotonic() + limit
                self._replies.extend(self._decoder.feed(data))
            elif time.monotonic() > deadline:
                raise LinkError(
                    f"the device did not answer within {limit:g} s (so far: '{self._decoder.pending[-80:]}')",
                    hint="check port, baud rate (115200 8N1) and that the firmware is running; press its reset button",
                )
        return self._replies.popleft()

    @staticmethod
    def _checked(reply: Reply, line: bytes, check: bool) -> Reply:
        if check and reply.error is not None:
            shown = line[:40].decode("ascii", errors="replace")
            raise LinkError(f"the device refused '{shown}': {reply.error}", hint="is this firmware for this model?")
        return reply
