"""The doctor's checks of the line's database: waiting rows, overdue work, data that may be wrong.

Rule of this module: counts and times, never a row's content.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bridge.runtime.settings import read_secret
from bridge.storage.vault import key_check_value
from bridge.tables import inspection, line_state
from deploy.inspect.audit_report import read_audit
from deploy.inspect.check_report import CheckResult, fault, warning, well

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bridge.config.sections import Config
    from bridge.storage.database import Snapshot
    from policies.pack import Pack

DAY: Final = 86_400.0
VACUUM_DAYS: Final = 3.0
NOT_YET: Final = "no quiet hour has come yet"
BACKUP_DAYS: Final = 8.0
DRILL_DAYS: Final = 40.0
"""Days after which a drill is old: a month and some days."""
OWN_DISK: Final = "backup.to is on the line's own disk, which takes both when it fails"
OTHER_DISK: Final = "Give backup.to a directory on another disk or machine, or copy each backup elsewhere; is it mounted?"
REVEAL_LIMIT_SECONDS: Final = 180.0
"""Seconds after which a revealed number must have been redacted from its office."""


def check_clock(db: Snapshot) -> CheckResult:
    """Whether the bridge trusts the machine's clock."""
    doubted = line_state.peek(db, line_state.CLOCK_DISTRUSTED) is not None
    what = "is doubted: nothing is erased by its age" if doubted else "is trusted"
    do = "Look at the machine's clock; then a supervisor says !time ok at the desk." if doubted else ""
    return CheckResult(name="clock", ok=not doubted, what=what, do=do)


def check_keys(db: Snapshot, config: Config) -> CheckResult:
    """Whether the three keys are those with which this database was written."""
    files = config.keys.files
    values = {name: key_check_value(bytes.fromhex(read_secret(file))) for name, file in files.items()}
    if wrong := line_state.peek_wrong_keys(db, values):
        what = f"not those that this database was written with: {', '.join(f'{name} ({files[name]})' for name in wrong)}"
        where = ", ".join(str(files[name]) for name in wrong)
        do = f"Put the right {where} back. The line does not start without: it would not know its STOPs, or who texts."
        return fault("keys", what, do)
    if line_state.peek(db, line_state.KEY_CHECK + "vault") is None:
        return well("keys", "the next start notes which keys this database is written with")
    return well("keys", "vault, index and suppression key are those of this database")


def check_vacuums(db: Snapshot, now: float, age: float, *, is_server: bool = False) -> Iterator[CheckResult]:
    """Whether deleted data are overwritten regularly, in the homeserver's database and in ours.

    `is_server`: ours is a PostgreSQL, which does not overwrite them but reuses the space.
    """
    yield check_homeserver_vacuum(db, now, age)
    last = line_state.peek(db, line_state.REWRITTEN)
    days = (now - float(last)) / DAY if last else age
    what = f"what was deleted from our own databases was overwritten {days:.1f} days ago" if last else NOT_YET
    what = what if last or days <= VACUUM_DAYS else "what was deleted from our own databases was never overwritten"
    if is_server and last:
        retention = "PostgreSQL keeps ids and ciphertext without its key in pages, its write-ahead log and backups"
        what = f"our own databases were vacuumed {days:.1f} days ago; {retention} until those are written over"
    do = "" if days <= VACUUM_DAYS else "Does the line run in its quiet_hours, and is nobody reading its databases?"
    yield CheckResult(name="vacuum", ok=days <= VACUUM_DAYS, what=what, do=do)


def check_homeserver_vacuum(db: Snapshot, now: float, age: float) -> CheckResult:
    """When the homeserver's database was last vacuumed, for how long, and which data that leaves."""
    last, begun_at = line_state.peek(db, line_state.VACUUMED), line_state.peek(db, line_state.VACUUM_BEGUN)
    result = json.loads(line_state.peek(db, line_state.VACUUM_RESULT) or "{}")
    days = (now - float(last)) / DAY if last else age
    if last:
        took = f", in {result['seconds']} s" if "seconds" in result else ""
        what = f"the homeserver's database was vacuumed {days:.1f} days ago{took}"
    else:
        what = NOT_YET if days <= VACUUM_DAYS else "the homeserver's database was never vacuumed"
    if begun_at:
        what += f"; a try {(now - float(begun_at)) / DAY:.1f} days ago did not end, the next is a day after it"
    if str(result.get("database", "")).startswith("postgres"):
        what += "; PostgreSQL keeps ciphertext in pages, its write-ahead log and backups until those are written over"
    do = "" if days <= VACUUM_DAYS else "Does the line run in its quiet_hours, and is the homeserver's module loaded?"
    return CheckResult(name="vacuum", ok=days <= VACUUM_DAYS, what=what, do=do)


def how_to_back_up(config: Config) -> str:
    """Return the command for a backup, which depends on whether the configuration has a `backup` section."""
    where = "" if config.backup else " --to FILE --passphrase-file FILE"
    return f"`quietline backup{where}`, once a week, kept elsewhere."


def check_backup(db: Snapshot, config: Config, now: float, age: float) -> CheckResult:
    """Whether a recent backup exists, so that the line could be restored on another machine."""
    last = line_state.peek(db, line_state.LAST_BACKUP)
    days = (now - float(last)) / DAY if last else age
    ok = config.line.rehearsal or days <= BACKUP_DAYS
    what = f"last made {days:.1f} days ago" if last else "none was made yet"
    do = "" if last and days <= BACKUP_DAYS else how_to_back_up(config)
    row = CheckResult(name="backup", ok=ok, what=what, do=do)
    return row if do or config.line.rehearsal or config.backup is None else _check_place(row, config, config.backup.to, now)


def is_on_own_disk(config: Config) -> bool:
    """Whether backups go to the line's own disk, as when another disk is not mounted; False if that cannot be told."""
    try:
        return config.backup is not None and config.backup.to.stat().st_dev == config.data_dir.stat().st_dev
    except OSError:
        return False


def _check_place(row: CheckResult, config: Config, place: Path, now: float) -> CheckResult:
    """Add to a row that is well whether backups lie where the configuration says, on another disk than the line."""
    try:
        place.stat()
        times = [path.stat().st_mtime for path in place.glob("*.backup")]
    except PermissionError:
        return row
    except OSError as error:
        what = f"{row.what}; backup.to: {error.strerror}"
        return replace(row, ok=False, what=what, do="Is the disk of backup.to mounted? Then `quietline backup`.")
    if now - max(times, default=0.0) > BACKUP_DAYS * DAY:
        do = "Is the disk of backup.to mounted, and did anybody delete files there? Then `quietline backup`."
        return replace(row, ok=False, what=f"{row.what}, and backup.to has none that is so new", do=do)
    if is_on_own_disk(config):
        return replace(row, warning=True, what=f"{row.what}; {OWN_DISK}", do=OTHER_DISK)
    return row


def check_ways(db: Snapshot, config: Config) -> CheckResult:
    """Whether the last call of the person on call was accepted by every way: where one did, nobody notices the others."""
    on_call = config.line.on_call
    ways = {"webhook": on_call is not None and on_call.webhook_file, "email": on_call is not None and on_call.email}
    refused = [way for way in (line_state.peek(db, line_state.PAGE_REFUSED) or "").split() if ways.get(way)]
    what = (
        f"the last call was not accepted, or not for everybody, by: {', '.join(refused)}"
        if refused
        else "the last call was accepted"
    )
    do = (
        "Look at lines.0.on_call (of a mail also each address) and the service that takes the calls, then try it: "
        "`quietline alarm test`."
    )
    return CheckResult(name="on-call", ok=not refused or config.line.rehearsal, what=what, do=do if refused else "")


def check_canary(db: Snapshot, config: Config) -> CheckResult:
    """Whether the last test text came through, if the line sends itself any."""
    name = "canary"
    if config.canary is None:
        return well(name, "the line sends itself no test text")
    noted, step = (line_state.peek(db, entry) for entry in (line_state.CANARY_OK, line_state.CANARY_STEP))
    if noted is None:
        do = "Is it running? `up` starts it beside the bridge; beside another homeserver it is `quietline canary`."
        return warning(name, "no test text was reported yet", do)
    if noted == "1":
        return well(name, "the last test text came through")
    do = "Text the line from a phone; then see the other rows, and the log of the canary (`quietline canary`)."
    return fault(name, f"the test text does not come through: {step or 'failed'}", do)


def check_drill(db: Snapshot, config: Config, now: float, age: float) -> CheckResult:
    """Whether a recent drill has shown that a backup can be restored."""
    last = line_state.peek(db, line_state.DRILLED)
    days = (now - float(last)) / DAY if last else age
    old = days > DRILL_DAYS
    what = f"a backup was last restored for a trial {days:.1f} days ago" if last else "no backup was restored for a trial"
    do = "`quietline drill`, once a month: it restores the newest backup into a throwaway directory." if old else ""
    return CheckResult(name="backup", ok=config.line.rehearsal or not old, what=what, do=do)


def check_holds(db: Snapshot) -> CheckResult:
    """Count legal holds, whose threads are not erased."""
    count = inspection.count_legal_holds(db)
    do = "A supervisor lifts it with !unhold, or counsel with `quietline lookup --unhold`." if count else ""
    return well("erasure", f"{count} threads are on hold", do)


def check_revealed_numbers(db: Snapshot, now: float) -> CheckResult:
    """Whether no number stays in an office for longer than its minute."""
    count = inspection.count_revealed_numbers(db, until=now - REVEAL_LIMIT_SECONDS)
    do = "Redact it by hand in the office; does the line run, and does the homeserver answer?" if count else ""
    what = f"{count} numbers still stand in offices" if count else "no number stands in an office"
    return CheckResult(name="erasure", ok=not count, what=what, do=do)


def check_dead_letters(db: Snapshot) -> CheckResult:
    """Whether there are dead letters."""
    count = inspection.count_dead_letters(db)
    do = "Each was told at the desk with a short id; send the log around it to whoever maintains this." if count else ""
    return CheckResult(name="texts", ok=not count, what=f"{count} dead letters are kept", do=do)


def check_audit(config: Config, pack: Pack) -> CheckResult:
    """Whether the audit is intact."""
    audit = read_audit(config, pack)
    what = f"{len(audit.entries)} entries, each follows from the one before"
    if not audit.problems:
        return well("audit", what)
    do = "Somebody wrote into the database who had no vault key. Keep a copy and tell whoever is responsible."
    return fault("audit", "; ".join(audit.problems), do)
