"""A debugger for emulated boards: just enough of GDB's remote serial protocol to stand in for peripherals QEMU does not have.

`stand_in` maps functions of the firmware to Python callables: where the program enters one, the callable gets its first argument
and what it returns becomes the function's result; the function itself never runs.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from edgec.toolchain.sizes import elf_symbols

SP, LR, PC, XPSR = 13, 14, 15, 25
StandIn = Callable[[int], int]


class Debugger:
    def __init__(self, port: int) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
                break
            except OSError:
                assert time.monotonic() < deadline, "the emulator does not listen"
                time.sleep(0.02)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self.ask("qXfer:features:read:target.xml:0,ffff")  # only who has asked for it may write registers

    def close(self) -> None:
        self._socket.close()

    def ask(self, text: str) -> str:
        data = text.encode()
        self._socket.sendall(b"$%s#%02x" % (data, sum(data) & 255))
        return self._reply()

    def _reply(self) -> str:
        while True:
            begin = self._buffer.find(b"$")
            end = self._buffer.find(b"#", begin)
            if begin >= 0 and 0 < end <= len(self._buffer) - 3:
                reply, self._buffer = self._buffer[begin + 1 : end], self._buffer[end + 3 :]
                self._socket.sendall(b"+")
                return reply.decode()
            more = self._socket.recv(65536)
            assert more, "the emulator has gone"
            self._buffer += more

    def register(self, number: int) -> int:
        return struct.unpack("<I", bytes.fromhex(self.ask(f"p{number:x}")))[0]

    def set_register(self, number: int, value: int) -> None:
        assert self.ask(f"P{number:x}={struct.pack('<I', value & 0xFFFFFFFF).hex()}") == "OK"

    def word(self, address: int) -> int:
        return struct.unpack("<I", bytes.fromhex(self.ask(f"m{address:x},4")))[0]

    def run(self, stand_in: Mapping[int, StandIn], until: int = 0, timeout: float = 60.0) -> None:
        """Runs until the address `until`, or until a stand-in raises StopIteration."""
        for address in {*stand_in, until} - {0}:
            assert self.ask(f"Z0,{address:x},2") == "OK"
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            assert self.ask("c")[0] in "ST"
            at = self.register(PC)
            if at == until:
                return
            try:
                self.set_register(0, stand_in[at](self.register(0)))
            except StopIteration:
                return
            self.set_register(PC, self.register(LR) & ~1)
        raise AssertionError(f"still running after {timeout} s, at {self.register(PC):#x}")


@contextlib.contextmanager
def debug(machine: str, elf: Path, vectors: int | None = None) -> Iterator[Debugger]:
    """The image on a stopped machine (its name, and options of the emulator after it).  `vectors`: where its vector table stands, if the machine does not start there by itself."""
    qemu = shutil.which("qemu-system-arm")
    assert qemu is not None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [qemu, "-M", *machine.split(), "-kernel", str(elf), "-S", "-gdb", f"tcp:127.0.0.1:{port}"]
    process = subprocess.Popen([*command, "-display", "none", "-monitor", "none", "-serial", "none"])
    debugger = Debugger(port)
    try:
        if vectors is not None:
            debugger.set_register(SP, debugger.word(vectors))
            debugger.set_register(PC, debugger.word(vectors + 4) & ~1)
            debugger.set_register(XPSR, 1 << 24)  # Thumb
        yield debugger
    finally:
        debugger.close()
        process.kill()
        process.wait()


class Talker:
    """The far end of a serial line whose UART the debugger plays: sends `commands`, one after each m-ready, and collects lines."""

    def __init__(self, elf: Path, commands: list[str]) -> None:
        self.symbols = {symbol.name: symbol.address for symbol in elf_symbols(elf)}
        self._waiting = [f"{command}%" for command in commands]
        self._now = ""
        self._line = ""
        self.lines: list[str] = []

    def stand_in(self, **others: StandIn) -> dict[int, StandIn]:
        """Stand-ins for the serial line, and for the functions named."""
        functions = {"uart_send": self._send, "uart_take": self._take, **others}
        return {self.symbols[name]: function for name, function in functions.items()}

    def _send(self, byte: int) -> int:
        self._line += chr(byte & 255)
        if self._line.endswith("\r\n"):
            self.lines.append(self._line.strip())
            self._line = ""
            if self.lines[-1] == "m-ready":
                self._now = self._waiting.pop(0) if self._waiting else "\0"
        return 0

    def _take(self, _: int) -> int:
        if self._now == "\0":
            raise StopIteration
        byte, self._now = self._now[:1], self._now[1:]
        return ord(byte) if byte else -1
