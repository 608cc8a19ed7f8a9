"""verify: the same bytes pass, one changed weight is found and placed, inputs that do not fit are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgec.errors import InputError, LinkError
from edgec.verify.check import verify
from edgec.verify.samples import default_samples
from tests.conformance.block import block


def damage(package: Path, constant: str = "block_w002_weight") -> None:
    """Changes one weight of the compiled code, not of the reference."""
    path = package / "block_weights.c"
    text = path.read_text()
    start = text.index("{", text.index(f" {constant}[", text.index(" = {") - 200)) + 1
    head, tail = text[:start], text[start:]
    first = tail.split(",")[0].strip()
    path.write_text(head + tail.replace(first, str((int(first) + 64) % 127 - 63), 1))


def test_the_same_bytes(package: Path) -> None:
    document = verify(package, with_onnxruntime=False)
    assert document["ok"]
    assert document["mismatching_bytes"] == 0
    assert document["samples"] == 6
    assert document["compared_bytes"] == 6 * 2048
    assert document["first_difference"] is None
    assert "layers" not in document
    json.dumps(document)


def test_every_layer(package: Path) -> None:
    document = verify(package, layers=True, with_onnxruntime=False)
    assert [row["name"] for row in document["layers"]] == ["expand", "dw", "project", "add"]
    assert all(row["differing"] == 0 for row in document["layers"])
    assert [row["bytes"] for row in document["layers"]] == [4096, 4096, 2048, 2048]


@pytest.mark.parametrize("layers", [False, True])
def test_the_first_layer_that_differs_is_named(package: Path, layers: bool) -> None:
    weights = (package / "block_weights.c").read_text()
    constant = next(
        line.split()[3].split("[")[0]
        for line in weights.splitlines()
        if "int8_t block_w002" in line and "EDGEC" in line
    )
    damage(package, constant)
    document = verify(package, layers=layers, with_onnxruntime=False)
    assert not document["ok"]
    assert document["mismatching_bytes"] > 0
    assert "step project (dense" in document["first_difference"]
    where = document["difference"]
    assert where["step"] == "project"
    assert where["row"] == 0
    assert where["expected"] != where["got"]
    assert ("layers" in document) == layers
    json.dumps(document)


def test_given_samples(package: Path) -> None:
    x = np.random.default_rng(2).integers(-128, 128, (3, 1, 16, 16, 8)).astype(np.int8)
    assert verify(package, {"x": x}, with_onnxruntime=False)["samples"] == 3
    for wrong in ({}, {"z": x}, {"x": x[0]}, {"x": x.astype(np.float32)}, {"x": x[:0]}):
        with pytest.raises(InputError, match="input 'x' takes int8") as caught:
            verify(package, wrong, with_onnxruntime=False)
        assert caught.value.hint


def test_a_board_that_is_not_there(package: Path) -> None:
    with pytest.raises(LinkError):
        verify(package, on="socket://127.0.0.1:1", with_onnxruntime=False)


def test_default_samples_are_fixed_and_varied() -> None:
    one, two = default_samples(block()), default_samples(block())
    np.testing.assert_array_equal(one["x"], two["x"])
    assert one["x"].shape == (6, 1, 16, 16, 8)
    assert len({sample.tobytes() for sample in one["x"]}) == 6
    assert set(np.unique(one["x"][2])) == {-128, 127}
    assert np.all(one["x"][0] == -128)
