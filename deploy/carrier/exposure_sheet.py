"""The exposure sheet of the parts that we run: which data is where, for how long, and who could read it (practices 18, 19).

Rules of this module: numbers come from the running configuration and its packs. For each part the sheet says what it erases
and what it keeps when a conversation is over. Data that a person with a copy could still read is never called gone. What
the carrier keeps comes from the adapter (`bridge/carriers/adapter`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from bridge.carriers.vendors.registry import CARRIER_KINDS
from bridge.erasure.certificate import OWN_PAGES
from bridge.tables import dead_letters
from deploy.carrier.carrier_exposure import exposure_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.config.sections import Config
    from policies.pack import Pack

MINUTE, HOUR, DAY = 60, 3600, 86_400
MACHINE_ADMIN: Final = "whoever has this machine while the line runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureEntry:
    """One kind of stored data. Each field is a sentence or two for a person."""

    where: str
    what: str
    how_long: str
    readable_by: str
    remains: str = ""


def exposure_entries(config: Config, pack: Pack) -> tuple[ExposureEntry, ...]:
    """Return all data that our own parts keep with this configuration."""
    return (*_homeserver(config, pack), *_bridge(config, pack), *_elsewhere(pack))


def as_json(config: Config, pack: Pack) -> str:
    """Return the sheet, and what the line's carrier keeps, as JSON."""
    exposure = asdict(CARRIER_KINDS[config.line.carrier.kind].exposure)
    return json.dumps(
        {"carrier": exposure, "line": [asdict(entry) for entry in exposure_entries(config, pack)]}, ensure_ascii=False
    )


def as_text(config: Config, pack: Pack) -> list[str]:
    """Return the sheet, and what the line's carrier keeps, for a person."""
    lines = ["What this line itself keeps", "===========================", ""]
    for entry in exposure_entries(config, pack):
        lines += [
            entry.where,
            f"  What:        {entry.what}",
            f"  How long:    {entry.how_long}",
            f"  Readable by: {entry.readable_by}",
        ]
        lines += [f"  Remains:     {entry.remains}"] if entry.remains else []
        lines.append("")
    return [*lines, "What its carrier keeps", "======================", "", *exposure_text((config.line.carrier.kind,))]


def _homeserver(config: Config, pack: Pack) -> Sequence[ExposureEntry]:
    settings = pack.settings
    begin, end = config.quiet_hours
    return (
        ExposureEntry(
            where="Homeserver, a conversation's room",
            what="ciphertext of both sides, who wrote when, reactions (in clear), members, two words as name",
            how_long=(
                f"words: {format_duration(settings.message_ttl)} after they were answered or seen; "
                f"the room: until {format_duration(settings.client_grace)} after its close, "
                f"or {format_duration(settings.close_now_grace)} after `!close now`; "
                "a thread on hold: until the hold is lifted"
            ),
            readable_by="its members' trusted devices; whoever has the homeserver: times, members, reactions",
            remains=(
                f"its id in free pages until the next vacuum (nightly, {begin}:00 to {end}:00, {pack.hours.timezone}); "
                "with PostgreSQL, in an agency's own homeserver, its id for about a week, and its ciphertext in pages "
                "until those are written over (or until the next vacuum, for tables up to full_vacuum_bytes), in the "
                "write-ahead log, standbys and dumps as long as those are kept"
            ),
        ),
        ExposureEntry(
            where="Homeserver, desk and offices",
            what="ciphertext of cards, alerts, answers; who is staff, and who supervises, in clear",
            how_long=(
                f"words: {format_duration(settings.message_ttl)}; a number that was revealed: a minute; roster: as it is"
            ),
            readable_by="staff's trusted devices; whoever has the homeserver sees who works here",
        ),
        ExposureEntry(
            where="Homeserver, keys on their way to devices",
            what="room keys, each encrypted for one device, in the box of a device that has not fetched them",
            how_long="until that device comes back or is signed out (`!devices` names those silent for a month)",
            readable_by="that device alone; when the room is gone they open nothing that is still here",
            remains="what such a device fetched before and kept",
        ),
        ExposureEntry(
            where="Homeserver, uploads",
            what=(
                "what staff's clients upload, encrypted (64 KiB each at most, unless our module is told otherwise); keys "
                "in bundles for whoever is asked in; the list of a room's uploads, sealed for the bridge alone; pictures "
                "of profiles, in clear"
            ),
            how_long=(
                "as long as the message that points to it, or its room; a bundle: until five minutes after they came in, a "
                "day at most; the list: as long as the room"
            ),
            readable_by="whoever has the key, which is inside the message; whoever has the homeserver: who, when, its size",
            remains=(
                "pictures of profiles, old ones too; what no message points to that we can read (never sent, or of a "
                "message whose key we never got): until somebody deletes it by hand"
            ),
        ),
        *_administrator(config),
        ExposureEntry(
            where="Homeserver, accounts",
            what="names of accounts, devices and their last addresses; no key backup of conversations is kept",
            how_long="accounts: until they are deleted; addresses: a day",
            readable_by="whoever has the homeserver",
            remains=(
                "the bare id of a room that is gone, in what people's clients keep there for themselves (rooms they looked "
                "at last, direct chats, filters), until the client writes it anew"
            ),
        ),
    )


def _administrator(config: Config) -> Sequence[ExposureEntry]:
    if config.homeserver.admin_token_file is None:
        return ()
    return (
        ExposureEntry(
            where="Homeserver, an administrator's token",
            what="used only while our module is not loaded: it can read every room's metadata and take over every account",
            how_long="as long as the file and the account stand",
            readable_by=MACHINE_ADMIN,
            remains="redacted words until Synapse overwrites them, a purged room's id in some tables, staff's key backups",
        ),
    )


def _bridge(config: Config, pack: Pack) -> Sequence[ExposureEntry]:
    settings = pack.settings
    entries: tuple[ExposureEntry, ...] = (
        ExposureEntry(
            where="Bridge, main.db: a thread",
            what="number, language and flags, sealed under the thread's own key; a hash of the number; words on their way",
            how_long=(
                f"words: until shown or sent; the rest: {format_duration(settings.grace)} after the close, "
                f"{format_duration(settings.continuing)} for who chose to be known again; while on hold: as it was "
                "when the hold began"
            ),
            readable_by=f"{MACHINE_ADMIN}; not whoever has main.db alone",
            remains=(
                "nothing that can be opened: the key is destroyed, and what the row left in its file is overwritten; in "
                "blocks of the log that were given back to the file system, until it uses them again: ids, the hash, what "
                "was sealed"
            )
            if config.database is None
            else OWN_PAGES,
        ),
        ExposureEntry(
            where="Bridge, keys.db",
            what="one wrapped key per thread and room; outside every backup",
            how_long="as long as the thread, or the room",
            readable_by=f"{MACHINE_ADMIN}; wrapped by a key in another file",
            remains="what a snapshot or backup of the whole disk took, against our advice: `doctor` looks for copies",
        ),
        ExposureEntry(
            where="Bridge, main.db: STOP and blocks",
            what="a slow keyed hash of a number that said STOP or is blocked, under a key of its own",
            how_long="until the entry expires; numbers are given to others",
            readable_by="whoever has the database and the key, and tries every number, for years of one core",
        ),
        ExposureEntry(
            where="Bridge, main.db: ids of carriers",
            what="keyed hashes of texts' ids, so that nothing arrives twice; ids of copies at the carrier, sealed",
            how_long="past the carrier's horizon of retries; ids of copies until each copy is settled",
            readable_by="nobody, without the keys",
            remains=(
                "at the carrier, a text of which nobody knows whether it left, unless a report tells its id: the "
                "certificate counts it; texts of blocked phones are kept nowhere here, and deleted there"
            ),
        ),
        ExposureEntry(
            where="Bridge, main.db: keys of desk and offices",
            what="the first key of each session, sealed, so that a newcomer reads what stands there",
            how_long="until nothing said with it stands there; a revealed number's: with it, after a minute",
            readable_by=MACHINE_ADMIN,
            remains="what had left the homeserver while the key was here, for whoever took both",
        ),
        ExposureEntry(
            where="Bridge, main.db: dead letters",
            what="what a fault kept from being handled, sealed; of an office it may hold what was typed there",
            how_long=f"of desk and offices: {format_duration(dead_letters.RETENTION)}; of a thread: as long as the thread",
            readable_by=MACHINE_ADMIN,
        ),
        ExposureEntry(
            where="Bridge, the audit",
            what="kinds of things that were done, by the hour, of threads by letters that end with them; no content",
            how_long=format_duration(settings.audit_retention),
            readable_by="supervisors (!audit), the technician",
        ),
        ExposureEntry(
            where="Bridge, certificates of what was erased",
            what="counts, hours, what a carrier keeps; a signature",
            how_long=format_duration(settings.receipt_retention),
            readable_by="the technician",
        ),
        *_server(config),
    )
    if config.line.on_call is None:
        return entries
    paged = "that somebody waits, and when; no words, no number"
    return (
        *entries,
        ExposureEntry(
            where="On call (webhook or mail)", what=paged, how_long="as that service keeps it", readable_by="that service"
        ),
    )


def _server(config: Config) -> tuple[ExposureEntry, ...]:
    """Return what a PostgreSQL of the line keeps besides the rows: nothing for a line on SQLite."""
    if config.database is None:
        return ()
    match config.database.copies_kept_days:
        case None:
            copies = "for a time that nobody has said (database.copies_kept_days)"
        case 0:
            copies = "none are kept, by database.copies_kept_days"
        case days:
            copies = f"at most {days} days, by database.copies_kept_days"
    return (
        ExposureEntry(
            where="PostgreSQL of the bridge: what was deleted there",
            what=(
                "in clear: ids of rooms, events, staff and devices, a thread's two words, kinds of what happened, times, "
                "how many texts; a keyed hash of the number; words, number and flags as ciphertext, whose key is gone, and "
                "so what was said at the desk and in offices, and earlier states of the sessions by which things were "
                "said. As ciphertext whose key stays: what the desk was told of a thread (its two words, language, that a "
                "sign of danger was seen, who had it, when), carriers' ids of texts, and states of sessions of the last "
                "two hours (of a day, where a session was silent for a week)"
            ),
            how_long=(
                "dead rows: until a vacuum was there and their page is written over; the write-ahead log: until the server "
                "uses its files again, and as long as wal_keep_size and slots hold it back; replicas: as the server; an "
                f"archive, base backups and dumps: {copies} (`doctor`: rows database vacuum, database log, database copies)"
            ),
            readable_by=(
                "whoever has the server, its disk or a copy; nobody, what is ciphertext whose key is gone; that whose key "
                "stays, whoever has keys.db and the file of keys.vault_key_file as well, and with what the homeserver had "
                "then what was said since those states; the number, whoever has the file of keys.index_key_file as well, "
                "and tries every number"
            ),
            remains="what those copies hold: give each an end of days, and never put keys.db or the key files beside them",
        ),
    )


def _elsewhere(pack: Pack) -> Sequence[ExposureEntry]:
    return (
        ExposureEntry(
            where="Backups (`quietline backup`)",
            what="configuration, tokens, first accounts, roster, STOP entries, counters; no conversation and no key of one",
            how_long="as long as you keep the file",
            readable_by="whoever has the file and its passphrase",
        ),
        ExposureEntry(
            where="Logs of homeserver and bridge",
            what="fixed event names, counts, exception types; no words, no names, no room",
            how_long="at most two weeks, or 8 MiB for each part",
            readable_by="the technician",
        ),
        ExposureEntry(
            where="Staff's devices",
            what="decrypted words in the client's cache, notifications, whatever was copied or photographed",
            how_long=(
                "until the client hears that a room was emptied; a client that stays off for longer than "
                f"{format_duration(pack.settings.client_grace)} or, after `!close now`, for longer than "
                f"{format_duration(pack.settings.close_now_grace)}, keeps what it had, at least until it is signed out"
            ),
            readable_by="whoever unlocks the device",
            remains="what somebody copied: agency devices only, app lock, no previews, `!signout @who` for a lost one",
        ),
        ExposureEntry(
            where="Push services of staff's apps (the app's maker, and Apple or Google)",
            what=(
                "that something was said, and when, to which device; ids of room and event, how many are unread; to an app "
                "that does not ask for ids alone also who wrote and the room's two words; never what was said"
            ),
            how_long="as those services keep it; for a device that is signed out nothing is sent any more",
            readable_by="those services",
            remains="nothing is sent for whoever turns notifications off in the app, or works in a browser",
        ),
        ExposureEntry(
            where="The texter's own phone, cloud, bill",
            what="every text, as any phone keeps it; the bill shows the line's number and the time",
            how_long="not ours to say: `!tips` tells them how to delete",
            readable_by="whoever has that phone, its cloud account or its bill",
        ),
    )


def format_duration(seconds: int) -> str:
    """Return a duration in words, exactly: in seconds, minutes, hours or days."""
    if not seconds or seconds % MINUTE:
        return f"{seconds} s"
    if seconds % HOUR:
        return f"{seconds // MINUTE} min"
    return f"{seconds // HOUR} h" if seconds < 4 * DAY or seconds % DAY else f"{seconds // DAY} days"
