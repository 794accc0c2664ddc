"""Which messages a person can read, and the search for leaks in every byte that a line has on the disk."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import aiohttp
import yaml

from tests.e2e.polling import StepFailed, wait_until
from tests.e2e.staff_client import NO_SHIELD, StaffClient, TimelineItem
from tests.e2e.staffed_line import Conversation, StaffedLine
from tests.planted import TELLING

READ_TIMEOUT = 60.0
"""Seconds until a client can read: one that has just seen our identities for the first time takes about thirty."""
RECAP_AFTER = 10.0
"""Seconds after which a person who reads the texter, and not what a colleague typed, asks for a recap."""


async def wait_until_readable(
    staffed_line: StaffedLine, client: StaffClient, room: str, author: str, *texts: str, within: float = READ_TIMEOUT
) -> None:
    """Wait until a person can read these texts of an author: ours without a shield, colleagues' with at most a grey one."""
    ours = author in {staffed_line.ready.voice, staffed_line.ready.bot}

    def well(item: TimelineItem) -> bool:
        return item.shield == NO_SHIELD or (not ours and item.shield.startswith("grey"))

    async def probe() -> bool | None:
        items = {i.body: i for i in await client.whole(room) if i.sender == author and i.kind == "message"}
        return all(text in items and well(items[text]) for text in texts) or None

    async def seen() -> str:
        return "; ".join(i.brief() for i in (await client.whole(room))[-12:])

    await wait_until(f"{client.mxid} can read {len(texts)} texts of {author}", probe, within=within, every=0.5, seen=seen)


async def wait_until_readable_or_recap(conversation: Conversation, client: StaffClient, author: str, *typed: str) -> None:
    """Wait until a person can read a colleague's earlier words, with their key or in the output of `!recap`.

    A client whose sync shows its join before the request of the join is answered forgets the invitation, and imports no
    bundle from then on: seen on busy machines with clients that had just logged in.
    """
    try:
        await wait_until_readable(conversation.staffed_line, client, conversation.room, author, *typed, within=RECAP_AFTER)
    except StepFailed:
        await client.say(conversation.room, "!recap")
        await replace(conversation, client=client).wait_for_notice("on their way to your devices", *typed)


async def wait_until_identities_known(staffed_line: StaffedLine, client: StaffClient) -> None:
    """Wait until a person's client can read us at the desk, as people do: before that it loses key bundles."""
    desk, bot = staffed_line.ready.desk_room, staffed_line.ready.bot
    await client.find(desk, "they read us", lambda i: i.sender == bot and i.kind == "message", within=READ_TIMEOUT)


def every_file(*directories: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield path and content of every file; a file that is deleted meanwhile is skipped."""
    for directory in directories:
        for path in directory.rglob("*"):
            try:
                if path.is_file():
                    yield path, path.read_bytes()
            except FileNotFoundError:
                continue


async def assert_no_leak(staffed_line: StaffedLine, *words: str, in_clear: frozenset[str] = frozenset()) -> None:
    """Check that no planted words are in a log, a metric, a state event, a file name, a process title, or a byte on disk.

    Planted words are all numbers that texted this line, every text that is long enough to be unique, `words`, and
    `in_clear`: names, which the homeserver's own files may contain.
    """
    telling = {text for text in staffed_line.carrier.planted if len(text) >= TELLING} | {*words}
    numbers = {text[1:] for text in staffed_line.carrier.planted if text.startswith("+")}
    planted = telling | numbers | in_clear
    assert len(numbers) >= 1

    places = dict(staffed_line.stack.logs())
    assert any("DEBUG" in text or "quietline" in text for text in places.values()), "nothing was logged"
    places["file names"] = "\n".join(str(path) for path in staffed_line.stack.data.rglob("*"))
    places["process titles"] = "\n".join(staffed_line.stack.processes().values())
    places |= await _states(staffed_line)
    places |= await _metrics(staffed_line)
    staff = {account.mxid for account in staffed_line.ready.accounts}
    for place, text in places.items():
        hits = sum(thing in text for thing in (planted | staff if place.endswith(".log") else planted))
        assert hits == 0, f"{hits} planted thing(s), or ids of the staff, in {place}"

    for path, raw in every_file(staffed_line.stack.data):
        count = sum(thing.encode() in raw for thing in planted - in_clear)
        assert count == 0, f"{count} planted thing(s) in the bytes of {path.relative_to(staffed_line.stack.data)}"


async def _metrics(staffed_line: StaffedLine) -> dict[str, str]:
    """Scrape the metrics of a line, if it has any."""
    config = yaml.safe_load((staffed_line.stack.data / "config.yaml").read_text(encoding="utf-8"))
    if "metrics" not in config:
        return {}
    url = f"http://{config['metrics']['listen']}/metrics"

    async def scrape() -> str | None:
        with contextlib.suppress(aiohttp.ClientError):
            async with aiohttp.ClientSession() as http, http.get(url) as answer:
                return await answer.text()
        return None

    text = await wait_until("the metrics answer", scrape)
    assert "quietline_last_text_seconds" in text
    named = [word for word in (staffed_line.ready.desk_room, staffed_line.ready.server_name, "@") if word in text]
    assert named == [], "the metrics name a room, an account or the server"
    return {"metrics": text}


async def _states(staffed_line: StaffedLine) -> dict[str, str]:
    """Return the state of every room of the policy bot, without the homeserver's own state about staff."""
    staff = {account.mxid for account in staffed_line.ready.accounts}
    rooms = (await staffed_line.as_bot("GET", "joined_rooms"))["joined_rooms"]
    assert staffed_line.ready.desk_room in rooms
    states = {}
    for number, room in enumerate(rooms):
        events = (await staffed_line.as_bot("GET", f"rooms/{quote(room)}/state"))["state"]
        others = [e for e in events if not (e["type"] == "m.room.member" and e["state_key"] in staff)]
        states[f"state of room {number}"] = json.dumps(others, ensure_ascii=False)
    return states
