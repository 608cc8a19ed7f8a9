"""Where the data files are: beside the package in a checkout, inside it in an installed wheel.

The three data folders (`codegen_templates`, `targets`, `firmware`) stand at the top of the repository so that people
find them; the wheel carries the same folders as `edgec/_data/`.
"""

from __future__ import annotations

import os
from pathlib import Path

from edgec.errors import EdgecError

__all__ = ["cache_dir", "data_dir", "firmware_dir", "targets_dir", "templates_dir"]

_PACKAGE = Path(__file__).resolve().parent


def data_dir(name: str) -> Path:
    """The data folder `name`.  Raises EdgecError when the installation is incomplete."""
    for candidate in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise EdgecError(
        f"edgec's data folder '{name}' is missing from this installation",
        hint="reinstall edgec (pip install --force-reinstall edgec), or run it from a complete checkout",
    )


def templates_dir() -> Path:
    """Jinja templates of the generated C."""
    return data_dir("codegen_templates")


def targets_dir() -> Path:
    """TOML descriptions of CPUs, boards and the host."""
    return data_dir("targets")


def firmware_dir() -> Path:
    """C sources of the serial harness and the ports."""
    return data_dir("firmware")


def cache_dir() -> Path:
    """The user's cache folder for edgec (created): small tools built on first use.  `EDGEC_CACHE` overrides it."""
    configured = os.environ.get("EDGEC_CACHE")
    base = (
        Path(configured) if configured else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgec"
    )
    base.mkdir(parents=True, exist_ok=True)
    return base
