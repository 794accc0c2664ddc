"""The questions of `quietline init` on a terminal: at most twelve, each with its reason and its default.

Rules of this module: it asks and decides nothing; it returns answers in the form of the answers file, and `check_answers`
validates them. A secret is not shown while it is typed, and none is stored here.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, TypeAdapter, ValidationError

from bridge.carriers.vendors.registry import CARRIER_KINDS
from bridge.runtime.settings import BaseUrl, CarrierSettings, E164Number
from deploy.init.answers import DatabaseUrl, PublicUrl, ServerName, problems_of, whole_week
from policies.schema import PERIOD, WeekPart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOTHING: Final = ""


def read_hours(text: str) -> dict[str, Any]:
    """Return the keys of an answer with a time zone and the opening hours. Raises `ValueError` with what is missing.

    Half an answer is none: a line that is called open always promises an answer at night.
    """
    # Spaces within a list of days, or around a hyphen, separate nothing.
    zone, *words = re.sub(r"\s*,\s*", ",", re.sub(r"\s+-\s+", "-", text.strip())).split()
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must begin with a time zone that this machine knows, such as America/New_York") from None
    if words in ([], ["always"]):
        return {"time_zone": zone, "hours": "always"}
    week: dict[str, list[str]] = {}
    days, is_complete = "", False
    for word in words:
        if not word[0].isdigit():
            if days and not is_complete:
                break
            days, is_complete = word, False
        elif not days:
            raise ValueError("the days before the hours are missing: write mon-sun for every day")
        elif not PERIOD.fullmatch(word):
            raise ValueError("hours must have a beginning and an end, such as 09:00-17:00; midnight as an end is 24:00")
        else:
            week.setdefault(days, []).append(word)
            is_complete = True
    if not is_complete:
        raise ValueError("the hours after some of the days are missing: write 00:00-24:00 for the whole day")
    try:
        WeekPart.model_validate(whole_week(week))
    except ValidationError as error:
        raise ValueError("; ".join(problems_of(error))) from None
    return {"time_zone": zone, "hours": week}


def _check_hours(text: str) -> str:
    read_hours(text)
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question. `why` is shown before it. `default`: the answer to an empty line; None: an answer is required.

    `kind`: the type of an answer, for pydantic.
    """

    text: str
    why: str
    default: str | None = None
    choices: tuple[str, ...] = ()
    secret: bool = False
    kind: Any = str

    def problem(self, answer: str) -> str | None:
        """Return what is wrong with an answer, or None."""
        if not answer.strip() and self.default is None:
            return "an answer is needed"
        try:
            TypeAdapter(self.kind).validate_python(answer)
        except ValidationError as error:
            return "; ".join(problems_of(error))
        return None


MODE: Final = Question(
    text="Which homeserver",
    why="embedded: Quietline runs one of its own; postgresql: the same, with its data in a PostgreSQL that is there. join: "
    "the agency has a Synapse. rehearsal: no phones, to try it.",
    default="embedded",
    choices=("embedded", "postgresql", "join", "rehearsal"),
)
SERVER_NAME: Final = Question(
    text="Server name",
    why="The second half of every account's id, for ever: a name of your own domain, such as chat.your-agency.org.",
    kind=ServerName,
)
PUBLIC_URL: Final = Question(
    text="Public URL",
    why="Where the carrier, and without a homeserver of your own the clients, reach this machine, such as "
    "https://text.your-agency.org.",
    kind=PublicUrl,
)
HOMESERVER: Final = Question(
    text="URL of the agency's Synapse",
    why="Where this machine reaches it.",
    default="http://127.0.0.1:8008",
    kind=BaseUrl,
)
DATABASE: Final = Question(
    text="URL of the homeserver's PostgreSQL",
    why="Not shown: postgresql://USER:PASSWORD@HOST/NAME, an empty database of encoding UTF8 and locale C that is USER's.",
    secret=True,
    kind=DatabaseUrl,
)
NUMBER: Final = Question(text="The line's number", why="What people text, such as +15035550100.", kind=E164Number)
CARRIER: Final = Question(
    text="Carrier",
    why="Who carries the texts; `quietline exposure` says what each keeps. Its keys are asked for next, in one answer.",
    choices=tuple(kind for kind in CARRIER_KINDS if kind != "rehearsal"),
)
SUPERVISORS: Final = Question(
    text="Supervisors", why="Names of their accounts, with spaces between; one is needed, who confirms the others."
)
ADVOCATES: Final = Question(text="Advocates", why="The same of everybody else who answers.", default=NOTHING)
PLACE: Final = Question(
    text="Country or state",
    why="Which laws the words name: US, UK, or a state of the US by its two letters.",
    default="US",
)
TIME_ZONE: Final = Question(
    text="Time zone and hours",
    why="When somebody answers: a zone alone for always, or with days and hours, such as "
    "America/New_York mon-fri 09:00-17:00.",
    kind=Annotated[str, AfterValidator(_check_hours)],
)
VOICE_NUMBER: Final = Question(text="Number to call", why="Where a person answers by voice; texts name it.")
BACKUP: Final = Question(
    text="Backups",
    why="A directory that is kept elsewhere, and the file of a passphrase, with a space between; a timer does the rest.",
    default=NOTHING,
)


def ask_answers(ask: Callable[[Question], str]) -> dict[str, Any]:
    """Ask the questions; return answers in the form of the answers file. `ask` shows a question and returns the input."""
    mode = ask(MODE)
    answers: dict[str, Any] = {"mode": "embedded" if mode == "postgresql" else mode}
    if answers["mode"] != "rehearsal":
        answers["server_name"] = ask(SERVER_NAME)
        answers["public_url"] = ask(PUBLIC_URL)
    if mode == "join":
        answers["homeserver"] = {"url": ask(HOMESERVER)}
    if mode == "postgresql":
        answers["database"] = {"homeserver_url": ask(DATABASE)}
    answers["line"] = {"number": ask(NUMBER)}
    if answers["mode"] != "rehearsal":
        kind = ask(CARRIER)
        path_secret = {"path_secret": secrets.token_hex(32)} if "path_secret" in carrier_keys(kind) else {}
        answers["carrier"] = {"kind": kind, **path_secret, **_pairs(ask(_carrier_question(kind)))}
    answers["staff"] = [
        {"name": name, "role": role}
        for question, role in ((SUPERVISORS, "supervisor"), (ADVOCATES, "advocate"))
        for name in ask(question).split()
    ]
    answers["agency"] = {
        **_place(ask(PLACE)),
        **read_hours(ask(TIME_ZONE)),
        "languages": ["en"],
        "voice_number": ask(VOICE_NUMBER),
    }
    if answers["agency"]["country"] != "UK":
        answers["agency"]["languages"] = ["en", "es"]
    if mode == "embedded" and (backup := ask(BACKUP).split(maxsplit=1)):
        answers["backup"] = dict(zip(("to", "passphrase_file"), backup, strict=False))
    return answers


def carrier_keys(kind: str) -> list[str]:
    """Return the required keys of a carrier; a secret of one line without `_file`, because its value may be given."""
    return list(_required_names(kind))


def _required_names(kind: str) -> Iterator[str]:
    for name, field in CARRIER_KINDS[kind].settings.model_fields.items():
        if field.is_required() and name not in CarrierSettings.model_fields.keys() - {"api_base"}:
            yield name if name.endswith("private_key_file") else name.removesuffix("_file")


def _carrier_question(kind: str) -> Question:
    keys = " ".join(f"{key}=…" for key in carrier_keys(kind) if key != "path_secret")
    return Question(
        text="Its keys",
        why=f"On one line, not shown: {keys}. Values without spaces; deploy/examples/{kind}.yaml says what each is.",
        secret=True,
    )


def _pairs(text: str) -> dict[str, str]:
    return {key: value for key, _, value in (part.partition("=") for part in text.split())}


def _place(text: str) -> dict[str, str]:
    place = text.upper()
    return {"country": place} if place in {"US", "USA", "UK", "GB"} else {"country": "US", "state": place}
