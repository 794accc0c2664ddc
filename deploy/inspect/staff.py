"""`quietline staff`: accounts of the staff on the embedded homeserver.

Rules of this module: our module in the homeserver makes, changes and deactivates accounts; there is no administrator. A
password is made here and is written only to the chosen file or terminal, and to the one request that sets it. A change is
made in three places, in an order in which the same command completes an interrupted change: account, database (which the
running line reads, and then invites or removes the person), configuration (from which a new desk is made).
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import aiohttp

from bot.model.audit_kinds import AuditKind
from bridge.matrix.api.http_client import HomeserverClient, HomeserverError
from bridge.matrix.api.module_api import HomeserverUnreachable, ModuleClient, ModuleNotLoaded, ModuleRequestRejected
from bridge.matrix.room_keys.confirmed_identities import seen_identities
from bridge.matrix.rooms.room_state import peek_desk_members
from bridge.runtime.settings import read_secret
from bridge.storage.errors import DatabaseError
from bridge.tables import line_state
from deploy.data_dir import offline
from deploy.data_dir.secret_files import Role, SetupError
from deploy.data_dir.staff_file import add_entry, remove_entry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from bridge.config.sections import Config
    from bridge.storage.database import Transaction
    from deploy.data_dir.layout import Layout

NAME: Final = re.compile(r"[a-z][a-z0-9._-]{0,63}")
"""A part of Matrix's localparts (specification, appendix on user ids): names that are easy to say and type."""
ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without letters that look like others, because passwords are typed on phones."""
GROUPS, GROUP_LENGTH = 4, 6
SUPERVISOR_LEVEL: Final = 50
IN_USE: Final = "M_USER_IN_USE"
BY_HAND: Final = {
    "add": "Make the account {mxid} there, write it into lines.0.staff, and have a supervisor invite it to the desk.",
    "reset": "Set another password for {mxid} there, and sign it out everywhere (`!signout` at the desk does that, but for "
    "sessions of a login service such as MAS).",
    "remove": "A supervisor says `!signout {mxid}` and removes it from the desk; then deactivate {mxid} there, and take it "
    "out of lines.0.staff.",
}
"""What the administrator of an agency's own homeserver must do, by verb."""
AT_HOST: Final = "Where another line runs it: `quietline staff {verb}` with `--host DIR`, the directory of that line."
ACCOUNT_EXISTS: Final = (
    "{mxid}: is or was a person's account, and is left as it is. If it is this person's, write it into lines.0.staff, and "
    "have a supervisor invite it to the desk; if an interrupted `staff add` made it, `staff reset` then gives it a "
    "password."
)
NOT_OF_LINE: Final = (
    "{mxid}: is not on this line's staff (`quietline staff list`). The homeserver has other lines' people as well, so "
    "nothing was changed. If it is another line's person, say it with that line's directory (`--data DIR`); if it is or "
    "was this line's, write it into lines.0.staff, and say it again."
)
AT_ANOTHER_DESK: Final = (
    "{mxid}: is on the staff of the line that runs the homeserver, and keeps the account. A supervisor removes it from "
    "this line's desk; then take it out of lines.0.staff."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffMember:
    """A person of the line. `desk`: joined, invited or none; `trusted`: the newest identity is confirmed."""

    name: str
    mxid: str
    role: str
    desk: str
    trusted: bool


def whole_id(config: Config, name: str) -> str:
    """Return the user id of a name. Raises `SetupError` with a sentence for an invalid name."""
    server = config.homeserver.server_name
    localpart = name.removeprefix("@").removesuffix(f":{server}")
    if any(member.mxid == f"@{localpart}:{server}" for member in config.line.staff):
        return f"@{localpart}:{server}"  # an entry by hand, perhaps of a form that is not made here
    if not NAME.fullmatch(localpart):
        raise SetupError(["no name for an account: use a to z, digits, dot, hyphen, low line; a letter first; 64 at most"])
    mxid = f"@{localpart}:{server}"
    of_software = localpart in {"policy", "quietline"} or localpart.startswith(("line-", "policy-", "quietline-"))
    if mxid in {config.policy_mxid, config.puppet_mxid} or of_software:
        raise SetupError(["that name belongs to the software: choose another"])
    return mxid


def require_embedded(layout: Layout, config: Config, verb: str, mxid: str) -> None:
    """Raise `SetupError` when the homeserver is not ours, with what is done in place of it, or when it has never run."""
    if not config.homeserver.joined and layout.homeserver_config.is_file():
        return
    if not config.homeserver.joined and (config.line.rehearsal or layout.handout.is_dir()):
        raise SetupError([f"{layout.data}: the line has never run; start it first, then say it again"])
    instruction = BY_HAND[verb].format(mxid=mxid)
    problem = f"{config.homeserver.url} is not the line's own: its administrator does this. {instruction}"
    raise SetupError([problem, AT_HOST.format(verb=verb)])


def make_password() -> str:
    """Make a password of 118 bits, in groups of characters."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(GROUP_LENGTH)) for _ in range(GROUPS))


async def add(layout: Layout, config: Config, mxid: str, role: Role, password: str, *, host: Config | None = None) -> None:
    """Make an account and put the person on the staff. Raises `SetupError`, `DatabaseError`, `OSError`.

    `host`: the configuration of the line that runs the homeserver, when it is another. Where lines share a homeserver, an
    account that exists may be in use at another desk, and is left as it is.
    """
    if any(member.mxid == mxid for member in config.line.staff):
        raise SetupError(["is on the staff already; `quietline staff reset` gives another password"])

    async def make(client: ModuleClient) -> None:
        try:
            await client.make_account(mxid, password)
        except ModuleRequestRejected as error:
            if error.errcode != IN_USE:
                raise
            if _is_shared(config, host):
                raise SetupError([ACCOUNT_EXISTS.format(mxid=mxid)]) from None
            try:  # an interrupted attempt made it; a deactivated account is refused
                await client.set_password(mxid, password)
            except ModuleRequestRejected:
                raise SetupError(["that name is or was somebody else's: choose another"]) from None

    await _ask(host or config, make)
    await _record_change(config, mxid, role)
    add_entry(layout.config, mxid, role)


async def reset(layout: Layout, config: Config, mxid: str, password: str, *, host: Config | None = None) -> None:
    """Give an account a new password, and sign it out everywhere. Raises `SetupError`, `OSError`.

    `host`: as for `add`. Where lines share a homeserver, only this line's people are given one.
    """
    _require_own(config, mxid, host)
    await _ask(host or config, lambda client: client.set_password(mxid, password))
    _forget_first_password(layout, mxid)


async def remove(layout: Layout, config: Config, mxid: str, *, host: Config | None = None) -> None:
    """Deactivate an account and remove the person from the staff. Raises `SetupError`, `DatabaseError`, `OSError`.

    `host`: as for `add`. Where lines share a homeserver, only this line's people are removed, and whoever is on the staff
    of the line that runs it keeps the account.
    """
    _require_own(config, mxid, host)
    if host is not None and any(member.mxid == mxid for member in read_staff(host)):
        raise SetupError([AT_ANOTHER_DESK.format(mxid=mxid)])
    await _ask(host or config, lambda client: client.deactivate_account(mxid))
    await _record_change(config, mxid, "removed")
    remove_entry(layout.config, mxid)
    _forget_first_password(layout, mxid)


def _is_shared(config: Config, host: Config | None) -> bool:
    """Whether the homeserver has people of other lines, whose accounts its module does not tell from this line's."""
    return host is not None or bool(config.homeserver.other_lines)


def _require_own(config: Config, mxid: str, host: Config | None) -> None:
    """Raise `SetupError` for an account of a shared homeserver that is neither in this line's file nor at its desk."""
    if _is_shared(config, host) and all(member.mxid != mxid for member in read_staff(config)):
        raise SetupError([NOT_OF_LINE.format(mxid=mxid)])


def read_staff(config: Config) -> list[StaffMember]:
    """Return the people in the configuration or at the desk, by name; before the first start there is no desk."""
    roles = {member.mxid: str(member.role) for member in config.line.staff}
    desk: dict[str, tuple[str, int]] = {}
    trusted: set[str] = set()
    try:
        with offline.read_transaction(config) as db:
            desk = peek_desk_members(db)
            trusted = {each.user_id for each in seen_identities(db) if each.confirmed}
    except DatabaseError:
        pass
    for mxid, (membership, level) in desk.items():
        if mxid not in roles or membership == "join":
            roles[mxid] = "supervisor" if level >= SUPERVISOR_LEVEL else "advocate"
    where = {"join": "joined", "invite": "invited"}
    return [
        StaffMember(
            name=mxid[1:].partition(":")[0],
            mxid=mxid,
            role=roles[mxid],
            desk=where.get(desk.get(mxid, ("", 0))[0], "none"),
            trusted=mxid in trusted,
        )
        for mxid in sorted(roles.keys() - {config.policy_mxid, config.puppet_mxid})
    ]


def as_json(staff: Sequence[StaffMember]) -> str:
    """Return them for a program."""
    return json.dumps({"staff": [asdict(member) for member in staff]})


def as_text(staff: Sequence[StaffMember]) -> list[str]:
    """Return them for a person."""
    at_desk = {"joined": "at the desk", "invited": "invited to the desk", "none": "NOT invited to the desk"}
    return [
        f"{each.mxid}  {each.role}, {at_desk[each.desk]}, {'trusted' if each.trusted else 'NOT trusted yet'}"
        for each in staff
    ]


async def _ask(config: Config, call: Callable[[ModuleClient], Awaitable[None]]) -> None:
    token, url = read_secret(config.homeserver.as_token_file), config.homeserver.url
    async with aiohttp.ClientSession() as session:
        client = HomeserverClient(session=session, url=url, token=token, user_id=config.policy_mxid)
        try:
            await call(ModuleClient(client=client))
        except ModuleNotLoaded:
            raise SetupError([f"{url}: this homeserver has no module of ours; `quietline doctor` says more"]) from None
        except (HomeserverUnreachable, HomeserverError):
            raise SetupError([f"{url}: the homeserver does not answer; start the line first"]) from None
        except ModuleRequestRejected as error:
            raise SetupError([_refusal(error)]) from None


def _forget_first_password(layout: Layout, mxid: str) -> None:
    """Delete the hand-out of an account: its password does not work any more."""
    name = mxid[1:].partition(":")[0].replace("/", "=2f")
    (layout.handout / f"{name}.txt").unlink(missing_ok=True)


def _refusal(error: ModuleRequestRejected) -> str:
    if error.errcode == "QUIETLINE_NOT_STAFF":
        return "nobody of that name has an account here that this verb may change"
    if error.errcode == "QUIETLINE_NO_ACCOUNTS":
        return "the homeserver was started by an older version: stop the line and start it again"
    return f"the homeserver refuses it ({error.status} {error.errcode})"


async def _record_change(config: Config, mxid: str, role: str) -> None:
    """Write the change to the database for the running line; a line that never ran uses the configuration."""
    if not offline.has_database(config):
        return

    async def leave(transaction: Transaction) -> None:
        changes = json.loads(await line_state.get(transaction, line_state.STAFF_CHANGES) or "[]")
        await line_state.put(transaction, line_state.STAFF_CHANGES, json.dumps([*changes, {"user": mxid, "role": role}]))

    await offline.record_audit(config, AuditKind.STAFF, leave)
