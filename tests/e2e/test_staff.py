"""Staff come and go on a running line, by `quietline staff` beside it.

Rule of these tests: what a colleague sees is asked as their client would, with the password out of the file.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.e2e.polling import wait_until
from tests.e2e.stack import Stack, run

CLIENT = "/_matrix/client/v3"
Ask = Callable[..., Awaitable[tuple[int, str]]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Run a line of its own; nobody has logged in."""
    new_stack = Stack(tmp_path_factory.mktemp("staff"))
    try:
        await new_stack.prepare()
        await new_stack.start()
        yield new_stack
    finally:
        await new_stack.end()


async def staff(stack: Stack, *words: str) -> tuple[int, str]:
    verb, *more = words
    return await run(stack.command("staff", verb, "--data", str(stack.data), *more))


async def listed(stack: Stack) -> dict[str, Any]:
    code, output = await staff(stack, "list", "--json")
    assert code == 0, output
    return {each["name"]: each for each in json.loads(output)["staff"]}


async def ask(stack: Stack, method: str, path: str, token: str = "", body: object = None) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        aiohttp.ClientSession(stack.ready.homeserver, headers=headers) as http,
        http.request(method, CLIENT + path, json=body) as answer,
    ):
        return answer.status, await answer.json()


async def log_in(stack: Stack, user: str, password: str) -> tuple[int, Any]:
    who = {"type": "m.id.user", "user": user}
    return await ask(stack, "POST", "/login", body={"type": "m.login.password", "identifier": who, "password": password})


async def test_a_fourth_colleague_comes_and_goes(stack: Stack, tmp_path: Path) -> None:
    """Added, logged in and invited without a restart; given another password; removed, and 401; no password in a log."""
    first, second = tmp_path / "first", tmp_path / "second"
    code, said = await staff(stack, "add", "dan", "--role", "supervisor", "--password-file", str(first))
    assert code == 0, said
    assert first.stat().st_mode & 0o777 == 0o600
    status, content = await log_in(stack, "dan", first.read_text().strip())
    assert status == 200
    token, mxid, desk = content["access_token"], content["user_id"], stack.ready.desk_room

    since = ""

    async def invited() -> bool | None:
        nonlocal since  # the homeserver gives the same first answer twice, for two minutes
        _, synced = await ask(stack, "GET", f"/sync?timeout=0{since}", token)
        since = f"&since={synced['next_batch']}"
        return desk in synced.get("rooms", {}).get("invite", {}) or None

    await wait_until("the new colleague is invited to the desk", invited)
    assert (await ask(stack, "POST", f"/join/{desk}", token))[0] == 200

    async def joined() -> bool | None:
        row = (await listed(stack))["dan"]
        return (row["role"], row["desk"]) == ("supervisor", "joined") or None

    await wait_until("the list says so", joined)
    _, levels = await ask(stack, "GET", f"/rooms/{desk}/state/m.room.power_levels/", token)
    assert levels["users"][mxid] == 50
    assert mxid in (stack.data / "config.yaml").read_text()

    assert (await staff(stack, "add", "dan", "--role", "advocate", "--password-file", str(second)))[0] == 2
    assert not second.exists()
    handout = stack.data / "handout" / "dan.txt"
    handout.parent.mkdir()
    handout.write_text("a first password")
    assert (await staff(stack, "reset", "dan", "--password-file", str(second)))[0] == 0
    assert not handout.exists(), "its password does not work any more"
    assert (await ask(stack, "GET", "/account/whoami", token))[0] == 401
    status, content = await log_in(stack, "dan", second.read_text().strip())
    assert status == 200

    code, said = await staff(stack, "remove", "dan")
    assert code == 0, said
    assert (await ask(stack, "GET", "/account/whoami", content["access_token"]))[0] == 401

    async def gone() -> bool | None:
        return "dan" not in await listed(stack) or None

    await wait_until("nobody of that name is listed", gone)
    assert mxid not in (stack.data / "config.yaml").read_text()
    files = [path for path in stack.data.rglob("*") if path.is_file()] + [stack.outputs]
    passwords = [first.read_bytes().strip(), second.read_bytes().strip()]
    assert not [path for path in files for password in passwords if password in path.read_bytes()]
