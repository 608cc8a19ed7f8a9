"""Objects are taken from the cache exactly when everything the compiler reads is the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgec.toolchain import base, reuse

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sources the compiler was called for, with a cache of the test's own."""
    monkeypatch.setenv("EDGEC_CACHE", str(tmp_path / "cache"))
    called: list[str] = []
    run = base.run_tool

    def counted(command: list[str]) -> str:
        called.append(Path(command[command.index("-c") + 1]).name)
        return run(command)

    monkeypatch.setattr(base, "run_tool", counted)
    return called


def sources(folder: Path, value: int = 1) -> Path:
    (folder / "include").mkdir(parents=True)
    (folder / "include" / "x.h").write_text(f"enum {{ x = {value} }};\n")
    (folder / "own.h").write_text("int f(void);\n")
    (folder / "a.c").write_text('#include "own.h"\n#include "x.h"\nint f(void) { return x; }\n')
    return folder


def build(folder: Path, *flags: str) -> bytes:
    out = folder / "build" / "a.o"
    base.compile_objects(["gcc"], [(folder / "a.c", out)], [folder / "include"], flags=flags)
    return out.read_bytes()


def test_only_what_changed(tmp_path: Path, runs: list[str]) -> None:
    here, there = sources(tmp_path / "here"), sources(tmp_path / "there")
    first = build(here)
    assert build(here) == build(there) == first  # another folder, the same content
    assert runs == ["a.c"]
    (there / "include" / "x.h").write_text("enum { x = 2 };\n")
    assert build(there) != first
    assert build(here, "-O2") != first
    (here / "own.h").write_text("int f(void); /* says the same */\n")
    build(here)
    (here / "a.c").write_text('#include "own.h"\nint f(void) { return 7; }\n')
    build(here)
    assert runs == ["a.c"] * 5
    assert build(there) != first
    assert runs == ["a.c"] * 5


def test_a_failed_compilation_is_not_kept(tmp_path: Path, runs: list[str]) -> None:
    here = sources(tmp_path / "here")
    (here / "a.c").write_text("int f(void) { return y; }\n")
    for _ in range(2):
        with pytest.raises(base.BuildError):
            build(here)
    assert runs == ["a.c", "a.c"]


def test_the_cache_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEC_CACHE", str(tmp_path))
    made, out = tmp_path / "a.o", tmp_path / "b.o"
    made.write_bytes(b"object")
    for index in range(20):
        reuse.keep(f"ab{index:02d}", made)
    assert len(list((tmp_path / "objects" / "ab").iterdir())) == 8
    assert reuse.take("ab19", out) and out.read_bytes() == b"object"
    assert not reuse.take("ab00", out)
    made.write_bytes(bytes(1 << 20))
    reuse.keep("cd00", made)
    assert not reuse.take("cd00", out)
