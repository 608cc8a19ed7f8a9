"""Fixtures for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The machines are shared: a slow example is no failure, and the same commit draws the same examples.
settings.register_profile("edgec", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("edgec")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of third-party models and data that may stand beside the repository; without it the test skips."""
    folder = ROOT.parent / "shared"
    if not (folder / "models").is_dir():
        pytest.skip("needs ../shared (third-party models and data, not part of this repository)")
    return folder


@pytest.fixture(scope="session")
def digits(root: Path) -> Path:
    """The folder of the model this repository ships: digits.onnx (QDQ), digits_f32.onnx, digits.npz."""
    return root / "examples" / "digits"
