"""The tools that flash boards, one entry each: what it is called, how to get it, which USB devices it needs, its command lines.

A board's TOML names the tools that serve it under [flash], each with what it has to know of the board (`Job.argument`):

    pyocd, probe-rs, jlink    the chip, as the tool calls it       openocd              its configuration files and options
    stm32cubeprogrammer       how to connect (`port=SWD mode=UR`)   st-flash             options
    dfu-util, picotool        USB vendor and product id            bossac               those of its boot loaders, spaces between
    uf2                       family id and name of the drive      gdb                  nothing; serves every board
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass

from edgec.errors import UsageError
from edgec.flash.image import Image

__all__ = ["TOOLS", "Command", "Job", "Tool"]

Command = tuple[str, ...]
ST_LINK = (
    "0483:3744",
    "0483:3748",
    "0483:374b",
    "0483:374d",
    "0483:374e",
    "0483:374f",
    "0483:3752",
    "0483:3753",
    "0483:3754",
)
J_LINK = tuple(f"1366:{product}" for product in ("0101", "0105", "1015", "1020", "1051", "1061"))
CMSIS_DAP = ("0d28:0204", "2e8a:000c", "2e8a:0004", "03eb:2111", "03eb:2141", "1fc9:0143", "c251:f001")
PROBES = ST_LINK + J_LINK + CMSIS_DAP
AIRCR_RESET = (
    "set *(unsigned int *)0xE000ED0C = 0x05FA0004"  # Armv7-M Architecture Reference Manual: SYSRESETREQ and its key
)


@dataclass(frozen=True)
class Job:
    """What one tool is to do.  `program`: its executable; `argument`: what the board's TOML says to it; `probe`: which probe,
    port, drive or server to use, None for the only one; `port`: the boot loader's serial port (bossac)."""

    program: str
    argument: str
    image: Image
    probe: str | None = None
    port: str = ""

    def choose(self, option: str) -> Command:
        """`option` with the probe's id (behind a `=` in the same word), or nothing where none is named."""
        if not self.probe:
            return ()
        return (option + self.probe,) if option.endswith("=") else (option, self.probe)


@dataclass(frozen=True)
class Tool:
    """One way to flash.  `programs`: its executables, the first that is installed counts (none: edgec does it itself); `get`: how to
    install it; `usb`: the devices it talks to (`{}`: from the board's argument; none: not over USB); `works`: what it writes when it
    has succeeded, where its exit code does not tell."""

    name: str
    programs: tuple[str, ...]
    get: str
    commands: Callable[[Job], list[Command]]
    usb: tuple[str, ...] = ()
    works: str = ""


def _pyocd(job: Job) -> list[Command]:
    probe = job.choose("--probe")
    return [
        (job.program, "load", "--no-wait", "--target", job.argument, *probe, "--format", "hex", str(job.image.hex()))
    ]


def _openocd(job: Job) -> list[Command]:
    words = shlex.split(job.argument)
    files = [piece for word in words for piece in (("-f", word) if word.endswith(".cfg") else (word,))]
    probe = ("-c", f"adapter serial {job.probe}") if job.probe else ()
    program = f"program {{{job.image.hex()}}} verify reset exit"
    return [(job.program, *files, *probe, "-c", program)]


def _probe_rs(job: Job) -> list[Command]:
    common = ("--non-interactive", "--chip", job.argument, *job.choose("--probe"))
    download = (job.program, "download", *common, "--verify", "--binary-format", "hex", str(job.image.hex()))
    return [download, (job.program, "reset", *common)]


def _stm32cubeprogrammer(job: Job) -> list[Command]:
    connect = ("-c", *job.argument.split(), *job.choose("sn="))
    return [(job.program, *connect, "-w", str(job.image.hex()), "-v", "-rst")]


def _st_flash(job: Job) -> list[Command]:
    common = (job.program, *job.argument.split(), *job.choose("--serial"))
    files = job.image.bins()
    return [
        (*common, *(["--reset"] if n == len(files) - 1 else []), "write", str(path), f"{address:#010x}")
        for n, (address, path) in enumerate(files)
    ]


def _jlink(job: Job) -> list[Command]:
    script = job.image.script("flash.jlink", ["r", "h", f'loadfile "{job.image.hex()}"', "r", "g", "exit"])
    options = ("-device", job.argument, "-if", "SWD", "-speed", "4000", "-autoconnect", "1", "-ExitOnError", "1")
    return [(job.program, *options, "-NoGui", "1", *job.choose("-SelectEmuBySN"), "-CommandFile", str(script))]


def _uf2(job: Job) -> list[Command]:
    return [("copy", str(job.image.uf2(int(job.argument.split()[0], 0))), job.probe or f"<{job.argument.split()[1]}>")]


def _picotool(job: Job) -> list[Command]:
    family = {"2e8a:0003": 0xE48BFF56, "2e8a:000f": 0xE48BFF59}[job.argument]
    return [(job.program, "load", *job.choose("--ser"), "--verify", "--execute", str(job.image.uf2(family)))]


def _dfu_util(job: Job) -> list[Command]:
    """Lowest address last: `leave` starts what was written then.  Weights alone need the reset button."""
    common = (job.program, "-d", job.argument, "-a", "0", *job.choose("-S"))
    pieces = {piece.address: piece.kind for piece in job.image.pieces}
    files = [
        (address, path, pieces[address] == "code" and address == min(pieces)) for address, path in job.image.bins()
    ]
    return [
        (*common, "-s", f"{address:#010x}{':leave' if leave else ''}", "-D", str(path))
        for address, path, leave in reversed(files)
    ]


def _bossac(job: Job) -> list[Command]:
    if not job.image.whole:
        raise UsageError(
            "bossac erases all behind its boot loader, so it cannot flash a part alone",
            hint="leave out --only, or use a probe",
        )
    _, path = job.image.bin()
    return [(job.program, f"--port={job.port or job.probe or '<port>'}", "-U", "-i", "-e", "-w", "-v", str(path), "-R")]


def _gdb(job: Job) -> list[Command]:
    """Any debugger's server.  Two resets: QEMU's monitor knows the first and other servers refuse it, which does no harm; the second is
    the processor's own."""
    file = job.image.elf if job.image.whole else job.image.hex()
    lines = (
        "set confirm off", f"target extended-remote {job.probe or 'localhost:3333'}", f'load "{file}"', "monitor system_reset",
        "set mem inaccessible-by-default off", AIRCR_RESET, "detach",
    )  # fmt: skip
    return [(job.program, "-nx", "-batch", *(word for line in lines for word in ("-ex", line)))]


_TOOLS = (
    Tool("pyocd", ("pyocd",), "pip install pyocd", _pyocd, PROBES),
    Tool("openocd", ("openocd",), "apt-get install openocd", _openocd, PROBES),
    Tool("probe-rs", ("probe-rs",), "https://probe.rs/docs/getting-started/installation", _probe_rs, PROBES),
    Tool("stm32cubeprogrammer", ("STM32_Programmer_CLI", "STM32_Programmer.sh"), "https://www.st.com/stm32cubeprog",
         _stm32cubeprogrammer, ST_LINK),
    Tool("st-flash", ("st-flash",), "apt-get install stlink-tools", _st_flash, ST_LINK),
    Tool("jlink", ("JLinkExe", "JLink"), "https://www.segger.com/downloads/jlink", _jlink, J_LINK),
    Tool("uf2", (), "", _uf2),
    Tool("picotool", ("picotool",), "https://github.com/raspberrypi/picotool", _picotool, ("{}",)),
    Tool("dfu-util", ("dfu-util",), "apt-get install dfu-util", _dfu_util, ("{}",), works="File downloaded successfully"),
    Tool("bossac", ("bossac",), "apt-get install bossa-cli", _bossac, ("{}",)),
    Tool("gdb", ("gdb-multiarch", "arm-none-eabi-gdb"), "apt-get install gdb-multiarch", _gdb, works="Transfer rate:"),
)  # fmt: skip
TOOLS = {tool.name: tool for tool in _TOOLS}
