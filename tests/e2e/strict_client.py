"""A strict modern Matrix client as a staff member: matrix-rust-sdk through matrix-sdk-python.

Rule of this module: it does only what a person can do; if the client fails, it does what people do: open the room again,
restart the client, or clear its cache, and no more. A burst can truncate the live timeline, and it is empty for about a
second after a room was opened (facts-matrix.md, "The strict client"), so `whole` pages back to the start before it returns.
The timeline can lag behind the client's store: a key or a reaction that arrives while the room is paged in is in the store
and not in the open room. So a room is opened again, as a person does who misses something.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import matrix_sdk_python as sdk

from tests.e2e.polling import STEP_TIMEOUT, StepFailed, wait_until
from tests.e2e.staff_client import Account, TimelineItem, find_item, newest_messages
from tests.e2e.strict_device import StrictDevice
from tests.e2e.strict_room import RoomTimeline, UndecryptableTracker
from tests.planted import PLANTED, Kind

T = TypeVar("T")

PAGE_EVERY = 10
"""The number of looks at a room until it is paged back again: after a gap the SDK begins its timeline again."""
ACCEPT_SECONDS = 1.5
"""Seconds that a person takes to accept an invitation. By then the bundle sent with it has arrived, and the client imports
it in any case; a client that accepts at once may import nothing."""
OPEN_EVERY = 50
"""The number of looks until the room is opened again."""
START_EVERY = 200
"""The number of looks without a new event, or without a change of the rooms, until the client's cache is cleared. The SDK
(0.18) can panic when it reads a doubled event from its cache (matrix-rust-sdk #6882): from then on it shows nothing new in
any room, and has lost that sync response. Most of these panics it reports (`PanicListener`): those are not waited for."""
LAG_SECONDS = 10.0
"""Seconds in which an event that the homeserver has must be shown; after that the client's cache is cleared. The SDK (0.18)
stores an own message as soon as it is sent. If the next response contains this message only, and a gap before it, the SDK
seems to drop the gap: it did not show a text that had come in just before an own message."""
STUCK_SECONDS = 40.0
"""Seconds after which a client that does not finish opening or paging a room is restarted: there the SDK (0.18) may
deadlock with a device that has just been verified."""


class StrictClient(StrictDevice):
    """A `StaffClient` on the strict SDK."""

    def __init__(self, homeserver: str, account: Account) -> None:
        super().__init__(homeserver, account)
        self._unreadable = UndecryptableTracker()
        self._looks, self._looks_at_same = Counter[str](), Counter[str]()
        self._shown: defaultdict[str, set[str | None]] = defaultdict(set)
        self._looks_at_rooms, self._memberships = 0, dict[str, Any]()
        self._never_shown = set[str]()
        """Events that the homeserver has and that the client did not show after its cache was cleared, either."""

    async def invites(self) -> Mapping[str, str]:
        """Return the rooms that this person is invited to, and their names."""
        await self._look_at_rooms()
        return self._named(sdk.Membership.INVITED)

    async def joined(self) -> Mapping[str, str]:
        """Return the rooms that this person has joined, and their names."""
        await self._look_at_rooms()
        return self._named(sdk.Membership.JOINED)

    async def join(self, room_id: str) -> None:
        """Accept the invite and wait until the client shows the room."""

        async def invited() -> Any:
            await self._look_at_rooms()
            return next((r for r in self._client.rooms() if r.id() == room_id), None)

        room = await wait_until(f"{self.mxid} is invited to the room", invited)
        self._close(room_id)  # of an earlier membership
        await asyncio.sleep(ACCEPT_SECONDS)
        await room.join()
        await self._live(room_id)

    async def leave(self, room_id: str) -> None:
        """Leave the room."""
        live = await self._live(room_id)
        await live.room.leave()

    async def items(self, room_id: str) -> list[TimelineItem]:
        """Return the room's events that the client has, oldest first. After many looks it opens the room again."""
        await self._look_again(room_id)
        items = (await self._live(room_id)).items()
        if new := {item.event_id for item in items} - self._shown[room_id]:
            self._shown[room_id] |= new
            self._looks_at_same[room_id] = 0
        if self._unreadable.too_long(items) and room_id in await self.joined():
            await self.restart()
            items = await self._paged(room_id)
        return items

    async def open_items(self, room_id: str) -> list[TimelineItem]:
        """Return what the client shows of a room that may be gone: nothing after a restart.

        Without a request: paging back in a room that was purged may not end.
        """
        return live.items() if (live := self._rooms.get(room_id)) is not None else []

    async def _look_again(self, room_id: str) -> None:
        look = self._looks[room_id] = self._looks[room_id] + 1
        same = self._looks_at_same[room_id] = self._looks_at_same[room_id] + 1
        silent = same % START_EVERY == 0 and room_id in self._joined_rooms()
        if self._panics.panicked or (silent and await self.is_answered()):
            await self.renew("panicked" if self._panics.panicked else "shows nothing new")
        elif look % OPEN_EVERY == 0:
            self._close(room_id)
        if look % PAGE_EVERY == 0:
            # A homeserver that is being killed answers nothing: the next look asks again.
            with suppress(sdk.ClientError):
                await self._unless_stuck(partial(self._to_the_start, room_id))

    async def _look_at_rooms(self) -> None:
        """Restart the client after many looks at a list of rooms that does not change."""
        if self._client is None or self._going is None or self._going.done():
            return  # it is restarting, or switched off
        memberships = {r.id(): r.membership() for r in self._client.rooms()}
        if memberships != self._memberships:
            self._memberships, self._looks_at_rooms = memberships, 0
        self._looks_at_rooms += 1
        if self._panics.panicked or (self._looks_at_rooms % START_EVERY == 0 and await self.is_answered()):
            await self.renew("panicked" if self._panics.panicked else "shows no other rooms")

    async def _unless_stuck(self, doing: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(STUCK_SECONDS):
                return await doing()
        except TimeoutError:
            await self.restart("does not finish")
        except sdk.InternalError:
            await self.renew("panicked")
        return await doing()

    async def whole(self, room_id: str) -> list[TimelineItem]:
        """Return all of the room's events, oldest first."""
        items = await self._paged(room_id)
        if any(item.kind == "undecryptable" for item in items):
            self._close(room_id)
            items = await self._paged(room_id)
        if self._unreadable.too_long(items) and room_id in await self.joined():
            await self.restart()
            items = await self._paged(room_id)
        return await self._complete(room_id, items)

    async def _complete(self, room_id: str, items: list[TimelineItem]) -> list[TimelineItem]:
        """Return the room's events once none is missing that the homeserver had; clear the cache if one stays missing."""
        expected = await self.messages_at_homeserver(room_id) - self._never_shown
        missing, until = expected - _ids(items), time.monotonic() + LAG_SECONDS
        while missing and time.monotonic() < until:
            items = await self._paged(room_id)
            missing -= _ids(items)
        if missing:
            await self.renew("does not show an event that the homeserver has")
            items = await self._paged(room_id)
            self._never_shown |= missing - _ids(items)
        return items

    async def say(self, room_id: str, text: str) -> TimelineItem:
        """Send a plain text message, unformatted, with exactly this text."""
        return await self._sent(room_id, text, lambda live: live.timeline.send(_plain(text)))

    async def reply(self, room_id: str, to: TimelineItem, text: str) -> TimelineItem:
        """Send a reply."""
        return await self._sent(room_id, text, lambda live: live.timeline.send_reply(_plain(text), to.event_id))

    async def say_in_thread(self, room_id: str, root: TimelineItem, text: str) -> TimelineItem:
        """Send into a Matrix thread that begins at `root`."""
        relation = {"rel_type": "m.thread", "event_id": root.event_id}
        return await self.say_raw(room_id, {"msgtype": "m.text", "body": text, "m.relates_to": relation})

    async def say_raw(self, room_id: str, content: Mapping[str, Any]) -> TimelineItem:
        """Send an `m.room.message` with exactly this content, encrypted by the SDK."""
        raw = json.dumps(content, ensure_ascii=False)
        PLANTED.add_content(content)
        return await self._sent(room_id, str(content["body"]), lambda live: live.room.send_raw("m.room.message", raw))

    async def edit(self, room_id: str, item: TimelineItem, text: str) -> None:
        """Replace the text of one's own message."""
        PLANTED.add(Kind.TEXT, text)
        await self._on_item(room_id, lambda shown: shown.edit(item.handle, sdk.EditedContent.ROOM_MESSAGE(_plain(text))))

    async def redact(self, room_id: str, item: TimelineItem) -> None:
        """Redact an event."""
        await self._on_item(room_id, lambda shown: shown.redact_event(item.handle, None))

    async def react(self, room_id: str, item: TimelineItem, key: str) -> None:
        """Put a reaction on an event."""
        await self._on_item(room_id, lambda shown: shown.toggle_reaction(item.handle, key))

    async def _on_item(self, room_id: str, act: Callable[[Any], Awaitable[Any]]) -> None:
        try:
            await act((await self._live(room_id)).timeline)
        except sdk.ClientError as error:
            if not any(word in str(error) for word in ("found", "FailedToToggleReaction")):
                raise
            # The timeline began again after a gap, just after the event was seen; of a reaction it says that it failed.
            await act((await self._unless_stuck(partial(self._to_the_start, room_id))).timeline)

    async def find(
        self, room_id: str, step: str, matches: Callable[[TimelineItem], bool], *, within: float = STEP_TIMEOUT
    ) -> TimelineItem:
        """Wait until an item of the room `matches`; return the newest such item."""
        return await find_item(self, room_id, step, matches, within=within)

    def _named(self, membership: Any) -> dict[str, str]:
        rooms = self._client.rooms() if self._client is not None else ()
        return {r.id(): r.raw_name() or "" for r in rooms if r.membership() == membership}

    def _close(self, room_id: str) -> None:
        if (live := self._rooms.pop(room_id, None)) is not None:
            live.task.cancel()

    async def _paged(self, room_id: str) -> list[TimelineItem]:
        async def paged() -> RoomTimeline | None:
            # A homeserver that is being killed answers nothing: the request is repeated.
            with suppress(sdk.ClientError):
                return await self._unless_stuck(partial(self._to_the_start, room_id))
            return None

        live = await wait_until("the room's history is loaded", paged)
        await asyncio.sleep(0.5)  # the listener gets the pages a moment after the call returned
        return live.items()

    async def _to_the_start(self, room_id: str) -> RoomTimeline:
        live = await self._live(room_id)
        await live.page_back()
        return live

    async def _live(self, room_id: str) -> RoomTimeline:
        async with self._starting:
            pass
        if room_id in self._rooms:
            return self._rooms[room_id]
        return await self._unless_stuck(partial(self._opened, room_id))

    async def _opened(self, room_id: str) -> RoomTimeline:
        async def joined() -> Any:
            return next(
                (r for r in self._client.rooms() if r.id() == room_id and r.membership() == sdk.Membership.JOINED),
                None,
            )

        room = await wait_until(f"{self.mxid} is in the room", joined)
        # Without a subscription the server sends one event of a room at a time, and the rest is a gap.
        await self._sync.room_list_service().subscribe_to_rooms([*self._rooms, room_id])
        live = RoomTimeline(room, await room.timeline())
        await live.follow()
        self._rooms[room_id] = live

        async def begun() -> bool | None:
            # A homeserver that is being killed answers nothing: the next look asks again.
            with suppress(sdk.ClientError):
                await live.timeline.paginate_backwards(100)
            return bool(live.items()) or None

        await wait_until(f"{self.mxid}: the room's timeline is loaded", begun)
        return live

    async def _sent(self, room_id: str, text: str, send: Callable[[RoomTimeline], Awaitable[Any]]) -> TimelineItem:
        """Send, and wait until the server has it; what a client lost with its cache is sent again, as people do.

        Words that end the room may be seen nowhere: who is removed from the room has said them.
        """
        PLANTED.add(Kind.TEXT, text)
        live = await self._live(room_id)
        before = {item.event_id for item in live.items() if item.event_id is not None}
        renewals = self.renewals
        await send(live)

        def fail_if_refused() -> None:
            if refusal := live.refusal(text):
                raise StepFailed(f"{self.mxid}: the client could not send: {refusal}")

        def is_it(item: TimelineItem) -> bool:
            if item.sender != self.mxid or item.body != text or item.event_id in before:
                return False
            fail_if_refused()
            return item.event_id is not None

        async def is_sent() -> TimelineItem | None:
            nonlocal live, renewals
            if any(r.id() == room_id and r.membership() == sdk.Membership.LEFT for r in self._client.rooms()):
                fail_if_refused()
                return TimelineItem(sender=self.mxid, kind="message", body=text)
            items = await self.items(room_id)
            if self.renewals != renewals:
                renewals, items = self.renewals, await self.whole(room_id)
                if not any(item.body == text and item.event_id not in before for item in items):
                    live = await self._live(room_id)
                    await send(live)
            return next(filter(is_it, reversed(items)), None)

        async def seen() -> str:
            return newest_messages(await self.items(room_id))

        return await wait_until(f"{self.mxid}: own message is with the server", is_sent, seen=seen)


def _ids(items: list[TimelineItem]) -> set[str | None]:
    return {item.event_id for item in items}


def _plain(text: str) -> Any:
    return sdk.message_event_content_new(sdk.MessageType.TEXT(sdk.TextMessageContent(body=text, formatted=None)))
