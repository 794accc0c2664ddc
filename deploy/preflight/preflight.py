"""`quietline check`: everything that stops a start, and everything that a first text needs, at once.

Rules of this module: it asks and changes nothing, and prints no secret, no number and no name of staff; rows that exist for
`doctor`, `carrier check` or `policy lint` are reused. What needs a running line is not checked without one; it is listed as
to do before the first text.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import aiohttp
import yaml

from bridge.config.load import ConfigError, load
from bridge.matrix.api.http_client import HomeserverClient, HomeserverError, Permanent, TokenRefused
from bridge.matrix.api.json_fields import strings_in
from bridge.matrix.api.module_api import ModuleClient
from bridge.runtime.settings import is_private, read_secret
from bridge.storage.errors import DatabaseError
from deploy.carrier.carrier_check import LOGIN, WEBHOOK, ask_carrier, check_public_address, is_refused
from deploy.carrier.outside_view import check_certificate, check_dns
from deploy.carrier.vendor_probes import GATEWAYS
from deploy.data_dir import offline
from deploy.data_dir.layout import HOMESERVER_NAME, HOST, Layout
from deploy.doctor.machine_probes import is_live
from deploy.inspect import doctor_database, doctor_files, shared_checks
from deploy.inspect.check_report import CheckReport, CheckResult, fault, merge, unasked, warning, well
from deploy.inspect.trust import check_first_supervisor
from deploy.preflight.calendar_check import check_calendar, check_shifts, check_zone
from deploy.preflight.clock_sync import check_synchronisation
from deploy.preflight.database_check import check_server_database
from deploy.preflight.line_files_check import check_contents, check_files
from deploy.stack.start_conditions import is_port_free
from deploy.stack.synapse_overlay import overlay_problems
from policies import read_text
from policies.lint import lint
from policies.load import PackError
from policies.load import load as load_pack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.config.sections import Config
    from policies.pack import Pack

TIMEOUT: Final = aiohttp.ClientTimeout(total=5)
ASK_REGISTRATION: Final = (
    "Write the registration's as_token into homeserver.as_token_file, and restart the homeserver with the registration."
)
WHEN_IT_RUNS: Final = "Start the line and run `quietline check` again; then text the line from a phone of your own."


async def run_checks(layout: Layout) -> tuple[CheckReport, bool]:
    """Check everything. The second value: False when no line can be started with this configuration or these packs."""
    first = [check_disk(layout)]
    loaded, problems = _load(layout)
    if loaded is None or problems:
        rows = [fault("configuration", problem, "Put it right.") for problem in problems]
        return CheckReport(checks=(*rows, *first)), False
    config, pack = loaded
    async with aiohttp.ClientSession(timeout=TIMEOUT) as http:
        running = await is_live(config, http)
    outside = await asyncio.gather(check_dns(config), check_certificate(config))
    # Parts that may not answer are asked at the same time, so that frozen parts cost one time-out.
    databases, home, homeserver, carrier, calendar = await asyncio.gather(
        _check_databases(config, layout, running=running),
        shared_checks.check_homeserver_database(config, layout, running=running),
        check_homeserver(config, layout, running=running),
        _check_carrier(config, running=running, is_visible=all(row.asked for row in outside)),
        check_calendar(config, pack),
    )
    rows = [
        well("configuration", "can be used, with its packs and secrets"),
        *first,
        *check_words(config, pack),
        *check_zone(config, pack),
        *check_shifts(config, pack),
        *calendar,
        doctor_files.check_modes(layout, config),
        *check_account(config, layout),
        check_ports(config, layout, running=running),
        *databases,
        home,
        *homeserver,
        *carrier,
        *outside,
        *check_backup_place(config, layout),
        _as_warning(shared_checks.check_on_call(config), missing=not shared_checks.has_on_call(config)),
    ]
    return CheckReport(checks=tuple(merge(rows))), True


def _load(layout: Layout) -> tuple[tuple[Config, Pack] | None, list[str]]:
    """Read configuration and packs as a start does; return them, or None, and all problems."""
    try:
        config = load(layout.config)
        pack = load_pack(config.line.packs, near=layout.config.parent)
    except (ConfigError, PackError) as error:
        return None, [*error.problems, *(_pack_problems(layout.config) if isinstance(error, ConfigError) else ())]
    return (config, pack), overlay_problems(layout, joined=config.homeserver.joined)


def as_text(report: CheckReport, *, brief: bool = False) -> list[str]:
    """Return the report for a person; rows that could not be checked are repeated at the end."""
    later = [f"  - {check.name}: {check.do}" for check in report.checks if not check.asked]
    return [*report.as_text(brief=brief), *(["", "Before the first text:", *later] if later else [])]


def check_disk(layout: Layout) -> CheckResult:
    """Whether the disk of the line's directory, present or future, has enough space."""
    there = next(path for path in (layout.data, *layout.data.parents) if path.exists())
    return shared_checks.check_disk_space(Layout(there))


def check_words(config: Config, pack: Pack) -> Iterator[CheckResult]:
    """Yield what stops a start: a row for each text of the packs that counsel must read or the agency must replace."""
    yield shared_checks.check_packs(config, pack)
    if not config.line.rehearsal:
        for finding in lint(pack):
            if finding.must:
                yield fault(f"{finding.path} ({finding.rule})", finding.what, finding.do)


def check_account(config: Config, layout: Layout) -> Iterator[CheckResult]:
    """Warn when the line would run as root: the directory's owner decides, whoever runs the check."""
    if config.line.rehearsal or not layout.data.is_dir():
        return
    name, root = "file modes", _owner(layout.data) == 0
    what = f"{layout.data} is root's, and so would the line be" if root else "the directory is not root's"
    do = f"Make it an account of its own: CHECKLIST.md says how (`useradd`, `chown -R ACCOUNT: {layout.data}`)."
    yield CheckResult(name=name, ok=True, what=what, do=do if root else "", warning=root)


def check_ports(config: Config, layout: Layout, *, running: bool) -> CheckResult:
    """Whether the ports of the bridge, and of the other parts that `up` runs, are free."""
    name, own = "port", _ports(config, layout)
    if running:
        return well(name, f"{config.listen.port} is the running line's")
    used_ports = [f"{port} ({part})" for part, host, port in own if not is_port_free(host, port)]
    if not used_ports:
        free = ", ".join(str(port) for _, _, port in own)
        return well(name, f"{free} {'is' if len(own) == 1 else 'are'} free")
    do = "End what listens there, or give listen.port another; `up` takes others for all with --port-base."
    return fault(name, f"in use or not allowed: {', '.join(used_ports)}", do)


def _ports(config: Config, layout: Layout) -> list[tuple[str, str, int]]:
    """Return name, address and port of each listener: of the bridge, and of the parts that `up` runs on this machine."""
    listeners = [("bridge", config.listen.host, config.listen.port)]
    if config.metrics is not None:
        listeners.append(("metrics", *config.metrics.address))
    if _is_embedded(config, layout):
        urls = {"homeserver": config.homeserver.url}
        urls |= {"carrier": config.line.carrier.api_base} if config.line.rehearsal else {}
        parts = ((name, urlsplit(url)) for name, url in urls.items())
        listeners += [(name, HOST, part.port) for name, part in parts if part.port is not None]
    return listeners


async def _check_databases(config: Config, layout: Layout, *, running: bool) -> list[CheckResult]:
    """Check the line's database; of a server that cannot be used nothing more is asked."""
    server = await check_server_database(config)
    if server is not None and not server.ok:
        return [server, check_clock()]
    rows = [*check_database(config, layout, running=running)]
    return [server if row.name == server.name else row for row in rows] if server is not None else rows


def check_database(config: Config, layout: Layout, *, running: bool) -> Iterator[CheckResult]:
    """Check the entries of the line's database, if there is one: clock, backup, confirmed supervisor."""
    trust = unasked(
        "trust",
        "the line has not run yet: nobody was seen",
        "Start the line, have a supervisor sign in, and confirm them with `quietline trust`.",
    )
    no_backup = warning("backup", "none was made yet", doctor_database.how_to_back_up(config))
    if (missing := check_files(config)) is not None:
        yield missing
        return
    if not offline.has_database(config):
        first_start = well("database", "is made at the first start")
        yield from (first_start, check_clock(), no_backup, trust)
        return
    try:
        with offline.read_transaction(config) as db:
            clock, now = doctor_database.check_clock(db), time.time()
            age = (now - layout.oldest_file.stat().st_mtime) / doctor_database.DAY
            backup = doctor_database.check_backup(db, config, now, age)
            first = replace(check_first_supervisor(db, config), name="trust")
            contents = list(check_contents(db, config))
    except (DatabaseError, OSError):
        do = "Is the disk well, and are the files the line's user's? Restore a backup where it is damaged."
        yield fault("database", "main.db cannot be read", do)
        return
    yield well("database", "can be read")
    yield from contents
    yield clock if not clock.ok else check_clock()
    yield _as_warning(backup, missing=bool(backup.do))
    yield first if first.ok or running else replace(first, ok=True, asked=False)


def check_backup_place(config: Config, layout: Layout) -> Iterator[CheckResult]:
    """Whether configured backups could be written: otherwise a warning, because the line starts without."""
    if config.backup is None:
        return
    try:
        problems = [*_passphrase_problems(config.backup.passphrase_file), *_place_problems(config.backup.to, layout)]
    except PermissionError as error:
        problems = [f"{error.filename} is in a directory into which this account may not look"]
    do = "Make them, for the user who runs the line; the passphrase is kept elsewhere as well." if problems else ""
    what = "; ".join(problems) or "directory and passphrase are there"
    if not problems and doctor_database.is_on_own_disk(config):
        what, do = f"{what}; {doctor_database.OWN_DISK}", doctor_database.OTHER_DISK
    yield CheckResult(name="backup", ok=True, what=what, do=do, warning=bool(do))


def _passphrase_problems(file: Path) -> Iterator[str]:
    if not file.is_file():
        yield f"{file} is not there"
    elif not is_private(file):
        yield f"{file} can be read by others (chmod 600)"


def _place_problems(to: Path, layout: Layout) -> Iterator[str]:
    if not (to.is_dir() and os.access(to, os.W_OK)):
        yield f"{to} is no directory that can be written"
    elif os.getuid() == 0 and _owner(to) != _owner(layout.data):
        yield f"{to} belongs to another account than the line's directory, and the line's writes there"


def _owner(path: Path) -> int:
    return path.stat().st_uid


def check_clock() -> CheckResult:
    """Whether the machine's clock is at least later than this program, and whether it is synchronised."""
    if time.time() >= Path(__file__).stat().st_mtime:
        return check_synchronisation()
    do = "Set the clock, and have it synchronised: signatures and everything that ends depend on it."
    return fault("clock", "is before this program was made", do)


async def check_homeserver(config: Config, layout: Layout, *, running: bool) -> list[CheckResult]:
    """Check the homeserver's version, our token, and its module. An embedded homeserver runs only with the line."""
    token, url = read_secret(config.homeserver.as_token_file), config.homeserver.url
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        client = HomeserverClient(session=session, url=url, token=token, user_id=config.policy_mxid)
        try:
            answer = await client.request("GET", "versions", prefix="/_matrix/client", seconds=5.0)
        except TokenRefused:
            return [
                well("homeserver", "answers"),
                fault("homeserver", "does not know the token of the bridge", ASK_REGISTRATION),
            ]
        except HomeserverError as error:
            if not running and _is_embedded(config, layout):
                what = "is the line's own, and starts with it"
                return [unasked("homeserver", what, "Start the line, and ask again.")]
            return [fault("homeserver", f"does not answer ({error.status})", "Is homeserver.url right, and does it run?")]
        newest = (strings_in(answer.get("versions")) or ["nothing that it tells"])[-1]
        version = well("homeserver", f"answers, and speaks up to {newest}")
        return [
            version,
            await _check_token(config, client),
            *await shared_checks.check_module_and_accounts(config, ModuleClient(client=client)),
        ]


async def _check_token(config: Config, client: HomeserverClient) -> CheckResult:
    name, do = "homeserver", ASK_REGISTRATION
    try:
        user = (await client.request("GET", "account", "whoami", seconds=5.0)).get("user_id")
    except TokenRefused:
        return fault(name, "does not know the token of the bridge", do)
    except Permanent as error:
        if error.errcode == "M_FORBIDDEN":  # the token is valid, and the account is made at the first start
            return well(name, "knows our token; the first start makes the account")
        return fault(name, f"does not let the token speak for {config.policy_mxid} ({error.errcode})", do)
    except HomeserverError as error:
        return fault(name, f"does not answer the bridge ({error.status})", do)
    ok = user == config.policy_mxid
    what = f"knows {user}" if ok else "takes the bridge's token for another account's"
    return CheckResult(name=name, ok=ok, what=what, do="" if ok else do)


async def _check_carrier(config: Config, *, running: bool, is_visible: bool) -> list[CheckResult]:
    """Check the carrier, and the webhook by its public URL. `is_visible`: that URL can be checked from here."""
    rows = (check_public_address(config), *await ask_carrier(config))
    if not running and config.line.carrier.kind in GATEWAYS:
        rows = tuple(_until_it_starts(row) if row.name == LOGIN else row for row in rows)
    if running:
        what = "the public address cannot be asked from here"
        hidden = [row.name == WEBHOOK and not (row.ok or is_visible) for row in rows]
        return [
            replace(row, ok=True, asked=False, what=what) if is_ else row for row, is_ in zip(rows, hidden, strict=True)
        ]
    if config.line.rehearsal:
        what, do = "the rehearsal carrier starts with the line", "Start the line, and ask again."
        return [row if row.ok else unasked(row.name, what, do) for row in rows]
    waits = unasked(WEBHOOK, "needs a running line", WHEN_IT_RUNS)
    return [waits if row.name == WEBHOOK else row for row in rows]


def _until_it_starts(login: CheckResult) -> CheckResult:
    """Turn a fault of a gateway without an answer into a row to do later: it may start with the line.

    A gateway that answers and refuses our login will refuse it then, too.
    """
    do = "Start the gateway, and ask again."
    return (
        login
        if login.ok or is_refused(login)
        else replace(login, ok=True, asked=False, what="the gateway does not answer yet", do=do)
    )


def _is_embedded(config: Config, layout: Layout) -> bool:
    """Whether `up` runs the homeserver on this machine: it did so before, or will for the first time."""
    if config.homeserver.joined:
        return False
    is_own = config.line.rehearsal or layout.homeserver.is_dir() or layout.handout.is_dir()
    return is_own and urlsplit(config.homeserver.url).hostname in (HOST, HOMESERVER_NAME)


def _as_warning(check: CheckResult, *, missing: bool) -> CheckResult:
    return replace(check, ok=True, warning=True) if missing else check


def _pack_problems(path: Path) -> list[str]:
    """Return the problems of the packs of a configuration that is invalid itself."""
    try:
        packs = yaml.safe_load(read_text(path))["lines"][0].get("packs", ["base"])
        load_pack([str(pack) for pack in packs], near=path.parent)
    except PackError as error:
        return error.problems
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, yaml.YAMLError, RecursionError):
        return []
    return []
