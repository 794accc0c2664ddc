"""The table of routes: which process of a Synapse with workers answers which request; and the workers' duties.

Rules of this module: a route is a regular expression over the decoded path that Python, nginx and Caddy read alike. The
first match counts; a request without a match goes to the main process, as do requests to our module. Uploads are stored
and deleted there too, unless a worker keeps them: then requests about uploads, also those to our module, go to that
worker. A request that writes to a stream goes to the process that writes the stream. Only requests that an ordinary client
makes are routed.

Sources: Synapse's documentation, "Scaling synapse via workers"; `tests/deploy/init/test_worker_routes.py` sends a request
of each route to a real worker.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from typing import Final

MAX_WORKERS: Final = 16


@unique
class Duty(Enum):
    """What a worker does. The value is the duty's part of a worker's name.

    `SYNC` answers long polls, one for each device that is logged in; only this duty can have several workers. `EVENTS`
    writes events; `STREAMS` writes the other streams; `BACKGROUND` gets no requests: application services, pushes, the
    user directory and periodic work. `MEDIA` keeps uploads, when the operator asked for such a worker.
    """

    SYNC = "sync"
    CLIENT = "client"
    EVENTS = "events"
    STREAMS = "streams"
    BACKGROUND = "background"
    MEDIA = "media"


STREAMS_OF: Final = {
    Duty.EVENTS: ("events",),
    Duty.STREAMS: ("account_data", "device_lists", "presence", "push_rules", "receipts", "to_device", "typing"),
}
"""The streams that each duty writes (`stream_writers`)."""


@dataclass(frozen=True, slots=True)
class Route:
    """Requests of one kind. `sample`: method and path of one, for tests; `!r` is a room, `$e` an event, `@u` a user."""

    pattern: str
    duty: Duty
    sample: tuple[str, str]


_ANY: Final = "^/_matrix/client/(api/v1|r0|v3|unstable)"
_V3: Final = "^/_matrix/client/(r0|v3|unstable)"
_ROOM: Final = f"{_ANY}/rooms/[^/]+"
_C: Final = "/_matrix/client/v3"

ROUTES: Final = (
    Route(r"^/_matrix/client/(r0|v3)/sync$", Duty.SYNC, ("GET", f"{_C}/sync")),
    Route(
        r"^/_matrix/client/unstable/org\.matrix\.simplified_msc3575/sync$",
        Duty.SYNC,
        ("POST", "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"),
    ),
    Route(r"^/_matrix/client/(api/v1|r0|v3)/events$", Duty.SYNC, ("GET", f"{_C}/events?timeout=0")),
    Route(r"^/_matrix/client/(api/v1|r0|v3)/initialSync$", Duty.SYNC, ("GET", f"{_C}/initialSync")),
    Route(r"^/_matrix/client/(api/v1|r0|v3)/rooms/[^/]+/initialSync$", Duty.SYNC, ("GET", f"{_C}/rooms/!r/initialSync")),
    # Streams other than events: also requests that read, because other processes see a write a moment later.
    Route(f"{_ROOM}/typing", Duty.STREAMS, ("PUT", f"{_C}/rooms/!r/typing/@u")),
    Route(f"{_V3}/sendToDevice/", Duty.STREAMS, ("PUT", f"{_C}/sendToDevice/m.room_key/t")),
    Route(f"{_V3}/user/[^/]+/rooms/[^/]+/tags", Duty.STREAMS, ("GET", f"{_C}/user/@u/rooms/!r/tags")),
    Route(f"{_V3}/user/[^/]+/(rooms/[^/]+/)?account_data/", Duty.STREAMS, ("GET", f"{_C}/user/@u/account_data/x")),
    Route(f"{_V3}/rooms/[^/]+/receipt", Duty.STREAMS, ("POST", f"{_C}/rooms/!r/receipt/m.read/$e")),
    Route(f"{_V3}/rooms/[^/]+/read_markers", Duty.STREAMS, ("POST", f"{_C}/rooms/!r/read_markers")),
    Route(f"{_ANY}/presence/", Duty.STREAMS, ("GET", f"{_C}/presence/@u/status")),
    Route(f"{_ANY}/pushrules/", Duty.STREAMS, ("GET", f"{_C}/pushrules/")),
    Route(r"^/_matrix/client/(r0|v3)/delete_devices$", Duty.STREAMS, ("POST", f"{_C}/delete_devices")),
    Route(f"{_ANY}/devices(/|$)", Duty.STREAMS, ("GET", f"{_C}/devices")),
    Route(f"{_V3}/keys/upload", Duty.STREAMS, ("POST", f"{_C}/keys/upload")),
    Route(f"{_ANY}/keys/device_signing/upload$", Duty.STREAMS, ("POST", f"{_C}/keys/device_signing/upload")),
    Route(f"{_ANY}/keys/signatures/upload$", Duty.STREAMS, ("POST", f"{_C}/keys/signatures/upload")),
    # Events: to the process that writes them.
    Route(f"{_ANY}/createRoom$", Duty.EVENTS, ("POST", f"{_C}/createRoom")),
    Route(f"{_ROOM}/redact", Duty.EVENTS, ("PUT", f"{_C}/rooms/!r/redact/$e/t")),
    Route(f"{_ROOM}/send/", Duty.EVENTS, ("PUT", f"{_C}/rooms/!r/send/m.room.message/t")),
    Route(f"{_ROOM}/state/", Duty.EVENTS, ("GET", f"{_C}/rooms/!r/state/m.room.name")),
    Route(f"{_ROOM}/(join|invite|leave|ban|unban|kick)$", Duty.EVENTS, ("POST", f"{_C}/rooms/!r/join")),
    Route(f"{_ANY}/join/", Duty.EVENTS, ("POST", f"{_C}/join/!r")),
    Route(f"{_ANY}/knock/", Duty.EVENTS, ("POST", f"{_C}/knock/!r")),
    Route(f"{_ANY}/profile/", Duty.EVENTS, ("GET", f"{_C}/profile/@u")),
    # Requests that read rooms, keys and accounts.
    Route(f"{_ROOM}/messages$", Duty.CLIENT, ("GET", f"{_C}/rooms/!r/messages")),
    Route(f"{_ROOM}/joined_members$", Duty.CLIENT, ("GET", f"{_C}/rooms/!r/joined_members")),
    Route(f"{_ROOM}/context/", Duty.CLIENT, ("GET", f"{_C}/rooms/!r/context/$e")),
    Route(f"{_ROOM}/members$", Duty.CLIENT, ("GET", f"{_C}/rooms/!r/members")),
    Route(f"{_ROOM}/state$", Duty.CLIENT, ("GET", f"{_C}/rooms/!r/state")),
    Route(f"{_ROOM}/event/", Duty.CLIENT, ("GET", f"{_C}/rooms/!r/event/$e")),
    Route(f"{_ROOM}/aliases", Duty.CLIENT, ("GET", f"{_C}/rooms/!r/aliases")),
    Route(r"^/_matrix/client/v1/rooms/[^/]+/hierarchy$", Duty.CLIENT, ("GET", "/_matrix/client/v1/rooms/!r/hierarchy")),
    Route(
        r"^/_matrix/client/(v1|unstable)/rooms/[^/]+/relations/",
        Duty.CLIENT,
        ("GET", "/_matrix/client/v1/rooms/!r/relations/$e"),
    ),
    Route(r"^/_matrix/client/v1/rooms/[^/]+/threads$", Duty.CLIENT, ("GET", "/_matrix/client/v1/rooms/!r/threads")),
    Route(
        r"^/_matrix/client/v1/rooms/[^/]+/timestamp_to_event$",
        Duty.CLIENT,
        ("GET", "/_matrix/client/v1/rooms/!r/timestamp_to_event"),
    ),
    Route(f"{_ANY}/joined_rooms$", Duty.CLIENT, ("GET", f"{_C}/joined_rooms")),
    Route(f"{_ANY}/publicRooms$", Duty.CLIENT, ("GET", f"{_C}/publicRooms")),
    Route(f"{_ANY}/directory/room/", Duty.CLIENT, ("GET", f"{_C}/directory/room/x")),
    Route(f"{_ANY}/search$", Duty.CLIENT, ("POST", f"{_C}/search")),
    Route(f"{_V3}/user_directory/search$", Duty.CLIENT, ("POST", f"{_C}/user_directory/search")),
    Route(f"{_V3}/user/[^/]+/filter(/|$)", Duty.CLIENT, ("POST", f"{_C}/user/@u/filter")),
    Route(f"{_V3}/keys/query$", Duty.CLIENT, ("POST", f"{_C}/keys/query")),
    Route(f"{_V3}/keys/changes$", Duty.CLIENT, ("GET", f"{_C}/keys/changes")),
    Route(f"{_V3}/keys/claim$", Duty.CLIENT, ("POST", f"{_C}/keys/claim")),
    Route(f"{_V3}/room_keys/", Duty.CLIENT, ("GET", f"{_C}/room_keys/version")),
    Route(f"{_ANY}/login$", Duty.CLIENT, ("GET", f"{_C}/login")),
    Route(f"{_V3}/register$", Duty.CLIENT, ("POST", f"{_C}/register")),
    Route(f"{_V3}/password_policy$", Duty.CLIENT, ("GET", f"{_C}/password_policy")),
    Route(f"{_V3}/account/whoami$", Duty.CLIENT, ("GET", f"{_C}/account/whoami")),
    Route(f"{_V3}/capabilities$", Duty.CLIENT, ("GET", f"{_C}/capabilities")),
    Route(f"{_V3}/notifications$", Duty.CLIENT, ("GET", f"{_C}/notifications")),
    Route(f"{_ANY}/voip/turnServer$", Duty.CLIENT, ("GET", f"{_C}/voip/turnServer")),
    Route(r"^/_matrix/client/versions$", Duty.CLIENT, ("GET", "/_matrix/client/versions")),
    # Uploads, and requests to our module about them.
    Route(r"^/_matrix/media/", Duty.MEDIA, ("GET", "/_matrix/media/v3/config")),
    Route(r"^/_matrix/client/v1/media/", Duty.MEDIA, ("GET", "/_matrix/client/v1/media/config")),
    Route(r"^/_matrix/federation/v1/media/", Duty.MEDIA, ("GET", "/_matrix/federation/v1/media/download/x")),
    Route(r"^/_synapse/client/quietline/media(/|$)", Duty.MEDIA, ("GET", "/_synapse/client/quietline/media")),
    Route(r"^/_synapse/admin/v1/media/", Duty.MEDIA, ("DELETE", "/_synapse/admin/v1/media/x/y")),
)


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker. `name`: unique. `duties`: in the order of `Duty`."""

    name: str
    duties: tuple[Duty, ...]

    @property
    def streams(self) -> tuple[str, ...]:
        """The streams that it writes."""
        return tuple(stream for duty in self.duties for stream in STREAMS_OF.get(duty, ()))


def workers_of(count: int, *, media: bool = False) -> tuple[Worker, ...]:
    """Spread the duties over `count` workers, 1 to `MAX_WORKERS`; those beyond the fifth are more `SYNC` workers.

    `media`: one more worker keeps the uploads.
    """
    spread = tuple(duty for duty in Duty if duty is not Duty.MEDIA)
    rest = {
        1: (spread,),
        2: ((Duty.SYNC, Duty.CLIENT), (Duty.EVENTS, Duty.STREAMS, Duty.BACKGROUND)),
        3: ((Duty.SYNC,), (Duty.CLIENT,), (Duty.EVENTS, Duty.STREAMS, Duty.BACKGROUND)),
        4: ((Duty.SYNC,), (Duty.CLIENT,), (Duty.EVENTS,), (Duty.STREAMS, Duty.BACKGROUND)),
    }.get(count, tuple((duty,) for duty in spread))
    more = [Worker(f"{Duty.SYNC.value}{n}", (Duty.SYNC,)) for n in range(2, count - len(rest) + 2)]
    keeps = [Worker(f"{Duty.MEDIA.value}1", (Duty.MEDIA,))] if media else []
    return (*(Worker(f"{duties[0].value}1", duties) for duties in rest), *more, *keeps)
