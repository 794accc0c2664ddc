"""The first acts of a new line's first supervisor: sign in with the hand-out, be confirmed, claim and answer a text.

Rule of this module: it uses only the hand-out, the desk's room and the output of commands.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tests.e2e.conftest import StrictClientFactory
from tests.e2e.polling import wait_until
from tests.e2e.stack import ReadyFile, Stack, run
from tests.e2e.staff_client import Account, StaffClient
from tests.e2e.staffed_line import Conversation, StaffedLine

HANDSET = "+12065550142"
FIRST, ANSWER = "can you talk", "yes, I am here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The telephone network of a test. `text_in`: sends a text of the handset. `arrived`: the texts that it received."""

    text_in: Callable[[str], None]
    arrived: Callable[[], Sequence[str]]


def read_handout(stack: Stack, name: str) -> tuple[str, Account]:
    """Read a hand-out: the homeserver's address, and the person's account."""
    lines = (stack.data / "handout" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    fields = dict(line.split(": ") for line in lines)
    return fields["homeserver"], Account(user=name, mxid=fields["user"], password=fields["password"], role="supervisor")


async def answer_a_text(
    stack: Stack,
    ready: ReadyFile,
    log_in: StrictClientFactory,
    network: Network,
    *,
    then: Callable[[Conversation], Awaitable[None]] | None = None,
) -> None:
    """Do all of it as `mira`, until the answer is on the handset. `then`: further work while the client runs."""
    homeserver, mira = read_handout(stack, "mira")
    client = await log_in.log_in(homeserver, mira)
    try:
        await client.join(ready.desk_room)
        await confirm(stack, mira)
        conversation = await _claim(stack, ready, client, network)
        await client.say(conversation.room, ANSWER)
        await wait_until("the answer is at the handset", lambda: _is_there(network, ANSWER), seen=stack.tail)
        if then is not None:
            await then(conversation)
    finally:
        await client.stop()


async def confirm(stack: Stack, who: Account) -> None:
    """Confirm a fingerprint that `quietline trust` shows."""

    async def fingerprint() -> list[str] | None:
        _, output = await run(stack.command("trust", "--data", str(stack.data), "--json"))
        fingerprints = {each["mxid"]: each["fingerprint"] for each in json.loads(output)["identities"]}
        return fingerprints[who.mxid].split() if fingerprints.get(who.mxid) else None

    words = await wait_until("the bridge has seen who signed in", fingerprint)
    code, said = await run(stack.command("trust", "--data", str(stack.data), who.mxid, *words))
    assert code == 0, said


async def _claim(stack: Stack, ready: ReadyFile, client: StaffClient, network: Network) -> Conversation:
    staffed = StaffedLine(stack=stack, ready=ready)
    for author in (ready.bot, ready.voice):
        await client.find(
            ready.desk_room,
            "a greeting is readable",
            lambda i, a=author: i.sender == a and i.kind == "message",  # type: ignore[misc]
        )
    await client.join(await staffed.wait_for_invite(client, set(), office=True))
    network.text_in(FIRST)
    card = await client.find(
        ready.desk_room,
        "a card says that somebody is waiting",
        lambda i: i.sender == ready.bot and i.kind == "message" and "waiting" in i.body,
    )
    conversation = await staffed.claim(client, HANDSET, card)
    await conversation.wait_for_text(FIRST)
    return conversation


async def _is_there(network: Network, text: str) -> bool | None:
    return text in network.arrived() or None
