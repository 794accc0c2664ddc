"""Fuzzed requests at the real door, with each adapter behind it: no 500, no leak, no row without authentication."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from bot.incidents import Gap, TextsMissing
from bridge.carriers.adapter import WebhookRequest
from tests.bridge.carriers.door import Door, door
from tests.bridge.carriers.rows import ROWS
from tests.bridge.carriers.stand import CANARY, Row

FUZZ = settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
HEADER = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60)
SEGMENT = st.text(st.sampled_from("abcXYZ019-_.~%41"), max_size=40).filter(lambda s: "%4" not in s.replace("%41", ""))


async def for_each(strategy: st.SearchStrategy[Any], attempt: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    """Try each of many examples in the running loop, from a thread beside it."""
    loop = asyncio.get_running_loop()

    @FUZZ
    @given(strategy)
    def run(example: Any) -> None:
        asyncio.run_coroutine_threadsafe(attempt(example), loop).result(30)

    await asyncio.to_thread(run)


async def rows(opened: Door) -> int:
    count: int = await opened.store.fetchval(
        """SELECT (SELECT count(*) FROM inbox WHERE kind <> 'TextsMissing') + (SELECT count(*) FROM thread)
           + (SELECT count(*) FROM early_report)"""
    )
    return count


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_signed_nonsense(row: Row, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is authentic and near what the vendor documents is answered 200 or 400, and none of it gets into a log.

    On either path, by POST and, of vendors that may call so, by GET.
    """
    caplog.set_level(logging.DEBUG)
    async with row.stand() as stand, door(tmp_path, stand.carrier, clock=stand.clock) as opened:

        async def attempt(body: bytes) -> None:
            for way in ("inbound", "status"):
                for method, request in stand.signings(body, way=way):
                    assert stand.carrier.verify(request)
                    status, _, said = await opened.call(request, method=method)
                    assert status in (200, 400)
                    assert CANARY.encode() not in said

        await for_each(stand.bodies() | st.binary(max_size=60), attempt)
    assert CANARY not in caplog.text


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_strangers(row: Row, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is not authentic is refused, in whatever way it comes, and leaves no row but one word that says so."""
    caplog.set_level(logging.DEBUG)
    async with row.stand() as stand, door(tmp_path, stand.carrier, clock=stand.clock) as opened:
        names = (*stand.signature_headers, "Content-Type", "X-Kannel-From")

        async def attempt(example: tuple[str, str, str, str, list[str], bytes]) -> None:
            method, way, segment, query, values, body = example
            path = "/".join(("/carriers/demo", way, *([segment] if segment else [])))
            headers = CIMultiDict(zip(names, values, strict=False))
            request = WebhookRequest(raw_path=f"{path}?{query}", headers=headers, body=body if method == "POST" else b"")
            status, _, said = await opened.call(request, method=method)
            assert status in (stand.carrier.refusal, 404, 405)
            assert CANARY.encode() not in said

        await for_each(
            st.tuples(
                st.sampled_from(("GET", "POST", "PUT")),
                st.sampled_from(("inbound", "status")),
                SEGMENT,
                st.sampled_from(("", f"id=ab&from=22395&text={CANARY}", "id=ab&dlr=1", "id=ab&message_status=DELIVRD")),
                st.lists(HEADER, max_size=5),
                stand.bodies() | st.binary(max_size=60),
            ),
            attempt,
        )
        assert await rows(opened) == 0
        assert await opened.events() in ([], [TextsMissing(kind=Gap.REFUSED)])
    assert CANARY not in caplog.text
