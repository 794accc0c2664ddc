"""The files that `init` writes for Caddy and nginx before two bridges, in the real programs; the examples are such."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from tests.deploy.init import proxy_rig
from tests.deploy.init.answers import joined, run_init
from tests.deploy.init.proxy_rig import RunningProxy, Upstream, running_proxy
from tests.e2e.polling import wait_until
from tests.free_ports import free_ports
from tests.outside_programs import OutsidePrograms

WEBHOOK = "/carriers/main/inbound"
HOLD = "lb_try_duration 60s"
"""Longer than the file's: what is held here is held for as long as this test needs."""


class Bridge(Upstream):
    """One of the two: it takes webhooks, or says 503 as one that waits does."""

    def __init__(self) -> None:
        super().__init__()
        self.takes = False

    async def _answer(self, request: web.Request) -> web.Response:
        await super()._answer(request)
        return web.Response(status=200 if self.takes else 503)

    @property
    def texts(self) -> int:
        """How many webhooks were taken or refused."""
        return [path for path, _ in self.requests].count(WEBHOOK)

    async def is_looked_at(self) -> None:
        """Wait until the proxy has asked, and has had the answer: it asks again only then."""
        before = len(self.requests)

        async def asked() -> bool | None:
            return [path for path, _ in self.requests[before:]].count("/accepting") >= 2 or None

        await wait_until("the proxy has looked", asked)


def with_standby(bridges: list[str], **changed: Any) -> dict[str, Any]:
    """Return the answers of a line on an agency's own Synapse with two bridges."""
    database = {"bridge_url": "postgresql://quietline:secret@10.0.0.9/quietline"}
    return joined(**{"database": database, "standby": {"bridges": bridges}, **changed})


def written(kind: str, directory: Path) -> str:
    """Return the file that `init` wrote."""
    return (directory / "line" / "proxy" / ("Caddyfile" if kind == "caddy" else "nginx.conf")).read_text(encoding="utf-8")


@asynccontextmanager
async def before_two(kind: str, program: str, directory: Path) -> AsyncIterator[tuple[RunningProxy, Bridge, Bridge]]:
    """Run the written file in the program, with a port and a certificate of this test."""
    proxy_rig.make_certificates(directory)
    one, two, port = Bridge(), Bridge(), free_ports()
    async with one.server, two.server:
        bridges = [f"127.0.0.1:{bridge.server.port}" for bridge in (one, two)]
        assert run_init(directory, with_standby(bridges, proxy=kind)).exit_code == 0
        text = written(kind, directory)
        text = text.replace("lb_try_duration 15s", HOLD)
        assert (HOLD in text) is (kind == "caddy")
        changed = (proxy_rig.caddy_config if kind == "caddy" else proxy_rig.nginx_config)(text, directory, port)
        (file := directory / "changed.conf").write_text(changed, encoding="utf-8")
        words = ["run", "--adapter", "caddyfile", "--config"] if kind == "caddy" else ["-p", str(directory), "-c"]
        async with running_proxy([program, *words, str(file)], directory, one, two, port) as proxy:
            yield proxy, one, two


async def test_caddy_holds_a_webhook_until_a_bridge_takes_it(tmp_path: Path, outside_programs: OutsidePrograms) -> None:
    """It goes to the one that leads, whichever that is; while none does it waits, and is given to one alone, once."""
    if (program := outside_programs.find("caddy")) is None:
        return
    async with before_two("caddy", program, tmp_path / "proxy") as (proxy, one, two):
        for leads, waits in ((one, two), (two, one)):
            leads.takes, waits.takes = True, False
            for bridge in (leads, waits):
                await bridge.is_looked_at()
            before = leads.texts, waits.texts
            assert await proxy.ask(WEBHOOK, method="POST", body=b"text") == 200
            assert (leads.texts, waits.texts) == (before[0] + 1, before[1])
        two.takes = False
        await two.is_looked_at()
        before = one.texts, two.texts
        request = asyncio.create_task(proxy.ask(WEBHOOK, method="POST", body=b"text"))
        await one.is_looked_at()
        assert not request.done()
        one.takes = True
        assert await request == 200
        assert (one.texts, two.texts) == (before[0] + 1, before[1])
        for path in ("/accepting", "/ready", "/", "/carriers/../ready"):
            assert await proxy.ask(path) == 404


async def test_nginx_asks_the_other_bridge(tmp_path: Path, outside_programs: OutsidePrograms) -> None:
    """The one that says 503 is passed over, with the whole text; where both do the carrier hears it, and comes again."""
    if (program := outside_programs.find("nginx")) is None:
        return
    text = b"x" * (3 << 20)
    async with before_two("nginx", program, tmp_path / "proxy") as (proxy, one, two):
        for leads, waits in ((one, two), (two, one)):
            leads.takes, waits.takes = True, False
            before = leads.texts
            for _ in range(3):
                assert await proxy.ask(WEBHOOK, method="POST", body=text) == 200
            assert leads.texts == before + 3
        one.takes = two.takes = False
        assert await proxy.ask(WEBHOOK, method="POST", body=text) == 503
        for path in ("/accepting", "/ready", "/", "/carriers"):
            assert await proxy.ask(path) == 404
    for file in (tmp_path / "proxy").rglob("*"):
        assert not (file.is_file() and text[:64] in file.read_bytes()), "a text is in a file"


@pytest.mark.parametrize("kind", ["caddy", "nginx"])
def test_nothing_of_a_request_is_logged(tmp_path: Path, kind: str) -> None:
    assert run_init(tmp_path, with_standby(["10.0.0.1", "10.0.0.2"], proxy=kind)).exit_code == 0
    assert ("exclude http.log.error" if kind == "caddy" else "access_log off;") in written(kind, tmp_path)


@pytest.mark.parametrize("kind", ["caddy", "nginx"])
def test_clients_of_an_own_homeserver_come_through_beside_two_bridges(tmp_path: Path, kind: str) -> None:
    """The second bridge of one machine has a port of its own, which the checklist names; the first one's is the line's."""
    inputs = with_standby(["127.0.0.1", "127.0.0.1:8459"], proxy=kind, mode="embedded", homeserver=None)
    assert run_init(tmp_path, inputs).exit_code == 0
    text = written(kind, tmp_path)
    bridges = "127.0.0.1:8449 127.0.0.1:8459" if kind == "caddy" else "server 127.0.0.1:8459 max_fails=0;"
    assert bridges in text
    assert ("reverse_proxy 127.0.0.1:8448" if kind == "caddy" else "proxy_pass http://127.0.0.1:8448;") in text
    checklist, config = (tmp_path / "line" / "CHECKLIST.md").read_text(), (tmp_path / "line" / "config.yaml").read_text()
    assert "--listen 127.0.0.1:8459" in checklist
    assert yaml.safe_load(config)["listen"]["host"] == "127.0.0.1"


def test_a_canary_of_two_bridges_asks_the_one_that_leads(tmp_path: Path) -> None:
    """By the proxy: the bridge beside it may be the standby, and a healthy line would call the person on call."""
    inputs = with_standby(["10.0.0.1", "10.0.0.2"])
    assert run_init(tmp_path, inputs).exit_code == 0
    file = (tmp_path / "line" / "units" / "quietline-canary.service").read_text()
    assert f"/quietline canary --data {tmp_path / 'line'} --bridge {inputs['public_url']}\n" in file
    assert "IPAddressDeny" not in file
    assert "Of two machines one runs it." in (tmp_path / "line" / "CHECKLIST.md").read_text()


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"database": None}, "standby: is for a line on PostgreSQL; `database.bridge_url` is needed"),
        ({"service": "compose"}, "standby: Compose runs one bridge"),
        ({"proxy": "none"}, "standby: is for the file of a proxy, and there is none"),
        ({"standby": {"bridges": ["10.0.0.1"]}}, "standby.bridges: "),
        ({"standby": {"bridges": ["10.0.0.1", "10.0.0.1"]}}, "the same one twice"),
        ({"standby": {"bridges": ["10.0.0.1", "10.0.0.2:0"]}}, "must be where the proxy reaches a bridge"),
        ({"standby": {"bridges": ["10.0.0.1", "two}\nrespond 200"]}}, "must be where the proxy reaches a bridge"),
        ({"standby": {"bridges": ["10.0.0.1", "http://10.0.0.2"]}}, "must be where the proxy reaches a bridge"),
    ],
)
def test_a_standby_that_cannot_be_is_refused(tmp_path: Path, changed: dict[str, Any], problem: str) -> None:
    """It needs PostgreSQL, a proxy, and two addresses; nothing else comes into the file."""
    result = run_init(tmp_path, with_standby(["10.0.0.1", "10.0.0.2"], **changed))
    assert result.exit_code == 2
    assert problem in result.output
    assert not (tmp_path / "line").exists()
