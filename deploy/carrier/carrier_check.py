"""`quietline exposure` and `quietline carrier check`.

Rules of this module: what is told of a vendor comes from the adapter's own data; a check asks and changes nothing, sends no
text and prints no secret, no number and nothing of what a vendor answered; each check that is not well says what to do.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from bridge.carriers.http_request import Answer, ask, session
from bridge.carriers.registry import KINDS
from bridge.inbound.webhook import REFUSED
from deploy.carrier.vendor_copies import copies
from deploy.carrier.vendor_probes import QUESTIONS, Question
from deploy.carrier.webhook_signatures import SIGNERS, Signed
from deploy.inspect.status import Check, Report

if TYPE_CHECKING:
    import aiohttp

    from bridge.carriers.exposure import Exposure
    from bridge.config import Config, Line

OURS: Final = (
    "Whether the vendor signs with the same secret shows only when it calls: text the line from a phone of your own."
)

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
    """Check the carrier of a configuration's line: logins, way to us, signature, copies."""
    line = config.line
    url = f"{config.listen.public_base_url}/carriers/{line.slug}/status"
    async with session() as http:
        checks = (
            *await _logins(http, line),
            await _reachable(http, line, url),
            await _signature(http, line, url),
            await copies(http, line),
        )
    return Report(checks=checks)


async def _logins(http: aiohttp.ClientSession, line: Line) -> list[Check]:
    make = QUESTIONS.get(line.carrier.kind)
    if make is None:
        what = f"{line.carrier.kind} looks at a login only when a text is sent"
        return [Check(name="login", ok=True, what=what, do="Send a text to a phone of your own to try it.")]
    return [await _asked(http, question) for question in make(line.carrier)]


async def _asked(http: aiohttp.ClientSession, question: Question) -> Check:
    name, what = question.name, question.name.replace("_", " ")
    while True:
        method = "GET" if question.form is None else "POST"
        got = await ask(http, method, question.url, form=question.form, headers=question.headers)
        following = question.after(got) if isinstance(got, Answer) else None
        if following is None:
            break
        question = following
    if not isinstance(got, Answer):
        do = "Is lines.0.carrier.api_base right, and may this machine reach it?"
        return Check(name=name, ok=False, what="the carrier cannot be reached", do=do)
    if question.right(got):
        return Check(name=name, ok=True, what=f"the carrier takes the {what}")
    if got.status in (401, 403):
        do = "Compare account and secret files of lines.0.carrier with what the vendor's console shows."
        return Check(name=name, ok=False, what=f"the carrier refuses the {what} ({got.status})", do=do)
    if got.status == 429 or got.in_doubt:
        do = "Try again later; see the vendor's status page. After a redirect: is lines.0.carrier.api_base right?"
        return Check(name=name, ok=False, what=f"the carrier is not well ({got.status})", do=do)
    do = (
        "Is lines.0.carrier.api_base the vendor's, and do account, application, device and key in lines.0.carrier belong "
        "together, as its console shows them?"
    )
    return Check(name=name, ok=False, what=f"the answer is not what this carrier says to the right {what}", do=do)


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
        what = "what is signed with our copy of the key for our address is let in"
        return Check(name="signature", ok=True, what=what, do=OURS)
    if isinstance(got, Answer) and _refuses(line, got):
        do = (
            "The bridge must have been started since the secrets were written; the proxy must not change the path; "
            "listen.public_base_url must be exactly what the vendor calls; the clock must be right."
        )
        return Check(name="signature", ok=False, what="what is signed with our key for our address is refused", do=do)
    return Check(name="signature", ok=False, what="could not be tried", do="See the check before.")
