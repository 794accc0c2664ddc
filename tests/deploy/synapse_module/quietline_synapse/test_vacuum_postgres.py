"""The vacuum on a real PostgreSQL that others use meanwhile."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.deploy.synapse_module.quietline_synapse.test_schema_postgres import OnePostgres, postgres
from tests.deploy.synapse_module.quietline_synapse.test_vacuum import refused

if TYPE_CHECKING:
    from quietline_synapse.vacuum import Vacuum

__all__ = ["postgres"]
LARGE = 1 << 30


@pytest.fixture
def beside_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a transaction of another count as one that began after the vacuum's call."""
    from quietline_synapse import vacuum

    monkeypatch.setattr(vacuum, "_wait_for_older_transactions", lambda _cursor: True)


def vacuumed(postgres: OnePostgres) -> list[str]:
    """Note each vacuum from now on."""
    said: list[str] = []
    postgres.after = lambda sql: said.append(sql) if sql.startswith("VACUUM") else None
    return said


@pytest.mark.parametrize("full_bytes", [0, LARGE])
async def test_a_connection_is_given_back_as_synapse_made_it(
    postgres: OnePostgres, full_bytes: int, beside_others: None
) -> None:
    """With the time-out for statements that Synapse set on it, which is not the server's; also where a table was held."""
    postgres.execute("INSERT INTO events (room_id) VALUES ('!a')")
    vacuum = postgres.vacuum(full_bytes)
    await vacuum.run()
    assert postgres.session == {"statement_timeout": "10min", "lock_timeout": "0"}
    with closing(postgres.connect()) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE redactions IN ACCESS EXCLUSIVE MODE")
        await _refused(vacuum)
    assert postgres.session == {"statement_timeout": "10min", "lock_timeout": "0"}


async def _refused(vacuum: Vacuum) -> None:
    with refused() as caught:
        await vacuum.run()
    assert (caught.value.code, caught.value.errcode) == (503, "QUIETLINE_READERS")


@pytest.mark.parametrize("full_bytes", [0, LARGE])
async def test_a_table_that_somebody_holds_holds_up_no_other(
    postgres: OnePostgres, full_bytes: int, beside_others: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for its vacuum nor for its size is it waited for; all others are done, and the bridge asks again."""
    from quietline_synapse import vacuum as module

    monkeypatch.setattr(module, "LOCK_TIMEOUT", "100ms")
    said, vacuum = vacuumed(postgres), postgres.vacuum(full_bytes)
    await vacuum.run()
    every = len(said)
    with closing(postgres.connect()) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        # Where it stands in line for the table after all, it does so for good.
        async with asyncio.timeout(30):
            await _refused(vacuum)
    assert len(said) == 2 * every - 1
    assert not any('"events"' in sql for sql in said[every:])
