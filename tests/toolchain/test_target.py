"""Targets: every file loads and is plausible; what is wrong in one is said."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgec import target as module
from edgec.errors import EdgecError, UsageError
from edgec.target import list_targets, load_target


@pytest.mark.parametrize("name", list_targets())
def test_every_target_loads(name: str) -> None:
    target = load_target(name)
    assert target.name == name
    assert target.description
    if target.kind == "host":
        assert target.board is None
        return
    if target.kind == "platform":
        assert target.board is None
        assert target.triple
        assert target.measured in [variant.name for variant in target.variants]
        return
    assert f"-mcpu={target.cpu}" in target.flags
    assert "-O2" in target.flags
    assert target.clock_hz
    for part in ("code", "data"):
        assert len(target.regions(part)) == 1
    assert target.regions("weights")
    assert target.regions("arena")
    spans = sorted((region.origin, region.origin + region.size) for region in target.memory)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))


def test_cpus_name_their_emulated_board() -> None:
    boards = {name: load_target(name).board for name in list_targets() if load_target(name).kind == "cpu"}
    assert boards == {
        "cortex-m0plus": "mps2-an385",
        "cortex-m3": "mps2-an385",
        "cortex-m4": "mps2-an386",
        "cortex-m7": "mps2-an500",
        "cortex-m33": "mps2-an505",
        "cortex-m55": "mps3-an547",
    }
    assert load_target("cortex-m0plus").isa == {"armv6m", "hardware_multiply"}
    assert {"dsp", "mve"} <= load_target("cortex-m55").isa
    assert load_target("cortex-m4").timing is not None
    assert load_target("cortex-m7").timing is None


def test_known_memory_maps() -> None:
    assert (load_target("microbit").ram_bytes, load_target("microbit").flash_bytes) == (16384, 262144)
    assert (load_target("nucleo-l4r5zi").ram_bytes, load_target("nucleo-l4r5zi").flash_bytes) == (640 * 1024, 2 << 20)
    assert load_target("rpi-pico").ram_bytes == 264 * 1024
    big = load_target("mps2-an386-big")
    assert big.qemu == "mps2-an386"
    assert big.region("weights").size == big.region("arena").size == 8 << 20


def test_unknown_target_suggests() -> None:
    with pytest.raises(UsageError) as caught:
        load_target("cortexm4")
    assert "cortex-m4" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        load_target("zzz")
    assert "mps2-an386" in caught.value.hint


BOARD = 'description = "d"\ncpu = "c"\n[[memory]]\nname = "m"\nkind = "ram"\norigin = 0\nsize = 16\n'
CPU = 'description = "d"\nemulated_board = "b"\nflags = []\nzig_cpu = "z"\nfeatures = []\n'
REGION = '[[memory]]\nname = "n"\nkind = "ram"\norigin = 16\nsize = 16\n'


@pytest.fixture(autouse=True)
def forget_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield
    monkeypatch.undo()
    module._files.cache_clear()
    load_target.cache_clear()


def with_files(folder: Path, monkeypatch: pytest.MonkeyPatch, board: str, cpu: str) -> None:
    """Makes `b` the only board and `c` the only CPU there is, until the test ends."""
    for kind, text in (("board", board), ("cpu", cpu)):
        (folder / kind).mkdir()
        (folder / kind / f"{kind[0]}.toml").write_text(text)
    monkeypatch.setattr(module, "targets_dir", lambda: folder)
    module._files.cache_clear()
    load_target.cache_clear()


def test_regions_of_one_part_are_ordered_by_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A board states as many regions for the arena as it has; the fastest comes first, of equal ones the first of the file."""
    slow, fast = 'wait_states = 4\nreserve = 8\nholds = ["data", "arena"]\n', 'holds = ["arena"]\n'
    with_files(tmp_path, monkeypatch, BOARD + slow + REGION + fast + REGION.replace('"n"', '"o"') + fast, CPU)
    target = load_target("b")
    assert [region.name for region in target.regions("arena")] == ["n", "o", "m"]
    assert target.region("arena").name == "n"
    assert target.region("data").reserve == 8
    assert target.regions("weights") == ()


@pytest.mark.parametrize(
    ("board", "cpu", "words"),
    [
        (BOARD.replace("ram", "rom"), CPU, "kind must be"),
        (BOARD.replace("size = 16", "size = -1"), CPU, "32-bit"),
        (BOARD.replace("size = 16", 'size = "16"'), CPU, "integer"),
        (BOARD + 'holds = ["soup"]\n', CPU, "holds takes"),
        (BOARD + 'holds = ["weights"]\n', CPU, "where the kind is ram, not 'weights'"),
        (BOARD + "reserve = 17\n", CPU, "reserve is within"),
        (BOARD.replace('"m"', '"A B"'), CPU, "small letters"),
        (BOARD + "wait_states = -1\n", CPU, "not negative"),
        (BOARD + REGION.replace('"n"', '"m"'), CPU, "one name"),
        (BOARD + 'holds = ["data"]\n' + REGION + 'holds = ["data"]\n', CPU, "cannot be spread"),
        (BOARD, CPU.replace("features = []", 'features = ["quantum"]'), "quantum"),
        (BOARD, CPU + "[timing]\nrules = 3\n", "timing.rules"),
        (BOARD.replace('"c"', '"nobody"'), CPU, "nobody"),
        ("not toml at all [", CPU, "not usable"),
    ],
)
def test_broken_files_say_why(
    board: str, cpu: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_files(tmp_path, monkeypatch, board, cpu)
    with pytest.raises(EdgecError, match=words) as caught:
        load_target("b")
    assert caught.value.hint
