"""What every carrier adapter does, as a table of behaviours.

Rule of this module: a new adapter is one more `Row` (see `test_conformance.py`); a vendor that lacks something says so by
its traits, and only then is it not asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bridge.carriers import behaviours_copies as copies
from tests.bridge.carriers import behaviours_door as at_the_door
from tests.bridge.carriers import behaviours_inbound as inbound
from tests.bridge.carriers import behaviours_outbound as outbound
from tests.bridge.carriers.stand import Stand, Trait

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """One line of the table."""

    promise: Callable[[Stand], Awaitable[None]]
    needs: frozenset[Trait] = frozenset()
    lacks: frozenset[Trait] = frozenset()

    def asked_of(self, traits: frozenset[Trait]) -> bool:
        """Whether it is asked of an adapter whose vendor has these traits."""
        return self.needs <= traits and not self.lacks & traits


def _needs(promise: Callable[[Stand], Awaitable[None]], *needs: Trait) -> Behaviour:
    return Behaviour(promise=promise, needs=frozenset(needs))


def _lacks(promise: Callable[[Stand], Awaitable[None]], *lacks: Trait) -> Behaviour:
    return Behaviour(promise=promise, lacks=frozenset(lacks))


BEHAVIOURS = (
    _needs(inbound.right_signature),
    _needs(inbound.wrong_signature, Trait.SIGNS),
    _needs(inbound.secret_path, Trait.SECRET_PATH),
    _needs(inbound.verify_is_total),
    _needs(inbound.altered_body, Trait.SIGNS_BODY),
    _needs(inbound.altered_url, Trait.SIGNS_URL),
    _needs(inbound.old_or_future, Trait.SIGNS_TIME),
    _needs(inbound.same_id_on_retry, Trait.RETRIES),
    _needs(at_the_door.duplicates),
    _needs(inbound.words_stay),
    _needs(inbound.what_cannot_be_encoded),
    _needs(inbound.senders),
    _needs(inbound.other_channels, Trait.OTHER_CHANNELS),
    _needs(inbound.number_texted),
    _needs(inbound.answer_says_nothing),
    _needs(inbound.media_not_fetched, Trait.MEDIA),
    _needs(inbound.time_of_the_carrier, Trait.TELLS_TIME),
    _needs(inbound.malformed),
    _needs(outbound.send_verbatim),
    _needs(outbound.what_cannot_be_sent),
    _needs(outbound.validity, Trait.VALIDITY),
    _needs(at_the_door.paced),
    _needs(at_the_door.any_order),
    _needs(outbound.parts, Trait.REPORTS_PARTS),
    _needs(outbound.send_faults),
    _needs(outbound.opted_out, Trait.KNOWS_OPT_OUT),
    _needs(outbound.reports_opt_out, Trait.REPORTS_OPT_OUT),
    _needs(outbound.doubt_is_settled, Trait.OUR_IDS),
    _needs(outbound.unanswerable),
    _needs(outbound.nobody_there),
    _needs(outbound.strange_answers),
    _needs(outbound.retry_after),
    _needs(outbound.wrong_token),
    _needs(copies.delete_copies, Trait.DELETES),
    _needs(copies.delete_later, Trait.DELETES),
    _needs(copies.delete_is_looked_at, Trait.SHOWS_COPIES),
    _needs(copies.delete_only_that, Trait.DELETES),
    _lacks(copies.keeps_are_told, Trait.DELETES),
    _needs(copies.status_told, Trait.TELLS_STATUS),
    _needs(copies.lists_from_watermark, Trait.LISTS),
    _needs(copies.lists_pages, Trait.LISTS),
)
