"""`quietline trust`: lists whose identity is confirmed, and confirms one from the server.

Rules of this module: a person who compared a fingerprint gives it, and it can only confirm the newest identity that was
seen; the confirmation and its audit entry are one commit, on which the running line acts within five seconds
(`bridge/matrix/sync/device_updates.py`). The doctor's row counts people and contains no name.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from bot.model.audit_kinds import AuditKind
from bridge.matrix.room_keys.confirmed_identities import (
    NotThatFingerprint,
    SeenIdentity,
    confirm_fingerprint,
    confirmed_supervisors,
    last_seen,
    seen_identities,
    without_identity,
)
from bridge.matrix.rooms.room_state import peek_desk_members, peek_room_counts
from bridge.storage.errors import DatabaseError
from deploy.data_dir import offline
from deploy.inspect.check_report import CheckResult, well

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.config.sections import Config
    from bridge.storage.database import Snapshot, Transaction

HOW: Final = "Ask them in person, or by a voice you know, what their client shows; then: quietline trust MXID FINGERPRINT"
NOBODY: Final = "Nobody was seen with an identity yet."
REMOVE: Final = "A running line removes them within seconds; if this stays, have them removed there."
GONE: Final = "Who is not on the staff any more is taken off: `quietline staff remove`."
SILENT_DAYS: Final = 30
DAY: Final = 86_400.0
SET_UP: Final = (
    "Staff sign in, and set up in their client's settings what it calls verification, recovery or secure backup; then "
    "their fingerprint stands here."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPeople:
    """People who were seen. `identities`: theirs; `without`: user ids of people whose clients have made none yet.

    `left_over`: the people among them who are neither on the staff nor at the desk: user id -> number of their rooms.
    """

    identities: tuple[SeenIdentity, ...]
    without: tuple[str, ...]
    left_over: Mapping[str, int]


def read_people(config: Config) -> KnownPeople:
    """Return the people of the staff and in rooms who were seen, confirmed or not. Raises `DatabaseError`.

    A person who was removed and is in no room is left out: their identity need not be confirmed any more.
    """
    with offline.read_transaction(config) as db:
        rooms = peek_room_counts(db)
        people = {member.mxid for member in config.line.staff} | peek_desk_members(db).keys()
        identities = [each for each in seen_identities(db) if each.user_id in people | rooms.keys()]
        without = [user for user in without_identity(db) if user in people | rooms.keys()]
    listed = {each.user_id for each in identities} | set(without)
    return KnownPeople(
        identities=tuple(identities),
        without=tuple(without),
        left_over={user: rooms[user] for user in sorted(listed - people)},
    )


async def confirm_identity(config: Config, mxid: str, fingerprint: str) -> bool:
    """Confirm the newest identity of a user id by its fingerprint, or by that of a device that it signed.

    Spaces in the fingerprint do not count. Return False, without a change, when the fingerprint is another one. An identity
    that is confirmed already is not changed. Raises `DatabaseError`.
    """
    entered = "".join(fingerprint.split())
    known = (each for each in read_people(config).identities if each.user_id == mxid and each.is_named_by(entered))
    if any(each.confirmed for each in known):
        return True

    async def confirm(transaction: Transaction) -> None:
        await confirm_fingerprint(transaction, mxid, entered)

    try:
        await offline.record_audit(config, AuditKind.TRUST, confirm)
    except NotThatFingerprint:
        return False
    return True


def as_json(people: KnownPeople) -> str:
    """Return them for a program; keys are in groups of four. `removed` is included only when it applies."""
    return json.dumps({"identities": [_as_object(each, people.left_over) for each in people.identities]})


def as_text(people: KnownPeople) -> list[str]:
    """Return them for a person, those who wait for a confirmation first."""
    lines: list[str] = []
    for each in sorted(people.identities, key=lambda each: each.confirmed):
        lines.append(f"{each.user_id}  {'confirmed' if each.confirmed else 'NOT CONFIRMED'}")
        lines += _removed_member_rows(each.user_id, people)
        lines.append(f"    identity         {format_key(each.master_key)}")
        lines += [f"    device {device:<10}{format_key(key)}" for device, key in each.devices]
    for user in people.without:
        lines += [f"{user}  has NO identity yet: no device of theirs is verified", *_removed_member_rows(user, people)]
    if not people.identities:
        lines.append(NOBODY)
    if people.without or not people.identities:
        lines.append(SET_UP)
    if not all(each.confirmed for each in people.identities):
        lines.append(HOW)
    return lines


def _removed_member_rows(user: str, people: KnownPeople) -> list[str]:
    rooms = people.left_over.get(user)
    return [] if rooms is None else [f"    NOT on the staff any more, and still in {rooms} of the line's rooms. {REMOVE}"]


def check_first_supervisor(db: Snapshot, config: Config) -> CheckResult:
    """Whether a person can confirm the others: a supervisor at the desk with a confirmed identity."""
    count = confirmed_supervisors(db)
    if count:
        return well("trust", f"{count} with a confirmed identity at the desk")
    what = "no supervisor's identity is confirmed: nobody at the desk is heard, and nobody can read what the line says"
    if config.line.rehearsal:
        what = "no supervisor is at the desk; a rehearsal trusts the first identity that it sees"
    do = f"See `quietline trust` for who was seen. {HOW}"
    return CheckResult(name="trust", ok=config.line.rehearsal, what=what, do=do)


def check_staff_trust(db: Snapshot, config: Config, *, now: float) -> CheckResult:
    """Whether all people at the desk are confirmed; otherwise a warning, because a supervisor can confirm a newcomer."""
    name, ours = "trust", {config.policy_mxid, config.puppet_mxid, config.canary_mxid}
    people = {user for user, (membership, _) in peek_desk_members(db).items() if membership == "join"} - ours
    trusted = {each.user_id for each in seen_identities(db) if each.confirmed}
    unheard = len(people - trusted)
    times = last_seen(db)
    silent = sum(now - times[user] / 1000 > SILENT_DAYS * DAY for user in people & times.keys())
    note = f"; {silent} of them were last heard more than {SILENT_DAYS} days ago" if silent else ""
    if unheard:
        what = (
            f"{unheard} of {len(people)} at the desk are not confirmed: what they say is not heard, and they read nothing"
        )
        do = "A supervisor confirms them with !trust at the desk, when they have compared; or `quietline trust` does."
        return CheckResult(name=name, ok=True, what=f"{what}{note}", do=do, warning=not config.line.rehearsal)
    return well(name, f"all {len(people)} at the desk are confirmed{note}", GONE if silent else "")


def first_supervisor_rows(config: Config) -> list[CheckResult]:
    """Return the row of the first supervisor for `quietline status`, as a warning; none before the first start."""
    try:
        with offline.read_transaction(config) as db:
            row = check_first_supervisor(db, config)
            return [row if row.ok else replace(row, ok=True, warning=True)]
    except DatabaseError:
        return []


def format_key(key: str) -> str:
    """Format a key as clients show it, in groups of four."""
    return " ".join(key[n : n + 4] for n in range(0, len(key), 4))


def _as_object(identity: SeenIdentity, left_over: Mapping[str, int]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "mxid": identity.user_id,
        "fingerprint": format_key(identity.master_key),
        "devices": [{"id": device, "fingerprint": format_key(key)} for device, key in identity.devices],
        "confirmed": identity.confirmed,
    }
    return entry | ({"removed": True} if identity.user_id in left_over else {})
