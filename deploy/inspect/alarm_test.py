"""`quietline alarm test`: a test on the path of every alarm, and which parts of it arrived.

Rules of this module: a running line makes the ring and the call itself, through decision, outbox, room and pager, because a
call from this terminal would prove nothing about the service's own network and secrets. When the line does not run, the
ways to the person on call are tried from here, and the result says that the desk was not told. Each message is marked as a
test and sent once.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import aiohttp

from bot.model.line_incidents import ALARM_TEST
from bridge.config.load import load
from bridge.outbound import pager
from bridge.tables import inspection, line_state
from deploy.data_dir import offline
from deploy.inspect.check_report import CheckReport, CheckResult, fault, well
from deploy.inspect.shared_checks import check_on_call, has_on_call

if TYPE_CHECKING:
    from bridge.config.sections import Config
    from bridge.storage.database import Transaction
    from deploy.data_dir.layout import Layout

TAKE_SECONDS: Final = 15.0
"""Seconds within which a running line accepts the test."""
THROUGH_SECONDS: Final = 45.0
"""Seconds within which an accepted test reaches the desk and the person on call: a way may need ten to fail."""
LOOK_INTERVAL: Final = 0.25
NOT_TAKEN: Final = "did not take the test, or not for everybody"


@dataclass
class Progress:
    """The progress of a test. `call_results`: None until the person on call was called."""

    was_taken: bool = False
    at_desk: bool = False
    call_results: dict[str, bool] | None = field(default=None)

    @property
    def is_complete(self) -> bool:
        """Whether the test is complete."""
        return self.at_desk and self.call_results is not None


async def run(layout: Layout, *, take: float = TAKE_SECONDS, through: float = THROUGH_SECONDS) -> CheckReport:
    """Try the alarms of a line. Raises `ConfigError`, and `DatabaseError` for a line that never ran."""
    config = load(layout.config)
    test = secrets.token_hex(4)
    with offline.read_transaction(config):
        pass  # the write below would create a missing file
    progress = Progress()
    request = asyncio.ensure_future(_ask(config, test))
    try:
        await asyncio.shield(request)
        await _watch(config, test, progress, take=take, through=through)
        if not progress.was_taken and not await _withdraw(config, test):
            await _watch(config, test, progress, take=take, through=through)
    except asyncio.CancelledError:
        # A line that starts later must not ring for this test, nor for a request that is still being written.
        await asyncio.wait([request])
        await _withdraw(config, test)
        raise
    if progress.was_taken:
        return CheckReport(checks=(*_line_checks(progress), *_call_checks(config, progress.call_results)))
    async with aiohttp.ClientSession() as http:
        ways = await pager.call_each(config.line.on_call, http, message=pager.TEST_MESSAGE)
    do = "Start the line and try again: only then is it known that its own alarms get out."
    nobody = fault("line", "did not take the test: it does not run, or it hangs", do)
    return CheckReport(checks=(nobody, *_call_checks(config, ways)))


async def _ask(config: Config, test: str) -> None:
    await offline.commit(config, lambda transaction: line_state.put(transaction, line_state.ALARM_TEST, test))


async def _watch(config: Config, test: str, progress: Progress, *, take: float, through: float) -> None:
    """Look until all came through. `take`: seconds until the line has the test; `through`: seconds from then on."""
    since = time.monotonic()
    while True:
        was_taken = progress.was_taken
        _poll(config, test, progress)
        if progress.was_taken and not was_taken:
            since = time.monotonic()
        if progress.is_complete or time.monotonic() - since >= (through if progress.was_taken else take):
            return
        await asyncio.sleep(LOOK_INTERVAL)


def _poll(config: Config, test: str, progress: Progress) -> None:
    with offline.read_transaction(config) as db:
        progress.was_taken = progress.was_taken or line_state.peek(db, line_state.ALARM_TEST) != test
        progress.at_desk = inspection.is_shown_at_desk(db, ALARM_TEST + test)
        result = json.loads(line_state.peek(db, line_state.ALARM_TEST_RESULT) or "{}")
        progress.call_results = result["ways"] if result.get("test") == test else None


async def _withdraw(config: Config, test: str) -> bool:
    """Withdraw a request that the line did not accept; return False when it has accepted it meanwhile."""
    withdrawn: list[bool] = []

    async def commit(transaction: Transaction) -> None:
        if await line_state.get(transaction, line_state.ALARM_TEST) == test:
            await line_state.delete(transaction, line_state.ALARM_TEST)
            withdrawn.append(True)

    await offline.commit(config, commit)
    return bool(withdrawn)


def _line_checks(progress: Progress) -> tuple[CheckResult, ...]:
    if progress.at_desk:
        what = "the test is in the desk's room, and rang for whoever is on duty: the board says who that is"
        return (well("desk", what),)
    do = "Does the homeserver answer (`quietline status`), and is there a desk room? Phone the desk: it hears no alarm."
    return (fault("desk", "the test did not reach the desk's room", do),)


def _call_checks(config: Config, ways: dict[str, bool] | None) -> tuple[CheckResult, ...]:
    if not has_on_call(config):
        return (check_on_call(config),)
    if ways is None:
        do = "Look into the bridge's log for lines that begin with `pager`."
        return (fault("on-call", "nobody was called within the time", do),)
    return tuple(
        CheckResult(
            name=f"on-call {way}",
            ok=took,
            what="took the test: ask the person on call whether it reached them" if took else NOT_TAKEN,
            do="" if took else f"Look at lines.0.on_call.{way}: address, password, certificate, firewall.",
        )
        for way, took in ways.items()
    )
