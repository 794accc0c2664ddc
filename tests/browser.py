"""A real browser controlled by a test: one headless Chromium, over its DevTools protocol.

Rules of this module: its own profile, which is deleted with the test; only the protocol (chromedevtools.github.io,
"Target", "Page", "Runtime", "Emulation"); every wait has a limit; the browser's processes are ended by their group's id.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

OPTIONS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
TIMEOUT: Final = 60.0
"""Seconds for one answer or one wait; long, because a machine may be slow."""


class Tab:
    """One page. Made by :func:`open_tab`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._session = ""
        self._last = 0
        self.requested: list[str] = []
        """Every URL that the page requested."""

    async def attach(self) -> None:
        """Create the page and record its requests."""
        target = (await self.command("Target.createTarget", url="about:blank"))["targetId"]
        self._session = (await self.command("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        await self.command("Network.enable")

    async def command(self, method: str, **parameters: Any) -> Any:
        """Send one command and return its result."""
        self._last += 1
        request = {"id": self._last, "method": method, "params": parameters}
        await self._socket.send_json(request | ({"sessionId": self._session} if self._session else {}))
        async with asyncio.timeout(TIMEOUT):
            while True:
                message = json.loads(await self._socket.receive_str())
                if message.get("method") == "Network.requestWillBeSent":
                    self.requested.append(message["params"]["request"]["url"])
                if message.get("id") == self._last:
                    assert "error" not in message, message
                    return message["result"]

    async def show(self, url: str) -> None:
        """Go to a URL; it may still be loading on return."""
        await self.command("Page.navigate", url=url)

    async def run(self, expression: str) -> Any:
        """Evaluate JavaScript in the page, await its promise, and return its value."""
        answer = await self.command("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, expression: str) -> Any:
        """Wait until an expression is true; return its value."""
        async with asyncio.timeout(TIMEOUT):
            while not (value := await self.run(expression)):  # noqa: ASYNC110 - another process sets no event here
                await asyncio.sleep(0.05)
        return value

    async def look_like(self, *, width: int, scheme: str, height: int = 800) -> None:
        """Lay the page out with this size in CSS pixels, `light` or `dark`."""
        size = {"width": width, "height": height}
        await self.command("Emulation.setDeviceMetricsOverride", **size, deviceScaleFactor=1, mobile=False)
        await self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    async def press(self, key: str, *, code: int, text: str = "") -> None:
        """Press and release a key, as a keyboard does. `code`: its Windows virtual key code."""
        common = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        await self.command("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **common)
        await self.command("Input.dispatchKeyEvent", type="keyUp", **common)

    async def write(self, text: str) -> None:
        """Type text into the focused element."""
        await self.command("Input.insertText", text=text)


@asynccontextmanager
async def open_tab(program: str, profile: Path, symbols: Path | None = None) -> AsyncIterator[Tab]:
    """Start a browser and open one page in it. `symbols`: a folder with further `fonts`."""
    process = await asyncio.create_subprocess_exec(
        program,
        *OPTIONS,
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        env=os.environ | ({} if symbols is None else {"XDG_DATA_HOME": str(symbols)}),
    )
    try:
        address = await _address(process, profile / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=0) as socket:
            tab = Tab(socket)
            await tab.attach()
            yield tab
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _address(process: asyncio.subprocess.Process, file: Path) -> str:
    """Return the browser's WebSocket URL, when it has written both lines of its file."""
    async with asyncio.timeout(TIMEOUT):
        while process.returncode is None:
            if len(lines := _lines(file)) > 1:
                return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
            await asyncio.sleep(0.05)
    raise AssertionError(f"the browser ended with {process.returncode}")


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").split("\n") if file.exists() else []
