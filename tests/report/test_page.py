"""The page of `edgec report`: complete in itself, right in its numbers, readable light and dark in a real browser."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir
import pytest

from edgec import api
from edgec.quant.error import rounding_errors
from edgec.report.compare import moved
from edgec.report.html import page
from edgec.report.memory import write
from tests.toolchain.webdriver import browser

DRIVER = shutil.which("chromedriver")
COLOURS = "const style = getComputedStyle(document.body); return [style.backgroundColor, style.color];"
TEXTS = "return [...document.querySelectorAll('svg.plot')].map(s => getComputedStyle(s).fill).join();"
WIDE = "return document.documentElement.scrollWidth <= window.innerWidth;"


@pytest.fixture(scope="module")
def packages(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Digits for speed, measured, and for RAM, not measured."""
    folder = tmp_path_factory.mktemp("report")
    for optimize in ("speed", "ram"):
        api.compile(digits / "digits.onnx", folder / optimize, target="cortex-m4", optimize=optimize)
    api.bench(folder / "speed", emulate=True)
    return folder / "speed", folder / "ram"


def test_figures_of_the_page(packages: tuple[Path, Path], digits: Path) -> None:
    fast, small = packages
    document = api.report(fast, inputs=digits / "digits.npz")
    measured = document["measured"]
    assert document["costs"]["how"] == document["need"]["how"] == "measured"
    assert document["need"]["ram"] == measured["ram"]["total"]
    text = page(document)
    assert f"{measured['instructions']:,}" in text
    assert text.count('class="disc"') == sum(1 for layer in measured["layers"] if layer["macs"])
    assert not re.search(r"(?:src|href)=|@import|url\(", text)  # nothing is fetched
    assert {board["name"]: board["fits"] for board in document["boards"]}["nucleo-l4r5zi"]
    assert document["quantization"]["random"] is False
    predicted = api.report(small)
    assert predicted["measured"] is None
    assert predicted["costs"]["how"] == "predicted"
    assert "Nothing was measured yet" in page(predicted)


def test_names_from_a_model_stay_text(packages: tuple[Path, Path]) -> None:
    document = api.report(packages[0])
    evil = "<script>alert(1)</script>"
    document["name"] = document["steps"][0]["name"] = document["costs"]["layers"][0]["name"] = evil
    document["memory_plan"][0]["buffer"] = document["quantization"]["layers"][0]["node"] = evil
    assert "<script" not in page(document)


def test_two_packages(packages: tuple[Path, Path]) -> None:
    fast, small = packages
    document = api.report(fast, against=small)
    rows = moved(document["this"], document["other"])
    assert rows
    assert all(a_kernel != b_kernel or a != b for _, _, a_kernel, b_kernel, a, b in rows)
    assert moved(document["this"], document["this"]) == []
    [file] = write(fast / "report", document)
    assert file.name == "against.html"
    assert "Steps that differ" in file.read_text(encoding="utf-8")


@pytest.mark.skipif(DRIVER is None or not shutil.which("chromium"), reason="needs chromium and chromium-driver")
def test_page_in_a_browser(packages: tuple[Path, Path]) -> None:
    """A file without a network; paper and ink change places in the dark, and nothing is wider than the window."""
    file = write(packages[0] / "report", api.report(packages[0]))[0]
    with browser(str(DRIVER)) as opened:
        opened.open(file.resolve().as_uri())
        seen: dict[str, Any] = {}
        for scheme in ("light", "dark"):
            opened.scheme(scheme)
            seen[scheme] = opened.run(COLOURS), opened.run(TEXTS), opened.screenshot()
        assert seen["light"][0] == ["rgb(255, 255, 255)", "rgb(28, 37, 48)"]
        assert seen["dark"][0] == ["rgb(20, 24, 29)", "rgb(228, 232, 238)"]
        assert seen["light"][1] != seen["dark"][1]
        assert seen["light"][2] != seen["dark"][2]
        assert opened.run(WIDE)
        titles = opened.run("return [...document.querySelectorAll('h2')].map(h => h.textContent);")
        assert titles == ["Memory", "Layers", "Error of rounding", "Boards", "Interface", "How it was compiled"]


def test_error_of_rounding_by_hand() -> None:
    """x -> round(x / 0.5) * 0.5, then a ReLU rounded to 0.25: noise of the second counts the first's too."""
    model = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["" : 17]> g (float[1, 4] x) => (float[1, 4] y)
        <float a = {0.5}, float b = {0.25}, int8 z = {0}> {
        q = QuantizeLinear (x, a, z) d = DequantizeLinear (q, a, z) r = Relu (d)
        p = QuantizeLinear (r, b, z) y = DequantizeLinear (p, b, z) }""")
    x = np.array([[[0.2, 1.1, -3.0, 2.6]], [[0.9, -0.7, 5.1, 4.0]]], np.float32)
    found = rounding_errors(onnx_ir.from_proto(model), {"x": x})
    rounded = np.round(x / 0.5) * 0.5
    noise = [np.square(x - rounded).sum(), np.square(np.maximum(x, 0) - np.maximum(rounded, 0)).sum()]
    signal = [np.square(x).sum(), np.square(np.maximum(x, 0)).sum()]
    assert [entry["op"] for entry in found] == ["input", "Relu"]
    assert [entry["sqnr_db"] for entry in found] == pytest.approx(10 * np.log10(np.divide(signal, noise)), abs=0.01)
