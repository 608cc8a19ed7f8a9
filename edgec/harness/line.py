"""The serial line as the MLPerf Tiny runner reads it: lines with a limit of five seconds, nothing cleverer than that.

Source of the rules: github.com/mlcommons/tiny, benchmark/runner/serial_device.py (written anew).
"""

from __future__ import annotations

import time
from types import TracebackType

from edgec.errors import LinkError
from edgec.harness.link import open_port

__all__ = ["RunnerLine"]

END = "m-ready"
LINE_TIMEOUT = 5.0  # seconds for a line to come
READ_TIMEOUT = 0.1


class RunnerLine:
    """A port on which commands end with `%`, and replies with the first line that has `m-ready` anywhere in it."""

    def __init__(self, url: str, baud: int = 115200) -> None:
        self._port = open_port(url, baud, timeout=READ_TIMEOUT)
        self._partial = b""
        self._lines: list[str] = []

    def __enter__(self) -> RunnerLine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._port.close()

    def send_command(self, command: str) -> list[str]:
        """The lines of the reply, empty ones left out, the last one included.

        Raises LinkError where the runner would stop: five seconds without a line, a byte that is not UTF-8, a dead port.
        """
        try:
            self._port.write(f"{command}%".encode())
            reply: list[str] = []
            while not reply or END not in reply[-1]:
                line = self._line(command)
                reply += [line] if line else []
        except OSError as error:  # pyserial's errors are OSErrors
            raise LinkError(
                f"the line broke at '{command[:40]}': {error}", hint="is the board still connected?"
            ) from error
        return reply

    def _line(self, command: str) -> str:
        deadline = time.monotonic() + LINE_TIMEOUT
        while not self._lines:
            self._take(self._port.read(max(1, self._port.in_waiting)))
            if not self._lines and time.monotonic() > deadline:
                raise LinkError(
                    f"no line for {LINE_TIMEOUT:g} s in the reply to '{command[:40]}': the runner gives up here",
                    hint="the inference is too slow for the runner, or the device hangs; see docs/mlperf-tiny.md",
                )
        return self._lines.pop(0)

    def _take(self, data: bytes) -> None:
        *whole, self._partial = (self._partial + data).split(b"\n")
        try:
            self._lines += [line.translate(None, b"\r\0").decode() for line in whole]
        except UnicodeDecodeError as error:
            raise LinkError(
                "a byte came that is no text: the runner stops reading here", hint="check the baud rate"
            ) from error
