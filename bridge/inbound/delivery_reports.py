"""Stores what a carrier reports on a text of ours.

Rules of this module: a report that comes before its text's result is kept until then, and a repeated one counts once. A
report that a text was sent counts only while the text's result is unknown. Where the carrier chooses the ids, a text
without an answer has none that we know: its report is recognised by the reference (`Carrier.send`), and gives the text its
id.
"""

from __future__ import annotations

from typing import Final

from bot.model.events import Outcome, TextOutcome
from bridge.carriers.adapter import Carrier, DeliveryReport
from bridge.erasure.carrier_copies import CarrierCopies, id_digest
from bridge.services import Services
from bridge.storage.database import Transaction
from bridge.storage.vault import CannotOpen
from bridge.tables import carrier_copies, inbox, sent_texts
from bridge.tables.sent_texts import ID_RETENTION, SentTextRow

OUTCOME_OF_STATUS: Final = {
    "sent": Outcome.ACCEPTED,
    "delivered": Outcome.DELIVERED,
    "failed": Outcome.FAILED,
    "opted_out": Outcome.OPTED_OUT,
}


class DeliveryReports:
    """Stores reports, from webhooks and from requests for a text's state alike."""

    def __init__(self, services: Services, *, carrier: Carrier, carrier_copies: CarrierCopies) -> None:
        self._database, self._vault, self._clock = services.database, services.vault, services.clock
        self._wake, self._carrier, self._carrier_copies = services.wake, carrier, carrier_copies

    async def accept(self, delivery_report: DeliveryReport) -> None:
        """Store one report. Raises what the database raises."""
        outcome = OUTCOME_OF_STATUS[delivery_report.status]
        digest = id_digest(self._vault, self._carrier.kind, delivery_report.message_id)
        name = delivery_report.reference
        reference = id_digest(self._vault, self._carrier.kind, name) if name else None
        report_digest = self._vault.keyed_hash(
            f"report {self._carrier.kind}", f"{delivery_report.status} {delivery_report.message_id}"
        )
        copy = await self._carrier_copies.seal(delivery_report.message_id)
        now = self._clock.now()
        until = int(now) + ID_RETENTION

        async def find(transaction: Transaction) -> SentTextRow | None:
            known = await sent_texts.find(transaction, digest)
            if known is not None or reference is None:
                return known
            known = await sent_texts.find(transaction, reference)
            if known is not None:
                # A text that left without an answer: from now on it is known by the carrier's id, and so is its copy.
                whose = await carrier_copies.owner_of_copies(transaction, known.owner)
                due = now + carrier_copies.REPORT_WAIT
                await sent_texts.give_id(transaction, reference, digest)
                await carrier_copies.record(
                    transaction, hash_=digest, owner=whose, ref=known.ref, sealed=copy, due=due, now=now
                )
                if whose:
                    await carrier_copies.count_without_id(transaction, whose, more=-1)
            return known

        async def commit(transaction: Transaction) -> str | None:
            # Looked up inside the commit, because the text's result may be written at the same time.
            known = await find(transaction)
            if outcome is not Outcome.ACCEPTED:
                await carrier_copies.release_after_report(transaction, digest, now)
            if known is not None and outcome is Outcome.ACCEPTED and not known.unknown:
                return None
            if not await inbox.mark_seen(transaction, report_digest, until=until):
                return None
            code = delivery_report.code[:20]
            if known is not None:
                event = TextOutcome(ref=known.ref, outcome=outcome, code=code)
                try:
                    inbox_row = await inbox.seal(self._vault, known.owner, event)
                except CannotOpen:
                    return None
                await inbox.append(transaction, inbox_row)
                await sent_texts.settle(transaction, digest)
                return inbox_row.owner
            # Its result has not been written, or never will be: then only this report gives the carrier's id of the copy.
            due = now + (carrier_copies.REPORT_WAIT if outcome is Outcome.ACCEPTED else carrier_copies.EARLY_REPORT_WAIT)
            await carrier_copies.record(transaction, hash_=digest, owner="", ref="", sealed=copy, due=due, now=now)
            await sent_texts.put_early_report(transaction, digest, outcome=outcome, code=code, until=until)
            if reference is not None:  # for the case that the result will be unknown
                await sent_texts.put_early_report(transaction, reference, outcome=outcome, code=code, until=until)
            return None

        owner = await self._database.commit(commit)
        self._wake.carrier_copies()
        if owner is not None:
            self._wake.engine(owner)
