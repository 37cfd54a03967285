"""A headless Chromium over its debugging protocol: requests, console errors, pictures."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--hide-scrollbars",
    "--disable-dev-shm-usage", "--remote-debugging-port=0", "--remote-allow-origins=*",
)  # fmt: skip


def executable() -> str | None:
    """The browser's path, or ``None``."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Browser:
    """One browser with one page; a context manager."""

    def __init__(self, program: str, profile: Path) -> None:
        self.requests: list[str] = []
        self.errors: list[str] = []
        self._profile, self._count = profile, 0
        self._process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> Browser:
        import websocket

        port_file = self._profile / "DevToolsActivePort"
        wait_for(
            lambda: port_file.exists() and len(port_file.read_text().split()) == 2, "the browser"
        )
        port = port_file.read_text().split()[0]
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        pages = json.load(opener.open(f"http://127.0.0.1:{port}/json", timeout=20))
        address = next(p["webSocketDebuggerUrl"] for p in pages if p["type"] == "page")
        self._socket = websocket.create_connection(address, timeout=60, http_no_proxy=["127.0.0.1"])
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "_socket"):
            self._socket.close()
        self._process.terminate()
        self._process.wait(timeout=20)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command and return its result; events that come between are kept."""
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == self._count:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        method, body = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(body["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(body["exceptionDetails"])[:400])
        elif method == "Runtime.consoleAPICalled" and body["type"] in (
            "error",
            "warning",
            "assert",
        ):
            self.errors.append(json.dumps(body["args"])[:400])
        elif method == "Log.entryAdded" and body["entry"]["level"] in ("error", "warning"):
            self.errors.append(body["entry"]["text"])

    def show(self, path: Path, width: int, height: int = 900, theme: str = "light") -> None:
        """Open a file in a window of this size and wait until it stands."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": theme}],
        )
        self.call("Page.navigate", url=path.resolve().as_uri())
        wait_for(
            lambda: self.value(
                "document.readyState === 'complete' && location.protocol === 'file:'"
            ),
            "the page",
        )
        self.draw_all()

    def draw_all(self) -> None:
        """Bring every visible plot into view once and wait until it is drawn."""
        self.value("scrollTo(0, 0)")
        step, top = 700, 0
        while top < self.value("document.documentElement.scrollHeight"):
            self.value(
                f"scrollTo(0, {top}); "
                "new Promise(r => requestAnimationFrame(() => setTimeout(r, 30)))"
            )
            top += step
        self.value("scrollTo(0, 0)")
        wait_for(
            lambda: self.value(
                "[...document.querySelectorAll('.plot')].filter(p => p.clientWidth > 0)"
                ".every(p => p.querySelector('.main-svg'))"
            ),
            "the plots",
        )

    def value(self, expression: str) -> Any:
        """The value of a script expression; a promise is awaited."""
        result = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def picture(self, path: Path) -> None:
        """A PNG of the whole page."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True, format="png")
        path.write_bytes(base64.b64decode(data["data"]))

    def paper(self) -> bytes:
        """The page as it prints, PDF on A4."""
        data = self.call(
            "Page.printToPDF",
            preferCSSPageSize=True,
            printBackground=True,
            paperWidth=8.27,
            paperHeight=11.69,
        )
        return base64.b64decode(data["data"])


def wait_for(ready: Callable[[], Any], what: str, seconds: float = 30.0) -> None:
    """Poll until ``ready`` holds."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come up in {seconds:.0f} s")
        time.sleep(0.05)
