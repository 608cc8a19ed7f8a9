"""The package folder on disk: written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from edgec.errors import UsageError

MARK = "edgec.json"


def version() -> str:
    """edgec's own version."""
    import edgec

    return edgec.__version__


def check_destination(out: Path, mark: str = MARK) -> None:
    """UsageError if `out` cannot become a package: it is a file, or a folder with something else in it than one with `mark`."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"the output {str(out)!r} is a file", "give a folder with -o")
    if out.is_dir() and any(out.iterdir()) and not (out / mark).exists():
        raise UsageError(
            f"the folder {str(out)!r} holds something that is not an edgec package",
            "give an empty or new folder with -o",
        )


def write(out: Path, files: Mapping[str, bytes]) -> None:
    """Writes a package beside its destination, then moves it there.  UsageError if the disk is full or the place is not writable."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise UsageError(
            f"cannot write beside {str(out)!r}: {error.strerror}", "give another folder with -o"
        ) from error
    try:
        for name, data in files.items():
            file = fresh / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        fresh.chmod(0o777 & ~_umask())
        old = None
        if out.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{out.name}-old-", dir=out.parent))
            os.replace(out, old / out.name)
        os.replace(fresh, out)
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise UsageError(
            f"writing {str(out)!r} failed: {error.strerror}", "free some space, or give another folder with -o"
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
