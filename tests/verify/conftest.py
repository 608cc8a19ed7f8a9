"""A compiled package without an ONNX model: the block of example.md for the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.block import block
from tests.conformance.packages import with_kernels, write_package


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return write_package(tmp_path / "block", with_kernels(block()), "host")
