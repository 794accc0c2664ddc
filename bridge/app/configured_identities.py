"""Identities that the configuration names (`lines[].staff[].identity`): confirmed when they are seen.

Rules of this module: it does what `quietline trust` does, with the same code, audit entry and notice at the desk. It does
so only for a person without a confirmed identity, so that a file never reverts what a supervisor has said since.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bot.model.audit_kinds import AuditKind
from bridge.background.loop import BackgroundLoop
from bridge.config.sections import Staff
from bridge.engine.startup_notices import LINE_SUBJECT
from bridge.matrix.room_keys.confirmed_identities import NotThatFingerprint, confirm_fingerprint
from bridge.matrix.room_keys.device_lists import DeviceLists
from bridge.runtime import log
from bridge.services import Services
from bridge.storage.database import Transaction
from bridge.tables.audit_log import AuditLog

LOOK_SECONDS: Final = 5.0


class ConfiguredIdentities:
    """Looks for identities of the configuration among those that were seen. `loop.run` until cancelled."""

    def __init__(self, services: Services, *, staff: Sequence[Staff], devices: DeviceLists) -> None:
        self._database, self._clock, self._devices = services.database, services.clock, devices
        self._fingerprints = {member.mxid: member.identity for member in staff if member.identity}
        self._audit = AuditLog(vault=services.vault)
        self.loop = BackgroundLoop("configured_identities", self.run_once, max_sleep=LOOK_SECONDS)

    async def run_once(self) -> float:
        """Confirm each configured identity that was seen; return the seconds until the next check."""
        for identity in await self._devices.unconfirmed_identities():
            fingerprint = self._fingerprints.get(identity.user_id)
            if identity.first and fingerprint is not None:
                await self._confirm(identity.user_id, fingerprint)
        return LOOK_SECONDS

    async def _confirm(self, user_id: str, fingerprint: str) -> None:
        async def commit(transaction: Transaction) -> None:
            await confirm_fingerprint(transaction, user_id, fingerprint)
            await self._audit.record(transaction, LINE_SUBJECT, [AuditKind.TRUST], now=self._clock.now())

        try:
            await self._database.commit(commit)
        except NotThatFingerprint:
            return
        log.event("identities.configured_one_confirmed")
