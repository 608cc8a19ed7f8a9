"""The rules of the house that a test can keep: file sizes, no stray prints, imports that point down, hints."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

LONGEST = 400
FOLDERS = ("edgec", "codegen_templates", "targets", "firmware", "tests", "examples")
SUFFIXES = {".py", ".j2", ".c", ".h", ".toml", ".ld", ".s", ".S"}


def sources(*folders: str, suffixes: set[str] = SUFFIXES) -> list[Path]:
    found = (path for folder in folders or FOLDERS for path in (ROOT / folder).rglob("*"))
    return sorted(path for path in found if path.suffix in suffixes and "__pycache__" not in path.parts)


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sources("edgec", suffixes={".py"}):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def test_no_file_is_long() -> None:
    sizes = {path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    assert {str(path): size for path, size in sizes.items() if size > LONGEST} == {}


def test_prints_only_in_cli_and_report() -> None:
    talkers = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in modules()
        if path.relative_to(ROOT / "edgec").parts[0] not in ("cli", "report")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert talkers == []


def test_every_module_says_what_it_is() -> None:
    assert [str(path.relative_to(ROOT)) for path, tree in modules() if not ast.get_docstring(tree)] == []


def test_public_names_follow_python() -> None:
    odd = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path, tree in modules()
        for node in ast.walk(tree)
        if (isinstance(node, ast.ClassDef) and not re.fullmatch(r"_?[A-Z][A-Za-z0-9]*", node.name))
        or (isinstance(node, ast.FunctionDef) and not re.fullmatch(r"_{0,2}[a-z][a-z0-9_]*", node.name))
    ]
    assert odd == []


def test_every_raise_of_ours_carries_a_hint() -> None:
    """EdgecError(message, hint): one argument alone leaves the user without a next step."""
    import edgec.errors

    ours = {name for name in vars(edgec.errors) if name.endswith("Error")}
    bare = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
        if isinstance(node.exc.func, ast.Name) and node.exc.func.id in ours
        if len(node.exc.args) + len(node.exc.keywords) < 2
    ]
    assert bare == []


def test_no_machine_paths() -> None:
    pattern = re.compile(r"/(?:home|root|Users)/\w|/opt/venv|/work/")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sources()
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_imports_point_downwards() -> None:
    tool = Path(sys.executable).with_name("lint-imports")
    if not tool.exists():
        pytest.skip("needs import-linter (pip install import-linter)")
    done = subprocess.run([tool, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_public_names() -> None:
    """What `import edgec` offers, each callable and importable without the command line."""
    import edgec
    import edgec.verify.check  # the subpackage must not hide the function

    for name in ("compile", "analyze", "build", "bench", "verify", "load"):
        assert callable(getattr(edgec, name)), name
    assert edgec.errors.EdgecError.exit_code == 1
    assert re.fullmatch(r"\d+\.\d+\.\d+", edgec.__version__)
    assert set(edgec.__all__) <= set(dir(edgec))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = edgec.nothing
