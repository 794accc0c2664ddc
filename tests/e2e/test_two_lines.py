"""Two lines on one Synapse: one phone texts both, one supervisor sits at both desks, and nothing of one is in the other.

Rule of this test: the homeserver gets what `quietline init` wrote for each line, joined as the file says.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bridge.config.load import load
from tests.e2e.conftest import StrictClientFactory
from tests.e2e.first_answer import HANDSET, confirm, read_handout
from tests.e2e.joined_synapse import JoinedSynapse
from tests.e2e.polling import wait_until
from tests.e2e.separate_line import HURRIED
from tests.e2e.stack import ReadyFile, Stack, run
from tests.e2e.staff_client import StaffClient
from tests.e2e.staffed_line import Conversation, StaffedLine
from tests.e2e.test_init import ANSWERS
from tests.e2e.test_join import PATH_SECRET, bridge
from tests.fakes.kannel import LOGIN, FakeKannel

SERVER = "agency.org"


@dataclass(slots=True, kw_only=True)
class Line:
    """One of the two: its directory, its gateway, and the words that must stay in it."""

    slug: str
    number: str
    text: str
    answer: str
    stack: Stack
    gateway: FakeKannel

    @classmethod
    async def begin(cls, directory: Path, slug: str, number: str) -> Line:
        stack = Stack(directory / slug)
        stack.data = directory / slug / slug
        stack.data.parent.mkdir()
        gateway = FakeKannel(webhook=f"http://127.0.0.1:{stack.base + 1}/carriers/{slug}", path_secret=PATH_SECRET)
        gateway.number = number
        await gateway.start()
        texts = {"text": f"the kettle of {slug}", "answer": f"a lantern for {slug}"}
        return cls(slug=slug, number=number, stack=stack, gateway=gateway, **texts)

    @property
    def arrived(self) -> list[str]:
        return list(self.gateway.texts_at_handset[HANDSET])

    def text_in(self, words: str) -> None:
        self.gateway.call(self.gateway.inbound(HANDSET, words, ()))

    async def init(self, synapse: JoinedSynapse) -> None:
        """Make the line as one of several; it listens where the test has a free port."""
        login = {"username": LOGIN[0], "password": LOGIN[1], "path_secret": PATH_SECRET, "api_base": self.gateway.base}
        values: dict[str, Any] = {
            **ANSWERS,
            "mode": "join",
            "server_name": SERVER,
            "homeserver": {
                "url": synapse.url,
                "public_url": synapse.url,
                "registration_file": str(self.registration(synapse)),
            },
            "public_url": f"http://127.0.0.1:{self.stack.base + 1}",
            "proxy": "none",
            "service": "none",
            "line": {"slug": self.slug, "number": self.number, "one_of_several": True},
            "carrier": {"kind": "kannel", "plain_numbers": "international", "region": "US", **login},
            "staff": [{"name": "mira", "role": "supervisor"}],
        }
        answers = self.stack.data.with_name("answers.yaml")
        write_private(answers, yaml.safe_dump(values))
        words = ("init", str(self.stack.data), "--answers", str(answers))
        code, said = await run(self.stack.command(*words))
        assert code == 0, said
        config, pack = self.stack.data / "config.yaml", self.stack.data / "agency.yaml"
        port = load(config).listen.port
        config.write_text(config.read_text().replace(f"port: {port}", f"port: {self.stack.base + 1}"))
        pack.write_text(f"{pack.read_text()}{yaml.safe_dump({'settings': dict(HURRIED)})}")

    def registration(self, synapse: JoinedSynapse) -> Path:
        return synapse.place.with_name(f"quietline-{self.slug}-registration.yaml")

    def bytes_with(self, *needles: str) -> dict[str, list[str]]:
        """Say in which files of the line, its log and databases among them, each of these stands."""
        files = [path for path in self.stack.data.parent.rglob("*") if path.is_file()]
        hits = {needle: [f.name for f in files if needle.encode() in f.read_bytes()] for needle in needles}
        return {needle: names for needle, names in hits.items() if names}


async def test_texters_words_never_cross(tmp_path: Path, strict_client_factory: StrictClientFactory) -> None:
    """One phone texts both lines at once; each desk has its own card, each room its own words, each answer its own way.

    Nothing that one line is called or holds is in a byte of the other's directory. When one has ended, and the homeserver
    knows it no longer, the other goes on in the same room.
    """
    north, south = await Line.begin(tmp_path, "north", "+15555550101"), await Line.begin(tmp_path, "south", "+15555550102")
    synapse = JoinedSynapse(tmp_path / "agency", north.stack.base, SERVER)
    try:
        synapse.set_up()
        await north.init(synapse)
        await south.init(synapse)
        for line in (north, south):
            shutil.copyfile(
                line.stack.data / "synapse" / line.registration(synapse).name, place := line.registration(synapse)
            )
            place.chmod(0o600)
        synapse.paste_settings(settings_of_both(north, south))
        async with AsyncExitStack() as lasting:
            async with synapse.running():
                await make_mira(synapse, north, south, tmp_path / "token")
                of_south = await lasting.enter_async_context(bridge(south.stack))
                _, mira = read_handout(north.stack, "mira")
                client = await strict_client_factory.log_in(synapse.url, mira)
                lasting.push_async_callback(client.stop)
                async with bridge(north.stack) as of_north:
                    conversation = await both_answer(client, (north, of_north), (south, of_south))
                    await apart((north, of_north), (south, of_south))
            synapse.take_out(f"@policy-north:{SERVER}", str(north.registration(synapse)))
            async with synapse.running():
                south.text_in("and now")
                await conversation.wait_for_text("and now")
                await client.say(conversation.room, "still here")
                await wait_until("the line that is left answers", arrives(south, "still here"), seen=south.stack.tail)
                assert "still here" not in north.arrived
                await lasting.aclose()
    finally:
        for line in (north, south):
            await line.gateway.stop()
            await line.stack.end()


def settings_of_both(north: Line, south: Line) -> Path:
    """Add the second line's entries to the first one's settings, as its file says; returns their folder."""
    one, two = (yaml.safe_load((line.stack.data / "synapse" / "quietline.yaml").read_text()) for line in (north, south))
    one["app_service_config_files"] += two["app_service_config_files"]
    one["modules"][0]["config"]["lines"] += two["modules"][0]["config"]["lines"]
    (folder := north.stack.data.parent.parent / "both").mkdir()
    (folder / "quietline.yaml").write_text(yaml.safe_dump(one))
    return folder


def write_private(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o600)


async def make_mira(synapse: JoinedSynapse, north: Line, south: Line, token: Path) -> None:
    """Have the administrator make her account by the first line's hand-out; at the second she has one already."""
    write_private(token, await synapse.admin_token())
    for line, is_new in ((north, True), (south, False)):
        words = ("staff", "make", "--data", str(line.stack.data), "--admin-token-file", str(token))
        code, said = await run(line.stack.command(*words))
        assert code == 0, said
        assert (line.stack.data / "handout" / "mira.txt").is_file() == is_new


async def both_answer(client: StaffClient, *lines: tuple[Line, ReadyFile]) -> Conversation:
    """Text both lines from one phone, claim each card at its own desk, answer in each room; returns the second one."""
    _, mira = read_handout(lines[0][0].stack, "mira")
    for _, ready in lines:
        await client.join(ready.desk_room)
    await asyncio.gather(*(confirm(line.stack, mira) for line, _ in lines))
    for line, ready in lines:
        staffed, before = StaffedLine(stack=line.stack, ready=ready), set(await client.joined())
        office = await staffed.wait_for_invite(client, before, office=True)
        await client.join(office)
    for line, _ in lines:
        line.text_in(line.text)
    conversations = []
    for line, ready in lines:
        card = await client.find(
            ready.desk_room,
            f"a card at the desk of {line.slug}",
            lambda i, bot=ready.bot: i.sender == bot and i.kind == "message" and "waiting" in i.body,  # type: ignore[misc]
        )
        conversation = await StaffedLine(stack=line.stack, ready=ready).claim(client, HANDSET, card)
        await conversation.wait_for_text(line.text)
        await client.say(conversation.room, line.answer)
        conversations.append(conversation)
    for line, _ in lines:
        await wait_until(f"the answer of {line.slug} is there", arrives(line, line.answer), seen=line.stack.tail)
    for conversation, (line, ready), (other, of_other) in zip(conversations, lines, lines[::-1], strict=True):
        assert await conversation.texts_in_room() == [line.text]
        items = [item for room in (conversation.room, ready.desk_room) for item in await client.items(room)]
        assert not [i for i in items if other.text in i.body or other.answer in i.body]
        # As a word: a thread may be called "southern heron".
        assert not [i for i in items if re.search(rf"\b{other.slug}\b", i.body)]
        assert not {i.sender for i in items} & {of_other.bot, of_other.voice}
        assert not [text for text in line.arrived if text in (other.text, other.answer)]
    assert conversations[0].room != conversations[1].room
    return conversations[1]


async def apart(*lines: tuple[Line, ReadyFile]) -> None:
    """See that no line knows a room, an identity or a word of the other, and that one's own are found where they are."""
    rooms = {}
    for line, ready in lines:
        content = await StaffedLine(stack=line.stack, ready=ready).as_bot("GET", "joined_rooms")
        rooms[line.slug] = set(content["joined_rooms"])
        assert ready.desk_room in rooms[line.slug]
    assert not rooms["north"] & rooms["south"]
    for (line, ready), (other, of_other) in zip(lines, lines[::-1], strict=True):
        assert line.bytes_with(ready.bot, ready.voice, ready.desk_room).keys() == {ready.bot, ready.voice, ready.desk_room}
        names = (of_other.bot, of_other.voice, other.number, *rooms[other.slug], other.stack.secret("as_token"))
        assert line.bytes_with(*names, other.text, other.answer, line.text, line.answer, HANDSET) == {}


def arrives(line: Line, text: str) -> Callable[[], Awaitable[bool | None]]:
    """Ask whether a text is at the handset."""

    async def there() -> bool | None:
        return text in line.arrived or None

    return there
