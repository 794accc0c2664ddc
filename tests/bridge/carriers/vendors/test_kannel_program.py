"""Kannel itself between our adapter and a telephone network of the tests' own: Debian's package, configured as we say.

Rule of this module: the adapter and Kannel are real, and so is what is between them; only the network behind is ours
(`tests/fakes/message_centre.py`). Where Kannel is not and cannot be unpacked, each test says so and steps aside.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.model.events import Outcome
from bridge.carriers.adapter import Accepted, AdapterContext, DeliveryReport, Inbound, InboundText, TryLater, UnknownOutcome
from bridge.carriers.http_request import CarrierHttp
from bridge.carriers.vendors.kannel import MAX_PARTS, KannelCarrier, Settings
from bridge.runtime.phone_number import Phone
from deploy.carrier import carrier_check
from deploy.carrier.vendor_probes import LOGIN_PROBES
from policies.segments import GSM7_PART, UCS2_PART
from tests.bridge.carriers.carrier_line import carrier_line
from tests.bridge.carriers.receiver import WebhookReceiver, until, webhook_receiver
from tests.bridge.carriers.vendor_harness import CLIENT_TIMEOUT, PATH, PATH_SECRET
from tests.e2e.polling import wait_until
from tests.fakes import kannel
from tests.fakes.fake_carrier import send_words
from tests.fakes.kannel_program import KannelProgram, kannel_program
from tests.fakes.message_centre import DEFAULT_ALPHABET, INVALID_DESTINATION, UCS2, MessageCentre, Submitted
from tests.fakes.secret_files import secret_file
from tests.free_ports import free_ports
from tests.outside_programs import OutsidePrograms

HANDSET, NUMBER = "+12065550111", "+15555550100"
VALIDITY = 300
TEXTS = (
    ("Can you help me? @ $ _", DEFAULT_ALPHABET),
    ("café £5 = [ok] €9 {x} ~ ^ | \\ ßÇ¿ñ\nΔ", DEFAULT_ALPHABET),
    ("¿estás ahí? I'm ok 🙂", UCS2),
    ("x" * 152 + "€" + "y" * 40, DEFAULT_ALPHABET),
    ("one " * 60 + "end.", DEFAULT_ALPHABET),
    ("¿estás ahí? … " * 14, UCS2),
    ("x" * 66 + "🙂" + "y" * 40, UCS2),
    ("é🫶🏽" * 60, UCS2),
    ("words " * (GSM7_PART // 6) * MAX_PARTS + "end", DEFAULT_ALPHABET),
    ("ñandú " * (UCS2_PART // 6) * MAX_PARTS + "fin", UCS2),
)
"""Both alphabets, alone and in parts; an escape pair and a surrogate pair where a part of the longest kind would end; the
most parts that Kannel sends of a text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """Kannel between a network and us."""

    centre: MessageCentre
    program: KannelProgram
    receiver: WebhookReceiver
    carrier: KannelCarrier

    async def send(self, text: str) -> str:
        outcome = await send_words(self.carrier, HANDSET, text, number=NUMBER)
        assert isinstance(outcome, Accepted)
        return outcome.message_id

    def items(self) -> list[Inbound]:
        """Read all that Kannel brought."""
        return [item for request in self.receiver.requests for item in self.carrier.parse(request)]

    def statuses(self, message_id: str) -> list[str]:
        """Say what the reports about a text of ours said, oldest first."""
        reports = [item for item in self.items() if isinstance(item, DeliveryReport)]
        return [report.status for report in reports if report.message_id == message_id]


@pytest.fixture
async def gateway(tmp_path: Path, outside_programs: OutsidePrograms) -> AsyncIterator[Gateway | None]:
    bearerbox, smsbox = outside_programs.find("bearerbox"), outside_programs.find("smsbox")
    if bearerbox is None or smsbox is None:
        yield None
        return
    centre = MessageCentre()
    await centre.start()
    try:
        async with (
            webhook_receiver(free_ports()) as receiver,
            kannel_program(
                (bearerbox, smsbox), tmp_path, centre=centre.port, inbound=f"{receiver.url}{PATH}/inbound/{PATH_SECRET}"
            ) as program,
        ):
            receiver.otherwise = 200
            await until(lambda: centre.is_bound)
            settings = Settings(
                kind="kannel",
                api_base=program.base,
                username=kannel.LOGIN[0],
                password_file=secret_file(kannel.LOGIN[1]),
                path_secret_file=secret_file(PATH_SECRET),
                plain_numbers="international",
                region="US",
            )
            line = AdapterContext(
                public_base_url=receiver.url, slug="demo", numbers=(NUMBER,), validity=VALIDITY, clock=time.time
            )
            carrier = KannelCarrier(settings, line, timeout=CLIENT_TIMEOUT)
            yield Gateway(centre=centre, program=program, receiver=receiver, carrier=carrier)
            await carrier.close()
    finally:
        await centre.stop()


def validity_in_seconds(part: Submitted) -> float:
    """Read an absolute time of SMPP as seconds from now (§7.1.1: YYMMDDhhmmsstnnp, here in UTC)."""
    assert part.validity.endswith("000+")
    return (datetime.strptime(part.validity[:12], "%y%m%d%H%M%S").replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds()


async def test_every_alphabet_both_ways(gateway: Gateway | None) -> None:
    """What is written arrives letter for letter, to the phone and from it, in one part or several; no letter is cut."""
    if gateway is None:
        return
    for at, (text, coding) in enumerate(TEXTS):
        began = len(gateway.centre.parts)
        await gateway.send(text)
        await until(lambda at=at: len(gateway.centre.texts()) == at + 1)  # type: ignore[misc]
        assert gateway.centre.texts()[-1] == text
        parts = gateway.centre.parts[began:]
        assert {part.coding for part in parts} == {coding}
        assert all(VALIDITY - 60 <= validity_in_seconds(part) <= VALIDITY + 60 for part in parts)
        assert parts[0].wants_report
        gateway.centre.text_in(HANDSET, text)

    def arrived() -> list[InboundText]:
        return [item for item in gateway.items() if isinstance(item, InboundText)]

    await until(lambda: len(arrived()) == len(TEXTS))
    # Kannel makes a request for each, and two may overtake one another.
    assert sorted(item.text for item in arrived()) == sorted(text for text, _ in TEXTS)
    assert {(item.sender, item.to) for item in arrived()} == {(Phone(HANDSET), NUMBER)}
    assert len({item.message_id for item in arrived()}) == len(TEXTS)
    assert all(item.at is not None and abs(item.at.timestamp() - time.time()) < 600 for item in arrived())
    assert not [text for text in gateway.centre.texts() if text not in dict(TEXTS)], "Kannel texts nothing by itself"


async def test_reports(gateway: Gateway | None) -> None:
    """What the network says of a text reaches us; of a text in parts no more is said than that it was sent."""
    if gateway is None:
        return
    for fate, final in (("DELIVRD", "delivered"), ("UNDELIV", "failed"), ("REJECTD", "failed"), ("EXPIRED", "failed")):
        gateway.centre.fate = fate
        message_id = await gateway.send(f"This one is {fate}.")
        await until(lambda message_id=message_id: len(gateway.statuses(message_id)) == 2)  # type: ignore[misc]
        assert sorted(gateway.statuses(message_id)) == sorted(["sent", final])
    gateway.centre.fate = "DELIVRD"
    for long, _ in TEXTS[-3:-1]:
        message_id = await gateway.send(long)
        await until(lambda message_id=message_id: len(gateway.statuses(message_id)) >= 2)  # type: ignore[misc]
        assert set(gateway.statuses(message_id)) == {"sent"}
    gateway.centre.refuse, gateway.centre.refuse_with = 1, INVALID_DESTINATION
    message_id = await gateway.send("This number is none.")
    await until(lambda: bool(gateway.statuses(message_id)))
    assert gateway.statuses(message_id) == ["failed"]


async def test_too_fast_and_away(gateway: Gateway | None) -> None:
    """A text that the network puts off, or that waits for it to come back, arrives once, and not after its time."""
    if gateway is None:
        return
    gateway.centre.refuse = 2
    message_id = await gateway.send("too fast")
    await until(lambda: "too fast" in gateway.centre.texts())
    assert gateway.centre.refused == 2
    # Only then Kannel has noted that it left: killed before, it would send it once more.
    await until(lambda: bool(gateway.statuses(message_id)))
    await gateway.centre.stop()
    await until(lambda: not gateway.centre.is_bound)
    await gateway.send("while it was away")
    sent_at = time.monotonic()
    # Its store is what a text that Kannel took outlives Kannel in.
    await gateway.program.kill("bearerbox")
    # Kannel says nothing that could be told from a text that was lost in it; nothing at all is certain not to have left.
    outcome = await send_words(gateway.carrier, HANDSET, "into nothing", number=NUMBER)
    assert isinstance(outcome, (TryLater, UnknownOutcome))
    await gateway.centre.start()
    await gateway.program.kill("smsbox")
    await gateway.program.start()
    await until(lambda: "while it was away" in gateway.centre.texts())
    (part,) = (part for part in gateway.centre.parts if part.octets == b"while it was away")
    seconds = time.monotonic() - sent_at
    assert validity_in_seconds(part) <= VALIDITY - seconds + 2, "counted from when it was sent"
    after = await send_until_accepted(gateway, "after all")
    await until(lambda: after in gateway.centre.texts())
    assert [gateway.centre.texts().count(text) for text in ("too fast", "while it was away", after)] == [1, 1, 1]


@pytest.mark.parametrize("word", [kannel.LOGIN[1], "another"])
async def test_what_it_says_of_a_login(gateway: Gateway | None, tmp_path: Path, word: str) -> None:
    """`carrier check` hears from Kannel itself whether the login is right, and nothing is sent."""
    if gateway is None:
        return
    files = [tmp_path / name for name in ("word", "path")]
    for file, secret in zip(files, (word, PATH_SECRET), strict=True):
        file.touch(mode=0o600)
        file.write_text(secret)
    settings = Settings(
        kind="kannel",
        api_base=gateway.program.base,
        username=kannel.LOGIN[0],
        password_file=files[0],
        path_secret_file=files[1],
        plain_numbers="international",
        region="US",
    )
    (probe,) = LOGIN_PROBES["kannel"](settings)
    is_right = word == kannel.LOGIN[1]
    async with CarrierHttp(timeout=CLIENT_TIMEOUT) as http:
        result = await carrier_check._ask_login(http, probe)
    sentence = "the carrier takes the login" if is_right else "the carrier refuses the login (403)"
    assert (result.ok, result.what) == (is_right, sentence)
    await gateway.send("Only this.")
    await until(lambda: gateway.centre.texts() == ["Only this."])


async def send_until_accepted(gateway: Gateway, text: str) -> str:
    """Send as the bridge does: again where it was certainly not taken; return the text that was taken.

    While Kannel starts it may take a request and answer nothing: that text is in doubt, and another one is sent.
    """
    texts = (f"{text} {number}" for number in itertools.count())
    candidate = next(texts)

    async def accepted() -> str | None:
        nonlocal candidate
        outcome = await send_words(gateway.carrier, HANDSET, candidate, number=NUMBER)
        assert isinstance(outcome, (Accepted, TryLater, UnknownOutcome))
        attempt = candidate
        if isinstance(outcome, UnknownOutcome):
            candidate = next(texts)
        return attempt if isinstance(outcome, Accepted) else None

    return await wait_until("Kannel takes a text again", accepted, every=0.2)


async def test_the_bridge_away(gateway: Gateway | None, tmp_path: Path) -> None:
    """Texts that come while the bridge does not run are brought when it does, once each; reports reach their text."""
    if gateway is None:
        return
    port = gateway.receiver.port
    await gateway.receiver.stop()
    gateway.centre.text_in(HANDSET, "while you slept 🙂")
    async with carrier_line(tmp_path, gateway.carrier, port=port) as line:

        async def brought() -> bool:
            return "while you slept 🙂" in await line.bodies()

        await wait_until("Kannel called again", brought)
        (thread,) = await line.threads()
        task = await line.queue(thread["id"], "Here I am.")
        await line.texts.perform(task)
        await until(lambda: gateway.centre.texts() == ["Here I am."])

        async def delivered() -> bool:
            return Outcome.DELIVERED in {row.outcome for row in await line.outcomes()}

        await wait_until("the report arrived", delivered)
        assert await line.bodies() == ["while you slept 🙂"]
