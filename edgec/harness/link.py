"""A serial line to a device: anything pyserial opens (a device name, socket://, loop://, rfc2217://).

The only file that imports pyserial.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from edgec.errors import LinkError
from edgec.harness.protocol import Decoder, Reply, command

__all__ = ["Link", "UsbPort", "open_port", "serial_ports"]

TIMEOUT = 10.0  # seconds without a sign of life
NOISE_MAX = 65536  # bytes that are no protocol, in one wait
ALIVE = (b"\r\n", b"\r", b"\n")
ALIVE_EVERY = 0.5  # seconds between empty lines that count as signs of life: the firmware's come every two


@dataclass(frozen=True)
class UsbPort:
    """A serial port of this computer that is a USB device.  `usb`: vendor and product id, `0483:374b`."""

    device: str
    usb: str
    description: str


def serial_ports(usb: Iterable[str] | None = None) -> list[UsbPort]:
    """The USB serial ports that are plugged in, all or those with one of the ids `usb`."""
    from serial.tools import list_ports

    there = (port for port in list_ports.comports() if port.vid is not None)
    ports = [UsbPort(port.device, f"{port.vid:04x}:{port.pid:04x}", port.description or "") for port in there]
    return ports if usb is None else [port for port in ports if port.usb in usb]


def open_port(url: str, baud: int = 115200, timeout: float = 0.05, write_timeout: float = 10.0) -> Any:
    """An open pyserial port.  Raises LinkError."""
    import serial

    try:
        port = serial.serial_for_url(url, baudrate=baud, timeout=timeout, write_timeout=write_timeout)
    except (serial.SerialException, ValueError, OSError) as error:
        raise LinkError(
            f"cannot open '{url}': {error}", hint="name a serial device (/dev/ttyACM0) or socket://host:port"
        ) from error
    raw = getattr(port, "_socket", None)
    if isinstance(raw, socket.socket) and raw.family in (socket.AF_INET, socket.AF_INET6):
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # Nagle costs 45 ms a command
    return port


class Link:
    """Opens `url` and exchanges commands and replies.  Use as a context manager.

    `timeout`: seconds without a sign of life before LinkError (TIMEOUT unless given); a long inference sends nothing
    meanwhile, so `ask` takes its own.  Signs of life are lines of the protocol and, now and then, an empty line; whatever
    else comes is noise.
    """

    def __init__(self, url: str, baud: int = 115200, timeout: float | None = None) -> None:
        import serial

        self.timeout = TIMEOUT if timeout is None else timeout
        self._port = open_port(url, baud, write_timeout=self.timeout)
        self._failures = (serial.SerialException, OSError)
        self._decoder = Decoder()
        self._replies: deque[Reply] = deque()

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
        deadline = time.monotonic() + self.timeout
        asked = 0
        while True:
            asked += 1
            self.send(command("name"))
            try:
                name = self._until("m-name-dut-", min(2.0, self.timeout)).value("m-name-dut-")
                break
            except LinkError:
                if time.monotonic() > deadline:
                    raise
        if asked > 1:  # a slow device still has answers to the earlier ones under way: mark where they end
            self.send(command(f"mark-{asked}"))
            self._until(f"e-[Unknown command: mark-{asked}", self.timeout)
        return name

    def _until(self, prefix: str, timeout: float) -> Reply:
        """Receives until a reply has a line that starts with `prefix`."""
        deadline = time.monotonic() + timeout
        while True:
            reply = self.receive(timeout)
            if reply.values(prefix):
                return reply
            if time.monotonic() > deadline:
                raise LinkError(
                    f"the device answers, but not with '{prefix}' (last: '{' / '.join(reply.lines[-3:])[:80]}')",
                    hint="it may restart over and over (power, watchdog), or run other firmware: edgec build, edgec flash",
                )

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
        limit = self.timeout if timeout is None else timeout
        deadline = (lived := time.monotonic()) + limit
        noise, lines = self._decoder.other_bytes, self._decoder.protocol_lines
        while not self._replies:
            try:
                data = self._port.read(max(1, self._port.in_waiting))
            except self._failures as error:
                raise LinkError(f"reading from the device failed: {error}", hint="is it still connected?") from error
            self._replies.extend(self._decoder.feed(data))
            now = time.monotonic()
            if self._decoder.protocol_lines > lines or (data in ALIVE and now - lived > ALIVE_EVERY):
                deadline, lived, lines = now + limit, now, self._decoder.protocol_lines
            elif now > deadline or self._decoder.unanswered > noise + NOISE_MAX:
                self._give_up(limit, self._decoder.unanswered - noise)
        return self._replies.popleft()

    def _give_up(self, limit: float, noise: int) -> None:
        seen = f"'{self._decoder.pending[-80:]}'"
        if noise > 0:
            raise LinkError(
                f"what comes from the device is no answer: {noise} bytes like {seen}",
                hint="check the baud rate (115200 8N1), that it is the right port, and that edgec firmware is running",
            )
        raise LinkError(
            f"the device did not answer within {limit:g} s (so far: {seen})",
            hint="check port, baud rate (115200 8N1) and that the firmware is running; press its reset button",
        )

    @staticmethod
    def _checked(reply: Reply, line: bytes, check: bool) -> Reply:
        if "m-init-done" in reply.lines:
            shown = line[:40].decode("ascii", errors="replace")
            raise LinkError(
                f"the device restarted while it worked on '{shown}'",
                hint="check its power supply; a watchdog or an exhausted stack resets it too",
            )
        if check and reply.error is not None:
            shown = line[:40].decode("ascii", errors="replace")
            raise LinkError(f"the device refused '{shown}': {reply.error}", hint="is this firmware for this model?")
        return reply
