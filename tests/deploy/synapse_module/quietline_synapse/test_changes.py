"""How long a line's bridge waits for a change, on a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import Clock

WAIT_SECONDS, SOON_SECONDS, LOOK_SECONDS = 30.0, 2.0, 0.02
LOOKS = int(WAIT_SECONDS / LOOK_SECONDS)

OURS = SimpleNamespace(room_id="!ours", sender="@policy:x", is_state=lambda: False)
THEIRS = SimpleNamespace(room_id="!ours", sender="@ada:x", is_state=lambda: False)


class Rooms:
    """`!ours` is the line's; `!new` as well, and `!gone` was, when the database is asked."""

    def __init__(self) -> None:
        self._creators = {"!ours": "@policy:x", "!lunch": ""}

    async def is_foreign(self, room_id: str) -> bool:
        if room_id == "!new":
            self._creators[room_id] = "@policy:x"
        return False

    def known_creator(self, room_id: str) -> str | None:
        return self._creators.get(room_id)


class Homeserver:
    """The parts of Synapse that report changes; `synced`: the position that `/sync` has."""

    def __init__(self, *, redis: bool = False) -> None:
        # Each process of a run collects this file, and loading Synapse takes most of a second.
        from quietline_synapse.changes import LineChanges
        from quietline_synapse.synapse_notifier import SynapseNotifier

        self.clock, self.synced = Clock(), 100
        database = SimpleNamespace(get_room_max_stream_ordering=lambda: self.synced)
        self.notifier: Any = SimpleNamespace(on_new_room_events=self._on_events, on_new_event=self._on_other)
        internals = SimpleNamespace(
            get_reactor=lambda: self.clock,
            get_notifier=lambda: self.notifier,
            get_datastores=lambda: SimpleNamespace(main=database),
            config=SimpleNamespace(redis=SimpleNamespace(redis_enabled=redis)),
        )
        api: Any = SimpleNamespace(_hs=internals, sleep=self._sleep, run_as_background_process=self._run)
        self.line: Any = SimpleNamespace(policy="@policy:x", is_ours=lambda user_id: user_id == "@policy:x")
        settings: Any = SimpleNamespace(lines=[self.line])
        rooms: Any = Rooms()
        self.changes = LineChanges(api=api, settings=settings, rooms=rooms, notifier=SynapseNotifier(api))

    async def _on_events(self, events_and_pos: Any, max_room_stream_token: Any, extra_users: Any = None) -> None: ...

    def _on_other(self, stream_key: Any, new_token: Any, users: Any = None, rooms: Any = None) -> None: ...

    async def _sleep(self, seconds: float) -> None:
        slept = Deferred[None]()
        self.clock.callLater(seconds, slept.callback, None)
        await slept

    def _run(self, _name: str, work: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        ensureDeferred(work(*arguments))

    def event(self, event: Any, position: int = 1) -> None:
        ensureDeferred(self.notifier.on_new_room_events([(event, SimpleNamespace(stream=position))], None))

    def answers(self, known: int) -> list[int]:
        """Wait; return the list that will have the answer."""
        answers: list[int] = []
        ensureDeferred(self.changes.wait(self.line, known)).addCallback(answers.append)
        return answers


def first_count(homeserver: Homeserver) -> int:
    (count,) = homeserver.answers(0)
    assert count > 0
    return count


def test_nothing_happens_for_half_a_minute() -> None:
    homeserver = Homeserver()
    known = first_count(homeserver)
    answers = homeserver.answers(known)
    homeserver.clock.advance(WAIT_SECONDS - 1)
    assert answers == []
    homeserver.clock.advance(1)
    assert answers == [known]


def test_own_messages_are_counted_together() -> None:
    homeserver = Homeserver()
    known = first_count(homeserver)
    answers = homeserver.answers(known)
    homeserver.event(OURS)
    homeserver.clock.advance(SOON_SECONDS - 0.5)
    homeserver.event(OURS)
    assert answers == []
    homeserver.clock.advance(0.5)
    assert answers == [known + 1]
    homeserver.clock.advance(SOON_SECONDS)
    assert first_count(homeserver) == known + 1


def test_what_people_do_is_counted_at_once_with_all_that_was_due() -> None:
    homeserver = Homeserver()
    known = first_count(homeserver)
    one, another = homeserver.answers(known), homeserver.answers(known)
    homeserver.event(OURS)
    homeserver.event(THEIRS)
    assert one == another == [known + 1]
    homeserver.clock.advance(SOON_SECONDS)
    assert first_count(homeserver) == known + 1, "the line has synced its own message with it"


def test_an_event_that_the_sync_does_not_have_yet() -> None:
    """An older event is still being written; the answer comes when that is done, also on the next wait."""
    homeserver = Homeserver()
    known = first_count(homeserver)
    answers = homeserver.answers(known)
    homeserver.event(THEIRS, position=102)
    homeserver.clock.pump([LOOK_SECONDS] * 10)
    assert answers == []
    homeserver.clock.pump([LOOK_SECONDS] * LOOKS)
    assert answers == [known]
    answers = homeserver.answers(known)
    homeserver.synced = 102
    homeserver.clock.advance(LOOK_SECONDS)
    assert answers == [known + 1]
