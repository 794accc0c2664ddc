"""The first supervisor of a line that never was a rehearsal, from the first login to the board.

Rule of these tests: what `quietline trust` shows and takes is compared with nothing but what the client itself has.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import date
from functools import partial
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml

from deploy.data_dir.layout import Layout
from deploy.stack.provision import open_secrets
from tests.e2e.conftest import StrictClientFactory
from tests.e2e.polling import STEP_TIMEOUT, StepFailed, late, wait_until
from tests.e2e.second_devices import strict
from tests.e2e.stack import Stack, run
from tests.e2e.staff_client import Account, StaffClient, TimelineItem
from tests.fakes import database_file
from tests.packs import shipped

WITHHELD = "WITHHELD_FOR_UNVERIFIED_OR_INSECURE_DEVICE"
"""The strict client's word for `m.unverified`, which it shows as a sentence."""


def make_real(stack: Stack) -> Account:
    """Write a line with a gateway of its own and reviewed words; returns its supervisor's account."""
    stack.write_files()
    layout = Layout(stack.data)
    review = {"reviewed_by": "Counsel", "reviewed_on": date(2026, 3, 1)}
    texts = {
        str(text.name): {"wordings": {"en": {"text": wording.text.replace("555-555-0123", "555-867-5309"), **review}}}
        for text, language, wording in shipped("base").wordings
        if language == "en" and (text.legal or wording.sample)
    }
    hours = {"always": True}
    pack = stack.data / "agency.yaml"
    pack.write_text(yaml.safe_dump({"name": "agency", "languages": ["en"], "hours": hours, "texts": texts}))
    configuration = yaml.safe_load(layout.config.read_text(encoding="utf-8"))
    secrets = open_secrets(layout)
    configuration["lines"][0] |= {
        "rehearsal": False,
        "packs": ["base", str(pack)],
        "carrier": {
            "kind": "kannel",
            "api_base": f"http://127.0.0.1:{stack.base + 2}",
            "username": "quietline",
            "password_file": str(secrets.carrier_token),
            "path_secret_file": str(secrets.carrier_signing_key),
            "plain_numbers": "international",
            "region": "US",
        },
    }
    layout.config.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    sol = next(account for account in secrets.read_accounts() if account.role == "supervisor")
    return Account(user=sol.user, mxid=f"@{sol.user}:quietline.localhost", password=sol.password, role=sol.role)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def real(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Stack, Account]]:
    """Run a line that is no rehearsal; nobody has logged in."""
    stack = Stack(tmp_path_factory.mktemp("real"))
    try:
        stack.data.mkdir(mode=0o700)
        sol = make_real(stack)
        await stack.start()
        yield stack, sol
    finally:
        await stack.end()


async def identities(stack: Stack) -> dict[str, Any]:
    """Ask `quietline trust` who was seen, by Matrix id."""
    code, output = await run(stack.command("trust", "--data", str(stack.data), "--json"))
    assert code == 0, output
    return {each["mxid"]: each for each in json.loads(output)["identities"]}


async def supervisor_row(stack: Stack) -> dict[str, Any]:
    """Ask the doctor whether a supervisor is confirmed."""
    _, output = await run(stack.command("doctor", "--data", str(stack.data), "--json"))
    result: dict[str, Any] = next(row for row in json.loads(output)["checks"] if row["name"] == "trust")
    return result


async def seen_at_the_desk(stack: Stack, sol: StaffClient) -> dict[str, Any]:
    """Take the supervisor to the desk, where they read nothing and are told why; return what was seen of them."""
    await sol.join(stack.ready.desk_room)

    async def seen() -> dict[str, Any] | None:
        person = (await identities(stack)).get(sol.mxid)
        return person if person and person["devices"] else None

    identity = await wait_until("the bridge has seen who signed in", seen)
    assert not identity["confirmed"]
    assert not (await supervisor_row(stack))["ok"]

    async def is_known() -> bool | None:
        query = "SELECT COUNT(DISTINCT s.user_id) FROM matrix_withheld w JOIN matrix_session s USING (session_id)"
        return database_file.rows(Layout(stack.data).bridge / "main.db", query)[0][0] == 2 or None

    await wait_until("both our identities have told the device why", is_known)
    for author, within in ((stack.ready.bot, STEP_TIMEOUT), (stack.ready.voice, 20.0)):
        is_told_why = partial(_is_withheld_by, author=author)
        try:
            await sol.find(stack.ready.desk_room, "the client says why", is_told_why, within=within)
        except StepFailed:
            # Measured with SDK 0.18: it stores both reasons, and shows none for an event that it had stored just before.
            assert author in await strict(sol).keys_withheld_by()
            late.append(f"a strict client has a reason why it cannot read, and does not show it: {author}")
    return identity


def _is_withheld_by(item: TimelineItem, *, author: str) -> bool:
    return item.sender == author and WITHHELD in item.cause


async def confirmed_reads(stack: Stack, sol: StaffClient, fingerprint: str) -> None:
    """Confirm the supervisor, who then reads both greetings and is heard."""
    desk, bot = stack.ready.desk_room, stack.ready.bot
    code, said = await run(stack.command("trust", "--data", str(stack.data), sol.mxid, *fingerprint.split()))
    assert code == 0, said
    for author in (bot, stack.ready.voice):
        await sol.find(desk, "a greeting is readable", lambda i, a=author: i.sender == a and i.kind == "message")  # type: ignore[misc]
    await sol.find(desk, "the desk is told", lambda i: i.sender == bot and "confirmed by the technician" in i.body)
    await sol.say(desk, "!board")
    await sol.find(desk, "the board answers", lambda i: i.sender == bot and "Queue: 0" in i.body)
    assert (await supervisor_row(stack))["ok"]
    assert (await identities(stack))[sol.mxid]["confirmed"]


async def test_the_first_supervisor_is_confirmed_from_the_server(
    real: tuple[Stack, Account], strict_client_factory: StrictClientFactory
) -> None:
    """Nobody is trusted at first; a wrong fingerprint changes nothing; after the right one it all can be read."""
    stack, account = real
    content = json.loads(stack.ready_file.read_text())
    assert (content["carrier"], content["accounts"], content["pids"]["carrier"]) == (None, [], None)
    says = json.loads((stack.data / "run" / "bridge.json").read_text())
    ready = stack.ready
    assert says == {
        "bot": ready.bot,
        "voice": ready.voice,
        "desk_room": ready.desk_room,
        "pid": ready.pids["bridge"],
    }
    async with aiohttp.ClientSession(ready.bridge) as http, http.get("/ready") as answer:
        assert (answer.status, await answer.json()) == (200, {"role": "leader"})
    sol = await strict_client_factory.log_in(ready.homeserver, account)
    try:
        identity = await seen_at_the_desk(stack, sol)
        wrong = identity["fingerprint"][::-1].split()
        code, said = await run(stack.command("trust", "--data", str(stack.data), sol.mxid, *wrong))
        assert code == 1, said
        assert not (await identities(stack))[sol.mxid]["confirmed"]
        await confirmed_reads(stack, sol, identity["devices"][0]["fingerprint"])
    finally:
        await sol.stop()
