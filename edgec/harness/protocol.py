"""The MLPerf Tiny / EEMBC serial protocol as pure bytes: what to send, and what came back.  No input or output here.

Commands are ASCII and end with `%`; a reply is a run of `\\r\\n` lines whose last is `m-ready`.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgec.errors import LinkError

__all__ = ["CHUNK", "COMMAND_MAX", "Decoder", "Reply", "command", "dump_rows", "load_commands"]

#: Characters in a command, `%` not counted.
COMMAND_MAX = 80
#: Bytes the official runner sends in one `db` command.
CHUNK = 31


@dataclass(frozen=True)
class Reply:
    """The lines of one answer, without the final m-ready."""

    lines: tuple[str, ...]

    @property
    def error(self) -> str | None:
        """The first line the device marked as an error, or None."""
        return next((line for line in self.lines if line.startswith("e-")), None)

    def values(self, prefix: str) -> list[str]:
        """What follows `prefix` on every line that starts with it, without enclosing brackets."""
        found = [line[len(prefix) :] for line in self.lines if line.startswith(prefix)]
        return [text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text for text in found]

    def value(self, prefix: str) -> str:
        """The first of `values`.  Raises LinkError when the reply has none."""
        found = self.values(prefix)
        if not found:
            shown = self.error or " / ".join(self.lines[:3]) or "nothing"
            raise LinkError(
                f"expected '{prefix}...' from the device, got: {shown}", hint="is this edgec firmware for this model?"
            )
        return found[0]

    def numbers(self, prefix: str) -> list[int]:
        """`values` as integers.  Raises LinkError for anything else."""
        try:
            return [int(text) for text in self.values(prefix)]
        except ValueError as error:
            raise LinkError(f"the device sent a damaged number: {error}", hint="check baud rate and wiring") from error


class Decoder:
    """Collects bytes into replies; bytes before the first complete line and blank lines are tolerated.

    `protocol_lines`: lines so far that mean something (`m-...`, `e-...`); `other_bytes`: bytes of all others.
    """

    def __init__(self) -> None:
        self._partial = b""
        self._lines: list[str] = []
        self.protocol_lines = 0
        self.other_bytes = 0

    def feed(self, data: bytes) -> list[Reply]:
        """Takes received bytes, returns the replies they complete."""
        *whole, self._partial = (self._partial + data).split(b"\n")
        replies: list[Reply] = []
        for raw in whole:
            line = raw.decode("ascii", errors="replace").strip("\r\x00")
            if line.startswith(("m-", "e-")):
                self.protocol_lines += 1
            else:
                self.other_bytes += len(raw) + 1
            if line == "m-ready":
                replies.append(Reply(tuple(self._lines)))
                self._lines = []
            elif line:
                self._lines.append(line)
        return replies

    @property
    def unanswered(self) -> int:
        """Bytes so far that are no protocol, those of an unfinished line included."""
        return self.other_bytes + len(self._partial)

    @property
    def pending(self) -> str:
        """What has come since the last complete reply, for error messages."""
        return " / ".join([*self._lines[-3:], self._partial.decode("ascii", errors="replace")])


def command(*words: object) -> bytes:
    """One command.  Raises LinkError when it is longer than a device must accept."""
    line = " ".join(str(word) for word in words)
    if len(line) > COMMAND_MAX or "%" in line:
        raise LinkError(f"'{line[:20]}...' is not a command of at most {COMMAND_MAX} characters", hint="split it")
    return line.encode("ascii") + b"%"


def load_commands(data: bytes, chunk: int = CHUNK) -> list[bytes]:
    """The commands that load `data` into the device's input buffer."""
    pieces = [data[at : at + chunk] for at in range(0, len(data), chunk)]
    return [command("db", "load", len(data)), *(command("db", piece.hex()) for piece in pieces)]


def dump_rows(reply: Reply) -> list[tuple[int, int, int, bytes]]:
    """(step, row, offset within the group of rows, bytes) of every m-dump line, in the order the device sent them."""
    rows = []
    for text in reply.values("m-dump-"):
        step, row, offset, digits = text.split("-")
        rows.append((int(step), int(row), int(offset), bytes.fromhex(digits)))
    return rows
