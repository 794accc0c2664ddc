"""`quietline exposure`: what a line's own parts keep, and its carrier: where, for how long, and who could read it.

Rules of this module: numbers come from the running configuration and its packs, sentences from `exposure.yaml`, and what a
carrier keeps from its adapter's own data; nobody is asked.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, StrictUndefined

from bridge.carriers.vendors.registry import CARRIER_KINDS
from bridge.erasure.certificate import OWN_PAGES
from bridge.tables import dead_letters
from deploy.carrier.carrier_exposure import exposure_text
from policies.yaml_file import parse_yaml

if TYPE_CHECKING:
    from bridge.config.sections import Config, DatabaseSettings
    from policies.pack import Pack

SENTENCES: Final = Path(__file__).with_name("exposure.yaml")
MINUTE, HOUR, DAY = 60, 3600, 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureEntry:
    """One kind of stored data. Each field is a sentence or two for a person."""

    where: str
    what: str
    how_long: str
    readable_by: str
    remains: str = ""


def exposure_entries(config: Config, pack: Pack) -> tuple[ExposureEntry, ...]:
    """Return all data that our own parts keep with this configuration."""
    environment = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701 - sentences, no HTML
    environment.globals |= {
        "config": config,
        "pack": pack,
        "settings": pack.settings,
        "duration": format_duration,
        "dead_letters": dead_letters.RETENTION,
        "own_pages": OWN_PAGES,
        "copies": _copies(config.database),
    }
    entries: list[dict[str, str]] = parse_yaml(SENTENCES)
    return tuple(
        ExposureEntry(**{name: environment.from_string(value).render() for name, value in entry.items() if name != "when"})
        for entry in entries
        if "when" not in entry or environment.compile_expression(entry["when"])()
    )


def _copies(database: DatabaseSettings | None) -> str:
    """Say for how long copies of a PostgreSQL are kept."""
    match None if database is None else database.copies_kept_days:
        case None:
            return "for a time that nobody has said (database.copies_kept_days)"
        case 0:
            return "none are kept, by database.copies_kept_days"
        case days:
            return f"at most {days} days, by database.copies_kept_days"


def as_json(config: Config, pack: Pack) -> str:
    """Return the sheet, and what the line's carrier keeps, as JSON."""
    exposure = asdict(CARRIER_KINDS[config.line.carrier.kind].exposure)
    return json.dumps(
        {"carrier": exposure, "line": [asdict(entry) for entry in exposure_entries(config, pack)]}, ensure_ascii=False
    )


def as_text(config: Config, pack: Pack) -> list[str]:
    """Return the sheet, and what the line's carrier keeps, for a person."""
    lines = ["What this line itself keeps", "===========================", ""]
    for entry in exposure_entries(config, pack):
        lines += [
            entry.where,
            f"  What:        {entry.what}",
            f"  How long:    {entry.how_long}",
            f"  Readable by: {entry.readable_by}",
        ]
        lines += [f"  Remains:     {entry.remains}"] if entry.remains else []
        lines.append("")
    return [*lines, "What its carrier keeps", "======================", "", *exposure_text((config.line.carrier.kind,))]


def format_duration(seconds: int) -> str:
    """Return a duration in words, exactly: in seconds, minutes, hours or days."""
    if not seconds or seconds % MINUTE:
        return f"{seconds} s"
    if seconds % HOUR:
        return f"{seconds // MINUTE} min"
    return f"{seconds // HOUR} h" if seconds < 4 * DAY or seconds % DAY else f"{seconds // DAY} days"
