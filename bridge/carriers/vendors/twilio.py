"""Twilio: Programmable Messaging, the API of 2010-04-01.

Rule of this module: everything here was read in Twilio's SDK 9.13.0 or documentation; anything else is in `unconfirmed` of
`EXPOSURE`. Nothing was tried against a live account.

Webhooks: set the number's (or the messaging service's) *A message comes in* to `PUBLIC/carriers/LINE/inbound#rc=5&rp=all`,
POST. Without the fragment Twilio retries once on a failed connection and then gives up; missed texts are found by listing.
Our own lane keeps texts in order, not Twilio: status callbacks may come in any order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from bridge.carriers.adapter import AdapterContext, Exposure, WebhookRequest
from bridge.carriers.http_request import TIMEOUT, Timeout
from bridge.carriers.rate_limit import Rate
from bridge.carriers.vendors.cxml import CxmlCarrier
from bridge.runtime.settings import BaseUrl, CarrierSettings, NonEmpty, read_secret

SETTINGS_HEADER: Final = "X-Twilio-Webhooks-Signature-Settings"
API: Final = "/2010-04-01"

EXPOSURE = Exposure(
    carrier="Twilio",
    keeps=(
        "Body, both numbers, times, status and price of every text, as a message record, until it is deleted.",
        "Records that are not deleted: shown for 400 days, after that in bulk exports, without an end.",
        (
            "With message redaction switched on: the unredacted text in production for up to 24 hours, then with limited "
            "access for compliance."
        ),
        "The list of numbers that texted STOP, as long as its opt-out handling is on.",
    ),
    we_delete=(
        (
            "The message record of each text, in either direction, with its media; confirmed by 204, or 404 when it is "
            "gone. Possible about a minute after the text is final."
        ),
        (
            "With `discard_content: true` the body of our own texts is not kept at all (needs message redaction on the "
            "account)."
        ),
    ),
    remains=(
        "Bodies in backups, for up to 30 days after the deletion.",
        "The list of numbers that texted STOP, as long as its opt-out handling is on.",
        "The record of a message that this line refuses (another channel, a group), until it is deleted in the console.",
        "What its bill, and the telephone companies on the way, keep.",
    ),
    bill_shows="The price of a text stands in its message record, which we delete. What the bill lists was not found.",
    opt_outs=(
        "STOP, UNSUBSCRIBE, END, QUIT, STOPALL, REVOKE, OPTOUT and CANCEL as the only word block our answers (21610) "
        "until START; the word is passed on to us all the same. Toll-free numbers: the network does it, and it cannot "
        "be switched off."
    ),
    speaks=(
        "Unless it is reworded or switched off in the messaging service: its own sentence in answer to opt-out and opt-in "
        "words, and to HELP. On toll-free numbers the network answers STOP and UNSTOP with `NETWORK MSG …`, which cannot "
        "be removed or reworded."
    ),
    signed=(
        "HMAC-SHA1 under the account's auth token over URL and all fields (or SHA-256 under a shared key); no time in "
        "it: a replay is stopped by the message id, which we remember for eight days."
    ),
    sources=(
        "twilio 9.13.0: request_validator.py, rest/api/v2010/account/message",
        "twilio.com/docs/messaging/guides/webhook-request and …/track-outbound-message-status",
        "twilio.com/docs/usage/webhooks/webhooks-connection-overrides",
        "twilio.com/docs/api/errors: 20009, 20429, 21610, 21611, 30029, 57012 (the primary auth token signs)",
        "twilio.com/docs/iam/api/secondary_authtoken (a secondary auth token authenticates requests)",
        "twilio.com/docs/messaging: message redaction, advanced opt-out; twilio.com/docs/proxy/opt-out-keywords",
        "support.twilio.com: 223181008, 223133687, 360058144374",
    ),
    unconfirmed=(
        "Whether its debugger keeps the fields of a webhook that we did not take.",
        "Whether the fragment of a connection override is part of the signed URL (either is accepted).",
        "The HTTP status that comes with 20009 (any but 204 and 404 is taken as not yet).",
        "Codes 21614, 30007 and 30034 (taken as permanent, as every 4xx is that is not named otherwise).",
        "Whether a status callback ever bears 21610 (it is read as an opt-out if it does).",
        (
            "A group MMS: that `OtherRecipients0` names another member was seen by others and is in no guide, and its list "
            "does not show it. One that came during an outage is taken for a text to the line alone."
        ),
        "Whether its list takes an RCS sender as the recipient, as a webhook has it in `To` (a refusal holds up no text).",
    ),
)


class Settings(CarrierSettings):
    """An account, its auth token, and the rate of one number: a long code sends one segment a second (21611).

    `other_auth_token_file`: while the auth token is replaced, the account's other one; a signature with either is valid.
    `user` and `password_file` are an API key (`SK…`) and its secret for sending; without them the account's own are used. A
    shared key is for accounts whose webhooks are signed with HMAC-SHA256. `webhook_fragment`: the part after `#` in the
    webhook's URL in the console; a signature is valid with it or without it. `rcs_senders`: RCS senders of the account
    whose webhook is this line's, in Twilio's form (`rcs:brand_agent`): messages to them during an outage are not listed for
    a number, and the desk must be told.
    """

    kind: Literal["twilio"]
    api_base: BaseUrl = "https://api.twilio.com"
    account_sid: Annotated[str, Field(pattern=r"^AC[0-9a-fA-F]{32}$")]
    auth_token_file: Path
    other_auth_token_file: Path | None = None
    user: NonEmpty | None = None
    password_file: Path | None = None
    shared_key_file: Path | None = None
    discard_content: bool = False
    webhook_fragment: Annotated[str, Field(pattern=r"^[A-Za-z0-9=&.,_-]{0,100}$")] = "rc=5&rp=all"
    rcs_senders: tuple[Annotated[str, Field(pattern=r"^rcs:[A-Za-z0-9_.-]{1,100}$")], ...] = ()

    @property
    def account(self) -> str:
        """The account's SID."""
        return self.account_sid


class TwilioCarrier(CxmlCarrier):
    """One line's connection to Twilio."""

    kind = "twilio"
    settings = Settings
    exposure = EXPOSURE
    signature_header = "X-Twilio-Signature"

    def __init__(self, settings: Settings, line: AdapterContext, *, timeout: Timeout = TIMEOUT) -> None:
        token = read_secret(settings.auth_token_file)
        other, shared = settings.other_auth_token_file, settings.shared_key_file
        super().__init__(
            line,
            account=settings.account_sid,
            user=settings.user or settings.account_sid,
            password=token if settings.password_file is None else read_secret(settings.password_file),
            keys={
                "sha1": (token, *(() if other is None else (read_secret(other),))),
                "sha256": () if shared is None else (read_secret(shared),),
            },
            api_base=settings.api_base,
            path=API,
            rate=Rate(per_second=settings.texts_per_second),
            extra_fields={"ContentRetention": "discard"} if settings.discard_content else None,
            fragment=settings.webhook_fragment,
            other_recipients=settings.rcs_senders,
            timeout=timeout,
        )

    def algorithm(self, request: WebhookRequest) -> str:
        """Return the hash that the settings header names; SHA-1 without that header (`get_signature_algorithm`)."""
        for part in request.headers.get(SETTINGS_HEADER, "").split(","):
            name, _, value = part.partition("=")
            if name.strip() == "algorithm" and value.strip():
                return {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}.get(value.strip().upper(), "")
        return "sha1"
