"""The documents tell the truth: every command parses, every make target and file exists, every block of code reads."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest
import typer.main

from edgec.cli.app import app
from tests.conftest import ROOT

PAGES = sorted(
    [*ROOT.glob("*.md"), *(page for folder in ("docs", "examples") for page in (ROOT / folder).rglob("*.md"))]
)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)

# The contract of the command line: verbs and options other people's scripts use.
CONTRACT = {
    "compile": "--target --out --name --calib --ram --flash --optimize --input --io --backend --batch --tune "
    "--keep-input --keep-constant-channels --dump-stages --format --frontend --json",
    "analyze": "--target --json",
    "quantize": "--calib --out --json",
    "build": "--json",
    "flash": "--tool --probe --port --only --dry-run --json",
    "package": "--out --name --format --json",
    "verify": "--inputs --on --layers --json",
    "bench": "--port --emulate --layers --runs --inputs --json",
    "report": "--against --json",
    "targets": "--json",
    "ops": "--json",
    "doctor": "--json",
}


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (f"{page.name}:{text[: match.start()].count(chr(10)) + 1}", match[2])
        for page in PAGES
        for text in [page.read_text(encoding="utf-8")]
        for match in BLOCK.finditer(text)
        if match[1] == language
    ]


def commands(program: str) -> list[list[str]]:
    lines = (line for _, block in blocks("sh") for line in block.splitlines())
    return [shlex.split(line, comments=True) for line in lines if line.startswith(f"{program} ")]


def test_there_are_documents_to_test() -> None:
    assert {"README.md", "ARCHITECTURE.md", "CHANGELOG.md"} <= {page.name for page in PAGES}
    assert len(commands("edgec")) >= 5


@pytest.mark.parametrize("words", commands("edgec"), ids=" ".join)
def test_edgec_commands_parse(words: list[str]) -> None:
    verbs = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert words[1] in verbs
    verbs[words[1]].make_context(words[1], words[2:])


def test_the_contract_of_the_command_line() -> None:
    verbs = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert set(verbs) == set(CONTRACT)
    for verb, options in CONTRACT.items():
        known = {name for parameter in verbs[verb].params for name in parameter.opts}
        assert set(options.split()) <= known, verb
        assert verbs[verb].help, verb


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^(\w+):", makefile, re.MULTILINE))
    named = {words[1] for words in commands("make")}
    named |= {name for page in PAGES for name in re.findall(r"`make (\w+)`", page.read_text(encoding="utf-8"))}
    assert {"demo", "test"} <= named <= targets


def test_the_two_commands_stand_at_the_top() -> None:
    top = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:12]
    assert any(line.startswith("make demo") for line in top) and any(line.startswith("make test") for line in top)


@pytest.mark.parametrize(("where", "code"), blocks("python"))
def test_python_blocks_parse(where: str, code: str) -> None:
    ast.parse(code, where)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


def test_files_named_in_the_tree_exist() -> None:
    """Folders and files that ARCHITECTURE.md draws."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    tree = text.split("## The tree", 1)[1].split("```")[1]
    names = re.findall(r"^(\w[\w/]*/)\s", tree, re.MULTILINE)
    assert names and all((ROOT / name).is_dir() for name in names)
    inside = re.findall(r"^  (\w+/)", tree, re.MULTILINE)
    assert inside and [name for name in inside if not (ROOT / "edgec" / name).is_dir()] == []


def test_figures_have_their_places() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("figures:m4", "output:compile", "output:verify", "output:bench"):
        assert readme.count(f"<!-- {name} -->") == readme.count(f"<!-- /{name} -->") == 1
