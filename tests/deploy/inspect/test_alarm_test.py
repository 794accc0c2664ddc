"""`quietline alarm test` beside a bridge, and without one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from click.testing import CliRunner, Result

from bot.model.actions import DESK
from bot.model.line_incidents import ALARM_TEST
from bridge.engine.verb_requests import VerbRequests
from bridge.outbound.pager import TEST_MESSAGE
from bridge.storage.database import Transaction
from bridge.tables import line_state
from deploy.cli.main import cli
from deploy.inspect import alarm_test
from tests.deploy.line_directory import LineDirectory
from tests.e2e.polling import wait_until
from tests.fakes.served import served


@pytest.fixture
async def hook(line: LineDirectory, tmp_path: Path) -> AsyncIterator[list[Any]]:
    """Configure a webhook for the person on call; what it was told."""
    calls: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        calls.append(await request.json())
        return web.Response()

    application = web.Application()
    application.router.add_post("/call", take)
    async with served(application) as base:
        url = tmp_path / "call-url"
        url.write_text(f"{base}/call\n", encoding="utf-8")
        url.chmod(0o600)
        raw = yaml.safe_load(line.layout.config.read_text(encoding="utf-8"))
        raw["lines"][0]["on_call"] = {"webhook_file": str(url)}
        line.layout.config.write_text(yaml.safe_dump(raw), encoding="utf-8")
        yield calls


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for seconds where a person would wait for longer; a line that answers is waited for as ever."""
    monkeypatch.setattr(alarm_test, "LOOK_INTERVAL", 0.02)


async def nothing() -> None:
    """Do nothing."""


async def run(line: LineDirectory, **waits: float) -> dict[str, bool]:
    """Run the test; return each row and whether it is well."""
    report = await alarm_test.run(line.layout, **waits)
    return {check.name: check.ok for check in report.checks}


async def take_as_the_line(
    line: LineDirectory,
    *,
    ways: dict[str, bool] | None,
    at_desk: bool = True,
    before: Callable[[], Awaitable[None]] = nothing,
    after: Callable[[], Awaitable[None]] = nothing,
) -> None:
    """Do what a running line does: take the test, say it at the desk, and note who took the call.

    `before` and `after` it is taken something else happens.
    """
    harness, tests = line.harness, VerbRequests(line.harness.services)

    async def asked_for() -> str | None:
        return await line_state.get(harness.database, line_state.ALARM_TEST)

    test = await wait_until("a test is asked for", asked_for, every=0.01)
    await before()
    await tests.run_once()
    await after()

    async def commit(transaction: Transaction) -> None:
        if at_desk:
            await transaction.execute(
                "INSERT INTO event (event_id, room_id, owner, ref, at) VALUES ('$e', '!desk', $1, $2, 0)",
                DESK,
                ALARM_TEST + test,
            )
        if ways is not None:
            result = json.dumps({"test": test, "ways": ways})
            await transaction.execute(line_state.PUT, line_state.ALARM_TEST_RESULT, result)

    await harness.database.commit(commit)


@pytest.mark.parametrize("took", [True, False])
async def test_a_running_line_does_it(line: LineDirectory, hook: list[Any], took: bool) -> None:
    """The line's own result counts, row by row; from here nobody is called."""
    await line.harness.engine.load()
    playing = asyncio.create_task(take_as_the_line(line, ways={"webhook": took}))
    assert await run(line) == {"desk": True, "on-call webhook": took}
    await playing
    assert hook == []


async def test_a_line_whose_alarm_does_not_come_out_is_not_well(line: LineDirectory, hook: list[Any]) -> None:
    """Taken, and neither at the desk nor with the person on call within the time: both are said."""
    await line.harness.engine.load()
    playing = asyncio.create_task(take_as_the_line(line, ways=None, at_desk=False))
    assert await run(line, through=0.5) == {"desk": False, "on-call": False}
    await playing


async def test_without_a_line_the_person_on_call_is_tried_from_here(line: LineDirectory, hook: list[Any]) -> None:
    """The desk is said not to have heard; the request is taken back, so that nothing rings when the line starts."""
    assert await run(line, take=0.1) == {"line": False, "on-call webhook": True}
    assert hook == [{"text": TEST_MESSAGE}]
    assert await line_state.get(line.harness.database, line_state.ALARM_TEST) is None


async def test_who_gives_up_waiting_takes_it_back(line: LineDirectory, hook: list[Any]) -> None:
    """Ctrl-C at the terminal leaves no test for later."""
    waiting = asyncio.create_task(alarm_test.run(line.layout))

    async def asked_for() -> str | None:
        return await line_state.get(line.harness.database, line_state.ALARM_TEST)

    await wait_until("the test is asked for", asked_for, every=0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await line_state.get(line.harness.database, line_state.ALARM_TEST) is None


async def test_the_verb(line: LineDirectory, hook: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1 and the rows, as text and as JSON."""
    monkeypatch.setattr(alarm_test.run, "__kwdefaults__", {"take": 0.1, "through": 0.1})

    def verb(*words: str) -> Result:
        return CliRunner().invoke(cli, ["alarm", "test", "--config", str(line.layout.config), *words])

    text, report = await asyncio.to_thread(verb), await asyncio.to_thread(verb, "--json")
    assert (text.exit_code, report.exit_code) == (1, 1)
    assert "NOT line: did not take the test" in text.output
    assert [check["name"] for check in json.loads(report.output)["checks"]] == ["line", "on-call webhook"]
