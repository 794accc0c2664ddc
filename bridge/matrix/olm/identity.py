"""One Matrix identity of ours: an application service user with one device, cross-signed by itself.

Rule of this module: everything is committed before it is sent to the homeserver, so that after a crash at any step the same
request is sent again with the same meaning. A database without the identity gets a new device, and the devices of an
earlier database are signed out: a device id never has two keys. Before that, the start checks for another bridge with this
identity: cross-signing keys that are not ours, or a device that was seen within fifteen minutes or at an unknown time, end
the start, unless a person said that this bridge takes over. A device that the homeserver has lost is replaced by another of
the same identity (`device_renewal`). The cross-signing keys derive from the vault key and are stored nowhere: the vault key
recovers them, and staff see no change of identity after a restore with the same key.

Sources: facts-matrix.md, "Who may send", "Late joiners"; MSC4190 (devices of application services); MSC2732 (fallback
keys).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final, Self, TypeVar

import aiohttp

from bridge.matrix.api.http_client import HomeserverClient, IdentityInUse, Permanent, TokenRefused, Transient
from bridge.matrix.api.json_fields import Json, object_at, objects_in, strings_in
from bridge.matrix.olm import identity_table, olm_store
from bridge.matrix.olm.cross_signing import (
    MEGOLM,
    OLM,
    CrossSigningSeeds,
    derive_seeds,
    device_signing_body,
    master_key_of,
    self_sign,
    with_signature,
)
from bridge.matrix.olm.olm_store import NoAccount, OlmStore
from bridge.matrix.olm.vodozemac_olm import Account
from bridge.runtime import log
from bridge.storage.database import Database, Transaction
from bridge.storage.vault import Vault

T = TypeVar("T")

MIN_ONE_TIME_KEYS: Final = 25
TARGET_ONE_TIME_KEYS: Final = 50
"""When the homeserver has fewer one-time keys than the first, upload up to the second."""
IN_USE_MS: Final = 900_000
"""Since a device was last seen: for as long it counts as used by another bridge."""


class Identity:
    """One identity, ready to send. `since_ms`: since when it uses `device_id`. `olm`: its Olm sessions in `database`."""

    def __init__(
        self,
        *,
        database: Database,
        client: HomeserverClient,
        device_id: str,
        since_ms: int,
        olm_store: OlmStore,
        seeds: CrossSigningSeeds,
        display_name: str,
    ) -> None:
        self.user_id = client.user_id
        self.device_id = device_id
        self.since_ms = since_ms
        self.database = database
        self.client = client
        self.olm = olm_store
        self.curve25519 = ""
        """The identity key of the device; every event that the identity encrypts has it."""
        self._seeds = seeds
        self._display_name = display_name

    @classmethod
    async def open(
        cls,
        *,
        database: Database,
        session: aiohttp.ClientSession,
        url: str,
        token: str,
        user_id: str,
        device_prefix: str,
        display_name: str,
        vault: Vault,
        retire_sessions: Callable[[], Awaitable[None]],
        now_ms: int,
        take_over: bool = False,
        introduced: bool = False,
    ) -> Self:
        """Load or make the identity, and upload what the homeserver lacks of it.

        `device_prefix`: `QLPOLICY` or `QLVOICE`; the device id has a random end. `take_over`: sign the devices of another
        bridge out. `introduced`: this line is known at the homeserver, so a lost store does not mean another bridge. Raises
        `IdentityInUse` without `take_over`, and what `HomeserverClient` raises; it may be called again after any failure or
        crash. A lost account is replaced by that of a new device, under the same cross-signing keys, once
        `retire_sessions` has retired the old device's outbound sessions; not if another bridge may use this identity.
        """
        new_device = f"{device_prefix}{secrets.token_hex(4).upper()}"
        olm_store = OlmStore(user_id=user_id, device_id=new_device, vault=vault)
        row: Any = await identity_table.find(database, user_id)
        if row is None:
            row = await database.commit(lambda transaction: _create(transaction, user_id, olm_store, new_device, now_ms))
        self = cls(
            database=database,
            client=HomeserverClient(session=session, url=url, token=token, user_id=user_id),
            device_id=row["device_id"],
            since_ms=row["since_ms"],
            olm_store=olm_store,
            seeds=derive_seeds(vault, user_id),
            display_name=display_name,
        )
        is_ready = bool(row["ready"])
        try:
            account = await self._load_account()
        except NoAccount:
            log.event("identity.account_lost")
            if not take_over:  # a copy of a line with another `keys.db` has such an account, beside the line that runs
                await self._refuse_if_in_use(self.client.without_device())
            await retire_sessions()
            await database.commit(lambda transaction: self.replace_device(transaction, new_device, now_ms=now_ms))
            self.since_ms = now_ms
            account, is_ready = await self.use_device(new_device), False
        if take_over or not is_ready:
            # The replacement of an earlier device included the check for another bridge.
            is_known = introduced or bool(await identity_table.earlier_devices(database, user_id))
            await self.register(account, take_over=take_over or is_known)
        self.client.device_id = self.device_id
        return self

    async def replace_device(self, transaction: Transaction, device_id: str, *, now_ms: int) -> None:
        """Give the identity a new device with an account of its own; the cross-signing keys stay. Then call `register`.

        The Olm sessions of the old device are deleted, because nobody can reach it any more. The cursor stays: events sent
        meanwhile are received.
        """
        await self.olm.delete_sessions(transaction)
        await self.olm.save(transaction, Account())
        await olm_store.delete_wedged(transaction, self.user_id)
        await identity_table.replace_device(
            transaction, self.user_id, old_device=self.device_id, new_device=device_id, now_ms=now_ms
        )

    async def use_device(self, device_id: str) -> Account:
        """Use this device, which is committed, from now on; return its account."""
        self.device_id = device_id
        return await self._load_account()

    async def _load_account(self) -> Account:
        account = await self.commit(self._prepare)
        self.curve25519 = account.identity_key
        self.olm.use(self.device_id, self_sign(self._own_keys(account), self.user_id, self._seeds))
        return account

    async def commit(self, work: Callable[[Transaction, Account], Awaitable[T]]) -> T:
        """Commit to the identity's database, with the Olm account read from it."""

        async def with_account(transaction: Transaction) -> T:
            return await work(transaction, await self.olm.begin(transaction))

        return await self.database.commit(with_account)

    async def upload_keys(self, *, count: int | None, fallback: bool) -> None:
        """Give the homeserver new one-time keys when it has only `count`, and a new fallback key when `fallback`.

        Raises what `HomeserverClient` raises; keys that it refuses are not uploaded again.
        """
        missing = TARGET_ONE_TIME_KEYS - count if count is not None and count < MIN_ONE_TIME_KEYS else 0

        async def generate(transaction: Transaction, account: Account) -> Account:
            unpublished = len(account.one_time_keys)
            if missing > unpublished:
                account.generate_one_time_keys(missing - unpublished)
            if fallback and not account.fallback_key:
                account.generate_fallback_key()
            await self.olm.save(transaction, account)
            return account

        if not (missing or fallback):
            return
        try:
            await self._publish(await self.commit(generate), {}, self.client)
        except TokenRefused:
            raise
        except Permanent as error:
            if error.status == HTTPStatus.BAD_REQUEST:
                await self.commit(self._skip_keys)
            raise

    async def _skip_keys(self, transaction: Transaction, account: Account) -> None:
        """Never upload these keys again: the next ones have other ids.

        If our store was restored, the homeserver already has keys of these ids, and always refuses others of the same id
        (Synapse, `handlers/e2e_keys.py`).
        """
        account.mark_keys_as_published()
        await self.olm.save(transaction, account)

    async def register(self, account: Account, *, take_over: bool) -> None:
        """Register, make the device, publish keys, cross-sign; each step may have been done before.

        Raises `IdentityInUse`, unless `take_over`, before a device or key of another bridge is replaced.
        """
        client = self.client.without_device()
        try:
            await client.request(
                "POST",
                "register",
                body={
                    "type": "m.login.application_service",
                    "username": self.user_id[1:].split(":", 1)[0],
                    "inhibit_login": True,
                },
            )
        except Permanent as error:
            if error.errcode != "M_USER_IN_USE":
                raise
            if not take_over:
                await self._refuse_if_in_use(client)
        await client.request("PUT", "devices", self.device_id, body={"display_name": self._display_name})
        client.device_id = self.device_id
        own = self.olm.device_keys
        await self._publish(account, {"device_keys": self._own_keys(account)}, client)
        await client.request(
            "POST", "keys", "device_signing", "upload", body=device_signing_body(self.user_id, self._seeds)
        )
        signed = await client.request("POST", "keys", "signatures", "upload", body={self.user_id: {self.device_id: own}})
        if object_at(signed, "failures"):  # answered with 200; without its signature strict clients read nothing of us
            raise Transient(HTTPStatus.OK, "QUIETLINE_NOT_SIGNED")
        await self._set_display_name(client)
        await self._delete_other_devices(client)
        await self.database.commit(lambda transaction: identity_table.set_ready(transaction, self.user_id))

    async def _set_display_name(self, client: HomeserverClient) -> None:
        """Set the display name, unless it is set: Synapse copies a name that is set into every room.

        There it would replace the thread's designation. If the homeserver forbids it (`enable_set_displayname: false`), the
        account keeps the name that it was made with.
        """
        path = ("profile", self.user_id, "displayname")
        try:
            name = (await client.request("GET", *path)).get("displayname")
        except Permanent as error:
            if error.errcode != "M_NOT_FOUND":
                raise
            name = None
        if name == self._display_name:
            return
        try:
            await client.request("PUT", *path, body={"displayname": self._display_name})
        except Permanent as error:
            if error.errcode != "M_FORBIDDEN":
                raise
            log.event("identity.name_forbidden")

    async def _refuse_if_in_use(self, client: HomeserverClient) -> None:
        answer = await client.request("POST", "keys", "query", body={"device_keys": {self.user_id: []}})
        if master_key_of(answer, self.user_id) not in {"", master_key(self)}:
            raise IdentityInUse(self.user_id)
        devices = await client.request("GET", "devices")
        if await self.is_used_elsewhere(list(objects_in(devices.get("devices")))):
            raise IdentityInUse(self.user_id)

    async def is_used_elsewhere(self, devices: list[Json]) -> bool:
        """Whether one of these devices is not ours, and was seen within fifteen minutes or at a time that is not told."""
        since = int(time.time() * 1000) - IN_USE_MS
        ours = {self.device_id, *await identity_table.earlier_devices(self.database, self.user_id)}
        times = [device.get("last_seen_ts") for device in devices if device.get("device_id") not in ours]
        return any(not isinstance(at, int) or isinstance(at, bool) or at > since for at in times)

    async def _delete_other_devices(self, client: HomeserverClient) -> None:
        devices = await client.request("GET", "devices")
        for device_id in strings_in([device.get("device_id") for device in objects_in(devices.get("devices"))]):
            if device_id != self.device_id:
                await client.request("DELETE", "devices", device_id)

    async def _prepare(self, transaction: Transaction, account: Account) -> Account:
        """Make keys to publish, if the account has never published any."""
        if not account.shared and not account.one_time_keys:
            account.generate_one_time_keys(TARGET_ONE_TIME_KEYS)
            account.generate_fallback_key()
            await self.olm.save(transaction, account)
        return account

    async def _publish(self, account: Account, device: Json, client: HomeserverClient) -> None:
        """Upload unpublished keys and then mark them. A crash in between uploads the same keys again, which is allowed."""
        one_time = account.one_time_keys
        fallback = account.fallback_key
        body = {
            **device,
            "one_time_keys": {
                f"signed_curve25519:{name}": self._sign_key(account, {"key": key}) for name, key in one_time.items()
            },
            "fallback_keys": {
                f"signed_curve25519:{name}": self._sign_key(account, {"key": key, "fallback": True})
                for name, key in fallback.items()
            },
        }
        await client.request("POST", "keys", "upload", body={name: part for name, part in body.items() if part})

        async def mark(transaction: Transaction, current: Account) -> None:
            # only if no key was generated meanwhile: otherwise the same keys are uploaded again, which is harmless
            if current.one_time_keys.keys() <= one_time.keys():
                current.mark_keys_as_published()
            current.shared = True
            await self.olm.save(transaction, current)

        await self.commit(mark)

    def _sign_key(self, account: Account, key: Json) -> dict[str, Any]:
        return with_signature(key, self.user_id, self.device_id, account.sign)

    def _own_keys(self, account: Account) -> dict[str, Any]:
        keys = {
            "user_id": self.user_id,
            "device_id": self.device_id,
            "algorithms": [OLM, MEGOLM],
            "keys": {
                f"curve25519:{self.device_id}": account.identity_key,
                f"ed25519:{self.device_id}": account.signing_key,
            },
        }
        return with_signature(keys, self.user_id, self.device_id, account.sign)


def master_key(identity: Identity) -> str:
    """Return the identity's public master key, which staff compare with what their client shows."""
    keys = object_at(device_signing_body(identity.user_id, identity._seeds), "master_key", "keys")  # noqa: SLF001 - one module
    return str(next(iter(keys.values())))


async def _create(
    transaction: Transaction, user_id: str, olm_store: OlmStore, device_id: str, now_ms: int
) -> dict[str, Any]:
    await olm_store.save(transaction, Account())
    await identity_table.insert(transaction, user_id, device_id, now_ms=now_ms)
    return {"device_id": device_id, "ready": False, "since_ms": now_ms}
