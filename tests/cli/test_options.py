"""Options: sizes, choices, the project file, and who wins."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from edgec.errors import UsageError
from edgec.options import CHOICES, CompileKeywords, CompileOptions, make_options, parse_size, read_project


@pytest.mark.parametrize(
    ("text", "size"),
    [("320K", 327680), ("1M", 1048576), ("327680", 327680), ("1.5k", 1536), ("64 KiB", 65536), ("12B", 12), (7, 7)],
)
def test_sizes(text: str | int, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "K", "-1", "1G", "0", "1.3", "0x10", "1e6", "12 34", "9" * 5000 + "Q"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_size(text)
    assert "320K" in caught.value.hint


def test_options_are_frozen_and_checked() -> None:
    options = make_options({"target": "cortex-m4", "ram": "64K", "calib": "a.npz", "flash": None})
    assert options == CompileOptions(target="cortex-m4", ram=65536, calib=Path("a.npz"))
    with pytest.raises(AttributeError):
        options.ram = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "given",
    [
        {"optimise": "speed"},
        {"optimize": "fast"},
        {"io": "int8"},
        {"keep_input": True, "input": "rows"},
        {"batch": 0},
        {"batch": "3"},
        {"batch": True},
        {"tune": "yes"},
        {"ram": 0},
        {"name": 3},
        {"state": "h"},
        {"state": ["h=", "a=b"]},
        {"state": [("h",)]},
    ],
)
def test_wrong_options_are_refused_with_a_hint(given: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        make_options(given)
    assert caught.value.hint


@pytest.mark.parametrize("given", ["h=hn", ["h=hn"], {"h": "hn"}, [("h", "hn")]])
def test_states_in_every_spelling(given: object) -> None:
    options = make_options({"state": given})
    assert options.state == (("h", "hn"),)
    assert options.as_dict()["state"] == (("h", "hn"),)


def test_the_project_file_holds_defaults(tmp_path: Path) -> None:
    assert read_project(tmp_path) == {}
    (tmp_path / "edgec.toml").write_text('[compile]\ntarget = "host"\nkeep-input = true\ncalib = "data/c.npz"\n')
    project = read_project(tmp_path)
    assert project == {"target": "host", "keep_input": True, "calib": tmp_path / "data/c.npz"}
    assert make_options({"target": "cortex-m3"}, project).target == "cortex-m3"


@pytest.mark.parametrize("text", ["[compile", "compile = 3", "\xff"])
def test_a_broken_project_file_is_bad_use(text: str, tmp_path: Path) -> None:
    (tmp_path / "edgec.toml").write_text(text, encoding="latin-1")
    with pytest.raises(UsageError):
        read_project(tmp_path)


def test_as_dict_holds_no_folders() -> None:
    stored = CompileOptions(calib=Path("some/where/calib.npz"), dump_stages=Path("notes")).as_dict()
    assert stored["calib"] == "calib.npz"
    assert "dump_stages" not in stored


def test_keyword_arguments_are_the_options() -> None:
    """edgec.compile is typed by CompileKeywords, checked by CompileOptions: one list of names."""
    assert set(get_type_hints(CompileKeywords)) == {field.name for field in fields(CompileOptions)}
    for name, allowed in CHOICES.items():
        assert get_args(get_type_hints(CompileKeywords)[name]) == allowed
