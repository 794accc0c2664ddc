"""`quietline doctor`: whether a line is as safe as it should be, checked from outside, while it runs or not.

Rules of this module: it reads and changes nothing; it prints public data (fingerprints) and counts, never a secret or a
number; every row that is not well says what to do; a rehearsal is exempt from requirements of a real line, and the report
says so. Every report has every row of `ROWS`, whose names do not change between versions. All checks run at the same time,
each with its own time limit. A row that another fault makes unanswerable says so, and is no additional fault.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aiohttp

from bridge.config.load import ConfigError, parse
from deploy.doctor.database_probes import ROWS as DATABASE_ROWS
from deploy.doctor.database_probes import database_probes
from deploy.doctor.homeserver_probes import HELD_SECONDS, HomeserverQuestions
from deploy.doctor.line_facts import texts_probe
from deploy.doctor.machine_probes import machine_probes
from deploy.doctor.outside_probes import outside_probes
from deploy.doctor.probes import LIMIT_SECONDS, Probe, ask_all, of_thread
from deploy.inspect import doctor_files, shared_checks
from deploy.inspect.check_report import CheckReport, CheckResult, fault, unasked, well
from deploy.inspect.check_report import merge as merge_all
from deploy.stack.synapse_overlay import overlay_problems
from policies.load import PackError
from policies.load import load as load_pack

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bridge.config.sections import Config
    from deploy.data_dir.layout import Layout
    from policies.pack import Pack

ROWS: Final = (
    "configuration",
    "packs",
    "on-call",
    "vault key",
    "keys",
    "file modes",
    "data directory",
    "disk",
    "port",
    "bridge",
    "restarts",
    "database",
    "database lock",
    "database server",
    "leader",
    "clock",
    "backup",
    "calendar",
    "canary",
    "vacuum",
    "texts",
    "audit",
    "erasure",
    "carrier login",
    "public address",
    "certificate",
    "silence",
    "homeserver",
    "homeserver version",
    "homeserver database",
    "homeserver module",
    "homeserver limits",
    "homeserver settings",
    "identities",
    "desk",
    "trust",
    "staff devices",
    "first passwords",
)
"""The name of every row, in the order of a report. Names never change between versions; new ones may be added."""

OF_THE_HOMESERVER: Final = (
    "homeserver version",
    "homeserver module",
    "homeserver limits",
    "homeserver settings",
    "identities",
    "staff devices",
    "first passwords",
)
UNDER_THE_KEYS: Final = ("identities", "audit", "erasure", "trust")
CONSEQUENCES: Final = (
    ("vault key", ("keys", *UNDER_THE_KEYS)),
    ("keys", UNDER_THE_KEYS),
    ("database", ("staff devices",)),
    ("homeserver database", ("homeserver", *OF_THE_HOMESERVER)),
    ("homeserver", (*OF_THE_HOMESERVER, "texts")),
    ("carrier login", ("texts",)),
    ("database lock", ("database", *DATABASE_ROWS, "texts", "audit", "erasure", "identities")),
    ("database", (*DATABASE_ROWS, "texts", "audit", "erasure", "identities")),
    ("database server", ("database", "leader")),
    ("bridge", ("public address", "texts")),
)
"""A fault, and the rows that cannot be judged while it lasts."""


async def run_checks(layout: Layout, *, seconds: float = LIMIT_SECONDS) -> tuple[CheckReport, bool]:
    """Check everything. `seconds`: the limit of each probe. The second value: False when no line can be started."""
    try:
        config, problems = parse(layout.config)
    except ConfigError as error:
        return _report(await ask_all(_without_configuration(layout), seconds=seconds), error.problems), False
    pack, pack_problems = _pack(config, layout)
    problems = [*problems, *overlay_problems(layout, joined=config.homeserver.joined)]
    held_after = HELD_SECONDS if pack is None else float(pack.settings.late_after_seconds)
    async with aiohttp.ClientSession() as http:
        probes = [
            Probe(names=("on-call",), ask=of_thread(lambda: _static_rows(config, pack)), do="Ask again."),
            *machine_probes(layout, config, http, seconds=seconds),
            *database_probes(layout, config, pack, wait_ms=int(seconds * 500)),
            texts_probe(config, seconds=seconds),
            *HomeserverQuestions(layout, config, http, seconds=seconds, held_after=held_after).probes(),
            *outside_probes(config, http),
        ]
        rows = await ask_all(probes, seconds=seconds)
    rows += [_broken_pack(pack_problems)] if pack is None else []
    return _report(rows, problems), not problems and pack is not None


def merge(rows: Iterable[CheckResult]) -> tuple[CheckResult, ...]:
    """Return a row for each name, in the order of `ROWS`: the worst result. A row that cannot be judged says why."""
    worst = {row.name: row for row in merge_all(rows)}
    for cause, consequences in CONSEQUENCES:
        if cause in worst and not worst[cause].ok:
            for name in consequences:
                row = worst.get(name) or _unchecked_row(name)
                if not (row.ok and row.asked):
                    worst[name] = _blocked_row(name, cause)
    return tuple(worst.get(name, _unchecked_row(name)) for name in ROWS)


def _report(rows: Sequence[CheckResult], problems: Sequence[str]) -> CheckReport:
    do = "Put it right: `quietline check` looks at everything that stops a start."
    first = [fault("configuration", problem, do) for problem in problems]
    first = first or [well("configuration", "can be used, with its secrets")]
    return CheckReport(checks=(*first, *merge(rows)[1:]))


def _static_rows(config: Config, pack: Pack | None) -> list[CheckResult]:
    """Return the rows that need no answer of another part."""
    rows = [shared_checks.check_on_call(config)]
    return [*rows, shared_checks.check_packs(config, pack)] if pack is not None else rows


def _without_configuration(layout: Layout) -> list[Probe]:
    """Return the probes that work without a readable configuration."""
    again = "Put the configuration right first."
    return [
        Probe(names=("disk",), ask=of_thread(lambda: [shared_checks.check_disk_space(layout)]), do=again),
        Probe(names=("disk",), ask=of_thread(lambda: [doctor_files.check_logs(layout)]), do=again),
    ]


def _pack(config: Config, layout: Layout) -> tuple[Pack | None, list[str]]:
    try:
        return load_pack(config.line.packs, near=layout.config.parent), []
    except PackError as error:
        return None, error.problems


def _broken_pack(problems: Sequence[str]) -> CheckResult:
    do = "Put it right in the agency's own pack; `quietline policy lint` says when it is."
    return fault("packs", f"cannot be used: {'; '.join(problems)}", do)


def _blocked_row(name: str, cause: str) -> CheckResult:
    what, do = f"cannot be judged now: see the row `{cause}`", f"Put `{cause}` right, and ask again."
    return unasked(name, what, do)


def _unchecked_row(name: str) -> CheckResult:
    if name == "homeserver version":
        return unasked(name, "is not told", "Ask its administrator which it is.")
    return unasked(name, "was not asked", "Put the other rows right, and ask again.")
