"""Each benchmark's own wire format, chosen by name and shapes together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgec.errors import InputError
from edgec.harness.wire import input_bytes, wire_bytes
from edgec.toolchain.glue import BENCHMARKS, wire_format
from edgec.toolchain.package import load_package
from tests.harness import fake_package


def test_kws_sends_int8_and_other_shapes_are_no_benchmark(tmp_path: Path) -> None:
    assert wire_format(load_package(fake_package.write(tmp_path / "a"))) == ("kws01", "EDGEC_WIRE_RAW", 490)
    other = load_package(fake_package.write(tmp_path / "b", rows=7))
    assert wire_format(other) == ("kws", "EDGEC_WIRE_RAW", 70)
    named = load_package(fake_package.write(tmp_path / "c", name="kwsx"))
    assert wire_format(named) == ("kwsx", "EDGEC_WIRE_RAW", 490)


def test_images_travel_as_uint8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BENCHMARKS, "ic", ("ic01", 490, 12, "EDGEC_WIRE_UINT8"))
    package = load_package(fake_package.write(tmp_path / "ic", name="ic"))
    samples = {"in": np.arange(-128, 362).astype(np.int8).reshape(1, 1, 49, 10)}
    sent = np.frombuffer(wire_bytes(package, samples), np.uint8)
    assert (sent.astype(np.int32) - 128 == samples["in"].ravel()).all()


def test_sounds_travel_as_float32(tmp_path: Path) -> None:
    package = load_package(fake_package.write(tmp_path / "ad", name="ad", rows=64, classes=640))
    assert wire_format(package) == ("ad01", "EDGEC_WIRE_FLOAT_ERROR", 2560)
    samples = {"in": np.resize(np.arange(-128, 128), 640).astype(np.int8).reshape(1, 1, 64, 10)}
    sent = np.frombuffer(wire_bytes(package, samples), "<f4")
    assert np.array_equal(np.round(sent * 256) - 128, samples["in"].ravel())


def test_wrong_arrays_are_refused(tmp_path: Path) -> None:
    package = load_package(fake_package.write(tmp_path / "kws"))
    with pytest.raises(InputError, match="no array"):
        input_bytes(package, {"other": np.zeros((1, 490), np.int8)})
    with pytest.raises(InputError, match="490 int8"):
        input_bytes(package, {"in": np.zeros((1, 490), np.float32)})
