"""A browser driven over the W3C WebDriver protocol: just what the tests need, without selenium."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edgec.emulate.chromium import FLAGS, find_chromium

TEST_FLAGS = ["--window-size=900,1000", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


class Page:
    """One tab of a browser."""

    def __init__(self, session: str) -> None:
        self.session = session

    def ask(self, path: str, **body: Any) -> Any:
        return post(f"{self.session}/{path}", body)

    def open(self, url: str) -> None:
        self.ask("url", url=url)

    def run(self, script: str, *arguments: Any) -> Any:
        """What the body of a function returns."""
        return self.ask("execute/sync", script=script, args=list(arguments))

    def click(self, selector: str) -> None:
        element = self.ask("element", using="css selector", value=selector)
        self.ask(f"element/{next(iter(element.values()))}/click")

    def until(self, script: str) -> Any:
        """What an asynchronous script gives to its callback, once that is not null: polled each 20 ms."""
        poll = "const done = arguments[0]; const look = () => { const found = (() => {%s})(); found ? done(found) : setTimeout(look, 20); }; look();"
        return self.ask("execute/async", script=poll % script, args=[])

    def scheme(self, name: str) -> None:
        """prefers-color-scheme: light or dark."""
        feature = {"name": "prefers-color-scheme", "value": name}
        self.ask("goog/cdp/execute", cmd="Emulation.setEmulatedMedia", params={"features": [feature]})

    def phone(self, narrow: bool) -> None:
        """A window of 375 pixels, or its own size."""
        size = {"width": 375, "height": 800, "deviceScaleFactor": 1, "mobile": True}
        verb = "setDeviceMetricsOverride" if narrow else "clearDeviceMetricsOverride"
        self.ask("goog/cdp/execute", cmd=f"Emulation.{verb}", params=size if narrow else {})

    def screenshot(self) -> bytes:
        with urllib.request.urlopen(f"{self.session}/screenshot", timeout=60) as answer:
            return base64.b64decode(json.load(answer)["value"])


def post(url: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["value"]


@contextmanager
def browser(driver: str) -> Iterator[Page]:
    """A headless Chromium with a profile of its own; its microphone beeps, and may be used without asking."""
    with tempfile.TemporaryDirectory(prefix="edgec-", ignore_cleanup_errors=True) as home:
        server = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert server.stdout is not None
        try:
            started = next(filter(None, (re.search(r"on port (\d+)\.", line) for line in server.stdout)))
            options = {"binary": find_chromium(), "args": [*FLAGS, *TEST_FLAGS, f"--user-data-dir={home}"]}
            capabilities = {"alwaysMatch": {"goog:chromeOptions": options, "timeouts": {"script": 30000}}}
            url = f"http://127.0.0.1:{started[1]}/session"
            page = Page(f"{url}/{post(url, {'capabilities': capabilities})['sessionId']}")
            try:
                yield page
            finally:
                urllib.request.urlopen(urllib.request.Request(page.session, method="DELETE"), timeout=60).close()
        finally:
            server.terminate()
            server.wait()
            server.stdout.close()
