"""What can be compiled for: TOML files under targets/, read into frozen `Target` objects.

A *cpu* file says how to compile and how long instructions take; a *board* file adds memory, a serial port and, where
there is one, a QEMU machine.  `load_target` joins the two, so that the rest of edgec sees one object:

    cortex-m4    -> flags and timing of cortex-m4, memory and machine of the board that stands for it
    mps2-an386   -> the same, asked for by its board
    linux-arm64  -> a *platform*: an operating system or a browser on processors of one family, no memory map; its
                    *variants* are the instruction sets the library is compiled for
    host         -> this machine: no memory map, no emulator
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from edgec.errors import EdgecError, UsageError
from edgec.paths import targets_dir

__all__ = ["Memory", "Serial", "Target", "Timing", "Variant", "list_targets", "load_target"]

FEATURES = frozenset(
    {
        "armv6m",
        "thumb2",
        "div",
        "dsp",
        "fpu",
        "fpu64",
        "mve",
        "mvefp",
        "hardware_multiply",
        "simd",
        "neon",
        "x86",
        "simd128",
    }
)
FAMILIES = frozenset({"arm64", "wasm"})
PROCESSOR = frozenset({"asimddp", "i8mm", "avx2", "fma", "avx_vnni", "avx512f", "avx512bw", "avx512vl", "avx512_vnni"})
"""What a library asks the processor for, in the names of Linux's /proc/cpuinfo."""
HOLDS = {"code": "flash", "weights": "flash", "boot": "flash", "data": "ram", "arena": "ram"}
"""Program parts by the kind of memory they need; weights and arena may lie in several regions, the others in one.  boot: what a
chip's ROM looks for (few have that)."""
LIMITS = frozenset({"matrix", "vector", "convolution", "winograd2", "winograd4", "depthwise", "depthwise_strided"})
"""Kinds of layers: a constant matrix times many pixels or times one vector; windows, plain and by Winograd; depthwise windows."""


@dataclass(frozen=True)
class Memory:
    """One region: `origin` and `size` in bytes; `holds` the program parts the linker puts there; `speed` in words.

    `arena` (in RAM) and `weights` (in flash) may be held by several regions, which are filled in the order of their `wait_states`,
    what is used most first: cycles that an access takes beyond those of the fastest memory, as the processor sees it (behind a
    cache, on average).  `reserve`: bytes of the region that are left to others (the application, its stack, the serial harness).
    """

    name: str
    kind: str
    origin: int
    size: int
    speed: str = ""
    holds: tuple[str, ...] = ()
    wait_states: int = 0
    reserve: int = 0


@dataclass(frozen=True)
class Serial:
    """How to reach the board's serial line; `port_hint` is what the device is usually called, `usb` the vendor and product ids of
    the USB devices that carry it (`0483:374b`)."""

    baud: int = 115200
    port_hint: str = ""
    usb: tuple[str, ...] = ()


@dataclass(frozen=True)
class Timing:
    """Cycles per instruction at zero wait states.  `rules`: (mnemonic regex, cost), cost such as `1`, `1+N`, `1+N+P`;
    N = registers moved, P = `pipeline_reload`.  `taken`: extra cycles of a conditional branch that is taken.
    `pipelined_loads`: a single load right after a single load costs one cycle less.  `source`: the manual."""

    source: str
    pipeline_reload: int
    taken: int
    default: int
    pipelined_loads: bool
    rules: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Variant:
    """One instruction set a library is compiled for; `emulated`: QEMU's processor that has just that; `zig`: flags in place of
    `flags` where zig compiles; `when`: what the processor must have (see PROCESSOR); `machine`: the one it is for where a target
    has variants of several, as Python's platform.machine() calls it."""

    name: str
    flags: tuple[str, ...]
    emulated: str = ""
    zig: tuple[str, ...] = ()
    when: tuple[str, ...] = ()
    machine: str = ""


@dataclass(frozen=True)
class Target:
    """One thing to compile for.  `kind`: cpu, board, platform or host; `board`: its own or its emulated board, None
    for platforms and the host; `cpu` of a platform: its family.

    `isa`: instruction-set features (see FEATURES); `flags`: compiler flags; `port`: C files under firmware/port, none
    where there is no firmware port; `qemu`: machine name, None where there is no emulator; `defines`: for the port;
    `flash`: what flashes the board, each tool with what it has to know of it (see edgec/flash/tools.py);
    `costs`: the CPU whose table under targets/cost predicts instructions, "" for none; `limits`: the best known instructions
    per multiply-accumulate by kind of layer (see LIMITS), of a platform those of its `measured` variant.
    """

    name: str
    kind: str
    description: str
    cpu: str
    board: str | None
    isa: frozenset[str]
    flags: tuple[str, ...]
    zig_cpu: str = ""
    endian: str = "little"
    memory: tuple[Memory, ...] = ()
    port: tuple[str, ...] = ()
    qemu: str | None = None
    clock_hz: int | None = None
    serial: Serial = field(default_factory=Serial)
    defines: tuple[tuple[str, str], ...] = ()
    flash: tuple[tuple[str, str], ...] = ()
    timing: Timing | None = None
    triple: str = ""  # as zig and clang call it
    variants: tuple[Variant, ...] = ()  # of a platform, plainest first
    measured: str = ""  # the variant that `bench --emulate` counts
    costs: str = ""
    limits: tuple[tuple[str, float], ...] = ()

    @property
    def ram_bytes(self) -> int:
        """All RAM of the board."""
        return sum(region.size for region in self.memory if region.kind == "ram")

    @property
    def flash_bytes(self) -> int:
        """All flash of the board."""
        return sum(region.size for region in self.memory if region.kind == "flash")

    def regions(self, part: str) -> tuple[Memory, ...]:
        """The regions that hold `part` (code, weights, data or arena), fastest first; of equal ones as the file has them."""
        return tuple(sorted((m for m in self.memory if part in m.holds), key=lambda m: m.wait_states))

    def region(self, part: str) -> Memory:
        """The fastest region that holds `part`."""
        for region in self.regions(part):
            return region
        raise UsageError(f"target '{self.name}' has no memory for '{part}'", hint="name a board, see `edgec targets`")


def list_targets() -> list[str]:
    """Names of every target: CPUs, boards, platforms, the host."""
    return sorted(_files())


@cache
def load_target(name: str) -> Target:
    """The target called `name`.  Raises UsageError (with near names) when unknown, EdgecError for a broken file."""
    files = _files()
    if name not in files:
        near = difflib.get_close_matches(name, files, n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else f"known targets: {', '.join(sorted(files))}"
        raise UsageError(f"there is no target '{name}'", hint=hint)
    kind, path = files[name]
    data = _read(path)
    if kind == "host":
        return Target(
            name=name, kind="host", description=_text(path, data, "description"), cpu="host", board=None,
            isa=_features(path, data), flags=_strings(path, data, "flags"), variants=_variants(path, data),
        )  # fmt: skip
    if kind == "platform":
        return _platform(name, path, data)
    board_name = _text(path, data, "emulated_board") if kind == "cpu" else name
    board_path = path if kind == "board" else _files()[_known(path, board_name, "board")][1]
    board = data if kind == "board" else _read(board_path)
    cpu_name = name if kind == "cpu" else _known(path, _text(path, board, "cpu"), "cpu")
    cpu_path = files[cpu_name][1]
    return _join(name, kind, board_name, cpu_name, cpu_path, _read(cpu_path), board_path, board)


def _join(
    name: str, kind: str, board_name: str, cpu_name: str,
    cpu_path: Path, cpu: Mapping[str, Any], board_path: Path, board: Mapping[str, Any],
) -> Target:  # fmt: skip
    serial = board.get("serial", {})
    return Target(
        name=name,
        kind=kind,
        description=_text(cpu_path if kind == "cpu" else board_path, cpu if kind == "cpu" else board, "description"),
        cpu=cpu_name,
        board=board_name,
        isa=_features(cpu_path, cpu),
        flags=_strings(cpu_path, cpu, "flags"),
        zig_cpu=_text(cpu_path, cpu, "zig_cpu"),
        endian=str(cpu.get("endian", "little")),
        triple=str(cpu.get("triple", "")),
        memory=_memories(board_path, board.get("memory", [])),
        port=_strings(board_path, board, "port") if "port" in board else (),
        qemu=board.get("qemu"),
        clock_hz=board.get("clock_hz"),
        serial=Serial(
            int(serial.get("baud", 115200)),
            str(serial.get("port_hint", "")),
            _strings(board_path, serial, "usb") if "usb" in serial else (),
        ),
        defines=_pairs(board, "defines"),
        flash=_pairs(board, "flash"),
        timing=_timing(cpu_path, cpu["timing"]) if "timing" in cpu else None,
        costs=str(cpu.get("costs", cpu_name)),
        limits=_limits(cpu_path, cpu),
    )


def _platform(name: str, path: Path, data: Mapping[str, Any]) -> Target:
    variants = _variants(path, data)
    family = _text(path, data, "family")
    if family not in FAMILIES:
        raise _broken(path, f"unknown family {family!r}, known: {sorted(FAMILIES)}")
    measured = str(data.get("measured", variants[-1].name if variants else ""))
    if not variants or measured not in {variant.name for variant in variants}:
        raise _broken(path, "it needs variants, and 'measured' must name one of them")
    return Target(
        name=name, kind="platform", description=_text(path, data, "description"), cpu=family, board=None,
        isa=_features(path, data), flags=_strings(path, data, "flags"), triple=_text(path, data, "triple"),
        variants=variants, measured=measured, limits=_limits(path, data),
    )  # fmt: skip


def _variants(path: Path, data: Mapping[str, Any]) -> tuple[Variant, ...]:
    def one(entry: Mapping[str, Any]) -> Variant:
        flags = _strings(path, entry, "flags")
        zig = _strings(path, entry, "zig") if "zig" in entry else flags
        when = _strings(path, entry, "when") if "when" in entry else ()
        if set(when) - PROCESSOR:
            raise _broken(path, f"a variant's 'when' takes {sorted(PROCESSOR)}")
        emulated, machine = (str(entry.get(key, "")) for key in ("emulated", "machine"))
        return Variant(_text(path, entry, "name"), flags, emulated, zig, when, machine)

    return tuple(map(one, data.get("variant", [])))


def _features(path: Path, data: Mapping[str, Any]) -> frozenset[str]:
    features = frozenset(_strings(path, data, "features"))
    if features - FEATURES:
        raise _broken(path, f"unknown features {sorted(features - FEATURES)}, known: {sorted(FEATURES)}")
    return features


def _memories(path: Path, entries: Sequence[Mapping[str, Any]]) -> tuple[Memory, ...]:
    """All regions of a board: names differ, no part that must lie together is spread."""
    found = tuple(_memory(path, entry) for entry in entries)
    if len({region.name for region in found}) < len(found):
        raise _broken(path, "two regions of memory have one name")
    for part in ("code", "boot", "data"):
        if sum(part in region.holds for region in found) > 1:
            raise _broken(path, f"'{part}' cannot be spread over several regions of memory, only weights and arena can")
    return found


def _memory(path: Path, entry: Mapping[str, Any]) -> Memory:
    region = Memory(
        name=_text(path, entry, "name"),
        kind=_text(path, entry, "kind"),
        origin=_number(path, entry, "origin"),
        size=_number(path, entry, "size"),
        speed=str(entry.get("speed", "")),
        holds=_strings(path, entry, "holds") if "holds" in entry else (),
        wait_states=_number(path, entry, "wait_states") if "wait_states" in entry else 0,
        reserve=_number(path, entry, "reserve") if "reserve" in entry else 0,
    )
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", region.name):  # it becomes part of C names and sections
        raise _broken(path, f"memory '{region.name}': a name has small letters, digits and single _")
    if region.kind not in ("ram", "flash"):
        raise _broken(path, f"memory '{region.name}': kind must be ram or flash, not '{region.kind}'")
    if region.size <= 0 or region.origin < 0 or region.origin + region.size > 1 << 32:
        raise _broken(path, f"memory '{region.name}' does not lie within 32-bit addresses")
    for part in region.holds:
        if HOLDS.get(part) != region.kind:
            able = sorted(known for known, kind in HOLDS.items() if kind == region.kind)
            raise _broken(
                path, f"memory '{region.name}': holds takes {able} where the kind is {region.kind}, not '{part}'"
            )
    if region.wait_states < 0 or not 0 <= region.reserve <= region.size:
        raise _broken(
            path, f"memory '{region.name}': wait_states and reserve are not negative, reserve is within the region"
        )
    return region


def _timing(path: Path, data: Mapping[str, Any]) -> Timing:
    rules = data.get("rules")
    if not isinstance(rules, list) or any(len(rule) != 2 for rule in rules):
        raise _broken(path, "timing.rules must be a list of [mnemonic regex, cost] pairs")
    return Timing(
        source=_text(path, data, "source"),
        pipeline_reload=_number(path, data, "pipeline_reload"),
        taken=_number(path, data, "taken"),
        default=_number(path, data, "default"),
        pipelined_loads=bool(data.get("pipelined_loads", False)),
        rules=tuple((str(pattern), str(cost)) for pattern, cost in rules),
    )


def _limits(path: Path, data: Mapping[str, Any]) -> tuple[tuple[str, float], ...]:
    limits = data.get("limits", {})
    if set(limits) - LIMITS or any(not isinstance(value, (int, float)) or value <= 0 for value in limits.values()):
        raise _broken(path, f"limits takes positive numbers for {sorted(LIMITS)}")
    return tuple((str(name), float(value)) for name, value in limits.items())


@cache
def _files() -> dict[str, tuple[str, Path]]:
    root = targets_dir()
    kinds = ("cpu", "board", "platform")
    found = {path.stem: (kind, path) for kind in kinds for path in sorted((root / kind).glob("*.toml"))}
    found["host"] = ("host", root / "host" / "native.toml")
    return found


def _known(path: Path, name: str, kind: str) -> str:
    if _files().get(name, ("", path))[0] != kind:
        raise _broken(path, f"it names the {kind} '{name}', which has no file under targets/{kind}/")
    return name


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _broken(path, str(error)) from error


def _text(path: Path, data: Mapping[str, Any], key: str) -> str:
    if not isinstance(data.get(key), str):
        raise _broken(path, f"'{key}' must be a string")
    return str(data[key])


def _number(path: Path, data: Mapping[str, Any], key: str) -> int:
    if not isinstance(data.get(key), int) or isinstance(data.get(key), bool):
        raise _broken(path, f"'{key}' must be an integer")
    return int(data[key])


def _strings(path: Path, data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = data.get(key)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _broken(path, f"'{key}' must be a list of strings")
    return tuple(value)


def _pairs(data: Mapping[str, Any], key: str) -> tuple[tuple[str, str], ...]:
    return tuple((str(name), str(value)) for name, value in data.get(key, {}).items())


def _broken(path: Path, why: str) -> EdgecError:
    return EdgecError(f"target file {path.parent.name}/{path.name} is not usable: {why}", hint="correct the TOML file")
