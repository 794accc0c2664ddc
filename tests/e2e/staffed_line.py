"""The acts of people at the agency, for scenarios: a text arrives, a person claims it, they talk.

Rule of this module: it uses only what design.md, "Contracts with the outside" promises to checks from outside.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.e2e.carrier_api import CarrierApi
from tests.e2e.polling import STEP_TIMEOUT, StepFailed, wait_until
from tests.e2e.stack import ReadyFile, Stack
from tests.e2e.staff_client import NO_SHIELD, StaffClient, TimelineItem, newest_messages

UNDO_SECONDS = 8.0
"""Seconds of the ordinary undo window (design.md, "Who is heard")."""
DELIVERY_TIMEOUT = UNDO_SECONDS + STEP_TIMEOUT
"""Seconds until an answer is on the handset: the undo window, and a step on two busy cores."""
_SAYING: set[asyncio.Task[TimelineItem]] = set()
"""Tasks that still send a message, so that they are not garbage-collected."""
NOTE = "📝"
HAND = "✋"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A claimed thread: its assignee, its room, its handset."""

    client: StaffClient
    room: str
    handset: str
    designation: str
    staffed_line: StaffedLine

    async def texts_in_room(self, *, whole: bool = False) -> list[str]:
        """Return the texter puppet's bodies in the room, oldest first. Fails if one stays unreadable, or has a shield."""

        async def spoken() -> list[TimelineItem]:
            items = await (self.client.whole(self.room) if whole else self.client.items(self.room))
            return [i for i in items if i.sender == self.staffed_line.ready.voice and i.kind != "state"]

        async def readable() -> list[TimelineItem] | None:
            items = await spoken()
            return items if all((i.kind, i.shield) == ("message", NO_SHIELD) for i in items) else None

        async def seen() -> str:
            return "; ".join(f"{i.kind} {i.cause} {i.shield}" for i in await spoken())

        # A key arrives separately from its event, so that an event may be seen a moment before it can be read.
        return [item.body for item in await wait_until("each event of the texter puppet can be read", readable, seen=seen)]

    async def wait_for_text(self, text: str, *, within: float = STEP_TIMEOUT) -> TimelineItem:
        """Wait until a text of the handset is in the room, readable."""
        puppet = self.staffed_line.ready.voice
        return await self.client.find(
            self.room, "the text is in the room, readable", lambda i: i.sender == puppet and i.body == text, within=within
        )

    async def wait_for_receipt(self, said: TimelineItem, word: str, *, within: float = DELIVERY_TIMEOUT) -> TimelineItem:
        """Wait until the one current receipt on a message contains this word; fails if two receipts stay."""
        bot = self.staffed_line.ready.bot

        def current(item: TimelineItem) -> bool:
            marks = item.marks(bot)
            return item.event_id == said.event_id and len(marks) == 1 and word in marks[0]

        return await self.client.find(self.room, f"the one receipt says {word!r}", current, within=within)

    async def wait_for_notice(self, *words: str, within: float = DELIVERY_TIMEOUT) -> TimelineItem:
        """Wait until a message of the policy bot in the room contains all the words."""
        bot = self.staffed_line.ready.bot
        return await self.client.find(
            self.room,
            f"the bot says {words}",
            lambda i: i.sender == bot and i.kind == "message" and all(w.casefold() in i.body.casefold() for w in words),
            within=within,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffedLine:
    """The line, and the acts of its staff."""

    stack: Stack
    ready: ReadyFile

    @property
    def carrier(self) -> CarrierApi:
        """Return the carrier of the handsets."""
        return self.stack.carrier

    async def bring_to_desk(self, client: StaffClient) -> StaffClient:
        """Bring a logged-in person to the desk and to their office, and say hello at the desk once."""
        await client.join(self.ready.desk_room)
        for author in (self.ready.bot, self.ready.voice):
            await client.find(
                self.ready.desk_room,
                "both identities greet the newcomer",
                lambda i, a=author: i.sender == a and i.kind in {"message", "undecryptable"},  # type: ignore[misc]
            )
        await client.say(self.ready.desk_room, "// hello")
        office = await self.wait_for_invite(client, set(), office=True)
        await client.join(office)
        return client

    async def queue_cards(self, client: StaffClient) -> list[TimelineItem]:
        """Return the desk's cards of waiting threads, as this person sees them."""
        items = await client.whole(self.ready.desk_room)
        return [i for i in items if i.sender == self.ready.bot and i.kind == "message" and "waiting" in i.body]

    async def wait_for_card(self, client: StaffClient, handset: str, text: str) -> TimelineItem:
        """Text from a new handset; return its card at the desk, as this person sees it."""
        before = {card.event_id for card in await self.queue_cards(client)}
        await self.carrier.text(handset, text)
        return await client.find(
            self.ready.desk_room,
            "a new card says that somebody is waiting",
            lambda i: (
                i.sender == self.ready.bot
                and i.kind == "message"
                and "waiting" in i.body
                and i.event_id is not None
                and i.event_id not in before
            ),
        )

    async def claim(self, client: StaffClient, handset: str, card: TimelineItem, *, by: str = HAND) -> Conversation:
        """Claim a card (by a tap or a command) and accept the invite."""
        before = set(await client.invites())
        if by == HAND:
            await client.react(self.ready.desk_room, card, HAND)
        else:
            await client.say(self.ready.desk_room, by)
        room = await self.wait_for_invite(client, before)
        await client.join(room)

        async def named() -> str | None:
            return (await client.joined()).get(room)

        name = await wait_until("the room has its name", named)
        return Conversation(client=client, room=room, handset=handset, designation=name, staffed_line=self)

    async def start_conversation(self, client: StaffClient, handset: str, text: str) -> Conversation:
        """Text from a new handset, claim it as this person, and wait until the text can be read."""
        conversation = await self.claim(client, handset, await self.wait_for_card(client, handset, text))
        await conversation.wait_for_text(text)
        return conversation

    async def as_bot(
        self, method: str, path: str, content: dict[str, Any] | None = None, *, user: str | None = None
    ) -> dict[str, Any]:
        """Make a request to the homeserver as the policy bot, or as another `user` of the bridge.

        `path` after `/_matrix/client/v3/`.
        """
        headers = {"Authorization": f"Bearer {self.stack.secret('as_token')}"}
        async with (
            aiohttp.ClientSession(self.ready.homeserver, headers=headers) as http,
            http.request(
                method, f"/_matrix/client/v3/{path}", json=content, params={"user_id": user or self.ready.bot}
            ) as answer,
        ):
            body: Any = await answer.json()
        assert answer.status == 200, f"the homeserver answered {answer.status} to {user or self.ready.bot}"
        return body if isinstance(body, dict) else {"state": body}

    async def newest_edit(self, room: str, item: TimelineItem) -> str:
        """Return the event id of a message's last edit, which timelines do not show by itself."""
        page = await self.as_bot("GET", f"rooms/{room}/messages?dir=b&limit=50")
        relation = {"rel_type": "m.replace", "event_id": item.event_id}
        return str(next(each["event_id"] for each in page["chunk"] if each["content"].get("m.relates_to") == relation))

    async def send_closing_command(self, client: StaffClient, room: str, text: str) -> None:
        """Say a command that ends the thread, whose message may be redacted before the client has seen it.

        The wait for that message is short, but on a slow machine it is still sent.
        """
        saying = asyncio.create_task(client.say(room, text))
        _SAYING.add(saying)
        saying.add_done_callback(_SAYING.discard)
        await asyncio.wait({saying}, timeout=3.0)
        if not saying.done():
            saying.add_done_callback(lambda late: late.cancelled() or late.exception())
            return
        with contextlib.suppress(StepFailed):
            saying.result()

    async def vacuum(self) -> None:
        """Make the homeserver vacuum its database, as in quiet hours, so that no byte of deleted data remains."""
        headers = {"Authorization": f"Bearer {self.stack.secret('as_token')}"}
        async with (
            aiohttp.ClientSession(self.ready.homeserver, headers=headers) as http,
            http.post("/_synapse/client/quietline/vacuum") as answer,
        ):
            assert answer.status == 200, f"the homeserver answered {answer.status} to a vacuum"

    async def wait_for_invite(self, client: StaffClient, before: set[str], *, office: bool = False) -> str:
        """Wait until a person is invited to a room that is not in `before`; return the room."""

        async def probe() -> str | None:
            return next(
                (
                    r
                    for r, name in (await client.invites()).items()
                    if name and r not in before and (name == "office") == office
                ),
                None,  # a client may get an invitation before the room's name
            )

        async def seen() -> str:
            return f"the desk: {newest_messages(await client.items(self.ready.desk_room), 4)}"

        return await wait_until(f"{client.mxid} is invited to {'the office' if office else 'a thread'}", probe, seen=seen)
