"""Hydrogen, a Matrix client from npm's package, as a person uses it in a real browser.

Rules of this module: the client's files are served unchanged, on loopback, with a page that starts it as its README says;
the methods type and tap in it, and wait for words on its screen. Hydrogen creates no cross-signing identity for a new
person, so that is done over HTTP (`tests.e2e.cross_signing`), as their other client would.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp import web

from tests.browser import Tab, open_tab
from tests.e2e.cross_signing import cross_sign
from tests.fakes.served import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.e2e.staff_client import Account

SDK: Final = "hydrogen-view-sdk"
COMMON_JS: Final = {
    "another-json": "another-json/another-json.js",
    "base64-arraybuffer": "base64-arraybuffer/lib/base64-arraybuffer.js",
    "off-color": "off-color/cjs/index.js",
}
"""By import name in the client: the path of a package whose main module does not run in a browser."""
ROOT_FILES: Final = {"sw.js": f"{SDK}/lib-build/sw.js"}
IMPORTS: Final = {
    **{name: f"/module/{name}" for name in COMMON_JS},
    "@matrix-org/olm/olm.js": "/@matrix-org/olm/olm.js",
    "dompurify": "/dompurify/dist/purify.es.js",
}
ASSETS: Final = {
    "downloadSandbox": f"/{SDK}/asset-build/assets/download-sandbox.html",
    "worker": f"/{SDK}/asset-build/assets/main.js",
    "serviceWorker": "sw.js",
    "olm": {
        "wasm": "/@matrix-org/olm/olm.wasm",
        "legacyBundle": "/@matrix-org/olm/olm_legacy.js",
        "wasmBundle": "/@matrix-org/olm/olm.js",
    },
}
PAGE: Final = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Hydrogen</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/{sdk}/asset-build/assets/theme-element-light.css">
<script type="importmap">{imports}</script></head><body id="app" class="hydrogen"><script type="module">
import * as hydrogen from "/{sdk}/lib-build/hydrogen.es.js";
const container = document.getElementById("app");
const platform = new hydrogen.Platform({{container, assetPaths: {assets}, config: {config}}});
const navigation = hydrogen.createNavigation();
platform.setNavigation(navigation);
await platform.init();
const urlRouter = hydrogen.createRouter({{navigation, history: platform.history}});
urlRouter.attach();
const features = await hydrogen.FeatureSet.load(platform.settingsStorage);
const root = new hydrogen.RootViewModel({{platform, urlRouter, navigation, features}});
await root.load();
container.appendChild(new hydrogen.RootView(root).mount());
</script></body></html>"""
MODULE: Final = """const module = {{exports: {{}}}};
((module, exports) => {{{body}
}})(module, module.exports);
export default module.exports;
"""
ROOMS: Final = "[...document.querySelectorAll('.RoomList a')]"
ACCEPT: Final = "[...document.querySelectorAll('.InviteView button')].find(each => each.classList.contains('primary'))"
ENTER: Final = 13
SCROLLED: Final = """(async words => {
const list = document.querySelector(".Timeline_scroller");
const found = [...document.querySelectorAll(".Timeline_message")].find(each => each.innerText.includes(words));
const off = () => found.getBoundingClientRect().top - list.getBoundingClientRect().top - 60;
const before = off();
list.scrollTop += before;
await new Promise(done => setTimeout(done, 300));
const is_end = list.scrollTop + list.clientHeight >= list.scrollHeight - 2;
return Math.abs(before) < 2 || (is_end && Math.abs(off() - before) < 2);
})(%s)"""
"""Scrolls, and says whether the position had not changed before: the client moves its list when a message arrives."""


class Hydrogen:
    """One running client, in which a person is logged in. Made by :func:`run_hydrogen`."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab

    async def log_in(self, account: Account) -> tuple[str, str]:
        """Log in as a new device; return its access token and its id."""
        for field, words in (("username", account.user), ("password", account.password)):
            await self._write(f"#{field}", words)
        await self.tab.press("Enter", code=ENTER, text="\r")
        stored = await self.tab.until("document.querySelector('.RoomList') && localStorage.getItem('hydrogen_sessions_v1')")
        (session,) = json.loads(stored)
        return session["accessToken"], session["deviceId"]

    async def rooms(self) -> list[str]:
        """Return the ids of the rooms in its list, including invitations."""
        room_ids: list[str] = await self.tab.run(f"{ROOMS}.map(each => each.href.split('/').pop())")
        return room_ids

    async def open_next(self, but: list[str]) -> str:
        """Wait for a room in the list that is not in `but`, accept the invitation to it, open it, and return its id."""
        await self.tab.until(f"{ROOMS}.some(each => !{json.dumps(but)}.includes(each.href.split('/').pop()))")
        room = next(each for each in await self.rooms() if each not in but)
        await self.open(room)
        await self.tab.until(f"!!{ACCEPT}")
        await self.tab.run(f"{ACCEPT}.click()")
        await self.tab.until("!!document.querySelector('.MessageComposer_input textarea')")
        return room

    async def open(self, room: str) -> None:
        """Open a room of the list."""
        name = f"{ROOMS}.find(each => each.href.endsWith({json.dumps(room)}))"
        await self.tab.until(f"!!{name}")
        await self.tab.run(f"{name}.click()")
        await self.tab.until(f"location.hash.endsWith({json.dumps(room)})")

    async def say(self, words: str) -> None:
        """Type words into the open room, and send them."""
        await self._write(".MessageComposer_input textarea", words)
        await self.tab.press("Enter", code=ENTER, text="\r")
        await self.tab.until("document.querySelector('.MessageComposer_input textarea').value === ''")

    async def wait_for(self, words: str, times: int = 1) -> None:
        """Wait until the open room shows words `times` times."""
        shown = "(document.querySelector('.Timeline')?.innerText ?? '')"
        await self.tab.until(f"{shown}.split({json.dumps(words)}).length > {times}")

    async def scroll_to(self, words: str) -> None:
        """Scroll until the first message with these words is below the floating date at the top, and stays there."""
        await self.tab.until(SCROLLED % json.dumps(words))

    async def _write(self, selector: str, words: str) -> None:
        await self.tab.until(f"!!document.querySelector({json.dumps(selector)})?.offsetParent")
        await self.tab.run(f"document.querySelector({json.dumps(selector)}).focus()")
        await self.tab.write(words)


@asynccontextmanager
async def run_hydrogen(
    browser: str, files: Path, work: Path, *, homeserver: str, account: Account, symbols: Path | None = None
) -> AsyncIterator[Hydrogen]:
    """Run it as this person's first device, verified, during the block.

    `files`: the folder of its packages; `work`: an empty directory for the browser's profile.
    """
    async with _serve(files, homeserver) as address, open_tab(browser, work, symbols) as tab:
        await tab.look_like(width=1280, scheme="light")
        await tab.show(address)
        hydrogen = Hydrogen(tab)
        token, device = await hydrogen.log_in(account)
        async with aiohttp.ClientSession(homeserver, headers={"Authorization": f"Bearer {token}"}) as http:
            await cross_sign(http, mxid=account.mxid, password=account.password, device_id=device)
        yield hydrogen


@asynccontextmanager
async def _serve(files: Path, homeserver: str) -> AsyncIterator[str]:
    """Serve the page and the client's files on loopback."""
    settings = {"imports": {"imports": IMPORTS}, "assets": ASSETS, "config": {"defaultHomeServer": homeserver}}
    page = PAGE.format(sdk=SDK, **{name: json.dumps(value) for name, value in settings.items()})

    async def answer(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if not name:
            return web.Response(text=page, content_type="text/html")
        if (module := COMMON_JS.get(name.removeprefix("module/"))) is not None:
            body = (files / module).read_text(encoding="utf-8")
            return web.Response(text=MODULE.format(body=body), content_type="text/javascript")
        file = files / ROOT_FILES.get(name, name)
        return web.FileResponse(file) if file.is_file() else web.Response(status=404)

    app = web.Application()
    app.router.add_get("/{name:.*}", answer)
    async with served(app) as url:
        yield f"{url}/"
