"""The parts of Synapse that its module API does not offer, except those of the notifier (`synapse_notifier`).

Rule of this module: when Synapse starts, every private part is looked up, by its name and the names of its arguments; a
missing one stops Synapse with an error message, because a module that works in part would erase nothing and not report it.

Why each is needed (1.163.2): the module API can schedule a room's deletion, but cannot delete an upload, sign a person out,
read an event as Synapse would redact it, run a statement outside a transaction, or see key backups.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from synapse.module_api import ModuleApi
from synapse.module_api.errors import Codes, ConfigError, SynapseError
from synapse.types import create_requester

from quietline_synapse.private_parts import missing_part, require_method, require_part
from quietline_synapse.rooms import AllRooms
from quietline_synapse.rules import RoomRules

T = TypeVar("T")


class UploadStore:
    """Synapse's storage of uploads, looked up once; for a process that keeps them (`keeps_uploads`)."""

    def __init__(self, api: ModuleApi) -> None:
        homeserver = require_part(api, "_hs")
        self._repository = require_method(homeserver, "get_media_repository")()
        self._paths = require_part(self._repository, "filepaths")
        require_method(self._repository, "delete_local_media_ids", "media_ids")
        require_method(self._paths, "local_media_filepath", "media_id")
        require_method(self._paths, "local_media_thumbnail_dir", "media_id")
        self._config = require_part(homeserver, "config")

    @property
    def problems(self) -> list[str]:
        """Copies of uploads that the module cannot delete, as sentences for `doctor`."""
        if getattr(getattr(self._config, "media", None), "media_storage_providers", ()):
            return ["media_storage_providers: uploads are also kept elsewhere, and nothing here deletes those copies"]
        return []

    def files(self, media_id: str) -> list[Path]:
        """Return the existing paths of an upload: its file and its folder of thumbnails."""
        places = self._paths.local_media_filepath(media_id), self._paths.local_media_thumbnail_dir(media_id)
        return [path for path in map(Path, places) if path.exists()]

    async def delete(self, media_id: str) -> None:
        """Delete a local upload: file, thumbnails, row."""
        await self._repository.delete_local_media_ids([media_id])


def keeps_uploads(api: ModuleApi) -> bool:
    """Whether this process gets people's uploads: the main process unless configured otherwise, or a worker for them.

    With the default of `enable_media_repo` every worker can load the repository, but only one with a listener gets them.
    """
    config = require_part(require_part(api, "_hs"), "config")
    if not getattr(getattr(config, "media", None), "can_load_media_repo", True):
        return False
    if api.worker_app is None:
        return True
    listeners = require_part(require_part(config, "worker"), "worker_listeners")
    resources = [each for listener in listeners if listener.http_options for each in listener.http_options.resources]
    return any("media" in each.names for each in resources)


class SynapseInternals:
    """Synapse's own parts, looked up once; for the main process."""

    def __init__(self, api: ModuleApi) -> None:
        homeserver = require_part(api, "_hs")
        self._database = require_part(require_method(homeserver, "get_datastores")(), "main")
        self._devices = require_method(homeserver, "get_device_handler")()
        self._auth = require_method(homeserver, "get_auth_handler")()
        self._pool = require_part(self._database, "db_pool")
        self._config = require_part(homeserver, "config")
        self._registration = require_method(homeserver, "get_registration_handler")()
        self._passwords = require_method(homeserver, "get_set_password_handler")()
        self._deactivation = require_method(homeserver, "get_deactivate_account_handler")()
        require_method(self._registration, "check_username", "localpart")
        require_method(self._registration, "register_user", "localpart", "password_hash", "by_admin")
        require_method(self._passwords, "set_password", "user_id", "password_hash", "logout_devices")
        require_method(self._deactivation, "deactivate_account", "user_id", "erase_data", "requester", "by_admin")
        require_method(self._auth, "hash", "password")
        require_method(self._database, "get_user_by_id", "user_id")
        require_method(self._database, "get_event", "event_id", "allow_rejected", "allow_none")
        self._forget_event = require_method(self._database, "_invalidate_local_get_event_cache", "event_id")
        require_method(self._devices, "get_devices_by_user", "user_id")
        require_method(self._devices, "delete_all_devices_for_user", "user_id")
        require_method(self._auth, "delete_access_tokens_for_user", "user_id")
        require_method(self._pool, "runWithConnection", "func", "db_autocommit")
        require_method(self._auth, "validate_hash", "password", "stored_hash")
        require_method(self._database, "get_users_by_id_case_insensitive", "user_id")
        require_method(self._database, "get_pushers_by_user_id", "user_id")
        require_method(self._database, "get_app_service_by_token", "token")
        self._redact = _redaction_of_events()
        self._engine = engine_of(api)
        self.version = str(getattr(homeserver, "version_string", "")).removeprefix("Synapse/").partition(" ")[0]
        """Synapse's version, such as `1.163.2`."""

    @property
    def problems(self) -> list[str]:
        """Data that this Synapse keeps, or deletes, beyond the module's reach, as sentences for `doctor`."""
        problems = []
        if self.setting("server", "redaction_retention_period", 0) is None:
            problems.append("redaction_retention_period: it must not be null, which keeps redacted words for ever")
        lifetime_ms = self.setting("retention", "retention_default_max_lifetime", None)
        if lifetime_ms is not None and self.setting("retention", "retention_enabled", False):
            problems.append(
                f"retention: default_policy deletes words {lifetime_ms / 3_600_000:.0f} hours old, also those that nobody "
                "has read and those on legal hold: take its max_lifetime out"
            )
        if self.setting("media", "media_retention_local_media_lifetime_ms", None) is not None:
            problems.append("media_retention: local_media_lifetime deletes also uploads on legal hold: take it out")
        # A Synapse without this setting always behaves so.
        if not self.setting("experimental", "msc4222_enabled", True):
            problems.append("experimental_features: without msc4222_enabled somebody who left may be taken for a member")
        if self.delegates_logins:
            problems.append(
                "matrix_authentication_service: !signout ends devices here, and not the sessions at that service, which "
                "may bring them back: end them there too"
            )
        return problems

    async def problems_of_identities(self, user_ids: Iterable[str]) -> list[str]:
        """Return a sentence for each of these ids of a line as which a person can log in, because it was theirs before.

        Synapse lets an application service speak for such an account, and its password stays.
        """
        problems = []
        for user_id in user_ids:
            account = await self._database.get_user_by_id(user_id)
            if account is None or account.appservice_id is not None:
                continue
            if self.delegates_logins or (await self._database.get_users_by_id_case_insensitive(user_id)).get(user_id):
                problems.append(
                    f"{user_id}: was a person's account before, and whoever logs in with it is the line: give the line "
                    "another name (homeserver.policy_localpart, lines.0.slug), or take the account's password away"
                )
        return problems

    @property
    def delegates_logins(self) -> bool:
        """Whether people log in at another service, which has its own sessions (MAS)."""
        msc3861 = self.setting("experimental", "msc3861", None)
        return bool(self.setting("mas", "enabled", False) or getattr(msc3861, "enabled", False))

    def setting(self, section: str, name: str, default: Any) -> Any:
        """Return a setting of Synapse's; `default` when this version does not have it."""
        return getattr(getattr(self._config, section, None), name, default)

    @property
    def engine(self) -> str:
        """The kind of database: "sqlite" or "postgres"."""
        return self._engine

    async def redacted_json(self, event_id: str) -> str | None:
        """Return the JSON of an event without its content, if it was redacted and that was allowed.

        It is read from the database: with workers another process may have accepted the redaction, and this process's
        cache has the old event until it is notified.
        """
        self._forget_event(event_id)
        event = await self._database.get_event(event_id, allow_rejected=True, allow_none=True)
        if event is None or not event.internal_metadata.is_redacted():
            return None
        return str(self._redact(event))

    async def is_accepted(self, event_id: str) -> bool:
        """Whether an event was accepted."""
        return await self._database.get_event(event_id, allow_none=True) is not None

    async def sign_out(self, user_id: str) -> int:
        """Delete all devices of a local user and every token, those without a device too."""
        devices = await self._devices.get_devices_by_user(user_id)
        await self._devices.delete_all_devices_for_user(user_id)
        await self._auth.delete_access_tokens_for_user(user_id)
        return len(devices)

    async def is_ordinary_account(self, user_id: str, *, allow_deactivated: bool) -> bool:
        """Whether this is a person's account without special rights. `allow_deactivated`: also a deactivated one."""
        account = await self._database.get_user_by_id(user_id)
        if account is None or account.is_admin or account.is_guest or account.appservice_id is not None:
            return False
        return allow_deactivated or not account.is_deactivated

    async def make_account(self, localpart: str, password: str) -> None:
        """Make an ordinary account, signed in nowhere. Raises SynapseError, M_USER_IN_USE when there is or was one."""
        await self._registration.check_username(localpart)
        await self._registration.register_user(
            localpart=localpart, password_hash=await self._auth.hash(password), by_admin=True
        )

    async def set_password(self, user_id: str, password: str) -> None:
        """Replace the password of an account; delete all its devices and tokens."""
        await self._passwords.set_password(user_id, await self._auth.hash(password), logout_devices=True)

    async def deactivate_account(self, user_id: str) -> None:
        """Sign an account out everywhere and deactivate it: no login, no room, no invitation."""
        await self.sign_out(user_id)
        requester = create_requester(user_id)
        await self._deactivation.deactivate_account(user_id, erase_data=False, requester=requester, by_admin=True)

    async def has_password(self, user_id: str, password: str) -> bool:
        """Whether this is the password of an account now."""
        stored = (await self._database.get_users_by_id_case_insensitive(user_id)).get(user_id)
        return bool(stored) and bool(await self._auth.validate_hash(password, stored))

    async def count_devices_and_pushers(self, user_id: str) -> tuple[int, int]:
        """Count the devices on which an account is signed in, and its pushers."""
        devices = await self._devices.get_devices_by_user(user_id)
        pushers = list(await self._database.get_pushers_by_user_id(user_id))
        return len(devices), len(pushers)

    def is_limited_service(self, token: str) -> bool:
        """Whether people's rate limits apply to the application service of this token."""
        service = self._database.get_app_service_by_token(token)
        return service is not None and bool(service.is_rate_limited())

    def is_claimed(self, token: str, user_id: str) -> bool:
        """Whether the application service of this token, as Synapse loaded it, may speak for a user."""
        service = self._database.get_app_service_by_token(token)
        return service is not None and bool(service.is_interested_in_user(user_id))

    async def with_connection(self, work: Callable[[Any], T]) -> T:
        """Run `work` in a thread, with a database connection that is outside a transaction."""

        def run(connection: Any) -> T:
            # SQLite: the DB-API connection inside Synapse's; there is exactly one (cp_max: 1).
            return work(connection)

        result: T = await self._pool.runWithConnection(run, db_autocommit=True)
        return result


def discard_key_backups(api: ModuleApi, rooms: AllRooms) -> None:
    """Make Synapse accept and discard keys of line rooms that clients upload to a server-side key backup.

    Backup versions are not changed, so clients set up recovery and show it as enabled (refusing `/room_keys/` leaves it
    disabled: facts-matrix.md, "Purge and recovery"). A line room's keys are restored from the bridge (`!recap`), not from a
    backup; a purge would leave them in a backup for ever, and a client may upload them after it. Keys of all other rooms
    are kept, also of rooms that this homeserver does not know, or no longer knows: they are not ours.

    No callback sees key backups, and a web resource cannot replace Synapse's own client API; so the method that its three
    endpoints for uploads share is wrapped.
    """
    handler = require_method(require_part(api, "_hs"), "get_e2e_room_keys_handler")()
    original: Callable[[str, str, dict[str, Any]], Awaitable[dict[str, Any]]]
    original = require_method(handler, "upload_room_keys", "user_id", "version", "room_keys")

    async def upload_room_keys(user_id: str, version: str, room_keys: Any) -> dict[str, Any]:
        uploaded = room_keys.get("rooms") if isinstance(room_keys, dict) else None
        if not isinstance(uploaded, dict):
            raise SynapseError(HTTPStatus.BAD_REQUEST, "rooms is missing", Codes.BAD_JSON)
        ours = await rooms.our_rooms(uploaded.keys())
        return await original(user_id, version, {"rooms": {room: uploaded[room] for room in uploaded if room not in ours}})

    handler.upload_room_keys = upload_room_keys


def check_events(api: ModuleApi, rules: RoomRules) -> None:
    """Make Synapse check every event that enters a room of ours, and no event of other rooms.

    With a registered `check_event_allowed` Synapse loads the whole state of every room for every event in it, which in
    large federated rooms is thousands of events. So the method that calls the registered callbacks is wrapped: for other
    rooms nothing is loaded, for ours the create event. Callbacks of other modules are called as usual.
    """
    homeserver = require_part(api, "_hs")
    callbacks = require_part(require_method(homeserver, "get_module_api_callbacks")(), "third_party_event_rules")
    original: Callable[[Any, Any], Awaitable[tuple[bool, dict[str, Any] | None]]]
    original = require_method(callbacks, "check_event_allowed", "event", "context")
    database = require_part(require_method(homeserver, "get_datastores")(), "main")
    require_method(database, "get_event", "event_id", "allow_none")

    async def check_event_allowed(event: Any, context: Any) -> tuple[bool, dict[str, Any] | None]:
        if not await rules.is_foreign(event):
            create = event
            if event.type != "m.room.create":
                created = (await context.get_prev_state_ids()).get(("m.room.create", ""))
                create = None if created is None else await database.get_event(created, allow_none=True)
            allowed, instead = rules.check_event_allowed(event, create)
            if not allowed or instead is not None:
                return allowed, instead
        return await original(event, context)

    callbacks.check_event_allowed = check_event_allowed


def engine_of(api: ModuleApi) -> str:
    """Return the kind of database: "sqlite" or "postgres". Works in a worker too. Raises `ConfigError` with several."""
    stores = require_method(require_part(api, "_hs"), "get_datastores")()
    if len(require_part(stores, "databases")) > 1:  # a transaction sees one of them, so the erasure could not be checked
        raise ConfigError("quietline: `databases:` splits this Synapse's tables, and the module needs them in one database")
    engine = require_part(require_part(require_part(stores, "main"), "db_pool"), "engine")
    return "sqlite" if type(engine).__name__ == "Sqlite3Engine" else "postgres"


def _redaction_of_events() -> Callable[[Any], str]:
    try:
        from synapse.synapse_rust.events import redact_event  # noqa: PLC0415 - a missing part is reported
        from synapse.util.json import json_encoder  # noqa: PLC0415
    except ImportError:
        raise missing_part("redact_event") from None

    def redact(event: Any) -> str:
        return str(json_encoder.encode(redact_event(event).get_pdu_json()))

    return redact
