"""Whether the homeserver has our module: without it nothing is purged and nothing is enforced, and all looks well.

Rules of this module: a line on a homeserver that lost its module, or never had it, goes on taking texts, and says so: in
the log at each look, at the desk and to the person on call once a day while it lasts. An administrator's token that stands
in for the module (`admin_api`) says itself what it cannot do, and is no fault here.
"""

from __future__ import annotations

from typing import Final

from bot.model.actions import DESK
from bot.model.line_incidents import LineChecked
from bridge.background.loop import BackgroundLoop
from bridge.matrix.api.module_api import ModuleClient, ModuleNotLoaded
from bridge.runtime import log
from bridge.services import Services
from bridge.storage.database import Transaction
from bridge.tables import inbox, line_state

LOOK_SECONDS: Final = 3600.0
TELL_SECONDS: Final = 86_400.0
ROW: Final = "homeserver module"
"""The doctor's row, which says what to do."""


class ModuleCheck:
    """Asks the homeserver at the start and every hour. `loop.run` until cancelled."""

    def __init__(self, services: Services, *, module_client: ModuleClient) -> None:
        self._services, self._module_client = services, module_client
        self.loop = BackgroundLoop("module_check", self.run_once, max_sleep=LOOK_SECONDS)

    async def run_once(self) -> float:
        """Look once; return the seconds until the next look."""
        try:
            await self._module_client.health()
        except ModuleNotLoaded:
            log.event("module.not_loaded")
            await self._tell()
        else:
            if await line_state.get(self._services.database, line_state.MODULE_MISSING) is not None:
                await self._services.database.commit(
                    lambda transaction: line_state.delete(transaction, line_state.MODULE_MISSING)
                )
        return LOOK_SECONDS

    async def _tell(self) -> None:
        services, now = self._services, self._services.clock.now()
        row = await inbox.seal(services.vault, DESK, LineChecked(rows=(ROW,)))

        async def commit(transaction: Transaction) -> bool:
            told = await line_state.get_time(transaction, line_state.MODULE_MISSING)
            if 0 <= now - told < TELL_SECONDS:
                return False
            await line_state.put(transaction, line_state.MODULE_MISSING, str(now))
            await inbox.append(transaction, row)
            return True

        if await services.database.commit(commit):
            services.wake.engine(DESK)
