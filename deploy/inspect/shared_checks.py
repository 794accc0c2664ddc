"""Rows of `quietline doctor` that `quietline check` has as well: words, person on call, disk, module, identities and more.

Rules of this module: it reads and changes nothing; it prints public data (fingerprints) and counts, never a secret, a
number or a name of staff; every check that is not well says what to do; a rehearsal is exempt from requirements of a real
line, and the row says so. Rows about files are in `doctor_files`, about the database in `doctor_database`; `deploy/doctor`
decides which run, and when.
"""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Final

from bridge.matrix.api.http_client import HomeserverError
from bridge.matrix.api.json_fields import objects_in
from bridge.matrix.api.module_api import (
    ENFORCED,
    HomeserverUnreachable,
    ModuleClient,
    ModuleNotLoaded,
    ModuleRequestRejected,
)
from bridge.matrix.olm.cross_signing import derive_master_key, master_key_of
from bridge.matrix.olm.identity_table import peek_device_id
from bridge.storage.errors import DatabaseError
from bridge.storage.sqlite_connection import BUSY_MS
from deploy.data_dir import offline
from deploy.data_dir.secret_files import SetupError
from deploy.inspect.check_report import CheckResult, fault, unasked, well
from deploy.inspect.erasure_certificates import verify_certificates
from deploy.stack import homeserver_database
from policies.pack import samples, unreviewed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.config.sections import Config
    from bridge.matrix.api.http_client import HomeserverClient
    from deploy.data_dir.layout import Layout
    from policies.pack import Pack

MAIN_FILE, PUPPET_FILE = "main.db", "voice.db"
"""The database of each identity, in the bridge's data directory."""
MIN_FREE_BYTES: Final = 1024**3
"""Bytes that should be free."""


def check_packs(config: Config, pack: Pack) -> CheckResult:
    """Whether the agency reviewed every legal text, and none is an example."""
    unread, sample = unreviewed(pack), samples(pack)
    if not (unread or sample):
        return well("packs", "every legal text is reviewed, and none holds an example")
    what = f"{len(unread)} legal texts are not reviewed, {len(sample)} hold an example"
    do = "Put them right in the agency's own pack: `quietline policy lint` names them."
    return CheckResult(name="packs", ok=config.line.rehearsal, what=what + _rehearsal_note(config), do=do)


def check_on_call(config: Config) -> CheckResult:
    """Whether a person on call can be called outside Matrix."""
    if has_on_call(config):
        return well("on-call", "somebody outside Matrix is called when nobody comes")
    do = "Give lines.0.on_call a webhook_file or an email, start the line again, and try it: `quietline alarm test`."
    what = "nobody outside Matrix is called when nobody comes"
    return CheckResult(name="on-call", ok=config.line.rehearsal, what=what + _rehearsal_note(config), do=do)


def has_on_call(config: Config) -> bool:
    """Whether there is any way to call a person on call."""
    return config.line.on_call is not None and config.line.on_call.is_configured


def check_disk_space(layout: Layout) -> CheckResult:
    """Whether the disk has enough space: a full disk stops the line before it loses data."""
    free = shutil.disk_usage(layout.data).free
    ok = free >= MIN_FREE_BYTES
    room = f"Make room where {layout.data} is: on a full disk texts are refused, and the carrier gives up after a while."
    do = "" if ok else room
    return CheckResult(name="disk", ok=ok, what=f"{free // 1024**2} MiB are free", do=do)


async def check_module(module_client: ModuleClient) -> CheckResult:
    """Ask the homeserver's module which rules it enforces."""
    name = "homeserver module"
    try:
        health = await module_client.health()
    except ModuleNotLoaded:
        do = "Load quietline_synapse.Quietline in homeserver.yaml (its README says how), and start it again."
        return fault(name, "is not loaded: nothing is purged, nothing enforced", do)
    except (HomeserverUnreachable, ModuleRequestRejected) as error:
        do = "Is the homeserver running, and homeserver.as_token_file the token of its registration?"
        return fault(name, f"cannot be asked ({error.status})", do)
    if missing := ENFORCED - health.enforces:
        do = "Load the module that comes with this version, and start the homeserver again."
        return fault(name, f"does not enforce: {', '.join(sorted(missing))}", do)
    if health.problems:
        return fault(name, " ".join(health.problems), "Change these settings of the homeserver.")
    return well(name, f"enforces {', '.join(sorted(health.enforces))}")


async def check_module_and_accounts(config: Config, module_client: ModuleClient) -> list[CheckResult]:
    """Check the module, and what it says of the line's two users."""
    module = await check_module(module_client)
    return [module, *await _check_accounts(config, module_client)]


async def _check_accounts(config: Config, module_client: ModuleClient) -> list[CheckResult]:
    """Check whether the homeserver lets us be the line's two users; where its module does not answer, its row says so.

    Asked as a user, the homeserver gives one answer for a user that is not made yet and for one that is not ours.
    """
    name, users = "homeserver", (config.policy_mxid, config.puppet_mxid)
    try:
        strangers = [user_id for user_id in users if not await module_client.is_claimed(user_id)]
    except ModuleNotLoaded:
        do = "Load the module that comes with this version, start the homeserver again, and ask again."
        return [unasked(name, "cannot tell whose the accounts are", do)]
    except (HomeserverUnreachable, ModuleRequestRejected):
        return []
    do = (
        "Compare the registration's namespaces with the line's slug and homeserver.server_name, and start the homeserver "
        "again with the right registration."
    )
    what = f"its registration does not claim {', '.join(strangers)}" if strangers else "claims both accounts"
    return [CheckResult(name=name, ok=not strangers, what=what, do=do if strangers else "")]


async def check_identities(config: Config, client: HomeserverClient) -> CheckResult:
    """Show the fingerprints that staff compare, and whether the homeserver has the same."""
    name, vault = "identities", offline.open_vault(config)
    ours = {user: derive_master_key(vault, user) for user in (config.policy_mxid, config.puppet_mxid)}
    shown = ", ".join(f"{user} {key}" for user, key in ours.items())
    try:
        answer = await client.request("POST", "keys", "query", body={"device_keys": {user: [] for user in ours}})
    except HomeserverError as error:
        return fault(name, f"{shown}; the homeserver cannot be asked ({error.status})", "Is the homeserver running?")
    if wrong := [user for user, key in ours.items() if master_key_of(answer, user) != key]:
        do = "Somebody replaced them, or the bridge has not run yet. If it has: stop the line and look who did."
        return fault(name, f"the homeserver shows other keys than ours for {', '.join(wrong)}", do)
    return well(name, shown, "Staff compare these with what their clients show.")


async def check_line_devices(
    config: Config, clients: Sequence[tuple[str, HomeserverClient]], *, wait_ms: int = BUSY_MS
) -> CheckResult:
    """Whether each identity has, at the homeserver, the device that the bridge uses, and no other."""
    name, wrong = "identities", []

    def read(file: str, user_id: str) -> str | None:
        with offline.line_snapshot(config.data_dir, config.database_url, file=file, busy_ms=wait_ms) as db:
            return peek_device_id(db, user_id)

    for file, client in clients:
        try:
            ours = await asyncio.to_thread(read, file, client.user_id)
        except DatabaseError:
            return fault(name, f"{file} cannot be read", "Start the line once: ./quietline up")
        try:
            answer = await client.request("GET", "devices")
        except HomeserverError as error:
            return fault(name, f"the homeserver cannot be asked ({error.status})", "Is the homeserver running?")
        if {device.get("device_id") for device in objects_in(answer.get("devices"))} != {ours}:
            wrong.append(client.user_id)
    if wrong:
        what = f"the homeserver has other devices of {', '.join(wrong)} than the one that this line speaks with"
        do = "A running line makes itself another in a minute. If it does not: does another bridge use this line's token?"
        return fault(name, what, do)
    return well(name, "the homeserver has the devices that the line speaks with, and no others")


async def check_homeserver_database(config: Config, layout: Layout, *, running: bool) -> CheckResult:
    """Whether the homeserver can run on its database: the same checks as at a start.

    `running`: the homeserver may be connected now.
    """
    name = "homeserver database"
    if config.homeserver.joined:
        return well(name, "is that of the agency's own homeserver, whose owner backs it up")
    try:
        homeserver_database.check_engine(config, layout)
        problems = await homeserver_database.find_problems(config, layout, running=running)
    except SetupError as error:
        return fault(name, "; ".join(error.problems), "Put it right; the line does not start.")
    if config.homeserver.database_url_file is None:
        return well(name, "is SQLite, in the line's directory")
    wrong = [each for each in problems if not each.warning]
    shown = wrong or problems
    if not shown:
        return well(name, "is a PostgreSQL that will do, and is this directory's")
    what, do = "; ".join(each.what for each in shown), " ".join(each.do for each in shown)
    return CheckResult(name=name, ok=not wrong, what=f"PostgreSQL {what}", do=do, warning=not wrong)


def check_erasures(config: Config) -> CheckResult:
    """Whether every certificate is signed, and nothing is overdue. Raises `DatabaseError` and `OSError`."""
    report = verify_certificates(config)
    bad = [check for check in report.checks if not check.ok]
    what = f"{len(report.checks)} checks of what was erased, {len(bad)} not well"
    return CheckResult(name="erasure", ok=not bad, what=what, do="See `quietline erasure verify`." if bad else "")


def _rehearsal_note(config: Config) -> str:
    return "; this is a rehearsal, a real line would not do so" if config.line.rehearsal else ""
