"""Calls of our Synapse module, for what only the homeserver can do: purge rooms, delete uploads, sign people out, vacuum.

Rules of this module: the server side is our Synapse module (`deploy/synapse_module`), which acts on the policy bot's own
rooms and roster only. Every call may be repeated. Nothing is reported as gone without a check. A call without an answer may
have been performed: check, or call again.

The token is the application service's. No administrator exists, except where no module can be loaded (`admin_api`). Nothing
is logged here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final, TypeVar

from bridge.matrix.api.http_client import HomeserverClient, Method, Permanent, Transient
from bridge.matrix.api.json_fields import Json

SynapseVersion = tuple[int, int]

OLDEST_SYNAPSE: Final[SynapseVersion] = (1, 155)
"""The first release that the module starts with (`deploy/synapse_module/README.md`)."""
NEWEST_TESTED_SYNAPSE: Final[SynapseVersion] = (1, 163)
"""The newest that was tried. A newer one is used where the module's own checks pass, and the line says so."""
_VERSION: Final = re.compile(r"(?:Synapse/)?(\d+)\.(\d+)")


T = TypeVar("T")
PREFIX: Final = "/_synapse/client/quietline"
TIMEOUT_SECONDS: Final = 30.0
CHANGE_TIMEOUT_SECONDS: Final = 60.0
VACUUM_TIMEOUT_SECONDS: Final = 900.0
"""A vacuum holds the whole database: 1.5 s for half a gigabyte of SQLite (facts-matrix.md, "Purge and recovery")."""
TIMED_OUT: Final = "QUIETLINE_TIMED_OUT"
"""The database's own time-out ended the vacuum: another try would end in the same way."""
STILL_THERE: Final = "QUIETLINE_STILL_THERE"
"""The file of one upload cannot be removed. Others may be deleted."""
NO_WAY_TO_UPLOADS: Final = (
    f"enable_media_repo: a worker keeps the uploads, and {PREFIX}/media does not lead to it, or it is down: they stay"
)
UNKNOWN_PATH: Final = "M_UNRECOGNIZED"
ENFORCED: Final = frozenset({"no-clear-text", "no-outsiders", "small-uploads", "key-backup-discarded"})
"""The rules that a module of this version enforces."""
NO_SUCH_PATH: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})


def parse_version(text: str) -> SynapseVersion | None:
    """Read `1.163.2`, or the header `Server: Synapse/1.163.2`; None for any other text."""
    match = _VERSION.match(text)
    return (int(match[1]), int(match[2])) if match else None


def dotted_version(version: SynapseVersion) -> str:
    """Write a version as people do: `1.163`."""
    return ".".join(map(str, version))


class HomeserverUnreachable(Exception):  # noqa: N818 - it is a verdict
    """No answer that counts: unreachable, busy, or in the middle of a restart.

    Try again after `retry_after` seconds or more.
    """

    def __init__(self, status: int, errcode: str = "", retry_after: float = 0.0) -> None:
        super().__init__(f"{status} {errcode}".strip())
        self.status, self.errcode, self.retry_after = status, errcode, retry_after


class ModuleNotLoaded(HomeserverUnreachable):
    """The homeserver answers, but our module is not loaded there: nothing here can be done until it is."""


class ModuleRequestRejected(Exception):  # noqa: N818 - it is a verdict
    """The module says no, and will again: not our room, not on the roster, not our upload, or a wrong token."""

    def __init__(self, status: int, errcode: str) -> None:
        super().__init__(f"{status} {errcode}".strip())
        self.status, self.errcode = status, errcode


class RoomState(StrEnum):
    """The state of a room at the homeserver."""

    PRESENT = "present"
    PURGING = "purging"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomStatus:
    """A room in the homeserver's tables. `GONE` with `leftovers` 0: nothing is left.

    `events`: remaining events, state included. `uncensored`: redacted events whose content is still in the database.
    `leftovers`: counted when it is gone: rows that name it in tables that Synapse's purge does not clean (keys in a
    person's key backup, changes of membership, finished tasks). Another call of `purge` removes them.
    """

    state: RoomState
    events: int
    uncensored: int
    leftovers: int
    database: str = ""
    """The database: `sqlite`, `postgres`, `postgres-full` (its pages are rewritten); empty if unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VacuumResult:
    """`engine`: "sqlite" or "postgres"; `seconds`: how long it took; `bytes`: the size then; `database`: `RoomStatus`."""

    engine: str
    seconds: float
    bytes: int
    database: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOutResult:
    """`devices`: how many there were. `everywhere`: False where a login service keeps sessions of its own (MAS)."""

    devices: int
    everywhere: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleHealth:
    """The module's version, the rules it enforces (names, see its README), and what it cannot guarantee (sentences).

    `synapse`: the homeserver's version. `settings`: those that show or keep more than a line needs; `limits`: those that
    delay the bridge or people; None if the other side does not report them.
    """

    version: str
    enforces: frozenset[str]
    problems: tuple[str, ...]
    synapse: str = ""
    settings: tuple[str, ...] | None = None
    limits: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCounts:
    """How a person at the desk can be reached: signed-in devices, and pushers (which make a locked phone ring)."""

    devices: int
    pushers: int


class ModuleClient:
    """The module on our homeserver, called through `client` (the policy bot's).

    All calls raise `HomeserverUnreachable` and `ModuleRequestRejected`.
    """

    def __init__(self, *, client: HomeserverClient) -> None:
        self._client = client

    async def purge(self, room_id: str) -> RoomState:
        """Begin to purge one of our rooms: `PURGING` while it runs, `GONE` when nothing is left.

        A homeserver that is killed meanwhile resumes the purge, after one to three minutes of `PURGING`. Repeat the call
        until it is gone; the last call removes the leftovers. An unknown room counts as gone. The desk is refused.
        """
        return _state(await self._ask("POST", "rooms", room_id, "purge"))

    async def room(self, room_id: str) -> RoomStatus:
        """Look at one of our rooms, from the tables and not from memory."""
        answer = await self._ask("GET", "rooms", room_id)
        return RoomStatus(
            state=_state(answer),
            events=_number(answer, "events"),
            uncensored=_number(answer, "uncensored"),
            leftovers=_number(answer, "leftovers"),
            database=str(answer.get("database", "")),
        )

    async def censor(self, room_id: str) -> int:
        """Overwrite redacted events in one of our rooms, some hundreds a call; return how many are left.

        Synapse itself does 100 in five minutes for all rooms together (facts-matrix.md, "Purge and recovery").
        """
        return _number(await self._ask("POST", "rooms", room_id, "censor"), "left")

    async def delete_media(self, address: str) -> None:
        """Delete an upload (`mxc://server/id`) of ours or of a person who is or was at the desk; also if it is gone."""
        await self._ask("DELETE", "media", *split_mxc(address))

    async def is_media_deleted(self, address: str) -> bool:
        """Whether neither a row nor a file of this upload is there."""
        return not _boolean(await self._ask("GET", "media", *split_mxc(address)), "exists")

    async def sign_out(self, user_id: str) -> SignOutResult:
        """Sign a member of the desk out everywhere: devices, tokens, pushers.

        Refused for users who are not at the desk now, and for ourselves.
        """
        answer = await self._ask("DELETE", "users", user_id, "devices")
        return SignOutResult(devices=_number(answer, "devices"), everywhere=answer.get("everywhere") is not False)

    async def count_devices(self, user_id: str) -> DeviceCounts:
        """Count the devices and pushers of a member of the desk. Refused for users who are not at the desk now."""
        answer = await self._ask("GET", "users", user_id, "devices")
        return DeviceCounts(devices=_number(answer, "devices"), pushers=_number(answer, "pushers"))

    async def is_claimed(self, user_id: str) -> bool:
        """Whether the registration that the homeserver was started with claims a user for us."""
        return _boolean(await self._ask("GET", "users", user_id), "claimed")

    async def is_password(self, user_id: str, password: str) -> bool:
        """Whether this is the password of an account of an embedded homeserver. Nobody is signed in."""
        return _boolean(await self._ask("POST", "users", user_id, "password", body={"password": password}), "same")

    async def make_account(self, user_id: str, password: str) -> None:
        """Make an ordinary account on an embedded homeserver. Rejected with M_USER_IN_USE: it is or was a person's."""
        await self._ask("PUT", "users", user_id, body={"password": password})

    async def set_password(self, user_id: str, password: str) -> None:
        """Give an account another password, and sign it out everywhere."""
        await self._ask("PUT", "users", user_id, "password", body={"password": password})

    async def deactivate_account(self, user_id: str) -> None:
        """Sign an account out everywhere, and deactivate it. May be repeated."""
        await self._ask("DELETE", "users", user_id)

    async def vacuum(self) -> VacuumResult:
        """Vacuum the homeserver's database, in quiet hours: SQLite's is locked meanwhile, and keeps no deleted data.

        `HomeserverUnreachable` with 503 when none was begun (one is under way, or a reader is active), or with `TIMED_OUT`.
        """
        answer = await self._ask("POST", "vacuum", seconds=VACUUM_TIMEOUT_SECONDS)
        return VacuumResult(
            engine=_text(answer, "engine"),
            seconds=_number(answer, "milliseconds") / 1000,
            bytes=_number(answer, "bytes"),
            database=str(answer.get("database", "")),
        )

    async def wait_for_change(self, known: int) -> int:
        """Return the count of changes that the policy bot has to sync, when it is another than `known` or after 30 seconds.

        `ModuleNotLoaded` where the module is missing, or older, or does not see who sends events.
        """
        return _number(await self._ask("GET", "changes", str(known), seconds=CHANGE_TIMEOUT_SECONDS), "count")

    async def health(self) -> ModuleHealth:
        """Report the module's version and rules; `ModuleNotLoaded` when it is not loaded."""
        answer = await self._ask("GET", "health")
        of_uploads = await self._problems_of_uploads() if answer.get("media") is False else []
        return ModuleHealth(
            version=_text(answer, "version"),
            enforces=frozenset(_strings(answer, "enforces")),
            problems=(*_strings(answer, "problems"), *of_uploads),
            synapse=str(answer.get("synapse", "")),
            settings=_optional_strings(answer, "settings"),
            limits=_optional_strings(answer, "limits"),
        )

    async def _problems_of_uploads(self) -> list[str]:
        """Ask the worker that keeps the uploads, where the main process does not."""
        try:
            return _strings(await self._ask("GET", "media"), "problems")
        except (HomeserverUnreachable, ModuleRequestRejected):
            return [NO_WAY_TO_UPLOADS]

    async def _ask(self, method: Method, *path: str, seconds: float = TIMEOUT_SECONDS, body: Json | None = None) -> Json:
        try:
            return await self._client.request(method, *path, prefix=PREFIX, seconds=seconds, body=body)
        except Transient as error:
            if error.status in NO_SUCH_PATH:
                raise ModuleNotLoaded(error.status, error.errcode) from None
            raise HomeserverUnreachable(error.status, error.errcode, error.retry_after) from None
        except Permanent as error:
            if error.status in NO_SUCH_PATH and error.errcode == UNKNOWN_PATH:
                raise ModuleNotLoaded(error.status, error.errcode) from None
            raise ModuleRequestRejected(error.status, error.errcode) from None


def split_mxc(address: str) -> tuple[str, str]:
    """Split `mxc://server/id`. Raises `ModuleRequestRejected`."""
    scheme, _, rest = address.partition("://")
    server, _, media_id = rest.partition("/")
    if scheme != "mxc" or not server or not media_id:
        raise ModuleRequestRejected(0, "QUIETLINE_NO_ADDRESS")
    return server, media_id


def _field(answer: Mapping[str, Any], name: str, kind: type[T]) -> T:
    value = answer.get(name)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise HomeserverUnreachable(HTTPStatus.OK, "QUIETLINE_BAD_ANSWER")
    return value


def _number(answer: Json, name: str) -> int:
    return _field(answer, name, int)


def _text(answer: Json, name: str) -> str:
    return _field(answer, name, str)


def _boolean(answer: Json, name: str) -> bool:
    return _field(answer, name, bool)


def _strings(answer: Json, name: str) -> list[str]:
    values = _field(answer, name, list)
    if not all(isinstance(value, str) for value in values):
        raise HomeserverUnreachable(HTTPStatus.OK, "QUIETLINE_BAD_ANSWER")
    return values


def _optional_strings(answer: Json, name: str) -> tuple[str, ...] | None:
    return tuple(_strings(answer, name)) if name in answer else None


def _state(answer: Json) -> RoomState:
    try:
        return RoomState(_text(answer, "state"))
    except ValueError:
        raise HomeserverUnreachable(HTTPStatus.OK, "QUIETLINE_BAD_ANSWER") from None
