"""The page about privacy that an agency can publish, written from the line's own configuration and packs.

Rules of this module: every figure comes from the pack that runs, every sentence about the carrier from its adapter's own
`Exposure`; a sentence that is true only with a setting is there only with that setting. The page says what is unknown. No
number, name of staff, address of a machine or wording of a codeword is on the page.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.carriers.vendors.registry import CARRIER_KINDS
from deploy.carrier.exposure_sheet import format_duration
from policies.pack import BreakGlass
from policies.yaml_file import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.config.sections import Config
    from policies.pack import Pack, Settings

SENTENCES: Final = Path(__file__).with_name("privacy.yaml")
DAYS: Final = {"en": "days", "es": "días"}
SETTING: Final = re.compile(r"`(\w+): true`")
"""A setting of the carrier's section that a sentence depends on."""


class RehearsalOnly(Exception):  # noqa: N818 - an answer, not a failure
    """A rehearsal has no public, so it has no page."""


class _Words:
    """The sentences of one language."""

    def __init__(self, language: str) -> None:
        self._table: dict[str, str] = parse_yaml(SENTENCES)[language]
        self._days = DAYS[language]

    def __call__(self, key: str, *, time: int = 0, longer: int = 0, **values: str) -> str:
        """Return a sentence; `time` and `longer` in seconds."""
        return self._table[key].format(time=self._duration(time), longer=self._duration(longer), **values)

    def _duration(self, seconds: int) -> str:
        return format_duration(seconds).replace(DAYS["en"], self._days)


def privacy_page(config: Config, pack: Pack, language: str = "en") -> str:
    """Return the page, as Markdown, in `en` or `es`. Raises :class:`RehearsalOnly`."""
    if config.line.rehearsal:
        raise RehearsalOnly
    words = _Words(language)
    parts = [
        *(words(key) for key in ("for_counsel", "title", "not_private", "kept")),
        _items(_retention(config, pack.settings, words)),
        words("readers"),
        _items(_readers(config, pack.settings, words)),
        words("cannot"),
        _items(words(f"cannot_{who}") for who in ("copy", "backup", "push", "we")),
        words("carrier"),
        *_carrier(config, words),
        *(words(key) for key in ("phones", "phones_keep", "choices")),
        _items(_choices(pack, words)),
    ]
    return "\n\n".join(parts) + "\n"


def _items(lines: Iterator[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _retention(config: Config, settings: Settings, words: _Words) -> Iterator[str]:
    yield words("kept_words", time=settings.message_ttl)
    yield words("kept_idle", time=settings.idle)
    yield words("kept_number", time=settings.grace, longer=settings.continuing)
    yield words("kept_stop", time=settings.suppression_ttl)
    yield words("kept_audit", time=settings.audit_retention, longer=settings.receipt_retention)
    yield words("kept_devices", time=settings.client_grace)
    yield words("kept_hold")
    yield words("kept_backups")
    if config.homeserver.joined:
        yield words("kept_joined")


def _readers(config: Config, settings: Settings, words: _Words) -> Iterator[str]:
    yield from (words(f"readers_{who}") for who in ("staff", "server", "number"))
    if settings.break_glass is BreakGlass.ALONE:
        yield words("readers_alone")
    if config.line.on_call is not None:
        yield words("readers_on_call")
    if config.metrics is not None:
        yield words("readers_metrics")
    if config.homeserver.admin_token_file is not None:
        yield words("readers_administrator")
    yield words("readers_nobody")


def _carrier(config: Config, words: _Words) -> Iterator[str]:
    settings = config.line.carrier
    exposure = CARRIER_KINDS[settings.kind].exposure

    def holds(sentence: str) -> bool:
        return all(getattr(settings, name, None) is True for name in SETTING.findall(sentence))

    keeps = [*exposure.keeps, *exposure.remains]
    yield words("carrier_keeps", carrier=exposure.carrier)
    yield _items(sentence for sentence in dict.fromkeys(keeps) if holds(sentence))
    deletions = [sentence for sentence in exposure.we_delete if holds(sentence)]
    if deletions:
        yield words("carrier_delete")
        yield _items(iter(deletions))
    else:
        yield words("carrier_nothing")
    yield words("carrier_bill", bill=exposure.bill_shows)
    if exposure.unconfirmed:
        key = "carrier_one" if len(exposure.unconfirmed) == 1 else "carrier_unconfirmed"
        yield words(key, count=str(len(exposure.unconfirmed)))


def _choices(pack: Pack, words: _Words) -> Iterator[str]:
    yield words("choices_stop")
    if pack.keywords.exit:
        yield words("choices_exit")
    yield words("choices_forget", time=pack.settings.close_now_grace)
    yield words("choices_first")
    yield words("choices_copy")
