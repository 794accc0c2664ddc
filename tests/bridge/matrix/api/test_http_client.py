"""What the homeserver answers, and what that means for a request."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from bridge.matrix.api.http_client import LIFTED_BY_A_PERSON, LIFTED_WAIT, HomeserverClient, Permanent, Transient
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.every_row import every_row


@pytest.fixture
async def client(server: ScriptedHomeserver) -> AsyncIterator[HomeserverClient]:
    async with aiohttp.ClientSession() as session:
        yield HomeserverClient(session=session, url=server.url, token="t", user_id="@policy:x")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_no_redirect_is_followed(client: HomeserverClient, server: ScriptedHomeserver, status: int) -> None:
    """Neither a name in a room nor a user's id goes to where a proxy points; a person puts the address right."""
    for ask in (
        client.request("POST", "createRoom", body={"name": "amber heron"}),
        client.upload_media("mxc://x/y", b"ciphertext"),
    ):
        server.requests.clear()
        server.faults.append(web.Response(status=status, headers={"Location": f"{server.url}/elsewhere"}))
        with pytest.raises(Transient) as raised:
            await ask
        assert raised.value.status == status
        assert "/elsewhere" not in {each.path for each in server.requests}


@pytest.mark.parametrize("errcode", [*sorted(LIFTED_BY_A_PERSON), "M_FORBIDDEN"])
async def test_what_an_administrator_takes_back_is_not_final(
    client: HomeserverClient, server: ScriptedHomeserver, errcode: str
) -> None:
    """An account that is locked or suspended is let go again: the same request is worth another try, in a while."""
    server.refuse, server.refuse_errcode = ("/send/", 403), errcode
    with pytest.raises(Permanent if errcode == "M_FORBIDDEN" else Transient) as raised:
        await client.request("PUT", "rooms", "!room", "send", "m.room.encrypted", "1")
    assert raised.value.errcode == errcode
    assert getattr(raised.value, "retry_after", LIFTED_WAIT) == LIFTED_WAIT


@every_row(
    ("value", "errcode"),
    [
        ("M_FORBIDDEN", "M_FORBIDDEN"),
        ("ORG.MATRIX.MSC3848.ALREADY_JOINED", "ORG.MATRIX.MSC3848.ALREADY_JOINED"),
        ("marzipan", ""),
        ("15555550147", ""),
        ("M_15555550147", ""),
        ("ana", ""),
        ("HELP", ""),
        ("M_FORBIDDEN\n", ""),
    ],
)
async def test_only_a_code_is_kept_of_an_error(
    client: HomeserverClient, server: ScriptedHomeserver, value: str, errcode: str
) -> None:
    """An errcode is logged and shown, so whatever else stands in its place, a word or a number of a body, is dropped."""
    server.faults.append(web.json_response({"errcode": value}, status=403))
    with pytest.raises(Permanent if errcode else Transient) as raised:
        await client.request("PUT", "rooms", "!room", "send", "m.room.encrypted", "1")
    assert raised.value.errcode == errcode
