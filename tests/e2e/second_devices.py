"""A person's other devices: a second one, which they verify themselves, and one that was signed out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

import aiohttp
import pytest

from tests.e2e.polling import wait_until
from tests.e2e.staff_client import Account, StaffClient
from tests.e2e.staffed_line import StaffedLine

if TYPE_CHECKING:
    from tests.e2e.strict_client import StrictClient


@asynccontextmanager
async def second_device(staffed_line: StaffedLine, client: StaffClient) -> AsyncIterator[StrictClient]:
    """Log a person in a second time, on a device that they verify themselves."""
    key = await strict(client).recovery_key()
    account = next(a for a in staffed_line.ready.accounts if a.mxid == client.mxid)
    second = type(strict(client))(staffed_line.ready.homeserver, account)
    try:
        await second.start()
        await second.verify(key)
        yield second
    finally:
        await second.stop()


def strict(client: StaffClient) -> StrictClient:
    """Return the client as a `StrictClient`."""
    from tests.e2e.strict_client import StrictClient

    if not isinstance(client, StrictClient):
        pytest.fail("this needs the strict client, which has no build for this C library")
    return client


async def was_here(staffed_line: StaffedLine, account: Account) -> None:
    """Accept the desk's invitation on a device without keys, and sign that device out once the line knows the person.

    The line invites them to their office then. Before, a command in a thread could be handled first: of events that came in
    one sync response, only those of one room have an order.
    """
    named = {"type": "m.id.user", "user": account.user}
    login = {"type": "m.login.password", "identifier": named, "password": account.password}
    async with aiohttp.ClientSession(f"{staffed_line.ready.homeserver}/_matrix/client/v3/", raise_for_status=True) as http:
        async with http.post("login", json=login) as answer:
            headers = {"Authorization": f"Bearer {(await answer.json())['access_token']}"}

        position: dict[str, str] = {}  # a second sync without one is answered from Synapse's cache

        async def is_invited() -> bool | None:
            async with http.get("sync", params={"timeout": "0", **position}, headers=headers) as answer:
                response = await answer.json()
            position["since"] = response["next_batch"]
            return bool(response.get("rooms", {}).get("invite")) or None

        async with http.post(f"join/{quote(staffed_line.ready.desk_room, safe='')}", json={}, headers=headers):
            pass
        await wait_until(f"{account.user} is invited to an office", is_invited)
        async with http.post("logout", json={}, headers=headers):
            pass
