"""Makes the accounts of the hand-outs, once, on a homeserver that is not the line's own.

An administrator's token makes them on an agency's Synapse; on the homeserver of another line, that line's token does.

Rules of this module: the token is used and not stored. An account that existed before is not changed, and the hand-out of
its person is deleted, because its password is not the account's. After a kill at any point the same command continues: on
an agency's Synapse a user id is noted before its account is made; on another line's the hand-out's password is compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import aiohttp

from bridge.matrix.api.http_client import HomeserverClient, HomeserverError
from bridge.matrix.api.module_api import HomeserverUnreachable, ModuleClient, ModuleRequestRejected
from bridge.runtime.settings import read_secret
from deploy.data_dir.atomic_files import write_atomically
from deploy.data_dir.handouts import Handout, handout_file
from deploy.data_dir.secret_files import SetupError
from deploy.init.line_names import FOLDER

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.config.sections import Config
    from deploy.data_dir.layout import Layout

USERS: Final = "/_synapse/admin/v2/users"
"""Synapse's documentation, user_admin_api, "Query User Account" and "Create or modify account"."""
IN_USE: Final = "M_USER_IN_USE"
NOTE: Final = "accounts-made"
TIMEOUT: Final = aiohttp.ClientTimeout(total=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstAccounts:
    """User ids: `new`, accounts made by this run or an earlier one; `existing`, accounts that existed before."""

    new: tuple[str, ...]
    existing: tuple[str, ...]


async def make_accounts(layout: Layout, config: Config, admin_token: str) -> FirstAccounts:
    """Make an account for each hand-out of the line's staff. After :class:`SetupError` a second call continues."""
    note = layout.data / FOLDER / NOTE
    noted = note.read_text(encoding="utf-8").split() if note.is_file() else []
    new_users, old_users = [], []
    headers = {"Authorization": f"Bearer {admin_token}"}
    async with aiohttp.ClientSession(headers=headers, timeout=TIMEOUT) as session:
        for member in config.line.staff:
            file = handout_file(layout.handout, member.mxid)
            if not file.is_file():
                continue
            password = Handout.read(file).password
            url = f"{config.homeserver.url}{USERS}/{quote(member.mxid, safe='')}"
            there = await _ask(session, "GET", url) == HTTPStatus.OK
            if there and member.mxid not in noted:
                file.unlink()
                old_users.append(member.mxid)
                continue
            if not there:
                noted.append(member.mxid)
                _write_note(note, noted)
                body = {"password": password, "admin": False, "logout_devices": False}
                status = await _ask(session, "PUT", url, body)
                if status not in (HTTPStatus.OK, HTTPStatus.CREATED):
                    if status < HTTPStatus.INTERNAL_SERVER_ERROR:  # nothing was made: one made by hand has another password
                        noted.remove(member.mxid)
                        _write_note(note, noted)
                    raise SetupError(
                        [f"{config.homeserver.url}: does not make accounts; its administrator does it by hand"]
                    )
            new_users.append(member.mxid)
    return FirstAccounts(new=tuple(new_users), existing=tuple(old_users))


async def make_accounts_at_host(layout: Layout, config: Config, host: Config) -> FirstAccounts:
    """Make them with the token of the line that runs the homeserver. After :class:`SetupError` a second call continues.

    An account with the hand-out's password was made here; any other account existed before.
    """
    new_users, old_users = [], []
    url, token = host.homeserver.url, read_secret(host.homeserver.as_token_file)
    async with aiohttp.ClientSession() as session:
        wire = HomeserverClient(session=session, url=url, token=token, user_id=host.policy_mxid)
        client = ModuleClient(client=wire)
        try:
            for member in config.line.staff:
                file = handout_file(layout.handout, member.mxid)
                if not file.is_file():
                    continue
                password = Handout.read(file).password
                if await _is_made(client, member.mxid, password):
                    new_users.append(member.mxid)
                else:
                    file.unlink()
                    old_users.append(member.mxid)
        except (HomeserverUnreachable, HomeserverError):
            raise SetupError([f"{url}: the homeserver does not answer; start the line that runs it"]) from None
        except ModuleRequestRejected as error:
            raise SetupError([f"{url}: the homeserver refuses it ({error.status} {error.errcode})"]) from None
    return FirstAccounts(new=tuple(new_users), existing=tuple(old_users))


async def _is_made(client: ModuleClient, mxid: str, password: str) -> bool:
    """Make an account; return False for one that existed before."""
    try:
        await client.make_account(mxid, password)
    except ModuleRequestRejected as error:
        if error.errcode != IN_USE:
            raise
        return await client.is_password(mxid, password)
    return True


def _write_note(path: Path, mxids: list[str]) -> None:
    write_atomically(path, "\n".join(mxids) + "\n")


async def _ask(session: aiohttp.ClientSession, method: str, url: str, body: Any = None) -> int:
    """Return the status of an answer. Raises :class:`SetupError` without one, or when the token is no administrator's.

    An administrator too is forbidden to make an account where people log in at another service (MAS): only the question for
    one shows whose the token is.
    """
    try:
        async with session.request(method, url, json=body) as answer:
            status, content = answer.status, await answer.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError):
        raise SetupError([f"{url.partition(USERS)[0]}: the homeserver does not answer"]) from None
    if status == HTTPStatus.UNAUTHORIZED or (status == HTTPStatus.FORBIDDEN and method == "GET"):
        raise SetupError(["the token is not an administrator's of this homeserver"])
    errcode = content.get("errcode") if isinstance(content, dict) else None
    if status == HTTPStatus.NOT_FOUND and errcode != "M_NOT_FOUND":
        problem = "has no administrator's interface here (a login service of its own, or a proxy in between)"
        raise SetupError([f"{url.partition(USERS)[0]}: {problem}; its administrator makes the accounts by hand"])
    return status
