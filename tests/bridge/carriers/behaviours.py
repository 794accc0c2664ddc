"""What every carrier adapter does, as a table of behaviours.

Rule of this module: a new adapter is one more `Row` (see `test_conformance.py`); a vendor that lacks something says so by
its traits, and only then is it not asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bridge.carriers import behaviours_copies, behaviours_inbound, behaviours_line, behaviours_outbound
from tests.bridge.carriers.harness import Harness, Trait

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """One line of the table."""

    promise: Callable[[Harness], Awaitable[None]]
    needs: frozenset[Trait] = frozenset()
    lacks: frozenset[Trait] = frozenset()

    def asked_of(self, traits: frozenset[Trait]) -> bool:
        """Whether it is asked of an adapter whose vendor has these traits."""
        return self.needs <= traits and not self.lacks & traits


def _needs(promise: Callable[[Harness], Awaitable[None]], *needs: Trait) -> Behaviour:
    return Behaviour(promise=promise, needs=frozenset(needs))


def _lacks(promise: Callable[[Harness], Awaitable[None]], *lacks: Trait) -> Behaviour:
    return Behaviour(promise=promise, lacks=frozenset(lacks))


BEHAVIOURS = (
    _needs(behaviours_inbound.right_signature),
    _needs(behaviours_inbound.wrong_signature, Trait.SIGNS),
    _needs(behaviours_inbound.secret_path, Trait.SECRET_PATH),
    _needs(behaviours_inbound.verify_is_total),
    _needs(behaviours_inbound.altered_body, Trait.SIGNS_BODY),
    _needs(behaviours_inbound.altered_url, Trait.SIGNS_URL),
    _needs(behaviours_inbound.old_or_future, Trait.SIGNS_TIME),
    _needs(behaviours_inbound.same_id_on_retry, Trait.RETRIES),
    _needs(behaviours_line.duplicates),
    _needs(behaviours_inbound.words_stay),
    _needs(behaviours_inbound.what_cannot_be_encoded),
    _needs(behaviours_inbound.senders),
    _needs(behaviours_inbound.other_channels, Trait.OTHER_CHANNELS),
    _needs(behaviours_inbound.number_texted),
    _needs(behaviours_inbound.answer_says_nothing),
    _needs(behaviours_inbound.media_not_fetched, Trait.MEDIA),
    _needs(behaviours_inbound.time_of_the_carrier, Trait.TELLS_TIME),
    _needs(behaviours_inbound.malformed),
    _needs(behaviours_outbound.send_verbatim),
    _needs(behaviours_outbound.what_cannot_be_sent),
    _needs(behaviours_outbound.validity, Trait.VALIDITY),
    _needs(behaviours_line.paced),
    _needs(behaviours_line.any_order),
    _needs(behaviours_outbound.parts, Trait.REPORTS_PARTS),
    _needs(behaviours_outbound.send_faults),
    _needs(behaviours_outbound.opted_out, Trait.KNOWS_OPT_OUT),
    _needs(behaviours_outbound.reports_opt_out, Trait.REPORTS_OPT_OUT),
    _needs(behaviours_outbound.doubt_is_settled, Trait.SETTLES_DOUBT),
    _needs(behaviours_outbound.unanswerable),
    _needs(behaviours_outbound.nobody_there),
    _needs(behaviours_outbound.strange_answers),
    _needs(behaviours_outbound.retry_after),
    _needs(behaviours_outbound.wrong_token),
    _needs(behaviours_copies.delete_copies, Trait.DELETES),
    _needs(behaviours_copies.delete_later, Trait.DELETES),
    _needs(behaviours_copies.delete_is_looked_at, Trait.SHOWS_COPIES),
    _needs(behaviours_copies.delete_only_that, Trait.DELETES),
    _lacks(behaviours_copies.keeps_are_told, Trait.DELETES),
    _needs(behaviours_copies.status_told, Trait.TELLS_STATUS),
    _needs(behaviours_copies.lists_from_watermark, Trait.LISTS),
    _needs(behaviours_copies.lists_pages, Trait.LISTS),
)
