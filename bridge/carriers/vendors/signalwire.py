"""SignalWire: the compatibility (cXML) API, a relative of Twilio's.

Rule of this module: everything here was read in SignalWire's documentation (signalwire/docs, developer.signalwire.com) or
its SDK's `request_validator.py`; anything else is in `unconfirmed` of `EXPOSURE`. Nothing was tried against a live project.

Webhooks: the number's *message webhook* is `PUBLIC/carriers/LINE/inbound`, POST, as cXML. The key is the project's
**Signing Key** (`PSK_…`), not the API token. SignalWire gives up a webhook that is not answered within 5 seconds, and
promises no retry; missed texts are found by listing. Its status callbacks repeat the text; it is not read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from pydantic import PositiveFloat

from bridge.carriers.adapter import AdapterContext, Exposure
from bridge.carriers.http_request import TIMEOUT, Timeout
from bridge.carriers.rate_limit import Rate
from bridge.carriers.vendors.cxml import CxmlCarrier
from bridge.runtime.settings import CarrierSettings, NonEmpty, read_secret

API: Final = "/api/laml/2010-04-01"

EXPOSURE = Exposure(
    carrier="SignalWire",
    keeps=(
        "Body, both numbers, times and status of every text, as a message record, until it is deleted.",
        "Media of a text, apart from its record, at an address that needs no password but cannot be guessed.",
    ),
    we_delete=(
        (
            "The media of each text, then its message record, in either direction; confirmed by 204, or 404 when it is "
            "gone. Refused while the text is still queued."
        ),
    ),
    remains=(
        "Backups and logs, about which nothing was found.",
        "The record of a message that this line refuses (another channel, a group), until it is deleted in the console.",
        "What its bill, and the telephone companies on the way, keep.",
    ),
    bill_shows="The price of a text stands in its message record, which we delete. What the bill lists was not found.",
    opt_outs=(
        "None, it says: STOP comes through and is obeyed here. 21610 (blocked by the user, or from a black list) counts as "
        "an opt-out. Toll-free numbers: the network obeys STOP and UNSTOP itself."
    ),
    speaks="Nothing was found; see what is unconfirmed, and assume answers to STOP, START and HELP.",
    signed=(
        "HMAC-SHA1 under the project's signing key over URL and all fields; no time in it: a replay is stopped by the "
        "message id, which we remember for eight days."
    ),
    sources=(
        "signalwire 2.1.1: request_validator.py",
        (
            "signalwire/docs: cxml/messaging/overview.mdx, swml/webhook-security.mdx, compatibility API (main.tsp, "
            "error-codes.mdx), platform/messaging/sms/overview.mdx (opt-outs)"
        ),
        "developer.signalwire.com/compatibility-api/rest/create-a-message (ValidityPeriod: 1 to 172800), …/list",
        "signalwire.com/docs/compatibility-api/rest/messages/webhooks/sms-status-callback",
    ),
    unconfirmed=(
        "For how long records and media stay when they are not deleted; backups.",
        "Whether a webhook that failed is called again.",
        "Whether the port is left out of the signed URL as at Twilio (either is accepted).",
        "That it acts on no opt-out word and answers none by itself, toll-free numbers aside.",
    ),
)


class Settings(CarrierSettings):
    """A project of a space (`api_base: https://SPACE.signalwire.com`), its API token and its signing key.

    One number sends 3 texts a second if it is toll-free, 4 with a 10DLC campaign, 10 if it is a short code.
    """

    kind: Literal["signalwire"]
    texts_per_second: PositiveFloat = 3.0
    project: NonEmpty
    token_file: Path
    signing_key_file: Path

    @property
    def account(self) -> str:
        """The project's id."""
        return self.project


class SignalWireCarrier(CxmlCarrier):
    """One line's connection to SignalWire."""

    kind = "signalwire"
    settings = Settings
    exposure = EXPOSURE
    signature_header = "X-SignalWire-Signature"
    media_first = True

    def __init__(self, settings: Settings, line: AdapterContext, *, timeout: Timeout = TIMEOUT) -> None:
        super().__init__(
            line,
            account=settings.project,
            user=settings.project,
            password=read_secret(settings.token_file),
            keys={"sha1": (read_secret(settings.signing_key_file),)},
            api_base=settings.api_base,
            path=API,
            rate=Rate(per_second=settings.texts_per_second),
            timeout=timeout,
        )
