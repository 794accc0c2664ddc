"""The accounts of the hand-outs on a homeserver that is not the line's own, made once.

On an agency's Synapse an administrator's token makes them, on the homeserver of another line that line's.

Rules of this module: the token is used and not kept; an account that was there before is left as it is, and the hand-out of
its person goes, because the password in it is nobody's. It may be killed anywhere and is simply run again: an id is noted
before its account is made.
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
from deploy.init.place import FOLDER

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
class MadeAccounts:
    """Matrix ids: whose account was `made`, now or before, and who had one that was `kept`."""

    made: tuple[str, ...]
    kept: tuple[str, ...]


async def make_accounts(layout: Layout, config: Config, admin_token: str) -> MadeAccounts:
    """Make an account for each hand-out of the line's staff. Raises :class:`SetupError`; run again it goes on."""
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
                if await _ask(session, "PUT", url, body) not in (HTTPStatus.OK, HTTPStatus.CREATED):
                    raise SetupError(
                        [f"{config.homeserver.url}: does not make accounts; its administrator does it by hand"]
                    )
            new_users.append(member.mxid)
    return MadeAccounts(made=tuple(new_users), kept=tuple(old_users))


async def make_accounts_at_host(layout: Layout, config: Config, host: Config) -> MadeAccounts:
    """Make them with the token of the line that runs the homeserver. Raises :class:`SetupError`; run again it goes on.

    Whose account has the password of the hand-out got it here; another account was there before.
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
    return MadeAccounts(made=tuple(new_users), kept=tuple(old_users))


async def _is_made(client: ModuleClient, mxid: str, password: str) -> bool:
    """Make an account; False for one that was there before."""
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
    """Return the status of an answer. Raises :class:`SetupError` when there is none, or the token is no administrator's."""
    try:
        async with session.request(method, url, json=body) as answer:
            status, content = answer.status, await answer.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError):
        raise SetupError([f"{url.partition(USERS)[0]}: the homeserver does not answer"]) from None
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise SetupError(["the token is not an administrator's of this homeserver"])
    errcode = content.get("errcode") if isinstance(content, dict) else None
    if status == HTTPStatus.NOT_FOUND and errcode != "M_NOT_FOUND":
        problem = "has no administrator's interface here (a login service of its own, or a proxy in between)"
        raise SetupError([f"{url.partition(USERS)[0]}: {problem}; its administrator makes the accounts by hand"])
    return status
