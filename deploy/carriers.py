"""`quietline exposure` and `quietline carrier check`.

Rules of this module: what is told of a vendor comes from the adapter's own data; a check asks and changes nothing, sends no
text and prints no secret, no number and nothing of what a vendor answered; each check that is not well says what to do.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from bridge.carriers.asking import Answer, ask, session
from bridge.carriers.kinds import KINDS
from bridge.webhook import REFUSED
from deploy.carrier_questions import QUESTIONS, SIGNERS, Signed
from deploy.status import Check, Report

if TYPE_CHECKING:
    import aiohttp

    from bridge.carriers.asking import Asked
    from bridge.carriers.exposure import Exposure
    from bridge.config import Config, Line

TITLES: Final = {
    "keeps": "What it keeps",
    "we_delete": "What we delete there, and when that is confirmed",
    "remains": "What stays there even of a text that is gone",
    "bill_shows": "What its bill shows",
    "opt_outs": "Opt-outs that it enforces by itself",
    "speaks": "What it may send to a phone without us",
    "signed": "How its webhooks are authenticated",
    "sources": "Read in",
    "unconfirmed": "Not confirmed",
}


def exposure_json(kinds: Sequence[str]) -> str:
    """Write the exposure of these kinds for a program: an object by kind, each with the fields of `Exposure`."""
    return json.dumps({kind: asdict(KINDS[kind].exposure) for kind in kinds}, ensure_ascii=False)


def exposure_text(kinds: Sequence[str]) -> list[str]:
    """Write the exposure of these kinds for a person."""
    return [line for kind in kinds for line in _paragraphs(KINDS[kind].exposure)]


def _paragraphs(exposure: Exposure) -> list[str]:
    lines = [exposure.carrier, "=" * len(exposure.carrier), ""]
    for name, title in TITLES.items():
        value = getattr(exposure, name)
        sentences = (value,) if isinstance(value, str) else value
        lines.append(f"{title}:")
        lines += [f"  - {sentence}" for sentence in sentences or ("Nothing.",)]
    return [*lines, ""]


async def check(config: Config) -> Report:
    """Check the carrier of a configuration's line: login, way to us, signature, copies."""
    line = config.line
    url = f"{config.listen.public_base_url}/carriers/{line.slug}/status"
    async with session() as http:
        asked, login = await _login(http, line)
        checks = (login, await _reachable(http, line, url), await _signature(http, line, url), _copies(line, asked))
    return Report(checks=checks)


async def _login(http: aiohttp.ClientSession, line: Line) -> tuple[Asked | None, Check]:
    make = QUESTIONS.get(line.carrier.kind)
    if make is None:
        what = f"{line.carrier.kind} looks at a login only when a text is sent"
        return None, Check(name="login", ok=True, what=what, do="Send a text to a phone of your own to try it.")
    question = make(line.carrier)
    got = await ask(http, "GET", question.url, headers=question.headers)
    if not isinstance(got, Answer):
        do = f"Is {line.carrier.api_base} right (lines.0.carrier.api_base), and may this machine reach it?"
        return got, Check(name="login", ok=False, what="the carrier cannot be reached", do=do)
    if got.status in (401, 403):
        do = "Compare account and secret files of lines.0.carrier with what the vendor's console shows."
        return got, Check(name="login", ok=False, what=f"the carrier refuses the login ({got.status})", do=do)
    if got.in_doubt:
        do = "Try again later; see the vendor's status page."
        return got, Check(name="login", ok=False, what=f"the carrier is not well ({got.status})", do=do)
    return got, Check(name="login", ok=True, what="the carrier takes the login")


def _refuses(line: Line, got: Answer) -> bool:
    """Whether this is our refusal of a stranger, and not a proxy's."""
    return got.status == KINDS[line.carrier.kind].adapter.refusal and got.body == REFUSED


async def _reachable(http: aiohttp.ClientSession, line: Line, url: str) -> Check:
    """Call our own webhook by its public address without a signature: it must be refused, and by us."""
    got = await ask(http, "POST", url, form=b"")
    if not isinstance(got, Answer):
        do = "Does the name of listen.public_base_url lead here, is its certificate valid, does the proxy run?"
        return Check(name="webhook", ok=False, what="cannot be reached by its public address", do=do)
    if _refuses(line, got):
        what = "refuses strangers by its public address, asked from this machine"
        return Check(name="webhook", ok=True, what=what)
    do = "The proxy must pass `/carriers/` on to listen.host and listen.port, path and all; and the bridge must run."
    return Check(name="webhook", ok=False, what=f"somebody else answers by its public address ({got.status})", do=do)


async def _signature(http: aiohttp.ClientSession, line: Line, url: str) -> Check:
    """Call it as the vendor would, with nothing that could be taken for a text: that is malformed, but not a stranger's."""
    make = SIGNERS.get(line.carrier.kind)
    if make is None:
        what = f"only {KINDS[line.carrier.kind].exposure.carrier} can sign; it cannot be tried from here"
        return Check(name="signature", ok=True, what=what, do="Text the line from a phone of your own to try it.")
    signed: Signed = make(line.carrier, url)
    got = await ask(http, "POST", url + signed.rest, form=signed.body, headers=signed.headers)
    if isinstance(got, Answer) and got.status in (200, 400):
        return Check(name="signature", ok=True, what="what is signed with our key for our address is let in")
    if isinstance(got, Answer) and _refuses(line, got):
        do = (
            "The bridge must have been started since the secrets were written; the proxy must not change the path; "
            "listen.public_base_url must be exactly what the vendor calls; the clock must be right."
        )
        return Check(name="signature", ok=False, what="what is signed with our key for our address is refused", do=do)
    return Check(name="signature", ok=False, what="could not be tried", do="See the check before.")


def _copies(line: Line, asked: Asked | None) -> Check:
    exposure = KINDS[line.carrier.kind].exposure
    if line.carrier.kind == "telnyx":
        return _redaction(asked)
    if exposure.we_delete:
        return Check(name="copies", ok=True, what=exposure.we_delete[0])
    what = f"{exposure.carrier} deletes nothing for us: {' '.join(exposure.keeps)}"
    return Check(name="copies", ok=True, what=what, do="See `quietline exposure` and the vendor checklist.")


def _redaction(asked: Asked | None) -> Check:
    """Read the messaging profiles' redaction. Level 2, the default, would blank what texters write before it reaches us."""
    found: Any = asked.json.get("data") if isinstance(asked, Answer) and asked.status == 200 else None
    profiles = [profile for profile in found if isinstance(profile, dict)] if isinstance(found, list) else []
    if not profiles:
        return Check(name="copies", ok=False, what="the messaging profiles cannot be read", do="See the login.")
    on = [profile for profile in profiles if profile.get("redaction_enabled") is True]
    if any(profile.get("redaction_level") != 1 for profile in on):
        do = "Set redaction_level to 1 on the line's messaging profile, or texts will arrive without words."
        return Check(name="copies", ok=False, what="redaction also blanks inbound texts (level 2)", do=do)
    if len(on) < len(profiles):
        do = "Ask Telnyx to allow redaction, then set redaction_enabled and redaction_level 1 on the line's profile."
        return Check(name="copies", ok=False, what="Telnyx shows texts and numbers in its records: redaction is off", do=do)
    return Check(name="copies", ok=True, what="redaction is on: Telnyx masks texts and numbers where it shows them")
