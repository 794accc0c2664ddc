"""Fuzzed requests at the real door, with each adapter behind it: no 500, no leak, no row without authentication."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from bot.model.line_incidents import GapKind, TextsMissing
from bridge.carriers.adapter import WebhookRequest
from tests.bridge.carriers.carrier_line import carrier_line
from tests.bridge.carriers.harness import CANARY, AdapterRow
from tests.bridge.carriers.rows import ROWS
from tests.bridge.carriers.steps import PROXIES

FUZZ = settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
HEADER = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60)
PUT_IN = re.compile(rb'c4n4ry(?:!|%21)[^"&]*')
SEGMENT = st.text(st.sampled_from("abcXYZ019-_.~%41"), max_size=40).filter(lambda s: "%4" not in s.replace("%41", ""))


async def for_each(strategy: st.SearchStrategy[Any], attempt: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    """Try each of many examples in the running loop, from a thread beside it."""
    loop = asyncio.get_running_loop()

    @FUZZ
    @given(strategy)
    def run(example: Any) -> None:
        asyncio.run_coroutine_threadsafe(attempt(example), loop).result(30)

    await asyncio.to_thread(run)


def blank(body: bytes) -> bytes:
    """Empty each value that was put in."""
    return PUT_IN.sub(b"", body)


def twice(body: bytes) -> bytes:
    """Repeat each field, of an object or of a form."""
    return b"{" + body[1:-1] + b"," + body[1:] if body[:1] == b"{" else body + b"&" + body


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_signed_nonsense(row: AdapterRow, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is authentic and near what the vendor documents is answered 200 or 400, and none of it gets into a log.

    On either path, by POST and, of vendors that may call so, by GET; with blank and repeated fields; through proxies.
    """
    caplog.set_level(logging.DEBUG)
    async with row.harness() as harness, carrier_line(tmp_path, harness.carrier, clock=harness.clock) as opened:

        async def attempt(example: tuple[bytes, Callable[[bytes], bytes], dict[str, str]]) -> None:
            body, change, proxy = example
            for way in ("inbound", "status"):
                for method, signed in harness.signings(change(body), way=way):
                    request = replace(signed, headers=CIMultiDict([*signed.headers.items(), *proxy.items()]))
                    assert harness.carrier.verify(request)
                    status, _, said = await opened.call(request, method=method)
                    assert status in (200, 400)
                    assert CANARY.encode() not in said

        bodies = harness.bodies() | st.binary(max_size=60)
        await for_each(st.tuples(bodies, st.sampled_from((bytes, blank, twice)), st.sampled_from(PROXIES)), attempt)
    assert CANARY not in caplog.text


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_strangers(row: AdapterRow, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is not authentic is refused, in whatever way it comes, and leaves no row but one word on either path."""
    caplog.set_level(logging.DEBUG)
    async with row.harness() as harness, carrier_line(tmp_path, harness.carrier, clock=harness.clock) as opened:
        names = (*harness.signature_headers, "Content-Type", "X-Kannel-From")

        async def attempt(example: tuple[str, str, str, str, list[str], str, bytes]) -> None:
            method, way, segment, query, values, encoding, body = example
            path = "/".join(("/carriers/demo", way, *([segment] if segment else [])))
            headers = CIMultiDict(zip(names, values, strict=False))
            if encoding:
                headers["Content-Encoding"] = encoding
            request = WebhookRequest(raw_path=f"{path}?{query}", headers=headers, body=body if method == "POST" else b"")
            status, _, said = await opened.call(request, method=method)
            assert status in (harness.carrier.refusal_status, 404, 405, *((400,) if encoding else ()))
            assert CANARY.encode() not in said

        await for_each(
            st.tuples(
                st.sampled_from(("GET", "POST", "PUT")),
                st.sampled_from(("inbound", "status")),
                SEGMENT,
                st.sampled_from(("", f"id=ab&from=22395&text={CANARY}", "id=ab&dlr=1", "id=ab&message_status=DELIVRD")),
                st.lists(HEADER, max_size=5),
                st.sampled_from(("", "", "", "gzip", "deflate", "br", "identity")),
                harness.bodies() | st.binary(max_size=60),
            ),
            attempt,
        )
        assert await opened.count_rows() == 0
        events = await opened.events()
        assert {event.kind for event in events if isinstance(event, TextsMissing)} <= {GapKind.REFUSED, GapKind.REPORTS}
        # Once each, whatever number of them came.
        assert len(events) == len(set(events)) <= 2
    assert CANARY not in caplog.text
