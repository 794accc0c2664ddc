"""`quietline doctor`: whether a line is as safe as it should be, asked from beside it.

Rules of this module: it reads and asks, and changes nothing; what it prints is public (fingerprints) or a count, never a
secret, a number or a name of staff; every check that is not well says what to do; a rehearsal is not held to what only a
real line needs, and is told so. Checks of files are in `doctor_files`, of what the database says in `doctor_rows`.
"""

from __future__ import annotations

import shutil
import sqlite3
from typing import TYPE_CHECKING, Final

import aiohttp

from bridge.carriers.registry import KINDS
from bridge.config import load
from bridge.matrix.api.admin_api import Administrator, standing_in
from bridge.matrix.api.http_client import HomeserverError, Wire
from bridge.matrix.api.module_api import Away, House, Missing, Refused
from bridge.matrix.olm.cross_signing import master_key_of
from bridge.matrix.olm.identity import fingerprint
from bridge.runtime.settings import secret
from deploy.data_dir import offline
from deploy.inspect import doctor_database, doctor_files
from deploy.inspect.erasure_receipts import verify
from deploy.inspect.status import Check, Report
from policies.load import load as load_pack
from policies.pack import samples, unreviewed

if TYPE_CHECKING:
    from bridge.config import Config
    from deploy.data_dir.layout import Layout
    from policies.pack import Pack

ENFORCED: Final = frozenset({"no-clear-text", "no-outsiders", "small-uploads", "key-backup-discarded"})
"""What the homeserver's module must say that it enforces (deploy/synapse_module)."""
SPACE: Final = 1024**3
"""Bytes that should be free."""


async def doctor(layout: Layout) -> Report:
    """Check everything that can be checked. Raises `ConfigError` and `PackError` when the line could not even start."""
    config = load(layout.config)
    pack = load_pack(config.line.packs, near=layout.config.parent)
    checks = [
        packs(config, pack),
        on_call(config),
        carrier(config),
        *doctor_files.checks(layout, config),
        space(layout),
        overwrites(),
        *await homeserver(config),
        *rows(config, pack, layout),
    ]
    return Report(checks=tuple(checks))


def packs(config: Config, pack: Pack) -> Check:
    """Whether the words were read by whoever must answer for them."""
    unread, sample = unreviewed(pack), samples(pack)
    if not (unread or sample):
        return Check(name="packs", ok=True, what="every legal text is reviewed, and none holds an example")
    what = f"{len(unread)} legal texts are not reviewed, {len(sample)} hold an example"
    do = "Put them right in the agency's own pack: `quietline policy lint` names them."
    return Check(name="packs", ok=config.line.rehearsal, what=what + _rehearsal(config), do=do)


def on_call(config: Config) -> Check:
    """Whether somebody hears, outside Matrix, that they are needed."""
    if config.line.on_call is not None and config.line.on_call.reaches:
        return Check(name="on-call", ok=True, what="somebody outside Matrix is called when nobody comes")
    do = "Give lines.0.on_call a webhook_file or an email, and try it."
    what = "nobody outside Matrix is called when nobody comes"
    return Check(name="on-call", ok=config.line.rehearsal, what=what + _rehearsal(config), do=do)


def carrier(config: Config) -> Check:
    """Tell what the carrier keeps, which no setting of ours changes."""
    exposure = KINDS[config.line.carrier.kind].exposure
    open_ = f" {len(exposure.unconfirmed)} things about it nobody could confirm." if exposure.unconfirmed else ""
    do = f"Read `quietline exposure {config.line.carrier.kind}`; `quietline carrier check` tries it."
    return Check(name="carrier", ok=True, what=f"{exposure.carrier} keeps: {' '.join(exposure.keeps)}{open_}", do=do)


def space(layout: Layout) -> Check:
    """Whether there is room on the disk: a full one stops the line before it loses anything."""
    free = shutil.disk_usage(layout.data).free
    ok = free >= SPACE
    do = "" if ok else "Make room: on a full disk texts are refused, and the carrier gives up after a while."
    return Check(name="disk", ok=ok, what=f"{free // 1024**2} MiB are free", do=do)


def overwrites() -> Check:
    """Whether SQLite overwrites here what is deleted, as the bridge asks it to for every database."""
    with sqlite3.connect(":memory:") as db:
        ok = db.execute("PRAGMA secure_delete = ON").fetchone()[0] == 1
    do = "" if ok else "This Python's SQLite ignores secure_delete; use another build."
    what = "SQLite overwrites what is deleted" if ok else "SQLite leaves deleted words in its file"
    return Check(name="secure_delete", ok=ok, what=what, do=do)


async def homeserver(config: Config) -> list[Check]:
    """Ask the homeserver's module what it is, and the homeserver whether it shows our identities as they are."""
    async with aiohttp.ClientSession() as session:
        token = secret(config.homeserver.as_token_file)
        wire = Wire(session=session, url=config.homeserver.url, token=token, user_id=config.policy_mxid)
        house, module = House(wire=wire), await _module(House(wire=wire))
        if (path := config.homeserver.admin_token_file) is not None:
            admin = Wire(session=session, url=config.homeserver.url, token=secret(path), user_id=config.policy_mxid)
            module = await _administrator(house, Administrator(wire=admin), module)
        return [module, await _identities(config, wire)]


async def _module(house: House) -> Check:
    name = "homeserver module"
    try:
        health = await house.health()
    except Missing:
        do = "Load deploy.synapse_module.Quietline in homeserver.yaml (its README says how), and start it again."
        return Check(name=name, ok=False, what="is not loaded: nothing is purged, nothing enforced", do=do)
    except (Away, Refused) as error:
        do = "Is the homeserver running, and homeserver.as_token_file the token of its registration?"
        return Check(name=name, ok=False, what=f"cannot be asked ({error.status})", do=do)
    if missing := ENFORCED - health.enforces:
        do = "Load the module that comes with this version, and start the homeserver again."
        return Check(name=name, ok=False, what=f"does not enforce: {', '.join(sorted(missing))}", do=do)
    if health.problems:
        do = "Change these settings of the homeserver."
        return Check(name=name, ok=False, what=" ".join(health.problems), do=do)
    return Check(name=name, ok=True, what=f"enforces {', '.join(sorted(health.enforces))}")


async def _administrator(house: House, administrator: House, module: Check) -> Check:
    """Tell which of the two is in force: the token only where the module is not, and never as well."""
    name = "homeserver administrator"
    if await standing_in(house, administrator) is house:
        do = "Take homeserver.admin_token_file out, and the administrator's rights away: nothing needs them."
        return Check(name=name, ok=False, what=f"the token is not used; the module {module.what}", do=do)
    try:
        health = await administrator.health()
    except (Away, Refused) as error:
        do = "Is it an administrator's token? Without it nothing is purged here."
        return Check(name=name, ok=False, what=f"the token is refused ({error.status})", do=do)
    do = "Load the module if this homeserver can; what is said here nobody else does."
    return Check(name=name, ok=True, what=f"is in force, the module is not loaded. {' '.join(health.problems)}", do=do)


async def _identities(config: Config, wire: Wire) -> Check:
    """Show the fingerprints that staff compare, and whether the homeserver shows the same."""
    name, vault = "identities", offline.vault(config)
    ours = {user: fingerprint(vault, user) for user in (config.policy_mxid, config.voice_mxid)}
    shown = ", ".join(f"{user} {key}" for user, key in ours.items())
    try:
        answer = await wire.request("POST", "keys", "query", body={"device_keys": {user: [] for user in ours}})
    except HomeserverError as error:
        do = "Is the homeserver running?"
        return Check(name=name, ok=False, what=f"{shown}; the homeserver cannot be asked ({error.status})", do=do)
    if wrong := [user for user, key in ours.items() if master_key_of(answer, user) != key]:
        do = "Somebody replaced them, or the bridge has not run yet. If it has: stop the line and look who did."
        return Check(name=name, ok=False, what=f"the homeserver shows other keys than ours for {', '.join(wrong)}", do=do)
    return Check(name=name, ok=True, what=shown, do="Staff compare these with what their clients show.")


def rows(config: Config, pack: Pack, layout: Layout) -> list[Check]:
    """Check what the line's database says."""
    try:
        with offline.reading(config) as db:
            found = list(doctor_database.checks(db, config, pack, begun=layout.provisioned))
        report = verify(config)
    except (sqlite3.Error, OSError):
        do = "Start the line once: ./quietline up"
        return [Check(name="database", ok=False, what="there is none that can be read", do=do)]
    bad = [check for check in report.checks if not check.ok]
    what = f"{len(report.checks)} checks of what was erased, {len(bad)} not well"
    erased = Check(name="erasure", ok=not bad, what=what, do="See `quietline erasure verify`." if bad else "")
    return [*found, erased]


def _rehearsal(config: Config) -> str:
    return "; this is a rehearsal, a real line would not do so" if config.line.rehearsal else ""
