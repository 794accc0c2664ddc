"""The page about privacy that an agency can publish, written from the line's own configuration and packs.

Rules of this module: every figure comes from the pack that runs, every sentence about the carrier from its adapter's own
`Exposure`; a sentence that holds only with a setting is there only with that setting. What is not known is said. No number,
name of staff, address of a machine or wording of a codeword is on the page.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bridge.carriers.vendors.registry import CARRIER_KINDS
from deploy.carrier.exposure_sheet import format_duration
from policies.pack import BreakGlass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.config import Config
    from policies.pack import Pack, Settings

SETTING: Final = re.compile(r"`(\w+): true`")
"""A setting of the carrier's section that a sentence depends on."""
FOR_COUNSEL: Final = (
    "<!-- Made by `quietline privacy` from the configuration as it is now; made anew when that changes. Counsel reads "
    "it before it is published, and adds who you are, how to reach you, and which law applies. -->"
)


class RehearsalOnly(Exception):  # noqa: N818 - an answer, not a failure
    """A rehearsal has no public that could text it."""


def privacy_page(config: Config, pack: Pack) -> str:
    """Return the page, as Markdown. Raises :class:`RehearsalOnly`."""
    if config.line.rehearsal:
        raise RehearsalOnly
    parts = [
        FOR_COUNSEL,
        "# How this text line treats your texts",
        (
            "Text messages are not private. The phone companies, and whoever holds your phone or sees its bill or its "
            "cloud, can see that you texted us, and mostly what. If that could harm you, call us, or text from a "
            "phone that nobody else looks at. Delete texts on your phone if that is safe for you."
        ),
        "## What we keep, and for how long",
        _items(_kept(config, pack)),
        "## Who can read it",
        _items(_readers(config, pack.settings)),
        "## What these cannot read",
        _items(_cannot_read()),
        "## What the company that carries our texts keeps",
        *_carrier(config),
        "## What the phone companies keep",
        (
            "Yours and ours keep, for as long as their own rules and laws say, that one number texted the other, and "
            "when; some keep the words for a while. Neither you nor we can delete that. It may be on your bill."
        ),
        "## What you can ask for",
        _items(_choices(pack)),
    ]
    return "\n\n".join(parts) + "\n"


def _items(lines: Iterator[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _kept(config: Config, pack: Pack) -> Iterator[str]:
    settings = pack.settings
    yield (
        f"Your words and ours: {format_duration(settings.message_ttl)} after somebody here saw or answered them. Words "
        "that nobody saw yet stay until somebody does."
    )
    yield (
        f"A conversation in which nobody writes ends by itself after {format_duration(settings.idle)}, once somebody "
        "answered. What was said in it goes then."
    )
    yield (
        f"Your number, sealed: {format_duration(settings.grace)} after the conversation ended, so that we know you if "
        f"you come back soon; {format_duration(settings.continuing)} if you chose to be known again. Then the key to "
        "it is destroyed."
    )
    yield (
        "If you text STOP: a code that is made from your number, so that we do not text it, for "
        f"{format_duration(settings.suppression_ttl)}. Who has our keys could find out whether a certain number is on "
        "that list."
    )
    yield (
        "What was done on the line, by the hour, without words, names or numbers: "
        f"{format_duration(settings.audit_retention)}. Proof that a conversation was erased, without what was in it: "
        f"{format_duration(settings.receipt_retention)}. Counts by month."
    )
    yield (
        "The devices of our staff forget a conversation when they hear that it is over. A device that is switched off "
        f"for longer than {format_duration(settings.client_grace)} keeps what it had, at least until it is signed out."
    )
    yield (
        "A supervisor can stop the deletion of one conversation when the law demands that it is kept. That it was "
        "done is noted, by the hour."
    )
    yield "The backups that the line makes hold no conversation and no key of one; the list of STOP codes is in them."
    if config.homeserver.joined:
        yield (
            "Our rooms are on a server that also has other rooms of ours. Encrypted remains, which nobody has a key "
            "for any more, and the bare id of a room can stay in its database and its backups for a while."
        )


def _readers(config: Config, settings: Settings) -> Iterator[str]:
    yield "The person who answers you, colleagues who are called into your conversation, and a supervisor who joins it."
    yield "Whoever runs our server could, while a conversation is open."
    yield (
        "Your number is not shown to the people who answer. Two of them together can see it for a minute, and have to "
        "give a reason; that it was done is noted."
    )
    if settings.break_glass is BreakGlass.ALONE:
        yield (
            "When no supervisor is there, one person alone can see your number for a minute, with a reason; that is "
            "noted too."
        )
    if config.line.on_call is not None:
        yield "When nobody answers, a person on call is called. Whoever carries that call learns only that somebody waits."
    if config.metrics is not None:
        yield "We measure how many texts come and whether the line works. No measurement names anybody."
    if config.homeserver.admin_token_file is not None:
        yield "An administrator of our server can take over an account there, and so come into a conversation that is open."
    yield "We ask no other company, no look-up service and no artificial intelligence about you."


def _cannot_read() -> Iterator[str]:
    yield (
        "Whoever copies our database without its keys: neither your words nor your number. They could see that texts came, "
        "how many and when, while a conversation is open."
    )
    yield "Whoever gets hold of a backup: no conversation."
    yield "The companies that wake our staff's phones (the app's maker, Apple, Google): not what was said, nor your number."
    yield "We ourselves, once a conversation is over and its key is destroyed: nothing of it that is on our server."


def _carrier(config: Config) -> Iterator[str]:
    settings = config.line.carrier
    exposure = CARRIER_KINDS[settings.kind].exposure

    def holds(sentence: str) -> bool:
        return all(getattr(settings, name, None) is True for name in SETTING.findall(sentence))

    keeps = [*exposure.keeps, *exposure.remains]
    yield f"Our texts are carried by {exposure.carrier}. It can read every text. As far as it says so itself, it keeps:"
    yield _items(sentence for sentence in dict.fromkeys(keeps) if holds(sentence))
    asked = [sentence for sentence in exposure.we_delete if holds(sentence)]
    if asked:
        yield "We ask it to delete, as soon as it lets us:"
        yield _items(iter(asked))
    else:
        yield "There is nothing that we could have it delete."
    yield f"Its bill: {exposure.bill_shows}"
    if exposure.unconfirmed:
        things = "is one thing" if len(exposure.unconfirmed) == 1 else f"are {len(exposure.unconfirmed)} things"
        yield f"There {things} about it that we could not confirm. Ask us, and we say which."


def _choices(pack: Pack) -> Iterator[str]:
    yield (
        "**Stop:** text STOP. We do not text you after that, but for one last answer of a supervisor at most. Once you "
        "text START, we may again."
    )
    if pack.keywords.exit:
        yield "**Leave without STOP:** there are words for it; the person who answers can tell you which."
    yield (
        "**Forget me now:** say so in the conversation. We end it and erase number and words at once; a device of "
        f"ours that is off for longer than {format_duration(pack.settings.close_now_grace)} then keeps what it had, at "
        "least until it is signed out."
    )
    yield (
        "**Not be texted first**, or only at certain times: say so. What would break it is held back then, until a person "
        "decides otherwise."
    )
    yield "**A copy:** there is no way to print a conversation out. Keep it on your phone if that is safe."
