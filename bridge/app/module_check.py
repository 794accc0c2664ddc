"""Checks whether the homeserver has our module, and whether the module can do all its tasks.

Rules of this module: on a homeserver without the module the line still accepts texts. It reports the fault, because then
nothing is purged and no rule enforced: in the log at each check, at the desk and to the person on call once a day. When a
loaded module reports that it cannot do something, the log has it at each check, and the desk is told once, until the report
changes: often the cause is a setting that stays, so nobody is called. An administrator's token in place of the module
(`admin_api`) reports its own limits, and is no fault here.
"""

from __future__ import annotations

import json
from typing import Final

from bot.model.actions import DESK
from bot.model.line_incidents import HomeserverIncident, HomeserverIncidentKind, LineChecked
from bridge.background.loop import BackgroundLoop
from bridge.matrix.api.admin_api import AdminClient
from bridge.matrix.api.module_api import ENFORCED, ModuleClient, ModuleHealth, ModuleNotLoaded
from bridge.runtime import log
from bridge.services import Services
from bridge.storage.database import Transaction
from bridge.tables import inbox, line_state

LOOK_SECONDS: Final = 3600.0
AGAIN_SECONDS: Final = 60.0
"""Seconds until a new problem is checked again, before the desk is told: a worker of Synapse may just be starting."""
TELL_SECONDS: Final = 86_400.0
ROW: Final = "homeserver module"
"""The doctor's row that says what to do."""


class ModuleCheck:
    """Asks the homeserver at the start and every hour. `loop.run` until cancelled."""

    def __init__(self, services: Services, *, module_client: ModuleClient) -> None:
        self._services, self._module_client = services, module_client
        self._last = frozenset[str]()
        self.loop = BackgroundLoop("module_check", self.run_once, max_sleep=LOOK_SECONDS)

    async def run_once(self) -> float:
        """Check once; return the seconds until the next check."""
        try:
            health = await self._module_client.health()
        except ModuleNotLoaded:
            log.event("module.not_loaded")
            await self._notify_module_missing()
        else:
            if await line_state.get(self._services.database, line_state.MODULE_MISSING) is not None:
                await self._services.database.commit(
                    lambda transaction: line_state.delete(transaction, line_state.MODULE_MISSING)
                )
            return await self._compare(frozenset() if isinstance(self._module_client, AdminClient) else _problems(health))
        return LOOK_SECONDS

    async def _notify_module_missing(self) -> None:
        services, now = self._services, self._services.clock.now()
        row = await inbox.seal(services.vault, DESK, LineChecked(rows=(ROW,)))

        async def commit(transaction: Transaction) -> bool:
            last_notice_at = await line_state.get_time(transaction, line_state.MODULE_MISSING)
            if 0 <= now - last_notice_at < TELL_SECONDS:
                return False
            await line_state.put(transaction, line_state.MODULE_MISSING, str(now))
            await inbox.append(transaction, row)
            return True

        if await services.database.commit(commit):
            services.wake.engine(DESK)

    async def _compare(self, problems: frozenset[str]) -> float:
        """Store the module's problems, tell the desk the new ones; return the seconds until the next check."""
        services = self._services
        if problems:
            log.event("module.problems_found", count=len(problems))
        before = _read_problems(await line_state.get(services.database, line_state.MODULE_PROBLEMS))
        last, self._last = self._last, problems
        if problems == before:
            return LOOK_SECONDS
        if not problems - before <= last:
            return AGAIN_SECONDS
        row = await inbox.seal(services.vault, DESK, HomeserverIncident(kind=HomeserverIncidentKind.MODULE))

        async def commit(transaction: Transaction) -> None:
            if problems:
                await line_state.put(transaction, line_state.MODULE_PROBLEMS, json.dumps(sorted(problems)))
            else:
                await line_state.delete(transaction, line_state.MODULE_PROBLEMS)
            if problems - before:
                await inbox.append(transaction, row)

        await services.database.commit(commit)
        services.wake.engine(DESK)
        return LOOK_SECONDS


def _problems(health: ModuleHealth) -> frozenset[str]:
    return frozenset((*health.problems, *(f"not enforced: {name}" for name in ENFORCED - health.enforces)))


def _read_problems(value: str | None) -> frozenset[str]:
    """Read which problems the desk knows."""
    return frozenset(json.loads(value or "[]"))
