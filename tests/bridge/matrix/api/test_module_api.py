"""The bridge's side of the homeserver's module: what each answer means, over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bridge.matrix.api.http_client import HomeserverClient
from bridge.matrix.api.module_api import (
    NO_WAY_TO_UPLOADS,
    HomeserverUnreachable,
    ModuleClient,
    ModuleNotLoaded,
    ModuleRequestRejected,
    RoomState,
    RoomStatus,
    SignOutResult,
    VacuumResult,
)
from tests.e2e.polling import STEP_TIMEOUT


class Answering:
    """A server that answers everything alike, and writes down what it was asked."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, str | None]] = []
        self.answer: Any = {}
        self.answers: dict[str, Any] = {}
        """Instead of `answer`, by the end of a path."""
        self.status = 200

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        path = request.raw_path.split("?")[0]
        self.requests.append((request.method, path, request.headers.get("Authorization")))
        if isinstance(self.answer, str):
            return web.Response(text=self.answer, status=self.status)
        other = next((answer for end, answer in self.answers.items() if path.endswith(end)), self.answer)
        return web.json_response(other, status=self.status)


@pytest.fixture
async def there() -> AsyncIterator[tuple[Answering, ModuleClient]]:
    answering = Answering()
    runner = web.ServerRunner(web.Server(answering))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    async with aiohttp.ClientSession() as session:
        wire = HomeserverClient(session=session, url=f"http://{host}:{port}", token="secret", user_id="@policy:x")
        yield answering, ModuleClient(client=wire)
    await runner.cleanup()


ROOM = {"state": "present", "events": 9, "uncensored": 2, "leftovers": 1}
CALLS: list[tuple[Callable[[ModuleClient], Awaitable[Any]], str, str, Any, Any]] = [
    (lambda h: h.purge("!a/b"), "POST", "rooms/%21a%2Fb/purge", {**ROOM, "state": "purging"}, RoomState.PURGING),
    (
        lambda h: h.room("!a"),
        "GET",
        "rooms/%21a",
        ROOM,
        RoomStatus(state=RoomState.PRESENT, events=9, uncensored=2, leftovers=1),
    ),
    (lambda h: h.censor("!a"), "POST", "rooms/%21a/censor", {"left": 3}, 3),
    (lambda h: h.delete_media("mxc://s/m"), "DELETE", "media/s/m", {"exists": False}, None),
    (lambda h: h.is_media_deleted("mxc://s/m"), "GET", "media/s/m", {"exists": True}, False),
    (lambda h: h.is_media_deleted("mxc://s/m"), "GET", "media/s/m", {"exists": False}, True),
    (lambda h: h.sign_out("@a:s"), "DELETE", "users/%40a%3As/devices", {"devices": 2}, SignOutResult(devices=2)),
    (
        lambda h: h.sign_out("@a:s"),
        "DELETE",
        "users/%40a%3As/devices",
        {"devices": 2, "everywhere": False},
        SignOutResult(devices=2, everywhere=False),
    ),
    (
        lambda h: h.vacuum(),
        "POST",
        "vacuum",
        {"engine": "sqlite", "milliseconds": 1500, "bytes": 7},
        VacuumResult(engine="sqlite", seconds=1.5, bytes=7),
    ),
]


@pytest.mark.parametrize(("call", "method", "path", "answer", "result"), CALLS)
async def test_calls(
    there: tuple[Answering, ModuleClient],
    call: Callable[[ModuleClient], Awaitable[Any]],
    method: str,
    path: str,
    answer: Any,
    result: Any,
) -> None:
    """Each goes to its path, escaped, with the token in the header, and its answer is read."""
    answering, house = there
    answering.answer = answer
    assert await call(house) == result
    assert answering.requests == [(method, f"/_synapse/client/quietline/{path}", "Bearer secret")]


async def test_health(there: tuple[Answering, ModuleClient]) -> None:
    """Names are a set, problems are sentences."""
    answering, house = there
    answering.answer = {"version": "1", "enforces": ["a", "b"], "problems": ["p"]}
    health = await house.health()
    assert (health.version, health.enforces, health.problems) == ("1", frozenset({"a", "b"}), ("p",))
    assert len(answering.requests) == 1, "a module that says nothing of uploads, or that it keeps them, is asked once"


@pytest.mark.parametrize(
    ("media", "problems"),
    [
        ({"version": "1", "problems": []}, []),
        (
            {"version": "1", "problems": ["media_storage_providers: elsewhere too"]},
            ["media_storage_providers: elsewhere too"],
        ),
        ({}, [NO_WAY_TO_UPLOADS]),
    ],
)
async def test_health_where_a_worker_keeps_the_uploads(
    there: tuple[Answering, ModuleClient], media: dict[str, Any], problems: list[str]
) -> None:
    """It is asked as well: what it cannot reach is told, and so is that it is not to be reached, without an error."""
    answering, house = there
    answering.answer = {"version": "1", "enforces": [], "problems": ["p"], "media": False}
    answering.answers = {"/media": media}
    assert (await house.health()).problems == ("p", *problems)


@pytest.mark.parametrize(
    ("status", "answer", "error", "errcode"),
    [
        (403, {"errcode": "QUIETLINE_NOT_OURS"}, ModuleRequestRejected, "QUIETLINE_NOT_OURS"),
        (401, {"errcode": "M_UNKNOWN_TOKEN"}, ModuleRequestRejected, "M_UNKNOWN_TOKEN"),
        (400, {"errcode": "M_INVALID_PARAM"}, ModuleRequestRejected, "M_INVALID_PARAM"),
        (404, {"errcode": "M_UNRECOGNIZED"}, ModuleNotLoaded, "M_UNRECOGNIZED"),
        (404, "<html>No such resource</html>", ModuleNotLoaded, ""),
        (405, {"errcode": "M_UNRECOGNIZED"}, ModuleNotLoaded, "M_UNRECOGNIZED"),
        (503, {"errcode": "QUIETLINE_BUSY"}, HomeserverUnreachable, "QUIETLINE_BUSY"),
        (500, {"errcode": "M_UNKNOWN"}, HomeserverUnreachable, "M_UNKNOWN"),
        (429, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 2000}, HomeserverUnreachable, "M_LIMIT_EXCEEDED"),
        (200, "cut sho", HomeserverUnreachable, ""),
    ],
)
async def test_failures(
    there: tuple[Answering, ModuleClient], status: int, answer: Any, error: type[Exception], errcode: str
) -> None:
    """Every call tells no, not now and not there apart, for the same answers."""
    answering, house = there
    answering.status, answering.answer = status, answer
    for call, *_ in CALLS:
        with pytest.raises(error) as caught:
            await call(house)
        assert type(caught.value) is error
        assert caught.value.errcode == errcode  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"state": "half"},
        {"state": 1, "left": "1", "exists": 1, "devices": True, "engine": 1},
        {"state": None, "left": None, "exists": None, "devices": None},
        {**ROOM, "events": "9", "left": 1.5, "exists": "no", "devices": []},
    ],
)
async def test_an_answer_that_says_nothing(there: tuple[Answering, ModuleClient], answer: Any) -> None:
    """What is not said is not taken for done: nothing is gone, deleted or signed out on the word of a strange answer."""
    answering, house = there
    answering.answer = answer
    for call in (house.room, house.censor, house.sign_out):
        with pytest.raises(HomeserverUnreachable):
            await call("!x")
    for check in (house.is_media_deleted("mxc://s/m"), house.vacuum(), house.health()):
        with pytest.raises(HomeserverUnreachable):
            await check


@pytest.mark.parametrize("address", ["", "mxc://", "mxc://s", "mxc://s/", "https://s/m", "s/m"])
async def test_an_address_that_is_none(there: tuple[Answering, ModuleClient], address: str) -> None:
    """It is refused here, and nobody is asked."""
    answering, house = there
    with pytest.raises(ModuleRequestRejected):
        await house.delete_media(address)
    assert answering.requests == []


async def test_nobody_there() -> None:
    """A homeserver that does not answer is away."""
    async with aiohttp.ClientSession() as session:
        house = ModuleClient(client=HomeserverClient(session=session, url="http://127.0.0.1:9", token="t", user_id="@p:x"))
        with pytest.raises(HomeserverUnreachable):
            await asyncio.wait_for(house.health(), STEP_TIMEOUT)
