"""Probes of the running homeserver, wherever it is: version, token, module, settings, identities, staff.

Rules of this module: the settings are those of the running process, as the module reports them; people are counted, and
named only when a hand-out's file names them already. Each question is a separate probe, so that a frozen module does not
delay the answers of the client API.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from bridge.matrix.api import module_api
from bridge.matrix.api.admin_api import AdminClient
from bridge.matrix.api.http_client import HomeserverClient, HomeserverError, TokenRefused
from bridge.matrix.api.json_fields import object_at
from bridge.matrix.api.module_api import (
    HomeserverUnreachable,
    ModuleClient,
    ModuleHealth,
    ModuleNotLoaded,
    ModuleRequestRejected,
)
from bridge.matrix.rooms.room_state import peek_desk_members
from bridge.runtime.settings import read_secret
from bridge.storage.errors import DatabaseError
from deploy.data_dir import handouts, offline
from deploy.data_dir.secret_files import SetupError
from deploy.doctor.machine_probes import is_embedded
from deploy.doctor.probes import LIMIT_SECONDS, NoAnswer, Probe, in_thread
from deploy.inspect import shared_checks
from deploy.inspect.check_report import CheckResult, fault, unasked, warning, well

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.config.sections import Config
    from deploy.data_dir.layout import Layout

EMBEDDED: Final = "Start the line, or see logs/homeserver.log: `./quietline up` starts it again when it ends."
JOINED: Final = "Is homeserver.url right, does it run, and does the proxy before it let /_matrix/ through?"
DATABASE: Final = "Is PostgreSQL well? Its own log says so; the homeserver answers nothing without it."
NEEDS_MODULE: Final = "Only the module tells it: load quietline_synapse.Quietline (its README says how)."
MAX_SKEW_SECONDS: Final = 60.0
"""The largest permitted difference, in seconds, between the homeserver's clock and this machine's."""
HELD_SECONDS: Final = 300.0
"""The age from which words are held, when there is no pack (`late_after_seconds`): the base pack's value."""
CLIENT_SETTINGS: Final = "Settings, Account, in Element"
NO_ACCOUNTS: Final = "QUIETLINE_NO_ACCOUNTS"
"""The refusal of a homeserver that this line does not run: there the module compares no passwords."""
NOT_STAFF: Final = "QUIETLINE_NOT_STAFF"
"""The refusal of an account that has ended or never was, or is no ordinary person's."""


class HomeserverQuestions:
    """The probes of one homeserver.

    `http`: a session of the report; `seconds`: the limit of each probe; `held_after`: the age in seconds from which words
    are held.
    """

    def __init__(
        self,
        layout: Layout,
        config: Config,
        http: aiohttp.ClientSession,
        *,
        seconds: float = LIMIT_SECONDS,
        held_after: float = HELD_SECONDS,
    ) -> None:
        self._held_after = held_after
        self._wait_ms = int(seconds * 500)
        self._layout, self._config, self._http = layout, config, http
        # Before its first start a line has hand-outs, but no directory of its homeserver.
        self._do = (
            EMBEDDED
            if is_embedded(layout, config) or (layout.handout.is_dir() and not config.homeserver.joined)
            else JOINED
        )

    def probes(self) -> list[Probe]:
        """Return all probes."""
        do = self._do
        return [
            Probe(names=("homeserver",), ask=self.ask_homeserver, do=do),
            Probe(names=("homeserver module", "homeserver limits", "homeserver settings"), ask=self.ask_module, do=do),
            Probe(names=("homeserver database",), ask=self.ask_database, do=DATABASE),
            Probe(names=("identities",), ask=self.ask_identities, do=do),
            Probe(names=("identities",), ask=self.ask_line_devices, do=do),
            Probe(names=("staff devices",), ask=self.ask_staff_devices, do=do),
            # The homeserver's password hash is slow on purpose, so no answer in time is no fault of the line.
            Probe(names=("staff devices",), ask=self.ask_pushers, do=do, may_be_silent=True),
            Probe(names=("first passwords",), ask=self.ask_first_passwords, do=do, may_be_silent=True),
        ]

    async def ask_homeserver(self) -> Sequence[CheckResult]:
        """Check that a homeserver answers, whose token ours is, its clock, and its version if it is given."""
        name, url = "homeserver", self._config.homeserver.url
        do = self._do
        try:
            async with self._http.get(f"{url}/_matrix/client/versions", allow_redirects=False) as answer:
                content: Any = await answer.json(content_type=None)
                server = answer.headers.get("Server", "")
        except (aiohttp.ClientError, OSError):
            return [fault(name, f"does not answer at {url}", do)]
        except ValueError:
            content, server = None, ""
        if not isinstance(content, dict) or not isinstance(content.get("versions"), list):
            return [fault(name, f"what answers at {url} is no homeserver", JOINED)]
        client = self._client()
        rows = [await self._ask_token(client), judge_clock(client.server_time, time.time(), self._held_after)]
        return [*rows, *([judge_version(server)] if server.startswith("Synapse/") else [])]

    async def _ask_token(self, client: HomeserverClient) -> CheckResult:
        name, url = "homeserver", self._config.homeserver.url
        do = (
            "Write the registration's as_token into homeserver.as_token_file, and restart the homeserver with the "
            "registration in app_service_config_files."
        )
        try:
            who = (await client.request("GET", "account", "whoami")).get("user_id")
        except TokenRefused:
            return fault(name, "does not know the token of the bridge", do)
        except HomeserverError as error:
            return fault(name, f"answers at {url}, and not to the bridge ({error.status} {error.errcode})", do)
        if who != self._config.policy_mxid:
            return fault(name, "takes the bridge's token for another account's", do)
        return well(name, f"answers at {url}, and knows {who}")

    async def ask_database(self) -> Sequence[CheckResult]:
        """Check the PostgreSQL of the line's own homeserver, if it has one."""
        return [await shared_checks.check_homeserver_database(self._config, self._layout, running=True)]

    async def ask_module(self) -> Sequence[CheckResult]:
        """Ask the module which rules it enforces, and which settings and limits apply."""
        module = ModuleClient(client=self._client())
        rows = [await shared_checks.check_module(module)]
        health: ModuleHealth | None = None
        try:
            health = await module.health()
        except ModuleNotLoaded:
            administrator = await self._ask_administrator()
            if any(row.ok for row in administrator):
                rows = []
            rows += administrator
        except (HomeserverUnreachable, ModuleRequestRejected):
            pass
        if health is not None and self._config.homeserver.admin_token_file is not None:
            do = "Take homeserver.admin_token_file out, and the administrator's rights away: nothing needs them."
            rows.append(fault("homeserver module", "the administrator's token is not used: the module is loaded", do))
        rows += [] if health is None or not health.synapse else [judge_version(health.synapse)]
        return [*rows, judge_limits(health), judge_settings(health)]

    async def _ask_administrator(self) -> list[CheckResult]:
        """Check whether an administrator's token replaces a module that is not loaded."""
        name, file = "homeserver module", self._config.homeserver.admin_token_file
        if file is None:
            return []
        try:
            health = await AdminClient(client=self._client(read_secret(file))).health()
        except (HomeserverUnreachable, ModuleRequestRejected) as error:
            do = "Is it an administrator's token? Without it nothing is purged here."
            return [fault(name, f"the administrator's token is refused ({error.status})", do)]
        do = "Load the module if this homeserver can; what is said here nobody else does."
        return [warning(name, f"is not loaded: an administrator's token stands in for it. {' '.join(health.problems)}", do)]

    async def ask_identities(self) -> Sequence[CheckResult]:
        """Check the keys of our identities as others see them."""
        return [await shared_checks.check_identities(self._config, self._client())]

    async def ask_line_devices(self) -> Sequence[CheckResult]:
        """Check the devices of our identities."""
        clients = (
            (shared_checks.MAIN_FILE, self._client()),
            (shared_checks.PUPPET_FILE, self._client(user=self._config.puppet_mxid)),
        )
        return [await shared_checks.check_line_devices(self._config, clients, wait_ms=self._wait_ms)]

    async def ask_staff_devices(self) -> Sequence[CheckResult]:
        """Check which people of the staff have a device."""
        name, staff = "staff devices", await self._staff()
        body: dict[str, Any] = {"device_keys": {user: [] for user in sorted(staff)}}
        try:
            answer = await self._client().request("POST", "keys", "query", body=body)
        except HomeserverError as error:
            raise NoAnswer(f"cannot be asked for ({error.status})") from None
        devices = object_at(answer, "device_keys")
        without = sum(not object_at(devices, user) for user in staff)
        if staff and not without:
            return [well(name, f"all {len(staff)} of the staff are signed in somewhere")]
        what = f"{without} of {len(staff)} staff are signed in nowhere: nothing reaches them"
        do = (
            "They sign in (a hand-out says how, `quietline staff reset` makes another password), or are taken off: "
            "`quietline staff list`, `staff remove`."
        )
        if self._config.line.rehearsal:
            return [well(name, f"{what}; a rehearsal may be empty", do)]
        return [fault(name, what, do)]

    async def ask_pushers(self) -> Sequence[CheckResult]:
        """Check which people at the desk have a pusher, for a locked phone. Desktop clients have none: a warning."""
        name, module = "staff devices", await self._module()
        at_desk = sorted(await self._staff(joined=True))
        try:
            counts = await asyncio.gather(*(module.count_devices(user) for user in at_desk))
        except ModuleNotLoaded:
            return [unasked(name, "nobody can say", NEEDS_MODULE)]
        except (HomeserverUnreachable, ModuleRequestRejected) as error:
            raise NoAnswer(f"cannot be asked for ({error.status} {error.errcode})") from None
        without = sum(not count.pushers for count in counts)
        if not at_desk:
            return [well(name, "nobody is at the desk: see the row `desk`")]
        if not without:
            return [well(name, f"all {len(at_desk)} at the desk have a pusher")]
        what = f"{without} of {len(at_desk)} at the desk have no pusher: no locked phone of theirs rings"
        do = (
            "They turn notifications on in the app of their phone, lock it, and have somebody text the line; who has only "
            "a desktop client keeps it open while on duty."
        )
        return [CheckResult(name=name, ok=True, what=what, do=do, warning=not self._config.line.rehearsal)]

    async def ask_first_passwords(self) -> Sequence[CheckResult]:
        """Check who still has the password of their hand-out. The check signs nobody in."""
        name, module = "first passwords", ModuleClient(client=self._client())
        readable, unreadable = await in_thread(lambda: _read_handouts(self._layout))
        if unreadable:
            do = f"Look at {self._layout.handout}: a hand-out has three lines, homeserver, user and password."
            return [fault(name, f"{', '.join(unreadable)} cannot be read as hand-outs", do)]
        try:
            same = await asyncio.gather(*(_is_first(module, handout) for handout in readable))
        except ModuleNotLoaded:
            return [unasked(name, "nobody can say", NEEDS_MODULE)]
        except (HomeserverUnreachable, ModuleRequestRejected) as error:
            if error.errcode != NO_ACCOUNTS:
                raise NoAnswer(f"cannot be asked for ({error.status} {error.errcode})") from None
            what = (
                f"this homeserver does not say whether that of a hand-out still works; there are {len(readable)} hand-outs"
            )
            do = (
                f"Delete each file in {self._layout.handout} when its person has signed in and changed the password "
                f"({CLIENT_SETTINGS})."
            )
            return [unasked(name, what, do)]
        unchanged = [handout.user for handout, first in zip(readable, same, strict=True) if first]
        if unchanged:
            what = f"still that of the hand-out: {', '.join(unchanged)}"
            do = f"Each changes it in their client ({CLIENT_SETTINGS}); then delete their file in {self._layout.handout}."
            return [warning(name, what, do)]
        if readable:
            what = f"nobody has that of a hand-out any more; {len(readable)} hand-outs are of no use"
            return [well(name, what, f"Delete the files in {self._layout.handout}.")]
        return [well(name, "there is no hand-out")]

    async def _staff(self, *, joined: bool = False) -> set[str]:
        """Return people in the configuration, at the desk or invited to it; with `joined` only members of the desk."""

        def read() -> dict[str, tuple[str, int]]:
            try:
                with offline.read_transaction(self._config, busy_ms=self._wait_ms) as db:
                    return peek_desk_members(db)
            except DatabaseError:
                raise NoAnswer("cannot be judged: the database that says who is at the desk cannot be read") from None

        desk = await in_thread(read)
        named = set() if joined else {member.mxid for member in self._config.line.staff}
        there = {user for user, (where, _) in desk.items() if where == "join" or not joined}
        return (named | there) - {self._config.policy_mxid, self._config.puppet_mxid}

    async def _module(self) -> ModuleClient:
        """Return the module's client, or the administrator's when a token replaces the module."""
        module, file = ModuleClient(client=self._client()), self._config.homeserver.admin_token_file
        if file is None:
            return module
        try:
            await module.health()
        except ModuleNotLoaded:
            return AdminClient(client=self._client(read_secret(file)))
        except (HomeserverUnreachable, ModuleRequestRejected):
            pass
        return module

    def _client(self, token: str = "", *, user: str = "") -> HomeserverClient:
        """Return a client as one of our identities: the policy bot, unless `user` is given."""
        return HomeserverClient(
            session=self._http,
            url=self._config.homeserver.url,
            token=token or read_secret(self._config.homeserver.as_token_file),
            user_id=user or self._config.policy_mxid,
        )


def judge_clock(server_time: float | None, now: float, held_after: float) -> CheckResult:
    """Compare the homeserver's clock with this machine's, both in seconds since the epoch."""
    name = "clock"
    if server_time is None:
        do = "Does a proxy before it take the header Date away? Compare `date` on both machines."
        return unasked(name, "the homeserver does not tell its time", do)
    ahead = server_time - now
    if abs(ahead) <= (allowed := min(MAX_SKEW_SECONDS, held_after)):
        return well(name, f"is the homeserver's, within {allowed:.0f} seconds")
    what = f"the homeserver's is {abs(ahead):.0f} seconds {'ahead of' if ahead > 0 else 'behind'} this machine's"
    do = (
        "Have both machines' clocks synchronised (NTP: `timedatectl set-ntp true` on each): what colleagues write is "
        "stamped by the homeserver's, and held and asked about when it seems to be old, or erased later than is said."
    )
    return CheckResult(name=name, ok=abs(ahead) <= held_after, what=what, do=do, warning=abs(ahead) <= held_after)


def judge_version(text: str) -> CheckResult:
    """Judge a Synapse by its version, such as `1.163.2` or `Synapse/1.163.2`."""
    name, version = "homeserver version", module_api.parse_version(text)
    oldest, tested = map(module_api.dotted_version, (module_api.OLDEST_SYNAPSE, module_api.NEWEST_TESTED_SYNAPSE))
    if version is None:
        return unasked(name, "is not told", f"Ask its administrator: Synapse {oldest} or newer is needed.")
    shown = text.removeprefix("Synapse/").partition(" ")[0]
    if version < module_api.OLDEST_SYNAPSE:
        do = f"Update Synapse to {oldest} or newer; {tested} is what this was made for (deploy/synapse_module/README.md)."
        return fault(name, f"Synapse {shown} is too old: the line does not work on it", do)
    if version > module_api.NEWEST_TESTED_SYNAPSE:
        do = "Ask `quietline doctor` beside a copy of it first, and read deploy/synapse_module/README.md on versions."
        return warning(name, f"Synapse {shown} is newer than what was tried ({tested})", do)
    return well(name, f"is Synapse {shown}")


def judge_limits(health: ModuleHealth | None) -> CheckResult:
    """Judge the rate limits that the module reports."""
    name = "homeserver limits"
    if health is None or health.limits is None:
        return unasked(name, "nobody can say", NEEDS_MODULE)
    if health.limits:
        do = (
            "Set `rate_limited: false` in the bridge's registration.yaml, and in homeserver.yaml the limit that is named "
            "(rc_message: per_second 5 or more); then restart the homeserver."
        )
        return fault(name, "; ".join(health.limits), do)
    return well(name, "none holds up the bridge, or a person who types quickly")


def judge_settings(health: ModuleHealth | None) -> CheckResult:
    """Judge the present settings: where the homeserver is the agency's its owner decides, so these are warnings."""
    name = "homeserver settings"
    if health is None or health.settings is None:
        return unasked(name, "nobody can say", NEEDS_MODULE)
    if health.settings:
        do = "Change them in homeserver.yaml where this homeserver's other users allow it."
        return warning(name, "; ".join(health.settings), do)
    return well(name, "closed to strangers, and neither log nor push names anybody")


def _read_handouts(layout: Layout) -> tuple[list[handouts.Handout], list[str]]:
    readable, unreadable = [], []
    for path in sorted(layout.handout.glob("*.txt")) if layout.handout.is_dir() else ():
        try:
            readable.append(handouts.Handout.read(path))
        except SetupError:
            unreadable.append(path.name)
    return readable, unreadable


async def _is_first(module: ModuleClient, handout: handouts.Handout) -> bool:
    """Whether a hand-out's password works; False for an account that has ended, or never was. Raises as the module does."""
    try:
        return await module.is_password(handout.user, handout.password)
    except ModuleRequestRejected as error:
        if error.errcode != NOT_STAFF:
            raise
        return False
