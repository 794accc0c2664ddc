"""Puts the bridge's side of the canary together; without a `canary` section it makes nothing.

Rule of this module: it is wiring only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from bridge.carriers.adapter import InboundText, SendOutcome
from bridge.config.sections import Canary, Config
from bridge.inbound.canary_route import CanaryExchange, CanaryRoute, CanaryWatch
from bridge.runtime.canary_keys import CanaryKeys
from bridge.runtime.phone_number import Phone
from bridge.runtime.settings import read_secret
from bridge.services import Services


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
