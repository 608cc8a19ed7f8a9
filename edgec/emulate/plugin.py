"""The counting plugin: built with the host's compiler on first use, kept in the user's cache."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from edgec.paths import cache_dir
from edgec.toolchain.base import run_tool
from edgec.toolchain.host import host_compiler

__all__ = ["plugin_library"]


def plugin_library() -> Path:
    """Path of the shared library QEMU loads; its name carries the hash of its source, so an update rebuilds it."""
    source = Path(__file__).with_name("plugin.c")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    library = cache_dir() / f"qemu-count-{digest}.so"
    if not library.is_file():
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            built = Path(folder) / library.name
            flags = ["-O2", "-shared", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra"]
            run_tool([host_compiler(), *flags, str(source), "-o", str(built)])
            os.replace(built, library)  # atomic: two edgec processes may build at once
    return library
