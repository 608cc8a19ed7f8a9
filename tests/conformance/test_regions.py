"""Models over several memories: random pipelines in host C, a real model on an emulated board with two RAMs and two flashes."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from edgec.compiler import compile_model
from edgec.emit.bundle import emit_bundle
from edgec.emit.flash import homes, reads
from edgec.emit.parts import collect
from edgec.emulate.run import measure
from edgec.errors import BudgetError, LinkError
from edgec.ir.program import Program
from edgec.memory.place import place
from edgec.memory.regions import Room
from edgec.options import CompileOptions
from edgec.report.measured import measured
from edgec.report.memory import memory_text
from edgec.report.svg import memory_map
from edgec.report.text import analyzed, compiled
from edgec.schedule.budget import SLACK
from edgec.schedule.plan import plan
from edgec.schedule.rooms import flash_rooms
from edgec.target import load_target
from edgec.toolchain.base import WARNINGS, run_tool, toolchain_for
from edgec.toolchain.host import host_compiler
from edgec.toolchain.sizes import elf_sections, elf_symbols
from edgec.verify.check import verify
from edgec.verify.reference import read_program
from tests.conformance.pipelines import pipelines
from tests.conformance.test_random_pipelines import QUICK, proven, unplanned

BOARD = "mps2-an500-regions"
RAM = {"arena": 9, "scratch": 0, "io": 0, "data_bss": 0, "stack": 0, "total": 9, "regions": {"dtcm": 4, "psram": 5}}
FLASH = {"code": 6, "weights": 7, "total": 13, "regions": {"flash": 6, "qspi": 7}}


@settings(QUICK, max_examples=6)
@given(pipelines(longest=6), st.lists(st.integers(1, 40), min_size=1, max_size=2), st.booleans())
def test_pipelines_over_several_memories(program: Program, sizes: list[int], anew: bool) -> None:
    """Regions of random sizes, the segments drawn or planned: check, interpreter and C, in which every region is an array between the
    sanitizer's red zones."""
    rooms = [Room(f"m{n}", size, n) for n, size in enumerate([*(16 * size for size in sizes), 1 << 20])]
    made = plan(unplanned(program), rooms=rooms, slack=SLACK).program if anew else place(program, rooms=rooms).program
    proven(made, frozenset())


@pytest.fixture(scope="module")
def split(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image classifier for the board whose fast memories are too small for it."""
    folder = tmp_path_factory.mktemp("split") / "ic"
    compile_model(shared / "models" / "ic_int8_qdq.onnx", CompileOptions(target=BOARD, name="ic"), folder)
    return folder


def test_a_model_in_two_rams_and_two_flashes(split: Path, shared: Path, tmp_path: Path) -> None:
    """The same bytes as in one memory; every array and constant at an address of the memory the plan names; sizes by memory add up."""
    compile_model(
        shared / "models" / "ic_int8_qdq.onnx", CompileOptions(target="mps2-an500", name="ic"), tmp_path / "one"
    )
    whole, spread = (
        measure(folder, load_target(name)) for folder, name in ((tmp_path / "one", "mps2-an500"), (split, BOARD))
    )
    assert spread["output_crc32"] == whole["output_crc32"]
    manifest = json.loads((split / "edgec.json").read_text())
    arenas = {region["name"]: region["bytes"] for region in manifest["regions"]}
    assert list(arenas) == ["dtcm", "psram"]
    assert {name: spread["ram"]["regions"][name] for name in arenas} == arenas
    assert sum(spread["ram"]["regions"].values()) == spread["ram"]["total"]
    assert sum(arenas.values()) == spread["ram"]["arena"] == manifest["arena_bytes"]
    assert sum(spread["flash"]["regions"].values()) == spread["flash"]["total"]
    assert spread["flash"]["regions"]["qspi"] == manifest["weight_regions"][1]["bytes"] > 0
    assert sum(region["bytes"] for region in manifest["weight_regions"]) == manifest["weight_bytes"]

    memories = {region.name: range(region.origin, region.origin + region.size) for region in load_target(BOARD).memory}
    symbols = {symbol.name: symbol for symbol in elf_symbols(next(split.glob("build/emulate/*/firmware.elf")))}
    for suffix, name in (("", "dtcm"), ("_1", "psram")):
        arena, low, high = (symbols[f"edgec_{word}{suffix}"] for word in ("arena", "guard_low", "guard_high"))
        assert (low.address + low.size, arena.address + arena.size) == (arena.address, high.address)
        assert arena.size == arenas[name]
        assert {low.address in memories[name], high.address + 15 in memories[name]} == {True}
    text = (split / "ic_weights.c").read_text()
    for name in ("flash", "qspi"):
        constants = [
            line.split()[3].split("[")[0]
            for line in text.splitlines()
            if line.startswith(f"EDGEC_WEIGHTS_{name} const")
        ]
        assert constants
        assert all(symbols[constant].address in memories[name] for constant in constants)
    assert verify(split, with_onnxruntime=False)["ok"]


def test_the_memory_map_shows_the_regions(split: Path) -> None:
    """In text, as a picture, and in what the verbs say."""
    document = json.loads((split / "edgec.json").read_text())
    _, slow = document["regions"]
    text, picture = memory_text(document), memory_map(document)
    assert f"region psram from byte {slow['start']} of the arena on" in text
    assert sum("in psram" in line for line in text.splitlines()) > 1
    assert picture.count("<line") == 2
    assert f"psram, {slow['bytes']:,} bytes" in picture
    with Console(width=200, file=StringIO()) as console:
        console.print(compiled({**document, "dir": "build/ic"}))
        console.print(analyzed({"peak_ram_bytes": 9, "regions": document["regions"]}))
        console.print(measured({"ram": RAM, "flash": FLASH}))
    said = " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]
    for words in (
        "arena (dtcm",
        "of which in dtcm",
        "RAM by memory dtcm 4 B, psram 5 B",
        "flash by memory flash 6 B, qspi 7 B",
    ):
        assert words in said


def test_arrays_go_where_a_linker_script_wants_them(split: Path, tmp_path: Path) -> None:
    """By the macro of each region; without, plain variables; with arrays of the caller's, none.  No compiler complains."""
    placed = tuple(f'-DIC_REGION_{name.upper()}=__attribute__((section(".{name}")))' for name in ("dtcm", "psram"))
    arenas = {region["name"]: region["bytes"] for region in json.loads((split / "edgec.json").read_text())["regions"]}
    for flags, want in ((placed, list(arenas.values())), ((), [0, 0]), (("-DIC_SHARED_ARENA",), [0, 0])):
        run_tool([host_compiler(), *WARNINGS, *flags, "-c", str(split / "ic.c"), "-o", str(tmp_path / "ic.o")])
        sections = elf_sections(tmp_path / "ic.o")
        assert [sections.get(f".{name}", (0, 0))[1] for name in arenas] == want
        assert (sections[".bss"][1] >= sum(arenas.values())) == (not flags)


def test_a_library_of_several_models_keeps_the_regions(split: Path, tmp_path: Path) -> None:
    """Beside a model whose arena is one piece: the header says whose can be shared, constants stay spread, the C compiles."""
    program = read_program(split)
    other = place(program.with_(name="other")).program
    rooms = flash_rooms(load_target(BOARD), program)
    files = emit_bundle([program, other], "both", load_target(BOARD).isa, flash=[rooms, ()])
    assert "-DOTHER_SHARED_ARENA and" in files["both.h"]
    assert "The arena of ic lies in several memories" in files["both.h"]
    assert ("EDGEC_WEIGHTS_qspi const" in files["ic_weights.c"], "EDGEC_WEIGHTS_qspi" in files["other_weights.c"]) == (
        True,
        False,
    )
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    compiler = toolchain_for(load_target(BOARD)).compiler(load_target(BOARD))
    run_tool([*compiler, *WARNINGS, "-c", str(tmp_path / "both.c"), "-o", str(tmp_path / "both.o")])


def test_an_overrun_of_the_second_region_is_noticed(split: Path, tmp_path: Path) -> None:
    """The planted fault: the model writes one byte behind its piece of the external memory."""
    for file in ("edgec.json", "ic.h", "ic_weights.c"):
        (tmp_path / file).write_bytes((split / file).read_bytes())
    fault = "    ic_mem_psram[IC_ARENA_PSRAM_BYTES] = 1;\n"
    source = (split / "ic.c").read_text()
    (tmp_path / "ic.c").write_text(source.replace("void ic_run(void)\n{\n", "void ic_run(void)\n{\n" + fault))
    with pytest.raises(LinkError, match="guard words"):
        measure(tmp_path, load_target(BOARD))


def test_what_is_read_most_lies_in_internal_flash(split: Path) -> None:
    """Of the constants, those in the slow flash are read no more often than any in the fast one that is as small."""
    parts = collect(read_program(split))
    sizes = {name: array.nbytes for name, array in parts.constants.items()}
    where = homes(parts, [Room("flash", 20000), Room("qspi", 1 << 20, 8)])
    density = reads(parts)
    slow = [name for name in sizes if where[name] == "qspi"]
    fast = [name for name in sizes if where[name] == "flash"]
    assert all(density[a] >= density[b] for a in fast for b in slow if sizes[a] >= sizes[b])
    assert sum(sizes[name] for name in fast) <= 20000
    assert homes(parts, []) == homes(parts, [Room("flash", 1 << 20), Room("qspi", 1 << 20)]) == {}
    with pytest.raises(BudgetError, match=r"too many: there are 20000 bytes in flash and 4096 bytes in qspi"):
        homes(parts, [Room("flash", 20000), Room("qspi", 4096)])


def test_budgets_count_all_memories_and_name_them(shared: Path, tmp_path: Path) -> None:
    """--ram and --flash are of all regions together; what does not fit says which there are."""
    model = shared / "models" / "kws_int8_qdq.onnx"
    with pytest.raises(
        BudgetError, match="--ram allows 4096, mps2-an500-regions has 16352 bytes in dtcm and 8388576 bytes in psram"
    ):
        compile_model(model, CompileOptions(target=BOARD, ram=4096), tmp_path / "a")
    with pytest.raises(BudgetError, match="--flash allows 20000 in flash and qspi together"):
        compile_model(model, CompileOptions(target=BOARD, flash=20000), tmp_path / "b")


def test_what_fits_the_first_memories_is_the_same_there(digits: Path, tmp_path: Path) -> None:
    for name in (BOARD, "mps2-an500"):
        compile_model(digits / "digits.onnx", CompileOptions(target=name), tmp_path / name)
    for file in ("digits.c", "digits.h", "digits_weights.c", "reference/program.txt"):
        assert (tmp_path / BOARD / file).read_text().replace(BOARD, "mps2-an500") == (
            tmp_path / "mps2-an500" / file
        ).read_text()
