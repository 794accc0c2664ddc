"""The bridge's side of the canary; without a `canary` section it makes nothing.

Rules of this module: only an account that we made gets another password; an account that existed before is left as it is.
The identity is not taken from the homeserver: it derives from the secret that we share with the canary, so no other
identity is ever confirmed here. A failure is logged and stops nothing: the canary's own round trip reports it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from bridge.background.loop import BackgroundLoop
from bridge.carriers.adapter import InboundText, SendOutcome
from bridge.config.sections import Canary, Config
from bridge.inbound.canary_route import CanaryExchange, CanaryRoute, CanaryWatch
from bridge.matrix.api.module_api import HomeserverUnreachable, ModuleClient, ModuleNotLoaded, ModuleRequestRejected
from bridge.matrix.service import MatrixService
from bridge.runtime import log
from bridge.runtime.canary_keys import CanaryKeys
from bridge.runtime.phone_number import Phone
from bridge.runtime.settings import read_secret
from bridge.services import Services
from bridge.storage.database import Transaction
from bridge.tables import line_state

IN_USE: Final = "M_USER_IN_USE"
RETRY_SECONDS: Final = 2.0
REFUSED_RETRY_SECONDS: Final = 600.0
DONE_SECONDS: Final = 86_400.0


class CanaryAccount:
    """Prepares the account and identity of one canary. `loop.run` until cancelled."""

    def __init__(
        self, services: Services, *, secret: str, user_id: str, matrix: MatrixService, module_client: ModuleClient
    ) -> None:
        self._database, self._vault = services.database, services.vault
        self._keys, self._user_id = CanaryKeys.derive(secret), user_id
        self._matrix, self._module_client = matrix, module_client
        self.loop = BackgroundLoop("canary_account", self.run_once, max_sleep=DONE_SECONDS)

    async def run_once(self) -> float:
        """Confirm the identity and make sure that the account exists; return the seconds until the next check."""
        await self._database.commit(
            lambda transaction: self._matrix.devices.confirm(transaction, self._user_id, self._keys.master_public)
        )
        digest = self._vault.keyed_hash("canary account", f"{self._user_id} {self._keys.password}").hex()
        stored_digest = await line_state.get(self._database, line_state.CANARY_ACCOUNT)
        try:
            await self._ensure(is_ours=stored_digest is not None, is_current=stored_digest == digest)
        except HomeserverUnreachable:
            return RETRY_SECONDS
        except (ModuleNotLoaded, ModuleRequestRejected) as error:
            log.event("canary.account_refused", error=type(error).__name__)
            return REFUSED_RETRY_SECONDS
        if stored_digest != digest:
            await self._database.commit(lambda transaction: line_state.put(transaction, line_state.CANARY_ACCOUNT, digest))
        return DONE_SECONDS

    async def _ensure(self, *, is_ours: bool, is_current: bool) -> None:
        """Make the account, also again: the homeserver's database may have been put back to a day before it was made.

        `is_ours`: we made it before. `is_current`: with this password; if not, the secret was changed since.
        """
        try:
            await self._module_client.make_account(self._user_id, self._keys.password)
        except ModuleRequestRejected as error:
            if error.errcode != IN_USE or not is_ours:
                raise
            if not is_current:
                await self._module_client.set_password(self._user_id, self._keys.password)


async def forget(services: Services) -> None:
    """Delete the state of a canary that the configuration does not name any more."""
    if await line_state.get(services.database, line_state.CANARY_OK) is not None:
        await services.database.commit(_forget)


async def _forget(transaction: Transaction) -> None:
    await line_state.delete(transaction, line_state.CANARY_OK)
    await line_state.delete(transaction, line_state.CANARY_STEP)


class CanaryParts:
    """The canary's route, its handset where the carrier has none for it, and the watch that reports its silence."""

    def __init__(self, services: Services, *, config: Config, canary: Canary) -> None:
        self._services, self._config, self._secret_file = services, config, canary.secret_file
        self._exchange = None if canary.handset else CanaryExchange()
        self.watch = CanaryWatch(services, silence=canary.silence)

    @property
    def send(self) -> Callable[[Phone, str], Awaitable[SendOutcome]] | None:
        """Return the function that delivers a text to the canary's phone; None where the carrier delivers it."""
        return None if self._exchange is None else self._exchange.send

    def routes(self, accept: Callable[[InboundText, str], Awaitable[None]]) -> list[web.RouteDef]:
        """Return the route. `accept` is called with a text of the canary's account."""

        async def accept_text(text: InboundText) -> None:
            await accept(text, self._config.canary_mxid)

        route = CanaryRoute(
            token=CanaryKeys.derive(read_secret(self._secret_file)).route,
            line=self._config.line.slug,
            database=self._services.database,
            exchange=self._exchange,
            accept_text=accept_text,
            report=self.watch.report,
        )
        return route.routes()
