"""Makes everything under a data directory that a line needs to run.

Rules of this module: after a kill at any point the same command continues; a file that a person may have edited is not
overwritten; no secret is in an argument or the environment; when it ends, no account with special rights exists.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import secrets as random
import shutil
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import yaml

from bridge.config.load import ConfigError, load, parse
from bridge.config.sections import Config, PhoneLine
from deploy.data_dir.atomic_files import (
    exclude_from_backups,
    file_problem,
    make_private_directory,
    rewrite_atomically,
    write_atomically,
)
from deploy.data_dir.handouts import Handout, complete, handout_file
from deploy.data_dir.layout import CHILDREN, HOST, REAL_LINE_CHILDREN, Layout, Ports
from deploy.data_dir.line_lock import change_lock
from deploy.data_dir.secret_files import STAFF, ConfigurationRefused, Secrets, SetupError, StaffAccount
from deploy.stack import homeserver_database, synapse_config
from deploy.stack.own_addresses import with_addresses
from deploy.stack.readiness import ReadinessProbe
from deploy.stack.supervisor import Child, ChildPaths, Supervisor, kill_stale_processes
from policies import read_text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

SLUG: Final = "main"
NUMBER: Final = "+15555550100"
POLL_SECONDS: Final = 0.1
MAX_DEATHS: Final = 3
REGISTER_TIMEOUT_SECONDS: Final = 120.0
"""How long one account may take, including restarts of the homeserver."""

ROOM_BYTES: Final = 8 * 1024 * 1024
"""Bytes for an empty homeserver's database and its log; with less free, a failed start is blamed on the disk."""
_START_FAILED: Final = "the homeserver does not start; this says why"

_CONFIG_HEADER: Final = """\
# The bridge's configuration, written by `quietline up` because there was none. It is yours to edit: `up` keeps it, and
# only makes its ports (homeserver.url, listen.port, listen.public_base_url, the rehearsal carrier's api_base) follow
# --port-base.
"""


def mxid(user: str, server_name: str = synapse_config.SERVER_NAME) -> str:
    """Return the user id of a localpart on the embedded homeserver."""
    return f"@{user}:{server_name}"


def children_of(layout: Layout) -> tuple[str, ...]:
    """Return the names of the children of a directory's line; without a line, those of the rehearsal to be made."""
    if not layout.has_config:
        return CHILDREN
    try:  # without its secrets: a lost one that can be made again is made by `write_line_files`
        return CHILDREN if parse(layout.config)[0].line.rehearsal else REAL_LINE_CHILDREN
    except ConfigError as error:
        raise ConfigurationRefused(error.problems) from None


def open_secrets(layout: Layout) -> Secrets:
    """Return access to the secrets of a data directory."""
    return Secrets(directory=layout.secrets)


def write_line_files(layout: Layout, ports: Ports, *, listen: str = HOST) -> Config:
    """Make missing directories, secrets and configuration, and update the ports.

    `listen`: the address on which the homeserver listens. Returns the configuration as the bridge will read it. Raises
    :class:`SetupError` with all its problems, :class:`ConfigurationRefused` where they are the file's.
    """
    secrets = open_secrets(layout)
    try:
        # Before anything is made: a rehearsal's secrets would become the first accounts of a real line.
        rehearsal = not layout.has_config or parse(layout.config)[0].line.rehearsal
        for directory in (layout.data, layout.run, layout.logs, layout.bridge):
            make_private_directory(directory)
        exclude_from_backups(layout.bridge)
        progress = {"provisioned": _is_provisioned(layout), "sealed": (layout.bridge / "keys.db").exists()}
        secrets.make(**progress, accounts=rehearsal)
        _write_config(layout, ports, secrets, listen)
        config = load(layout.config)
        _require_registrations(layout, config)
        site = synapse_config.Site.of(config)
        synapse_config.write(layout, ports, secrets, site, homeserver_database.url_of(config), listen=listen)
        exclude_from_backups(layout.homeserver)
        # The accounts exist: a hand-out that a person edited or overwrote stops no line; `doctor` names it.
        with contextlib.suppress(SetupError) if _is_provisioned(layout) else contextlib.nullcontext():
            complete(layout.handout, site.client_url(ports), _handout_users(layout, config))
        if config.line.rehearsal:
            write_atomically(
                layout.carrier, json.dumps(_carrier_settings(config.line, ports, layout, secrets), indent=2) + "\n"
            )
    except OSError as error:
        raise SetupError([file_problem(error, layout.data)]) from None
    except ConfigError as error:
        raise ConfigurationRefused(error.problems) from None
    return config


def _require_registrations(layout: Layout, config: Config) -> None:
    """Raise :class:`SetupError` when another line's registration cannot be read: the homeserver would not start."""
    problems = [
        f"{layout.config}: homeserver.other_lines.{number}.registration: {line.registration} cannot be read; "
        "copy it there, or take the line out"
        for number, line in enumerate(config.homeserver.other_lines)
        if not os.access(line.registration, os.R_OK)
    ]
    if problems:
        raise SetupError(problems)


async def make_accounts(layout: Layout, ports: Ports, progress: Callable[[str], None] = lambda _: None) -> None:
    """Start Synapse with a registration secret, make the accounts, and stop it: the first time only.

    Their passwords come from the hand-outs; in a rehearsal, from the secrets. Then the registration secret is deleted; no
    later start has one. Raises :class:`SetupError` when an account is refused, or the homeserver dies repeatedly.
    """
    secrets = open_secrets(layout)
    if not _is_provisioned(layout):
        progress("making the homeserver's database and the first accounts (once)")
        write_atomically(secrets.registration, random.token_urlsafe(48) + "\n")
        first = {"registration_shared_secret_path": str(secrets.registration)}
        # A slow hash protects passwords that can be guessed; passwords of a rehearsal are 256 random bits.
        quick = {"bcrypt_rounds": 4} if secrets.accounts.is_file() else {}
        write_atomically(layout.first_start, yaml.safe_dump(first | quick))
        async with run_homeserver(layout, ports, first=True) as supervisor:
            await _register_accounts(layout, ports, supervisor.deaths)
        layout.provisioned_file.touch(mode=0o600)
    # Also after an earlier run was killed between the lines above.
    for leftover in (layout.first_start, secrets.registration):
        leftover.unlink(missing_ok=True)


def first_accounts(layout: Layout) -> tuple[StaffAccount, ...]:
    """Read the first accounts: a rehearsal's from its secrets, a real line's from its hand-outs.

    Raises :class:`SetupError` when one of these files cannot be read.
    """
    secrets = open_secrets(layout)
    if secrets.accounts.is_file():  # a line that was once a rehearsal has this file as well
        return secrets.read_accounts()
    staff_handouts = [
        (staff.role, Handout.read(handout_file(layout.handout, staff.mxid))) for staff in load(layout.config).line.staff
    ]
    return tuple(StaffAccount(user=each.localpart, role=role, password=each.password) for role, each in staff_handouts)


@contextlib.asynccontextmanager
async def run_homeserver(layout: Layout, ports: Ports, *, first: bool = False) -> AsyncIterator[Supervisor]:
    """Run a provisioned homeserver alone during the block, healthy at its beginning and supervised as in `up`.

    Raises :class:`SetupError` when it dies repeatedly instead.
    """
    kill_stale_processes([layout.pid("homeserver")])
    supervisor = Supervisor(paths=child_paths(layout), on_child_start=lambda _name, _pid: None)
    supervisor.start([homeserver_child(layout, first=first)])
    try:
        async with ReadinessProbe() as probe:
            while not await probe.homeserver(ports.url("homeserver")):
                if supervisor.deaths["homeserver"] >= MAX_DEATHS:
                    raise SetupError([_start_failure(layout)])
                await asyncio.sleep(POLL_SECONDS)
        yield supervisor
    finally:
        await supervisor.stop(["homeserver"])


def homeserver_child(layout: Layout, *, first: bool = False) -> Child:
    """Describe the homeserver as a child of a supervisor."""
    return Child(name="homeserver", command=synapse_config.command(layout, first=first), stop_seconds=8.0)


def child_paths(layout: Layout) -> ChildPaths:
    """Return the paths of a data directory for the supervisor."""
    return ChildPaths(directory=layout.data, pid=layout.pid, log=layout.log)


def _start_failure(layout: Layout) -> str:
    """Name the log that has the reason; or name a full disk, on which no log can be written."""
    if shutil.disk_usage(layout.data).free < ROOM_BYTES:
        return f"{layout.data}: the homeserver does not start, and the disk is full; make room, and start again"
    return f"{layout.log('homeserver')}: {_START_FAILED}"


def _is_provisioned(layout: Layout) -> bool:
    has_database = (layout.homeserver / "homeserver.db").is_file() or layout.postgres_begun.is_file()
    return layout.provisioned_file.is_file() and has_database


async def _register_accounts(layout: Layout, ports: Ports, deaths: Mapping[str, int]) -> None:
    """Make the first accounts, none of them an administrator; continue over restarts of the homeserver."""
    secrets = open_secrets(layout)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        for account in first_accounts(layout):
            deadline = time.monotonic() + REGISTER_TIMEOUT_SECONDS
            while not await _register_account(session, ports.url("homeserver"), secrets, account):
                if deaths["homeserver"] >= MAX_DEATHS or time.monotonic() > deadline:
                    raise SetupError([_start_failure(layout)])
                await asyncio.sleep(POLL_SECONDS)


async def _register_account(session: aiohttp.ClientSession, url: str, secrets: Secrets, account: StaffAccount) -> bool:
    """Make an account (Synapse's admin API, `/_synapse/admin/v1/register`); return False without an answer.

    Raises :class:`SetupError` when the homeserver refuses.
    """
    key = secrets.read(secrets.registration).encode()
    endpoint = f"{url}/_synapse/admin/v1/register"
    try:
        async with session.get(endpoint) as response:
            nonce = str((await response.json())["nonce"])
        signed = f"{nonce}\0{account.user}\0{account.password}\0notadmin"
        body = {
            "nonce": nonce,
            "username": account.user,
            "password": account.password,
            "admin": False,
            "inhibit_login": True,  # "nobody is logged in" (design.md, "Contracts with the outside")
            "mac": hmac.new(key, signed.encode(), hashlib.sha1).hexdigest(),
        }
        async with session.post(endpoint, json=body) as response:
            answer: Any = await response.json()
    except (aiohttp.ClientError, TimeoutError):
        return False
    # In use: an earlier attempt was interrupted after it made the account, with the same password file.
    if response.status != HTTPStatus.OK and answer.get("errcode") != "M_USER_IN_USE":
        raise SetupError([f"{secrets.directory}: the homeserver refuses to make an account ({response.status})"])
    return True


def _bridge_settings(layout: Layout, ports: Ports, secrets: Secrets) -> dict[str, Any]:
    """Make the bridge's configuration; the model is :class:`bridge.config.sections.Config`."""
    return {
        "data_dir": str(layout.bridge),
        "homeserver": {
            "url": ports.url("homeserver"),
            "server_name": synapse_config.SERVER_NAME,
            "as_token_file": str(secrets.as_token),
        },
        "listen": {"host": HOST, "port": ports.bridge, "public_base_url": ports.url("bridge")},
        "keys": {
            "vault_key_file": str(secrets.vault_key),
            "index_key_file": str(secrets.index_key),
            "suppression_key_file": str(secrets.suppression_key),
        },
        "lines": [
            {
                "slug": SLUG,
                "number": NUMBER,
                "rehearsal": True,
                "packs": ["base", "rehearsal"],
                "carrier": {
                    "kind": "rehearsal",
                    "api_base": ports.url("carrier"),
                    "token_file": str(secrets.carrier_token),
                    "signing_key_file": str(secrets.carrier_signing_key),
                },
                "staff": [{"mxid": mxid(user), "role": role} for user, role in STAFF],
            }
        ],
    }


def _carrier_settings(line: PhoneLine, ports: Ports, layout: Layout, secrets: Secrets) -> dict[str, Any]:
    return {
        "host": HOST,
        "port": ports.carrier,
        "number": line.number,
        "token_file": str(secrets.carrier_token),
        "signing_key_file": str(secrets.carrier_signing_key),
        "webhook_base": f"{ports.url('bridge')}/carriers/{line.slug}",
        "store": str(layout.carrier_store),
        "store_key_file": str(secrets.carrier_store_key),
    }


def _handout_users(layout: Layout, config: Config) -> list[str]:
    """Return who has a hand-out: before the first start all of a real line's staff, afterwards those whose file exists."""
    people = [staff.mxid for staff in config.line.staff]
    if not _is_provisioned(layout) and not open_secrets(layout).accounts.is_file():
        return people
    return [mxid for mxid in people if handout_file(layout.handout, mxid).is_file()]


def _write_config(layout: Layout, ports: Ports, secrets: Secrets, listen: str) -> None:
    """Write `config.yaml` when there is none; otherwise update its ports and leave every other character as it is."""
    if not layout.has_config:
        text = yaml.safe_dump(_bridge_settings(layout, ports, secrets), sort_keys=False)
        write_atomically(layout.config, _CONFIG_HEADER + text)
        return
    with change_lock(layout.config):
        try:
            text = read_text(layout.config, newline="")  # keep line ends
            updated = with_addresses(text, ports, listen=listen)
        except (yaml.YAMLError, ValueError, RecursionError):
            return  # reading the configuration reports it, as the bridge does
        if updated != text:
            rewrite_atomically(layout.config, updated)
