"""A line on the agency's own Synapse: from the answers to a text, read and answered.

Rule of this test: the homeserver gets what `quietline init` wrote for it, pasted as it stands, and nothing else of ours.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.e2e.conftest import StrictClientFactory
from tests.e2e.first_answer import HANDSET, Network, answer_a_text, read_handout
from tests.e2e.joined_synapse import JoinedSynapse
from tests.e2e.polling import wait_until
from tests.e2e.separate_line import HURRIED
from tests.e2e.stack import ReadyFile, Stack, run
from tests.e2e.staff_client import Account
from tests.e2e.staffed_line import Conversation
from tests.e2e.test_init import ANSWERS
from tests.fakes.kannel import LOGIN, NUMBER, FakeKannel
from tests.fakes.push_gateway import FakePushGateway
from tests.fakes.without_new_code import is_known

SERVER = "agency.org"
PATH_SECRET = "s" * 40
SECOND_TEXT = "the blue door"


async def init(stack: Stack, synapse: JoinedSynapse, gateway: FakeKannel) -> None:
    """Make the line; its listener and its waits are those of a test."""
    public_url = f"http://127.0.0.1:{stack.base + 1}"
    login: dict[str, Any] = {
        "username": LOGIN[0],
        "password": LOGIN[1],
        "path_secret": PATH_SECRET,
        "api_base": gateway.base,
    }
    values: dict[str, Any] = {
        **ANSWERS,
        "mode": "join",
        "server_name": SERVER,
        "homeserver": {"url": synapse.url, "public_url": synapse.url, "registration_file": str(synapse.place)},
        "public_url": public_url,
        "proxy": "none",
        "line": {"slug": "main", "number": NUMBER},
        "carrier": {"kind": "kannel", "plain_numbers": "international", "region": "US", "api_base": gateway.base, **login},
    }
    answers = stack.data.with_name("answers.yaml")
    answers.write_text(yaml.safe_dump(values))
    answers.chmod(0o600)
    code, said = await run(stack.command("init", str(stack.data), "--answers", str(answers)))
    assert code == 0, said
    config, pack = stack.data / "config.yaml", stack.data / "agency.yaml"
    config.write_text(config.read_text().replace("port: 8449", f"port: {stack.base + 1}"))
    pack.write_text(f"{pack.read_text()}{yaml.safe_dump({'settings': dict(HURRIED)})}")


@asynccontextmanager
async def bridge(stack: Stack) -> AsyncIterator[ReadyFile]:
    """Run the bridge alone, as a unit does, and say what a client needs of it; systemd hears what it waits for.

    It may make no code while it runs, as in its unit, where the kernel knows such a thing.
    """
    log = stack.outputs.open("ab")
    systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    systemd.bind(notify := str(stack.data.with_name("notify")))
    said: list[str] = []
    asyncio.get_running_loop().add_reader(systemd, lambda: said.append(systemd.recv(1000).decode()))
    process = await asyncio.create_subprocess_exec(
        *((sys.executable, "-P", "-m", "tests.fakes.without_new_code") if is_known() else ()),
        *stack.command("bridge", "--data", str(stack.data)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env={**os.environ, "NOTIFY_SOCKET": notify, "WATCHDOG_USEC": "1500000"},
    )
    file = stack.data / "run" / "bridge.json"
    try:

        async def told() -> dict[str, str] | None:
            assert process.returncode is None, await stack.tail()
            ids: dict[str, str] | None = json.loads(file.read_text()) if file.exists() else None
            return ids

        says = await wait_until("the bridge has its desk", told, within=60, seen=stack.tail)
        config = yaml.safe_load((stack.data / "config.yaml").read_text())
        (line,) = config["lines"]
        yield ReadyFile(
            homeserver=config["homeserver"]["url"],
            server_name=SERVER,
            bridge=f"http://127.0.0.1:{stack.base + 1}",
            carrier=None,
            bot=says["bot"],
            slug=line["slug"],
            number=line["number"],
            voice=says["voice"],
            desk_room=says["desk_room"],
            accounts=(),
            pids={"bridge": process.pid},
        )
    finally:
        if process.returncode is None:
            process.terminate()
        assert await asyncio.wait_for(process.wait(), 40) == 0
        asyncio.get_running_loop().remove_reader(systemd)
        systemd.close()
        await asyncio.to_thread(Path(notify).unlink)
        # It lives to its end, and says so.
        assert [word for word in said if word not in {"WATCHDOG=1", *said[: said.index("READY=1")]}] == [
            "READY=1",
            "STOPPING=1",
        ]
        assert "WATCHDOG=1" in said[said.index("READY=1") : said.index("STOPPING=1")]


async def test_a_text_is_answered_on_the_agencys_own_synapse(
    tmp_path: Path, strict_client_factory: StrictClientFactory
) -> None:
    """What `init` wrote is pasted, accounts are made, the supervisor is confirmed, and a text is read and answered.

    A colleague who had an account keeps it; the doctor sees the module, which compares no password for this line. A
    push gateway is told ids, and nothing that was said or who said it.
    """
    stack = Stack(tmp_path)
    synapse = JoinedSynapse(tmp_path / "agency", stack.base, SERVER)
    gateway = FakeKannel(webhook=f"http://127.0.0.1:{stack.base + 1}/carriers/main", path_secret=PATH_SECRET)
    await gateway.start()
    try:
        synapse.set_up()
        await init(stack, synapse, gateway)
        synapse.paste(stack.data / "synapse")
        async with synapse.running():
            await synapse.make_account("noor", "words of her own")
            token = tmp_path / "token"
            token.write_text(await synapse.admin_token())
            token.chmod(0o600)
            words = ("--data", str(stack.data), "--admin-token-file", str(token), "--json")
            code, said = await run(stack.command("staff", "make", *words))
            assert (code, json.loads(said)) == (0, {"made": [f"@mira:{SERVER}"], "kept": [f"@noor:{SERVER}"]})
            assert [path.name for path in (stack.data / "handout").iterdir()] == ["mira.txt"]
            network = Network(
                text_in=lambda words: gateway.call(gateway.inbound(HANDSET, words, ())),
                arrived=lambda: gateway.texts_at_handset[HANDSET],
            )
            async with bridge(stack) as ready:
                _, mira = read_handout(stack, "mira")
                pushed = partial(push, synapse, mira, gateway)
                await answer_a_text(stack, ready, strict_client_factory, network, then=pushed)

                async def both_are_well() -> str | None:
                    _, output = await run(stack.command("doctor", "--data", str(stack.data), "--json"))
                    rows = {row["name"]: row for row in json.loads(output)["checks"]}
                    well = rows["homeserver module"]["ok"] and rows["carrier login"]["ok"]
                    return str(rows["first passwords"]["what"]) if well else None

                passwords = await wait_until("`doctor` finds both well", both_are_well, every=3)
                assert passwords.startswith("this homeserver does not say")
    finally:
        await gateway.stop()
        await stack.end()


async def push(synapse: JoinedSynapse, mira: Account, gateway: FakeKannel, conversation: Conversation) -> None:
    """Have a phone of hers woken by a text, by an app that asks for ids alone and by one that asks for all."""
    phones = FakePushGateway()
    await phones.start()
    try:
        headers = {"Authorization": f"Bearer {await synapse.token(mira.user, mira.password)}"}
        async with aiohttp.ClientSession(synapse.url, headers=headers) as http:
            await phones.watch(http, "ids", ids_alone=True)
            await phones.watch(http, "all", ids_alone=False)
            gateway.call(gateway.inbound(HANDSET, SECOND_TEXT, ()))
            said = await conversation.wait_for_text(SECOND_TEXT)

            async def woken() -> bool | None:
                events = {
                    key: {each.get("event_id") for each in notifications} for key, notifications in phones.notified.items()
                }
                return all(said.event_id in events.get(key, ()) for key in ("ids", "all")) or None

            await wait_until("both phones are woken", woken, seen=lambda: _shown(phones))
        for each in phones.notified["ids"]:
            # A change of the count alone, which has no event, comes with empty fields of the old format.
            fields = {name: value for name, value in each.items() if value}
            assert fields.keys() <= {"event_id", "room_id", "prio", "counts", "devices"}, each
            assert not each["devices"][0].get("tweaks"), each
        names = (conversation.designation, conversation.client.mxid, conversation.staffed_line.ready.voice, HANDSET)
        for part in (*names, SECOND_TEXT):
            assert part not in json.dumps(phones.notified["ids"], ensure_ascii=False)
        everything = json.dumps(phones.notified["all"], ensure_ascii=False)
        assert conversation.designation in everything, "an app that asks for all is told the room's name, as is documented"
        for part in (SECOND_TEXT, HANDSET, "ciphertext"):
            assert part not in everything
    finally:
        await phones.stop()


async def _shown(phones: FakePushGateway) -> str:
    return json.dumps(phones.notified)
