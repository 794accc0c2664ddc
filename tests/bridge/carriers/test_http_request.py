"""One request to a carrier: what could not even be begun is told apart from what may have had an effect."""

from __future__ import annotations

import logging

import pytest

from bridge.carriers.adapter import TryLater
from bridge.carriers.http_request import http_session, send_request


@pytest.mark.parametrize(
    "base",
    [
        "https://a..canary",
        "https://.canary",
        f"https://{'a' * 64}.canary",
        "https://canary\\y",
        "https://canary[",
        "https://\uff11\uff12\uff17.0.0.1",
        "https:///canary",
        "canary",
    ],
)
@pytest.mark.parametrize("query", [None, {"a": "b"}])
async def test_an_address_that_is_none(base: str, query: dict[str, str] | None, caplog: pytest.LogCaptureFixture) -> None:
    """At an address that cannot be one nothing arrives, which is certain, and nothing of it is said."""
    caplog.set_level(logging.DEBUG)
    async with http_session() as http:
        assert await send_request(http, "POST", f"{base}/x", query=query, form=b"words") == TryLater()
    assert "canary" not in caplog.text
