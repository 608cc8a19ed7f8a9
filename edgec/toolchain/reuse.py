"""Objects compiled before: kept in the user's cache by the content of everything the compiler read, so only what changed is rebuilt.

A search over models or options builds thousands of images; their harness is the same each time, and mostly their kernels too.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from edgec.paths import cache_dir

__all__ = ["Seen", "keep", "take"]

_FORM = "edgec objects 1"
_BUCKET = 8  # objects kept of those whose hash begins with the same byte: 2,048 in all
_LARGEST = 256 * 1024  # weights of large models are not worth their place


class Seen:
    """What the compilations of one call have in common: the command and every header it could include.

    command: compiler and flags without include folders; includes: folders searched for headers.
    """

    def __init__(self, command: Sequence[str], includes: Sequence[Path]) -> None:
        found = hashlib.sha256(_FORM.encode())
        for word in (*command, _identity(command[0])):
            found.update(word.encode() + b"\0")
        for folder in includes:
            _feed(found, folder, _headers(folder))
        self._common = found

    def key(self, source: Path) -> str:
        """The name under which the object of `source` is kept."""
        found = self._common.copy()
        _feed(found, source.parent, [source, *_headers(source.parent)])
        return found.hexdigest()


def _headers(folder: Path) -> list[Path]:
    """Headers of a folder and those below it, what was built there apart."""
    return sorted(p for p in folder.rglob("*.h") if "build" not in p.relative_to(folder).parts)


def _feed(found: hashlib._Hash, folder: Path, files: Iterable[Path]) -> None:
    for path in files:
        data = path.read_bytes()
        found.update(f"{path.relative_to(folder)}\0{len(data)}\0".encode() + data)


@cache
def _identity(compiler: str) -> str:
    """Tells one installed compiler from the next."""
    path = shutil.which(compiler)
    if path is None:
        return "absent"
    real = os.path.realpath(path)
    about = os.stat(real)
    return f"{real} {about.st_size} {about.st_mtime_ns}"


def take(key: str, out: Path) -> bool:
    """Copies a kept object to `out`; False if there is none."""
    path = _place(key)
    try:
        shutil.copyfile(path, out)
        os.utime(path)  # the oldest go first
    except OSError:
        return False
    return True


def keep(key: str, made: Path) -> None:
    """Keeps an object; of each bucket the latest used stay.  A cache that cannot be written keeps nothing."""
    try:
        if made.stat().st_size > _LARGEST:
            return
        path = _place(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".new", delete=False) as fresh:
            fresh.write(made.read_bytes())
        os.replace(fresh.name, path)  # atomic: several edgec processes may build at once
        old = sorted(path.parent.glob("*.o"), key=lambda p: p.stat().st_mtime_ns)[:-_BUCKET]
        for other in old:
            other.unlink(missing_ok=True)
    except OSError:
        return


def _place(key: str) -> Path:
    return cache_dir() / "objects" / key[:2] / f"{key}.o"
