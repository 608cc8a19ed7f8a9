"""A headless Chromium that runs a page of this process: what the page posts is the answer."""

from __future__ import annotations

import functools
import http.server
import queue
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgec.errors import BuildError, ToolMissingError

__all__ = ["FLAGS", "browse", "find_chromium", "serve"]

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-dev-shm-usage --disable-sync "
    "--disable-background-networking --disable-component-update --disable-default-apps --disable-extensions"
).split()
"""Only this page: no profile, no network traffic of the browser's own."""

TIMEOUT = 600.0


def find_chromium() -> str:
    """The program.  ToolMissingError without one."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        raise ToolMissingError("Chromium is not installed", hint="apt-get install chromium")
    return found


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; a posted body goes into the queue as (path, bytes)."""

    posted: queue.Queue[tuple[str, bytes]]

    def take(self) -> None:
        """Takes the body of a POST."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.send_response(204)
        self.end_headers()
        self.posted.put((self.path, body))

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing."""


@contextmanager
def serve(folder: Path) -> Iterator[tuple[str, queue.Queue[tuple[str, bytes]]]]:
    """(URL of the folder's server on this machine, queue of what pages post to it), while the context lasts."""
    posted: queue.Queue[tuple[str, bytes]] = queue.Queue()
    handler = type("Handler", (_Handler,), {"posted": posted, "do_POST": _Handler.take})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", posted
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def browse(folder: Path, page: str, wanted: Collection[str], timeout: float = TIMEOUT) -> dict[str, bytes]:
    """Opens `page` of a folder and gives what it posts, by path, once all `wanted` paths are there (in any order: the server has a thread for
    each of the browser's connections).

    Errors: ToolMissingError, BuildError (the page posts to /error, or nothing in `timeout` seconds).
    """
    program = find_chromium()
    found: dict[str, bytes] = {}
    with (
        serve(folder) as (url, posted),
        tempfile.TemporaryDirectory(prefix="edgec-", ignore_cleanup_errors=True) as home,
    ):
        command = [program, *FLAGS, f"--user-data-dir={home}", "--remote-debugging-port=0", f"{url}/{page}"]
        browser = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            while not found.keys() >= set(wanted):
                path, body = posted.get(timeout=timeout)
                found[path] = body
                if path == "/error":
                    raise BuildError(
                        f"the page failed in Chromium: {body.decode(errors='replace')[:300]}",
                        hint="is it version 92 or newer?",
                    )
        except queue.Empty:
            raise BuildError(
                f"Chromium gave no answer in {timeout:.0f} s", hint="does it start? chromium --headless"
            ) from None
        finally:
            browser.terminate()
            browser.wait()
    return found
