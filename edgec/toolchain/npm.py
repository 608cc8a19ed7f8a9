"""npm packages that edgec measures against: fetched when they are first asked for, into the user's cache, never into a project."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from edgec.errors import BuildError, ToolMissingError
from edgec.paths import cache_dir
from edgec.toolchain.base import run_tool

__all__ = ["PINS", "fetch", "node_program"]

PINS = {"onnxruntime-web": "1.30.0", "@litertjs/core": "2.5.3"}
"""Package -> the version that is measured: the same everywhere, so that ratios can be compared."""


def node_program() -> str:
    """The JavaScript engine.  ToolMissingError without one."""
    node = shutil.which("node")
    if node is None:
        raise ToolMissingError("node is not installed", hint="apt-get install nodejs")
    return node


def fetch(names: Sequence[str]) -> Path:
    """The folder `node_modules` that holds these packages of PINS and what they need.

    Errors: ToolMissingError without npm, BuildError where the packages cannot be fetched.
    """
    wanted = sorted(f"{name}@{PINS[name]}" for name in names)
    digest = hashlib.sha256(" ".join(wanted).encode()).hexdigest()[:16]
    home = cache_dir() / f"npm-{digest}"
    if home.is_dir():
        return home / "node_modules"
    npm = shutil.which("npm")
    if npm is None:
        raise ToolMissingError(
            f"npm is not installed, and {', '.join(wanted)} has to be fetched", "apt-get install npm"
        )
    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        made = Path(scratch) / "npm"
        made.mkdir()
        (made / "package.json").write_text('{"private": true}\n', encoding="utf-8")
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"]
        try:
            run_tool([npm, "install", *options, *wanted], cwd=made)
        except BuildError as error:
            raise BuildError(f"npm did not fetch {', '.join(wanted)}: {error.message}", error.hint) from error
        if not home.is_dir():
            os.replace(made, home)
    return home / "node_modules"
