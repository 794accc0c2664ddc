"""The web resource `/_synapse/client/quietline/…` for the bridges of this homeserver's lines and for nobody else.

Rule of this module: a token (`authenticated_resource`) reaches only rooms, uploads and people of its line. The list of
paths is fixed. Only bodies with a password are read. Nothing is logged. Every call may be repeated. Requests below `media`
go to the process that keeps the uploads: a worker that does has only that part (`MediaResource`).

    GET    health                       -> {"version", "enforces": [..], "problems": [..], "media": bool, "synapse",
                                            "settings": [..], "limits": [..]}; `media`: whether this process keeps uploads
    GET    media                        -> {"version", "problems": [..]}
    GET    rooms/{room_id}              -> {"state": present|purging|gone, "events", "uncensored", "leftovers", "database"}
    POST   rooms/{room_id}/purge        -> the same; begins a purge, or removes the leftovers of a finished one
    POST   rooms/{room_id}/censor       -> {"left": n}
    GET    media/{server}/{media_id}    -> {"exists": bool}
    DELETE media/{server}/{media_id}    -> {"exists": false}
    GET    users/{user_id}/devices      -> {"devices": n, "pushers": n}; for a person at a desk
    DELETE users/{user_id}/devices      -> {"devices": n, "everywhere": bool}
    GET    users/{user_id}              -> {"claimed": bool}: whether the line's registration, as it was loaded, claims it
    PUT    users/{user_id}              -> {}; body {"password"}: makes an account
    PUT    users/{user_id}/password     -> {}; body {"password"}: a new one; signed out everywhere
    POST   users/{user_id}/password     -> {"same": bool}; body {"password"}: whether it is the account's
    DELETE users/{user_id}              -> {}; signed out everywhere and deactivated
    GET    changes/{count}              -> {"count"}: of what the line has to sync, when it is another, or after 30 s
    POST   vacuum                       -> {"engine", "database", "milliseconds", "bytes"}

Errors: 401 without the token; 403 QUIETLINE_NOT_OURS, QUIETLINE_DESK, QUIETLINE_NOT_AT_DESK, QUIETLINE_NO_ACCOUNTS,
QUIETLINE_NOT_STAFF; 400 M_USER_IN_USE and Synapse's other errors for a name; 404 M_UNRECOGNIZED for any other path; 503
QUIETLINE_BUSY, QUIETLINE_STILL_THERE, QUIETLINE_LOG_NOT_EMPTY, QUIETLINE_NO_ROOM, QUIETLINE_READERS: try again;
QUIETLINE_TIMED_OUT: try again after a day; QUIETLINE_MEDIA_ELSEWHERE: ask the worker that keeps the uploads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from quietline_synapse.accounts import Accounts
from quietline_synapse.authenticated_resource import VERSION, AuthenticatedResource, unrecognized_error
from quietline_synapse.changes import LineChanges
from quietline_synapse.live_settings import exposing_settings, limits
from quietline_synapse.media import LineMedia, answer_media
from quietline_synapse.redaction_censor import RedactionCensor
from quietline_synapse.rooms import PolicyRooms, RoomFacts, refusal
from quietline_synapse.rules import ENFORCES
from quietline_synapse.settings import LineSettings, ModuleSettings
from quietline_synapse.synapse_internals import SynapseInternals
from quietline_synapse.vacuum import Vacuum

COUNT: Final = re.compile(r"[0-9]{1,19}")
NOT_AT_DESK: Final = "QUIETLINE_NOT_AT_DESK"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineParts:
    """The parts that the token of one line reaches."""

    settings: LineSettings
    rooms: PolicyRooms
    media: LineMedia | None
    """None when a worker keeps the uploads."""
    accounts: Accounts


class ModuleResource(AuthenticatedResource):
    """The web resource of the main process."""

    def __init__(
        self,
        *,
        settings: ModuleSettings,
        lines: Iterable[LineParts],
        censor: RedactionCensor,
        vacuum: Vacuum,
        internals: SynapseInternals,
        changes: LineChanges,
    ) -> None:
        super().__init__(settings)
        self._changes = changes
        self._redaction_censor = censor
        self._lines = {line.settings.policy: line for line in lines}
        self._vacuum, self._internals = vacuum, internals

    async def answer(self, line: LineSettings, method: str, path: list[str], request: Any) -> dict[str, Any]:
        """Answer a request of a line's bridge."""
        return await self._dispatch(self._lines[line.policy], method, path, request)

    async def _dispatch(self, line: LineParts, method: str, path: list[str], request: Any) -> dict[str, Any]:
        match method, path:
            case "GET", ["health"]:
                return await self._health(line)
            case "GET", ["rooms", room_id]:
                return self._as_json(await line.rooms.read_facts(room_id))
            case "POST", ["rooms", room_id, "purge"]:
                return self._as_json(await self._purge(line, room_id))
            case "POST", ["rooms", room_id, "censor"]:
                return {"left": await self._censor(line, room_id)}
            case "GET" | "DELETE", ["media", *rest]:
                return await answer_media(line.media, method, rest)
            case "GET", ["users", user_id, "devices"]:
                return await self._count_devices(line, user_id)
            case "DELETE", ["users", user_id, "devices"]:
                devices = await self._sign_out(line, user_id)
                return {"devices": devices, "everywhere": not self._internals.delegates_logins}
            case "GET", ["users", user_id]:
                return {"claimed": self._internals.is_claimed(line.settings.token, user_id)}
            case "PUT", ["users", user_id]:
                await line.accounts.make(user_id, request)
                return {}
            case "PUT", ["users", user_id, "password"]:
                await line.accounts.set_password(user_id, request)
                return {}
            case "POST", ["users", user_id, "password"]:
                return {"same": await line.accounts.is_password(user_id, request)}
            case "DELETE", ["users", user_id]:
                await line.accounts.deactivate(user_id)
                return {}
            case "GET", ["changes", known] if self._changes.is_offered and COUNT.fullmatch(known):
                return {"count": await self._changes.wait(line.settings, int(known))}
            case "POST", ["vacuum"]:
                return await self._vacuum.run()
        raise unrecognized_error()

    async def _health(self, line: LineParts) -> dict[str, Any]:
        return {
            "version": VERSION,
            "enforces": list(ENFORCES),
            "problems": [
                *(line.media.problems if line.media is not None else ()),
                *self._internals.problems,
                *await self._internals.problems_of_identities(line.settings.names),
                *await line.rooms.problems(),
            ],
            "media": line.media is not None,
            "synapse": self._internals.version,
            "settings": exposing_settings(self._internals),
            "limits": limits(self._internals, line.settings.token),
        }

    def _as_json(self, facts: RoomFacts) -> dict[str, Any]:
        return {
            "state": facts.state,
            "events": facts.events,
            "uncensored": facts.uncensored,
            "leftovers": facts.leftovers,
            "database": self._vacuum.database,
        }

    async def _purge(self, line: LineParts, room_id: str) -> RoomFacts:
        await self._vacuum.enable_secure_delete()
        facts = await line.rooms.purge(room_id)
        if facts.is_gone:
            await self._vacuum.merge_search_index()
            await self._vacuum.empty_log()
        return facts

    async def _censor(self, line: LineParts, room_id: str) -> int:
        await line.rooms.read_facts(room_id)
        await self._vacuum.enable_secure_delete()
        return await self._redaction_censor.censor(room_id)

    async def _count_devices(self, line: LineParts, user_id: str) -> dict[str, Any]:
        if self._settings.is_ours(user_id) or not await line.rooms.is_at_desk(user_id):
            raise refusal(NOT_AT_DESK)
        devices, pushers = await self._internals.count_devices_and_pushers(user_id)
        return {"devices": devices, "pushers": pushers}

    async def _sign_out(self, line: LineParts, user_id: str) -> int:
        # Identities of a line are at the desk too: without their devices the line receives nothing.
        if self._settings.is_ours(user_id) or not await line.rooms.is_at_desk(user_id):
            raise refusal(NOT_AT_DESK)
        return await self._internals.sign_out(user_id)
