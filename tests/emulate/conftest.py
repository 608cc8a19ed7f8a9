"""What the emulator tests need: the tools, and a compiled model to run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.harness import fake_package


@pytest.fixture(scope="session", autouse=True)
def tools() -> None:
    """Skips where a tool is missing."""
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm", "gcc"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")


@pytest.fixture(scope="module")
def kws(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fake `kws` package."""
    return fake_package.write(tmp_path_factory.mktemp("kws") / "kws")
