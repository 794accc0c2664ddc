"""Probes of the line's database: its lock and keys, overdue work, members of the desk, times of texts.

Rules of this module: it reads in its own transactions and writes nothing; it shows counts and times, never a row's content.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from bridge.app.run_history import RunHistory
from bridge.inbound.arrivals import HOUR, ArrivalHistory
from bridge.matrix.rooms.room_state import peek_desk_members
from bridge.shift_calendar.follower import CalendarState
from bridge.storage.errors import Busy, DatabaseError, OutdatedSchema, UnsupportedSchema
from bridge.storage.sqlite_connection import find_damage, is_write_locked
from bridge.tables import line_state
from bridge.tables.clock_trust import jump_between, sample_clock
from deploy.data_dir import offline
from deploy.doctor.postgres_probes import AWAY, postgres_probes, server_problem, sqlite_rows
from deploy.doctor.probes import NoAnswer, Probe, of_thread
from deploy.inspect import doctor_database, shared_checks
from deploy.inspect.check_report import CheckResult, fault, well
from deploy.inspect.staff import SUPERVISOR_LEVEL
from deploy.inspect.trust import check_first_supervisor, check_staff_trust

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bridge.config.sections import Config
    from bridge.storage.database import Snapshot
    from deploy.data_dir.layout import Layout
    from policies.pack import Pack

LOCK_WAIT_MS: Final = 2000
"""A commit of the bridge takes some milliseconds: a program that holds the lock for so long delays texts."""
DAY: Final = doctor_database.DAY
UNREADABLE: Final = "Was the line started once, and is the disk well? Where the file is damaged: `quietline restore`."
SEND_ONE: Final = (
    "Text the line from a phone of your own. If nothing comes: `quietline carrier check`, then the vendor's console, where "
    "the number must have this line's address."
)
ROWS: Final = (
    "clock",
    "keys",
    "vacuum",
    "backup",
    "canary",
    "calendar",
    "trust",
    "desk",
    "silence",
)
"""Rows from one transaction of the database, all except the one about the audit."""


def database_probes(layout: Layout, config: Config, pack: Pack | None, *, wait_ms: int = LOCK_WAIT_MS) -> list[Probe]:
    """Return the probes of the main database. `wait_ms`: how long a probe waits for its lock."""

    def reading(rows: Callable[[Snapshot], Iterator[CheckResult]]) -> Callable[[], Iterator[CheckResult]]:
        def read() -> Iterator[CheckResult]:
            try:
                with offline.read_transaction(config, busy_ms=wait_ms) as db:
                    yield from rows(db)
            except Busy:
                raise NoAnswer("is locked by another program") from None
            except OutdatedSchema:
                raise NoAnswer("an older version wrote it: `quietline upgrade` comes first") from None
            except UnsupportedSchema:
                raise NoAnswer("a newer version wrote it: install that one") from None
            except DatabaseError as error:
                raise NoAnswer("cannot be read" if config.database is None else server_problem(error)) from None

        return read

    def facts(db: Snapshot) -> Iterator[CheckResult]:
        now, age = time.time(), line_age(db, layout)
        yield check_clock(db)
        yield _with_keys("keys", lambda: doctor_database.check_keys(db, config))
        yield from doctor_database.check_vacuums(db, now, age, is_server=config.database is not None)
        yield doctor_database.check_backup(db, config, now, age)
        yield doctor_database.check_drill(db, config, now, age)
        yield check_calendar(db, config, now)
        yield doctor_database.check_ways(db, config)
        yield doctor_database.check_canary(db, config)
        yield doctor_database.check_holds(db)
        yield doctor_database.check_revealed_numbers(db, now)
        yield doctor_database.check_dead_letters(db)
        yield _with_keys("trust", lambda: check_first_supervisor(db, config))
        yield _with_keys("trust", lambda: check_staff_trust(db, config, now=now))
        yield check_desk(db, config)
        yield check_silence(db, config, now=now, age=age)
        yield well("database", "can be read")

    again = UNREADABLE if config.database is None else AWAY
    probes = [
        Probe(names=("database", *ROWS), ask=of_thread(reading(facts)), do=again),
        *_lock_probes(config, wait_ms=wait_ms),
        Probe(names=("erasure",), ask=of_thread(lambda: [shared_checks.check_erasures(config)]), do=again),
    ]
    if pack is not None:
        audit = of_thread(lambda: [doctor_database.check_audit(config, pack)])
        probes.append(Probe(names=("audit",), ask=audit, do=again))
    return probes


def _lock_probes(config: Config, *, wait_ms: int) -> list[Probe]:
    """Return the probes of the write lock, and of the server, if there is one."""
    if config.database is not None:
        return postgres_probes(config, wait_ms=wait_ms)
    lock = Probe(
        names=("database lock",),
        ask=of_thread(lambda: [check_lock(config, wait_ms=wait_ms), *sqlite_rows()]),
        do="Is the disk well? A program that holds the file keeps texts out: `fuser -v` on main.db names it.",
    )
    pages = of_thread(lambda: [check_pages(config)])
    return [lock, Probe(names=("database",), ask=pages, do=UNREADABLE, may_be_silent=True)]


def check_pages(config: Config) -> CheckResult:
    """Whether every page of the databases can be read."""
    files = [file for file in (config.data_dir / "main.db", config.data_dir / "voice.db") if file.exists()]
    damaged = [file.name for file in files if find_damage(file)]
    do = "Stop the line, and restore a backup into a new directory: `quietline restore`." if damaged else ""
    what = f"damaged: {', '.join(damaged)}" if damaged else "every page is sound"
    return CheckResult(name="database", ok=not damaged, what=what, do=do)


def line_age(db: Snapshot, layout: Layout) -> float:
    """Return the line's age in days, since its first start or the time of its oldest file."""
    runs = RunHistory.parse(line_state.peek(db, line_state.RUNS))
    times = [runs.first] if runs else []
    times += [layout.oldest_file.stat().st_mtime] if layout.oldest_file.exists() else []
    return (time.time() - min(times)) / DAY if times else 0.0


def check_calendar(db: Snapshot, config: Config, now: float) -> CheckResult:
    """Whether the agency's calendar of shifts was read recently. No row contains its file or URL."""
    name = "calendar"
    if config.line.calendar is None:
        return well(name, "the configuration names no calendar file and no address of one")
    state = CalendarState.parse(line_state.peek(db, line_state.CALENDAR_STATE))
    hours = (now - state.read_at) / HOUR
    what = f"was last read {hours:.0f} hours ago" if state.read_at else "was never read"
    if state.failing_since:
        what += f", and cannot be used since {(now - state.failing_since) / HOUR:.0f} hours"
    do = "`quietline check` reads it and says what is wrong. Until it is well the last copy counts, for five weeks."
    old = not state.read_at or now - state.read_at > DAY
    unwell = old or bool(state.failing_since)
    return CheckResult(name=name, ok=not old, warning=not old and unwell, what=what, do=do if unwell else "")


def check_clock(db: Snapshot) -> CheckResult:
    """Whether the bridge trusts the machine's clock, and the clock was not set since the bridge last checked it."""
    doubted = doctor_database.check_clock(db)
    last, now = line_state.peek(db, line_state.CLOCK_SAMPLE), sample_clock()
    same_boot = last is not None and last.split(" ")[2:3] == [now.boot_id] and bool(now.boot_id)
    if not doubted.ok or last is None or not same_boot or not (jump := jump_between(last, now)):
        return doubted
    what = f"was set by {jump} seconds since the bridge last looked"
    do = "Set the machine's clock, and have it synchronised; then a supervisor says !time ok at the desk."
    return fault("clock", what, do)


def check_desk(db: Snapshot, config: Config) -> CheckResult:
    """Whether the desk has members, and a supervisor among them."""
    ours = {config.policy_mxid, config.puppet_mxid}
    levels = [level for user, (where, level) in peek_desk_members(db).items() if where == "join" and user not in ours]
    supervisors = sum(level >= SUPERVISOR_LEVEL for level in levels)
    what = f"{len(levels)} are at the desk, {supervisors} of them supervisors"
    if levels and supervisors:
        return well("desk", what)
    do = "Staff accept their invitation to the desk; `quietline staff list` says who was invited, `staff add` makes more."
    if config.line.rehearsal:
        return well("desk", f"{what}; a rehearsal may be empty", do)
    return fault("desk", f"{what}: nobody sees a text, or nobody can put things right", do)


def check_silence(db: Snapshot, config: Config, *, now: float, age: float) -> CheckResult:
    """Whether no text came for longer than usual. `age`: the line's, in days."""
    name, history = "silence", ArrivalHistory.parse(line_state.peek(db, line_state.ARRIVALS))
    hours = age * 24 if history is None else now / HOUR - history.last - 1
    limit = ArrivalHistory(last=0, gaps={}).limit_hours if history is None else history.limit_hours
    if history is None:
        what = f"no text ever came, in {age:.0f} days"
    else:
        usual = history.usual_hours
        known = "too little is known of what is usual" if usual is None else f"up to {usual} hours are usual here"
        what = f"the last text came {_duration(max(0.0, hours))} ago; {known}"
    ok = hours <= limit or config.line.rehearsal
    return CheckResult(name=name, ok=ok, what=what, do="" if ok else SEND_ONE)


def check_lock(config: Config, *, wait_ms: int) -> CheckResult:
    """Whether the bridge can write its file: another program may hold the lock."""
    name, file = "database lock", config.data_dir / "main.db"
    do = f"End the program that holds it (`fuser -v {file}` names it): no text is stored meanwhile, and none is lost."
    if is_write_locked(file, wait_ms=wait_ms):
        return fault(name, f"another program has held main.db for {wait_ms / 1000:g} seconds: nothing can be stored", do)
    return well(name, "nobody keeps the bridge from writing")


def _with_keys(name: str, check: Callable[[], CheckResult]) -> CheckResult:
    """Run a check that reads key files; when they are missing, only this row fails."""
    try:
        return check()
    except (OSError, ValueError):
        do = "Put the files of `keys` in the configuration back from where they are kept apart."
        return fault(name, "cannot be judged: a key file cannot be read", do)


def _duration(hours: float) -> str:
    return f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.0f} hours"
