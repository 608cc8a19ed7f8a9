"""Firmware: the serial harness, one port and one or more compiled models, linked for a board."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from edgec.errors import BudgetError, BuildError, UsageError
from edgec.paths import firmware_dir
from edgec.target import Target
from edgec.toolchain.arenas import Arena, Constants, arenas_of, constants_of, home
from edgec.toolchain.base import Toolchain, compile_objects, run_tool, toolchain_for
from edgec.toolchain.glue import HARNESS_SOURCES, glue_defines, write_empty, write_glue, write_linker_script
from edgec.toolchain.package import Package, load_package
from edgec.toolchain.seal import seal
from edgec.toolchain.sizes import binary_image, elf_sizes, elf_symbols, intel_hex

__all__ = ["FirmwareImage", "FirmwareSizes", "batch_elf", "build_firmware", "built_sizes"]

_HARNESS_FOLDER = "edgec-harness.d"  # the linker script knows it
_SIZES = "sizes.json"
_STACK_LARGE, _STACK_SMALL = 32768, 3072


@dataclass(frozen=True)
class FirmwareSizes:
    """Bytes the models add, from the ELF with them minus the ELF with empty ones.  RAM parts are disjoint; the stack is
    measured while running.  `flash_code`: everything that is not weights (code, tables, initial values).  `ram_regions`,
    `flash_regions`: the same bytes by memory, as the packages call it (the stack is to come where `data` is)."""

    arena: int
    scratch: int
    io: int
    data_bss: int
    flash_code: int
    flash_weights: int
    flash_total: int
    ram_regions: Mapping[str, int]
    flash_regions: Mapping[str, int]


@dataclass(frozen=True)
class FirmwareImage:
    """What was built; `elf` for debuggers and emulators, `bin` and `hex` for flash tools, `map` for people."""

    elf: Path
    bin: Path
    hex: Path
    map: Path
    sizes: FirmwareSizes
    toolchain: str


def build_firmware(
    folders: Sequence[Path | str],
    target: Target,
    out: Path,
    trace: bool = False,
    toolchain: Toolchain | None = None,
    harness_flags: Sequence[str] = (),
) -> FirmwareImage:
    """Builds firmware with the packages in `folders`, which share one arena.

    `trace`: layers can be looked at (`edgec dump`, `edgec layers`).  Raises UsageError for a board without a port,
    BudgetError when it does not fit, BuildError with the compiler's message.
    """
    packages, flags = _packages(folders, target), tuple(harness_flags)
    job = _Build(packages, target, Path(out), trace, False, toolchain or toolchain_for(target), flags)
    full = job.link("firmware", job.library_objects(), with_arena=True)
    empty = job.link("empty", job.empty_objects(), with_arena=False)
    sizes = job.difference(full, empty)
    stated = {"builds": [package.build_hash() for package in packages], "sizes": asdict(sizes)}
    (job.out / _SIZES).write_text(json.dumps(stated, indent=1), encoding="utf-8")
    return FirmwareImage(
        elf=full,
        bin=binary_image(full, full.with_suffix(".bin")),
        hex=intel_hex(full, full.with_suffix(".hex")),
        map=full.with_suffix(".map"),
        sizes=sizes,
        toolchain=job.toolchain.name,
    )


def built_sizes(package: Package) -> FirmwareSizes | None:
    """The sizes of the firmware in DIR/build, None where there is none of this very package."""
    try:
        stated = json.loads((package.path / "build" / _SIZES).read_text(encoding="utf-8"))
        return FirmwareSizes(**stated["sizes"]) if stated["builds"] == [package.build_hash()] else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def batch_elf(folder: Path | str, target: Target, out: Path, trace: bool = False) -> Path:
    """Firmware that reads files of the emulator's host instead of a serial line, with the model's own input bytes: its ELF alone,
    nothing is measured.  Raises as `build_firmware` does."""
    job = _Build(_packages([folder], target), target, Path(out), trace, True, toolchain_for(target), ())
    return job.link("firmware", job.library_objects(), with_arena=True)


def _packages(folders: Sequence[Path | str], target: Target) -> list[Package]:
    if not target.port:
        hint = "compile for a board with a firmware port (`edgec targets`), or link the library into your own project"
        raise UsageError(f"edgec has no firmware port for '{target.name}'", hint=hint)
    return [load_package(folder) for folder in folders]


@dataclass(frozen=True)
class _Build:
    packages: list[Package]
    target: Target
    out: Path
    trace: bool
    batch: bool
    toolchain: Toolchain
    harness_flags: tuple[str, ...]

    @cached_property
    def arenas(self) -> list[Arena]:
        return arenas_of(self.packages, self.target.region("arena").name)

    @cached_property
    def weights(self) -> list[Constants]:
        return constants_of(self.packages, self.target.region("weights").name)

    def library_objects(self) -> list[Path]:
        objects: list[Path] = []
        for package in self.packages:
            upper = package.name.upper()
            jobs = [(source, self.out / "library" / package.name / f"{source.stem}.o") for source in package.sources]
            defines = [f"{upper}_SHARED_ARENA", *([f"{upper}_TRACE"] if self.trace else [])]
            objects += compile_objects(self.toolchain.compiler(self.target), jobs, [package.path], defines)
            objects += package.objects()
        return objects

    def empty_objects(self) -> list[Path]:
        source = write_empty(self.packages, self.out / "empty.c")
        jobs = [(source, self.out / "empty" / "empty.o")]
        return compile_objects(self.toolchain.compiler(self.target), jobs, [package.path for package in self.packages])

    def harness_objects(self, name: str, with_arena: bool) -> list[Path]:
        root = firmware_dir()
        glue = write_glue(self.packages, self.out / f"{name}_glue.c", self.trace, with_arena, self.batch, self.arenas)
        sources = [root / "harness" / source for source in HARNESS_SOURCES]
        if self.batch:
            sources = [source for source in sources if source.name in ("infer.c", "text.c")]
        sources += [root / "harness" / ("batch.c" if self.batch else "main.c")]
        cortex_m = ("startup.c", "board.c", *(["semihost.c"] if self.batch else []))
        sources += [root / "port/cortex_m" / name for name in cortex_m]
        sources += [root / "port" / name for name in self.target.port]
        common = [(source, self.out / _HARNESS_FOLDER / f"{source.stem}.o") for source in sources]
        jobs = [*([] if name == "empty" else common), (glue, self.out / _HARNESS_FOLDER / f"{name}_glue.o")]
        includes = [root / "harness", root / "port", *(package.path for package in self.packages)]
        defines = glue_defines(self.packages, self.trace)
        defines += [f"{key}={value}u" for key, value in self.target.defines]
        compile_objects(self.toolchain.compiler(self.target), jobs, includes, defines, self.harness_flags)
        return [out for _, out in common] + [jobs[-1][1]]

    def link(self, name: str, model_objects: list[Path], with_arena: bool) -> Path:
        target = self.target
        small = target.region("data").size < 65536
        script = write_linker_script(
            self.out / f"{name}.ld",
            regions=[region for region in target.memory if region.holds],
            boot=next((region.name for region in target.regions("boot")), ""),
            code=target.region("code").name,
            weights=[
                {"output": c.output, "inputs": c.inputs, "memory": home(c.name, c.rank, "weights", target).name}
                for c in self.weights
            ],
            data=target.region("data").name,
            arenas=[
                {"suffix": arena.suffix, "memory": home(arena.name, arena.rank, "arena", target).name}
                for arena in self.arenas
            ],
            stack=_STACK_SMALL if small else _STACK_LARGE,
        )
        elf = self.out / f"{name}.elf"
        objects = self.harness_objects(name, with_arena) + model_objects
        command, libraries = self.toolchain.linker(target)
        table = elf.with_suffix(".map")
        map_flags = self.toolchain.map_flags(table)
        command = [*command, "-T", str(script), *map_flags]
        try:
            run_tool([*command, *map(str, objects), *libraries, "-o", str(elf)])
        except BuildError as error:
            if "overflowed" in error.hint or "will not fit" in error.hint:
                found = re.findall(r"region [`'](\w+)':? overflowed by (\d+) bytes", error.hint)
                over = ", ".join(f"{name} by {size} bytes" for name, size in dict.fromkeys(found))
                raise BudgetError(
                    f"the firmware does not fit the memory of '{target.name}': {over or error.message.split(': ', 1)[-1]}",
                    hint="compile with --ram and --flash to see what takes the space, or take a bigger board",
                ) from error
            raise
        seal(elf)
        if not map_flags:
            lines = [f"{symbol.address:08x} {symbol.size:8d} {symbol.name}\n" for symbol in elf_symbols(elf)]
            table.write_text("".join(lines), encoding="utf-8")
        return elf

    def difference(self, full: Path, empty: Path) -> FirmwareSizes:
        """Arenas, scratch and I/O by their symbols, other variables and flash by subtraction.  Variables are added up one by
        one: the padding between them depends on the harness."""
        with_models, without = elf_sizes(full), elf_sizes(empty)
        variables = [symbol for symbol in elf_symbols(full) if symbol.variable]
        harness = sum(symbol.size for symbol in elf_symbols(empty) if symbol.variable)

        def bytes_of(*names: str) -> int:
            return sum(symbol.size for symbol in variables if symbol.name in names)

        ram = {arena.name: bytes_of(f"edgec_arena{arena.suffix}") for arena in self.arenas}
        arena = sum(ram.values())
        scratch = bytes_of(*(f"{package.name}_scratch" for package in self.packages))
        io = bytes_of(*(f"{package.name}_io" for package in self.packages))
        others = sum(symbol.size for symbol in variables) - arena - harness
        flash = {s.name: with_models.weights.get(s.output, 0) - without.weights.get(s.output, 0) for s in self.weights}
        weights = sum(flash.values())
        total = with_models.flash - without.flash
        return FirmwareSizes(
            arena=arena,
            scratch=scratch,
            io=io,
            data_bss=others - scratch - io,
            flash_code=total - weights,
            flash_weights=weights,
            flash_total=total,
            ram_regions=_with(ram, self.target.region("data").name, others),
            flash_regions=_with(flash, self.target.region("code").name, total - weights),
        )


def _with(sizes: Mapping[str, int], name: str, more: int) -> dict[str, int]:
    """Sizes by memory with `more` bytes in memory `name`."""
    return {**sizes, name: sizes.get(name, 0) + more}
