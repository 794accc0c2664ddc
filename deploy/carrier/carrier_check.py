"""`quietline carrier check`.

Rules of this module: a check only reads, sends no text and prints no secret, no number and no part of a vendor's answer;
each check that is not well says what to do.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bridge.carriers.http_request import CarrierHttp, HttpResponse, send_request
from bridge.carriers.vendors.registry import CARRIER_KINDS
from bridge.carriers.vendors.smsgate import Settings as SmsGate
from bridge.inbound.carrier_check_calls import REFUSAL_BODY
from bridge.runtime.settings import is_loopback_host, is_private_host
from deploy.carrier.outside_view import check_dns
from deploy.carrier.vendor_copies import check_copies
from deploy.carrier.vendor_probes import GATEWAYS, LOGIN_PROBES, LoginProbe
from deploy.carrier.webhook_signatures import SIGNERS, SignedRequest
from deploy.inspect.check_report import CheckReport, CheckResult, fault, merge, warning, well

if TYPE_CHECKING:
    from bridge.config.sections import Config, PhoneLine

SIGNATURE_NOTE: Final = (
    "Whether the vendor signs with the same secret shows only when it calls: text the line from a phone of your own."
)

LOGIN, WEBHOOK = "carrier login", "webhook"
"""Names of rows."""
REFUSALS: Final = (401, 403)
REFUSES: Final = "the carrier refuses"
_GIVE_HTTPS: Final = (
    "Give listen.public_base_url the https address that the carrier calls, by a name with a certificate that all take."
)
_KEEP_APART: Final = (
    "Put a proxy with a certificate before the bridge, its https address in listen.public_base_url; or see that nobody "
    "else is in that network: a cable, a VLAN or a tunnel from one to the other, or containers of one machine."
)


async def check_carrier(config: Config) -> CheckReport:
    """Check the carrier of a configuration's line: the public address, its name, and the checks of :func:`ask_carrier`."""
    rows = (check_public_address(config), await check_dns(config), *await ask_carrier(config))
    return CheckReport(checks=tuple(merge(rows)))


async def ask_carrier(config: Config) -> tuple[CheckResult, ...]:
    """Check the carrier, and our webhook by its public address: logins, reachability, signature, copies."""
    line = config.line
    url = f"{config.listen.public_base_url}/carriers/{line.slug}/status"
    async with CarrierHttp() as http:
        return (
            *[await _ask_login(http, probe) for probe in _login_probes(line)],
            *check_encryption(line),
            await check_reachable(http, line, url),
            await check_signature(http, line, url),
            await check_copies(http, line),
        )


async def check_login(config: Config) -> CheckResult:
    """Check in one row whether the carrier accepts our logins. The requests leave no secret in a log there."""
    kind = config.line.carrier.kind
    async with CarrierHttp() as http:
        logins = [await _ask_login(http, probe.unattended or probe) for probe in _login_probes(config.line)]
    row = next((login for login in logins if not login.ok), logins[0])
    return CheckResult(name="carrier", ok=row.ok, what=f"{kind}: {row.what}", do="" if row.ok else row.do)


def is_refused(login: CheckResult) -> bool:
    """Whether a row about a login says that the carrier answers and refuses the login."""
    return REFUSES in login.what


async def login_status(config: Config) -> CheckResult:
    """Return the same row for `quietline status`. Without an answer of the agency's own gateway it is only a warning.

    A refused login is a fault: no text leaves until a person corrects it.
    """
    row = await check_login(config)
    away = config.line.carrier.kind in GATEWAYS and not row.ok and not is_refused(row)
    return replace(row, ok=True, warning=True) if away else row


def check_public_address(config: Config) -> CheckResult:
    """Whether the carrier's network can reach our public address, and nobody in between can read the requests.

    An answer to a call from this machine would not show it; `check_dns` checks the addresses of the name.
    """
    name, base, carrier = "public address", urlsplit(config.listen.public_base_url), config.line.carrier
    ours, theirs = base.hostname or "", urlsplit(carrier.api_base).hostname or ""
    if isinstance(carrier, SmsGate):
        ok, what = _address_for_phone(carrier, base.scheme, ours, theirs)
        return CheckResult(name=name, ok=ok, what=what, do="" if ok else _GIVE_HTTPS)
    if is_loopback_host(theirs):
        return well(name, "the carrier is on this machine")
    do = _GIVE_HTTPS
    if is_loopback_host(ours):
        return fault(name, "is this machine's own: a carrier elsewhere that calls it calls itself", do)
    if is_private_host(theirs) and is_private_host(ours) and base.scheme != "https":
        # A gateway on the agency's own network may not support https: that is accepted, with a warning.
        return warning(name, "is plain http in a network of ours: whoever is in it reads every text", _KEEP_APART)
    if is_private_host(theirs):
        return well(name, "the carrier is in a network of ours, and calls by https")
    if is_private_host(ours):
        return fault(name, "is of a private network, which the carrier is not in", do)
    if base.scheme != "https":
        return fault(name, "is plain http: everybody on the way reads every text", do)
    return well(name, "is https, and not of a private network")


def _address_for_phone(carrier: SmsGate, scheme: str, ours: str, theirs: str) -> tuple[bool, str]:
    """Judge the address for SMSGate, whose webhooks come from the phone itself, wherever the server is."""
    if is_loopback_host(ours):
        # `adb reverse`: a phone on a cable reaches us by its own address.
        wired = not carrier.through_server and is_loopback_host(theirs)
        return (
            (True, "the phone is wired to this machine")
            if wired
            else (False, "is this machine's own: a phone calls itself")
        )
    if scheme != "https":
        return False, "is plain http, which the app calls at no other machine"
    return True, "is https; the phone has to be where that can be called"


def check_encryption(line: PhoneLine) -> list[CheckResult]:
    """Whether a server between us and the phone can read our texts: a warning if so; no row without such a server."""
    carrier, name = line.carrier, LOGIN
    if not isinstance(carrier, SmsGate) or not carrier.through_server:
        return []
    if carrier.passphrase_file is not None:
        return [well(name, "words and numbers are encrypted on the way to the phone")]
    what = "the server between us and the phone can read every text of ours, and to whom it goes"
    return [warning(name, what, "Give lines.0.carrier.passphrase_file a passphrase, and the app the same one.")]


def _login_probes(line: PhoneLine) -> tuple[LoginProbe, ...]:
    return LOGIN_PROBES[line.carrier.kind](line.carrier)


async def _ask_login(http: CarrierHttp, probe: LoginProbe) -> CheckResult:
    name, what = LOGIN, probe.name.replace("_", " ")
    while True:
        method = "GET" if probe.form is None else "POST"
        got = await send_request(http, method, probe.url, query=probe.query, form=probe.form, headers=probe.headers)
        if probe.refuses_for and isinstance(got, HttpResponse) and got.status in REFUSALS:
            await asyncio.sleep(probe.refuses_for)
            probe = replace(probe, refuses_for=0.0)
            continue
        following = probe.after(got) if isinstance(got, HttpResponse) else None
        if following is None:
            break
        probe = following
    if not isinstance(got, HttpResponse):
        do = (
            f"The {what} was not asked about, and may be right. Does {urlsplit(probe.url).hostname} run, has this machine "
            "a way there (internet, name server, firewall), and is lines.0.carrier.api_base right? Then ask again."
        )
        return fault(name, "the carrier cannot be reached", do)
    if probe.right(got) and probe.proves:
        return well(name, probe.proves)
    if probe.right(got):
        return well(name, f"the carrier takes the {what}", probe.leaves)
    if got.status in REFUSALS:
        do = "Compare account and secret files of lines.0.carrier with the vendor's console, or the gateway's own file."
        return fault(name, f"{REFUSES} the {what} ({got.status})", do)
    if got.status == 429 or got.outcome_unknown:
        do = "Try again later; see the vendor's status page. After a redirect: is lines.0.carrier.api_base right?"
        return fault(name, f"the carrier is not well ({got.status})", do)
    do = (
        "Is lines.0.carrier.api_base the vendor's, and do account, application, device and key in lines.0.carrier belong "
        "together, as its console shows them?"
    )
    return fault(name, f"the answer is not what this carrier says to the right {what}", do)


def _is_our_refusal(line: PhoneLine, got: HttpResponse) -> bool:
    """Whether this refusal is ours, and not a proxy's."""
    return got.status == CARRIER_KINDS[line.carrier.kind].refusal_status and got.body == REFUSAL_BODY


async def check_reachable(http: CarrierHttp, line: PhoneLine, url: str) -> CheckResult:
    """Call our own webhook by its public address without a signature: our bridge must refuse the request."""
    got = await send_request(http, "POST", url, form=b"")
    if not isinstance(got, HttpResponse):
        do = "Does the name of listen.public_base_url lead here, is its certificate valid, does the proxy run?"
        return fault(WEBHOOK, "cannot be reached by its public address", do)
    adapter = CARRIER_KINDS[line.carrier.kind]
    if _is_our_refusal(line, got) and adapter.challenge and got.challenge != adapter.challenge:
        what = f"{adapter.exposure.carrier} is not asked for its credentials by the public address, so no text can come in"
        return fault(WEBHOOK, what, "The proxy must pass the header `WWW-Authenticate` of an answer on, unchanged.")
    if _is_our_refusal(line, got):
        return well(WEBHOOK, "refuses strangers by its public address, asked from this machine")
    do = "The proxy must pass `/carriers/` on to listen.host and listen.port, path and all; and the bridge must run."
    return fault(WEBHOOK, f"somebody else answers by its public address ({got.status})", do)


async def check_signature(http: CarrierHttp, line: PhoneLine, url: str) -> CheckResult:
    """Call it with the vendor's signature and a body that is no text: the bridge must find it malformed, not unsigned."""
    make = SIGNERS.get(line.carrier.kind)
    if make is None:
        what = f"only {CARRIER_KINDS[line.carrier.kind].exposure.carrier} can sign; it cannot be tried from here"
        return well(WEBHOOK, what, "Text the line from a phone of your own to try it.")
    signed: SignedRequest = make(line.carrier, url)
    got = await send_request(http, "POST", url + signed.rest, form=signed.body, headers=signed.headers)
    if isinstance(got, HttpResponse) and got.status in (200, 400):
        return well(WEBHOOK, "what is signed with our copy of the key for our address is let in", SIGNATURE_NOTE)
    if isinstance(got, HttpResponse) and _is_our_refusal(line, got):
        do = (
            "The bridge must have been started since the secrets were written; the proxy must not change the path; "
            "listen.public_base_url must be exactly what the vendor calls; the clock must be right."
        )
        return fault(WEBHOOK, "what is signed with our key for our address is refused", do)
    return fault(WEBHOOK, "could not be tried", "See the check before.")
