"""What fails for a while is tried again, later each time; what no waiting heals is raised."""

from __future__ import annotations

import pytest

from bridge.background.loop import Backoff, retry_until_done
from bridge.matrix.api.http_client import Permanent, TokenRefused, Transient
from bridge.storage.errors import Corrupt, Unavailable


def test_waits_double_up_to_a_bound_and_begin_again() -> None:
    """Each failure in a row waits twice as long; after a success the first wait comes again."""
    waits = Backoff("test", homeserver=(1.0, 4.0), storage=(0.5, 0.5))
    assert [waits.record(Transient(502, "")) for _ in range(4)] == [1.0, 2.0, 4.0, 4.0]
    waits.reset()
    assert waits.record(Transient(502, "")) == 1.0
    waits.reset()
    assert [waits.record(Unavailable("SQLITE_FULL")) for _ in range(2)] == [0.5, 0.5]


def test_the_homeserver_may_ask_for_longer() -> None:
    """`Retry-After` is kept, also above the bound."""
    assert Backoff("test", homeserver=(1.0, 4.0)).record(Transient(429, "M_LIMIT_EXCEEDED", retry_after=30.0)) == 30.0


def test_nothing_of_a_failures_text_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The log names the loop, the type and the count."""
    with caplog.at_level("DEBUG"):
        Backoff("test").record(OSError("+15555550100 says hello"))
    assert "test.database_retry" in caplog.text
    assert "hello" not in caplog.text


async def test_it_is_tried_until_it_is_done() -> None:
    """Failures that pass are tried again; the answer of the try that succeeds is returned."""
    failures: list[Exception] = [Unavailable("SQLITE_BUSY"), OSError(), Transient(502, "")]

    async def attempt() -> int:
        if failures:
            raise failures.pop(0)
        return 7

    assert await retry_until_done("test", attempt, waits=(0.0, 0.0)) == 7
    assert failures == []


@pytest.mark.parametrize(
    "error",
    [
        TokenRefused(401, "M_UNKNOWN_TOKEN"),
        Permanent(403, "M_FORBIDDEN"),
        Corrupt("SQLITE_CORRUPT"),
        ValueError(),
    ],
)
async def test_what_no_waiting_heals_is_raised(error: Exception) -> None:
    """A refused token, a refused request, a damaged page and a bug are raised at the first try."""
    tries = 0

    async def attempt() -> None:
        nonlocal tries
        tries += 1
        raise error

    with pytest.raises(type(error)):
        await retry_until_done("test", attempt, waits=(0.0, 0.0))
    assert tries == 1
