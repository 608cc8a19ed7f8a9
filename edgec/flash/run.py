"""`edgec flash`: what is written, with which tool, and whether the board then runs it."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgec.errors import FlashError, LinkError, UsageError
from edgec.flash.choose import choose_tool, program_of
from edgec.flash.failures import explain
from edgec.flash.image import Image, read_image
from edgec.flash.tools import Command, Job, Tool
from edgec.flash.uf2 import copy_to_volume, find_volumes
from edgec.harness.commands import info
from edgec.harness.link import Link
from edgec.target import Target

__all__ = ["flash"]

PATIENCE = 120.0  # seconds for one run of a tool: 2 MB over a slow probe
BOOT = 10.0  # seconds until the flashed firmware must answer


def flash(
    elf: Path, target: Target, build_hash: str, *, tool: str | None = None, probe: str | None = None, port: str | None = None,
    only: str | None = None, dry_run: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Writes firmware to a board and asks it over its serial line what it runs.

    `build_hash`: of the package in `elf`; `port`: URL of the serial line, None: not asked; `only`: weights or code; `dry_run`:
    nothing is run.  Raises FlashError with what helps, ToolMissingError with how to get a tool, UsageError.
    """
    chosen, argument = choose_tool(target, tool, dry_run)
    image = read_image(elf, elf.parent / "flash", only)
    if only == "weights" and port is not None and not dry_run:
        _require_same_code(port, elf, target)
    commands = chosen.commands(_job(chosen, argument, image, probe, dry_run))
    if not dry_run:
        for words in commands:
            _run(chosen, target, words)
    return {
        "board": target.name, "tool": chosen.name, "probe": probe, "only": only, "commands": [shlex.join(words) for words in commands],
        "pieces": [{"kind": p.kind, "address": p.address, "bytes": len(p.data)} for p in image.pieces],
        "flashed": not dry_run, "build_hash": build_hash, "port": port,
        "answered": _require_hash(port, build_hash, target) if port is not None and not dry_run else None,
    }  # fmt: skip


def _job(tool: Tool, argument: str, image: Image, probe: str | None, dry: bool) -> Job:
    program = tool.programs[0] if tool.programs else ""
    if not dry:
        program = program_of(tool)
    if tool.name == "uf2" and probe is None:
        volumes = find_volumes(argument.split()[1])
        if len(volumes) != 1 and not dry:
            listed = ", ".join(map(str, volumes)) or "none"
            raise FlashError(
                f"there must be one drive called {argument.split()[1]}, there is: {listed}",
                hint="hold BOOTSEL while plugging the board in, and mount its drive; name a drive with --probe FOLDER",
            )
        probe = str(volumes[0]) if len(volumes) == 1 else None
    return Job(program, argument, image, probe, _boot_port(tool, argument, probe))


def _boot_port(tool: Tool, argument: str, probe: str | None) -> str:
    """bossac speaks to the boot loader over its serial port: the one with its USB ids."""
    if tool.name != "bossac" or probe is not None:
        return ""
    from edgec.harness.link import serial_ports

    found = serial_ports(argument.split())
    return Path(found[0].device).name if len(found) == 1 else ""


def _run(tool: Tool, target: Target, words: Command) -> None:
    if not tool.programs:
        _copy(words)
        return
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, errors="replace", timeout=PATIENCE, stdin=subprocess.DEVNULL
        )
    except OSError as error:
        raise FlashError(f"{tool.name} cannot be started: {error}", hint=f"install it anew: {tool.get}") from error
    except subprocess.TimeoutExpired as error:
        raise FlashError(
            f"{tool.name} did not finish in {PATIENCE:.0f} s",
            hint=f"is another program using the probe? press reset and try again; the command was: {shlex.join(words)}",
        ) from error
    output = done.stdout + "\n" + done.stderr
    if tool.works not in output if tool.works else done.returncode != 0:
        raise explain(tool.name, target.name, words, output)


def _copy(words: Sequence[str]) -> None:
    _, file, volume = words
    try:
        copy_to_volume(Path(file), Path(volume))
    except OSError as error:
        raise FlashError(
            f"cannot write to the drive {volume}: {error.strerror}",
            hint="start the boot loader again (BOOTSEL) and mount its drive",
        ) from error


def _require_same_code(port: str, elf: Path, target: Target) -> None:
    """Weights alone only fit the code they were linked with."""
    from edgec.toolchain.seal import code_of

    with Link(port, baud=target.serial.baud) as link:
        link.synchronise()
        found = info(link)
    wanted = f"{code_of(elf):08x}"
    if found is None or found.code != wanted:
        has = "other firmware than edgec's" if found is None else f"code {found.code}"
        raise UsageError(
            f"the board has {has}, these weights belong to code {wanted}", hint="flash both: leave out --only"
        )


def _require_hash(port: str, build_hash: str, target: Target) -> str:
    """The build hash the board answers with, once it has started; FlashError for another one or none."""
    deadline = time.monotonic() + BOOT
    while True:
        try:
            with Link(port, baud=target.serial.baud) as link:
                link.synchronise()
                found = info(link)
            break
        except LinkError as error:
            if time.monotonic() > deadline:
                raise FlashError(
                    f"flashed, but the board does not answer: {error.message}",
                    hint=f"press its reset button; {error.hint}",
                ) from error
            time.sleep(0.2)
    if found is None or found.build_hash != build_hash:
        answer = "that it runs other firmware than edgec's" if found is None else found.build_hash
        raise FlashError(
            f"flashed build {build_hash}, but the board answers with {answer}",
            hint="is the port that of the flashed board? press its reset button; flash without --only",
        )
    return build_hash
