"""The bridge is killed once at every named point of a text's way into its room; the points of an answer: `test_answers`."""

from __future__ import annotations

import pytest

from bot.model.transactional_actions import SuppressionReason
from bridge.runtime.crash_points import CrashPoint
from bridge.runtime.phone_number import Phone
from bridge.tables.suppression import Suppression
from deploy.stack.provision import SLUG, open_secrets
from tests.bridge.crash.agency import Agency, crashed
from tests.bridge.crash.story import MOMENTS, Moment, at_rest, run_story
from tests.e2e.carrier_api import handset
from tests.e2e.polling import wait_until
from tests.fakes.crashing_stack import CrashingStack

pytestmark = [pytest.mark.crash, pytest.mark.e2e, pytest.mark.timeout(1800), pytest.mark.asyncio(loop_scope="module")]
ROLE = "advocate"


@pytest.mark.parametrize(
    ("point", "moment"),
    [(point, moment) for point, moments in MOMENTS.items() for moment in moments if moment is Moment.TEXT],
    ids=lambda chosen: chosen.name,
)
async def test_nothing_is_lost_or_doubled(agency: Agency, point: CrashPoint, moment: Moment) -> None:
    """Killed here and started again: every text once and in order, the answer at most once, with one true receipt.

    What is on its way is empty in the end, nothing died, and no key and no room is left that belongs to nobody
    (ARCHITECTURE.md, "Invariants", 1, 2 and 4).
    """
    await run_story(agency, point, moment)


async def test_nothing_of_a_blocked_phone_outlives_a_death(agency: Agency) -> None:
    """Killed when its thread is gone and its key is not: after the start nothing of it stands, and it was counted once."""
    line, number = agency.line, handset()
    secrets = open_secrets(line.layout)
    suppression = Suppression(key=bytes.fromhex(secrets.read(secrets.suppression_key)), line=SLUG)
    await line.suppress(await suppression.digest(Phone(number)), SuppressionReason.BLOCK)
    deaths = line.crashes
    threads, copies = line.rows("SELECT id FROM thread"), "SELECT n FROM carrier_copy WHERE owner = ''"
    line.crash_at(CrashPoint.TURNED_AWAY)
    try:
        await agency.scene.carrier.text(number, "you")
        await wait_until("it died", lambda: crashed(line, deaths), within=20)
    finally:
        line.cancel_crash()
    await line.up()
    await wait_until("the carrier's copy is gone", lambda: _none(line, copies), within=20)
    await wait_until("nothing is on its way any more", lambda: at_rest(line))
    assert line.rows("SELECT id FROM thread") == threads
    assert line.orphan_keys() == set()
    assert await agency.scene.carrier.texts_delivered(number) == []


async def _none(line: CrashingStack, query: str) -> bool | None:
    return not line.rows(query) or None
