"""Synapse's notifier: what it reports to waiting `/sync` requests, reported to this module.

Rule of this module: the private parts that the module's own waiting needs are here, looked up as in `synapse_internals`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from synapse.logging.context import PreserveLoggingContext
from synapse.module_api import ModuleApi, make_deferred_yieldable
from twisted.internet.defer import Deferred

from quietline_synapse.private_parts import require_method, require_part


class WaitingRequests:
    """Requests that wait to be woken, all at once."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._deferreds: list[Deferred[None]] = []

    async def wait(self, seconds: float) -> None:
        """Return after the next `wake`, or after so many seconds."""
        deferred = Deferred[None]()
        deferred.addTimeout(seconds, self._reactor, onTimeoutCancel=lambda _failure, _seconds: None)
        self._deferreds.append(deferred)
        await make_deferred_yieldable(deferred)
        if deferred in self._deferreds:
            self._deferreds.remove(deferred)

    def wake(self) -> None:
        """Let each waiting request go on. Each has the logging context of its own request."""
        woken, self._deferreds = self._deferreds, []
        with PreserveLoggingContext():
            for deferred in woken:
                deferred.callback(None)


class SynapseNotifier:
    """The notifier, looked up once; for the main process."""

    def __init__(self, api: ModuleApi) -> None:
        homeserver = require_part(api, "_hs")
        self._database = require_part(require_method(homeserver, "get_datastores")(), "main")
        # Each worker needs Redis. `instance_map` may be in the workers' own configuration only.
        self._has_workers = require_part(require_part(require_part(homeserver, "config"), "redis"), "redis_enabled")
        self._reactor = require_method(homeserver, "get_reactor")()
        self._notifier = require_method(homeserver, "get_notifier")()
        require_method(self._notifier, "on_new_room_events", "events_and_pos")
        require_method(self._notifier, "on_new_event", "stream_key", "new_token", "users", "rooms")
        require_method(self._database, "get_room_max_stream_ordering")

    def after_each_change(
        self,
        note_event: Callable[[Any, int], None],
        note_other: Callable[[str, Collection[Any], Collection[str]], None],
    ) -> bool:
        """Have `note_event` called with each event that this process has written, and its position in the stream.

        And `note_other` for each of the other streams (its name in Synapse's code, users, rooms).

        The module API's own callback loads the whole state of the room for each event, and there is none for other streams,
        so the notifier's methods are wrapped. False, and nothing is called, where Redis is enabled, as for workers.
        """
        if self._has_workers:
            return False
        notifier = self._notifier
        on_events: Callable[..., Awaitable[None]] = notifier.on_new_room_events
        on_other: Callable[..., None] = notifier.on_new_event

        async def on_new_room_events(events_and_pos: Any, *arguments: Any, **named: Any) -> None:
            await on_events(events_and_pos, *arguments, **named)
            for event, position in events_and_pos:
                note_event(event, position.stream)

        def on_new_event(stream_key: Any, new_token: Any, users: Any = None, rooms: Any = None) -> None:
            on_other(stream_key, new_token, users=users, rooms=rooms)
            if stream_key.name != "ROOM":
                note_other(stream_key.name, users or (), rooms or ())

        notifier.on_new_room_events, notifier.on_new_event = on_new_room_events, on_new_event
        return True

    def call_later(self, seconds: float, call: Callable[..., None], *arguments: Any) -> None:
        """Call a function after so many seconds."""
        self._reactor.callLater(seconds, call, *arguments)

    def waiting_requests(self) -> WaitingRequests:
        """Return a new group of waiting requests."""
        return WaitingRequests(self._reactor)

    def synced_position(self) -> int:
        """Return up to which position in the stream of events `/sync` has everything."""
        return int(self._database.get_room_max_stream_ordering())
