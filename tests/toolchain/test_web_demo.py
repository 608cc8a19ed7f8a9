"""The page of the npm package in a headless Chromium: a click on a sample gives its class, a time and a memory."""

from __future__ import annotations

import base64
import json
import os
import shutil
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgec import api
from edgec.emulate.chromium import serve
from tests.toolchain.webdriver import Page, browser

DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    DRIVER is None or not shutil.which("chromium"), reason="needs chromium and chromium-driver"
)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browser(str(DRIVER)) as opened:
        yield opened


def png(pixels: np.ndarray) -> bytes:
    """A grey picture [height, width] of uint8."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = pixels.shape
    lines = b"".join(b"\0" + row.tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


# A picture dropped on the page, as the browser would deliver it.
DROP = """
const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));
const dataTransfer = new DataTransfer();
dataTransfer.items.add(new File([bytes], "digit.png", { type: "image/png" }));
document.getElementById("drop").dispatchEvent(new DragEvent("drop", { dataTransfer, cancelable: true }));
"""
ANSWER = "return document.querySelector('#outputs li')?.dataset.class ?? null;"
NAMED = "return document.querySelector('#outputs li span:nth-child(2)').textContent;"
WIDTHS = "return [document.scrollingElement.scrollWidth, innerWidth];"
COLOURS = "const style = getComputedStyle(document.body); return [style.backgroundColor, style.color];"


def test_the_page_answers(page: Page, digits: Path, tmp_path: Path) -> None:
    pytest.importorskip("ziglang")
    data = np.load(digits / "digits.npz")
    api.compile(digits / "digits.onnx", tmp_path, target="wasm32-simd")
    (tmp_path / "names.txt").write_text("".join(f"digit <{n}>\n" for n in range(10)))
    folder = Path(api.build(tmp_path, digits / "digits.npz", tmp_path / "names.txt")["artifacts"]["npm"])
    with serve(folder) as (url, _):
        page.scheme("light")
        page.open(f"{url}/demo/")
        page.until(ANSWER)
        assert page.run("return getComputedStyle(document.getElementById('voice')).display") == "none"
        for index in (3, 7, 11):
            page.click(f"#samples button:nth-child({index + 1})")
            assert page.run(ANSWER) == str(data["labels"][index])
            assert page.run(NAMED) == f"digit <{data['labels'][index]}>"
        assert page.run("return document.getElementById('time').textContent").endswith("s")
        arena = json.loads((tmp_path / "edgec.json").read_text())["arena_bytes"]
        assert page.run("return document.getElementById('memory').textContent") == f"{arena:,} B"
        shot = page.screenshot()
        light = page.run(COLOURS)
        page.scheme("dark")
        assert all(one != other for one, other in zip(page.run(COLOURS), light, strict=True))
        dark = page.screenshot()
        page.phone(True)
        assert page.run(WIDTHS) == [375, 375]
        page.phone(False)
        picture = png(np.rint(data["image"][20, 0].repeat(4, 0).repeat(4, 1) * 255).astype(np.uint8))
        page.run("document.getElementById('outputs').replaceChildren();")
        page.run(DROP, base64.b64encode(picture).decode())
        assert page.until(ANSWER) == str(data["labels"][20])
        page.run("document.getElementById('outputs').replaceChildren();")
        page.run(DROP, base64.b64encode(b"no picture").decode())
        assert "could not be decoded" in page.until(
            "return !document.getElementById('error').hidden && document.getElementById('error').textContent;"
        )
    if kept := os.environ.get("EDGEC_SCREENSHOTS"):
        (Path(kept) / "light.png").write_bytes(shot)
        (Path(kept) / "dark.png").write_bytes(dark)


def test_features_are_drawn_over_time(page: Page, tmp_path: Path) -> None:
    """Forty rows of eight: the longer side is the picture's width, whichever it is; a file of numbers takes the place of an image."""
    pytest.importorskip("ziglang")
    text = "net (float[1, 40, 8, 1] x) => (float[1, 1, 8, 1] y) { y = ReduceMax <axes = [1]> (x) }"
    model = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["" : 17]> {text}')
    (tmp_path / "loudest.onnx").write_bytes(model.SerializeToString())
    api.compile(tmp_path / "loudest.onnx", tmp_path / "out", target="wasm32")
    with serve(Path(api.build(tmp_path / "out")["artifacts"]["npm"])) as (url, _):
        page.open(f"{url}/demo/")
        page.until(ANSWER)
        shape = "const { width, height } = document.getElementById('picture'); return [width, height];"
        assert page.run(shape) == [40, 8]
        numbers = " ".join(str(320 - i) for i in range(320))
        page.run("document.getElementById('outputs').replaceChildren();")
        page.run(DROP, base64.b64encode(numbers.encode()).decode())
        assert page.until(ANSWER) == "0"
        assert page.run("return document.querySelector('#outputs li span:last-child').textContent;") == "320.000"


def test_the_microphone(page: Page, tmp_path: Path) -> None:
    """A second of sound: the loudest sample is heard, and is no louder than 1."""
    pytest.importorskip("ziglang")
    text = "net (float[1, 16000] x) => (float[1, 1] y) { y = ReduceMax <axes = [1]> (x) }"
    model = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["" : 17]> {text}')
    (tmp_path / "loudest.onnx").write_bytes(model.SerializeToString())
    api.compile(tmp_path / "loudest.onnx", tmp_path / "out", target="wasm32")
    folder = Path(api.build(tmp_path / "out")["artifacts"]["npm"])
    with serve(folder) as (url, _):
        page.open(f"{url}/demo/")
        page.until(ANSWER)
        page.run("document.getElementById('outputs').replaceChildren();")
        page.click("#record")
        loudest = page.until("return document.querySelector('#outputs li span:last-child')?.textContent;")
        assert 0.01 < float(loudest) <= 1.0
