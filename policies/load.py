"""Reads pack files into one pack.

Rules of this module: nothing starts on a bad pack; its author gets all problems at once, each with its file and path. Packs
are merged in order, the agency's own last. For settings and hours the last pack that has them wins; for a wording, the last
that has it in that language. Keywords such as STOP only add up, and a text that one pack marks `legal` stays so.

Word lists of a language add up too. A phrase that cannot be read is a problem with its path, and no problem repeats the
phrase. The same words are read once in a process, whichever file they come from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from itertools import combinations, pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationError

from policies import ProblemsError
from policies.hours import longest_as_sent
from policies.keywords import normalize_words
from policies.language_guess import plain
from policies.pack import (
    COVER_LINES,
    PHRASES,
    QUESTIONS,
    READER,
    STATEMENTS,
    AboutTexter,
    AssignmentMode,
    BreakGlass,
    ExitAction,
    Hours,
    Keywords,
    Pack,
    PackText,
    PersonShifts,
    Playbook,
    ResumeMode,
    Settings,
    Shifts,
    TextName,
    Wording,
    text_digest,
)
from policies.phrase_matcher import Matcher, PhraseList, make_matcher
from policies.phrases import Element, Phrase, is_loose, read_groups, read_phrase, read_spelling
from policies.schema import (
    MOST_SEGMENTS,
    AboutTexterPart,
    CuePart,
    HoursPart,
    PackFile,
    PlaybookPart,
    ShiftsPart,
    TextPart,
    WeekPart,
    WordingPart,
    WordsPart,
)
from policies.segments import segments
from policies.signs import Sign
from policies.yaml_file import UNREADABLE, key_path, parse_yaml, unreadable_reason

PACKS = Path(__file__).parent / "packs"
PACK_FILE = "pack.yaml"
WORDS = "words"
"""The key for words by language, and the folder beside a pack's file in which each language may have a file of its own."""
PACK_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
REGIONAL_NAME = re.compile(r"[a-z]{2}/[a-z]{2}")
"""A pack that comes with Quietline for one part of a country, such as `us/ca`."""
ORDERED_SETTINGS = (
    ("undo_seconds", "undo_after_switch_seconds"),
    ("undo_seconds", "undo_after_join_seconds"),
    ("unclaimed_on_duty", "unclaimed_supervisors", "unclaimed_on_call"),
    ("flood_ends", "flood_begins"),
)


ENOUGH: Final = 4
"""The sum from which words are held if no pack sets it."""
ZONE_UNSAID: Final = "UTC"
"""The time zone of hours that name none, as `always: true` may."""
_OURS: Final[dict[Path, PackFile]] = {}
"""Quietline's own packs, each read once in a process. An agency's file may change between two reads."""


class PackError(ProblemsError):
    """The packs cannot be used."""


def load(packs: Sequence[str], *, near: Path | None = None) -> Pack:
    """Read, merge and check packs. A pack is a name of Quietline's own packs, or a path to a YAML file.

    A path is relative to `near` (the folder of the configuration that names it), or to the working directory. Raises
    :class:`PackError` with all problems of all files at once.
    """
    problems: list[str] = []
    files = [file for name in packs if (file := _read(name, near or Path(), problems)) is not None]
    if not packs:
        problems.append("packs: no pack is named")
    pack = _merge(files, problems) if not problems else None
    if pack is None or problems:
        raise PackError(problems)
    return pack


def _find(name: str, near: Path) -> Path:
    if REGIONAL_NAME.fullmatch(name) and (ours := PACKS / f"{name}.yaml").is_file():
        return ours
    if not PACK_NAME.fullmatch(name):
        path = near / name
        return path / PACK_FILE if path.is_dir() else path
    folder = PACKS / name / PACK_FILE
    return folder if folder.is_file() else PACKS / f"{name}.yaml"


def _read(name: str, near: Path, problems: list[str]) -> PackFile | None:
    path = _find(name, near)
    if (ours := _OURS.get(path)) is not None:
        return ours
    where = name
    try:
        raw = parse_yaml(path)
        if path.name == PACK_FILE and isinstance(raw, dict) and isinstance(raw.setdefault(WORDS, {}), dict):
            for file in sorted((path.parent / WORDS).glob("*.yaml")):
                where = f"{name}: {WORDS}/{file.name}"
                raw[WORDS][file.stem] = parse_yaml(file)
    except UNREADABLE as error:
        problems.append(f"{where}: {unreadable_reason(error, path)}")
        return None
    try:
        pack_file = PackFile.model_validate(raw)
    except ValidationError as error:
        for e in error.errors(include_input=False, include_url=False):
            where = key_path(e["loc"])
            what = "must hold keys" if e["type"] == "model_type" else e["msg"].removeprefix("Value error, ")
            problems.append(f"{name}: {where}: {'unknown key' if e['type'] == 'extra_forbidden' else what}")
        return None
    if path.is_relative_to(PACKS):
        _OURS[path] = pack_file
    return pack_file


def _merge(files: Sequence[PackFile], problems: list[str]) -> Pack | None:
    languages = next((tuple(file.languages) for file in reversed(files) if file.languages), ())
    if not languages:
        problems.append("languages: no pack says them")
    if len(set(languages)) != len(languages):
        problems.append("languages: one is there twice")
    settings = _settings(files, problems)
    hours = _hours(next((file.hours for file in reversed(files) if file.hours), None), problems)
    shifts = _shifts(next((file.shifts for file in reversed(files) if file.shifts), None), hours, problems)
    texts = {
        name: _text(name, [f.texts[name] for f in files if name in f.texts], f"texts.{name}", languages, problems)
        for name in TextName
    }
    canned = {
        name: _text(name, [f.canned[name] for f in files if name in f.canned], f"canned.{name}", languages, problems)
        for name in dict.fromkeys(name for file in files for name in file.canned)
    }
    staff_language = next((file.staff_language for file in reversed(files) if file.staff_language), "")
    if not staff_language:
        problems.append("staff_language: no pack says it")
    playbooks = {name: _playbook(part) for file in files for name, part in file.playbooks.items()}
    # The guard knows these by their words, so a cover line that is the challenge would never leave.
    challenges = {wording.text for wording in texts[TextName.CHALLENGE].wordings.values()}
    problems += [
        f"texts.{cover}.wordings.{language}: is the same as texts.{TextName.CHALLENGE}"
        for cover in COVER_LINES
        for language, wording in texts[cover].wordings.items()
        if wording.text in challenges
    ]
    if settings is not None and settings.help_answer and settings.help_answer not in canned:
        problems.append("settings.help_answer: is not the name of one of `canned`")
    keywords = _keywords(files, languages, problems)
    signs, about = matchers([file.words for file in files], problems)
    if problems or settings is None or hours is None:
        return None
    return Pack(
        names=tuple(file.name for file in files),
        languages=languages,
        staff_language=staff_language,
        settings=settings,
        hours=hours,
        shifts=shifts,
        keywords=keywords,
        texts=MappingProxyType(texts),
        canned=MappingProxyType(canned),
        playbooks=MappingProxyType(playbooks),
        leak_words=frozenset(leak for file in files for word in file.leak_words if (leak := normalize_words(word))),
        signs=MappingProxyType(signs),
        about_texter=MappingProxyType(about),
        function_words=MappingProxyType(function_words([file.words for file in files], languages)),
    )


def _playbook(part: PlaybookPart) -> Playbook:
    others: dict[str, Playbook] = {
        code: Playbook(title=o.title, steps=tuple(o.steps)) for code, o in part.translations.items()
    }
    return Playbook(title=part.title, steps=tuple(part.steps), translations=MappingProxyType(others))


def _settings(files: Sequence[PackFile], problems: list[str]) -> Settings | None:
    merged: dict[str, Any] = {}
    for file in files:
        merged |= {key: value for key, value in file.settings if value is not None}
    missing = [f"settings.{f.name}: no pack says it" for f in fields(Settings) if f.name not in merged]
    problems += missing
    if missing:
        return None
    merged["silence_cues"] = tuple(merged["silence_cues"])
    merged["stop_resumes"] = ResumeMode(merged["stop_resumes"])
    merged["break_glass"] = BreakGlass(merged["break_glass"])
    merged["assignment"] = AssignmentMode(merged["assignment"])
    settings = Settings(**merged)
    for ladder in ORDERED_SETTINGS:
        if any(merged[a] > merged[b] for a, b in pairwise(ladder)):
            problems.append(f"settings: {', '.join(ladder)} must not grow smaller in this order")
    undo = max(settings.undo_after_switch_seconds, settings.undo_after_join_seconds)
    if undo >= min(settings.late_after_seconds, settings.challenge_window):
        problems.append("settings: late_after_seconds and challenge_window must be longer than every undo window")
    if sorted(set(settings.silence_cues)) != list(settings.silence_cues):
        problems.append("settings.silence_cues: must grow")
    if settings.silence_offer_park < settings.silence_cues[-1]:
        problems.append("settings.silence_cues: the last must come before the hour after which parking is offered")
    return settings


def _hours(part: HoursPart | None, problems: list[str]) -> Hours | None:
    if part is None:
        problems.append("hours: no pack says them")
        return None
    if part.timezone is not None:
        _check_zone(part.timezone, "hours.timezone", problems)
    week = part.week or WeekPart()
    return Hours(
        always=part.always is True,
        timezone=part.timezone or ZONE_UNSAID,
        week=tuple(tuple(sorted(periods)) for _, periods in week),
        closed=frozenset(part.closed),
        holidays=tuple(dict.fromkeys(part.holidays)),
        clock=part.clock or 12,
        sample=part.sample,
    )


def _check_zone(zone: str, path: str, problems: list[str]) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # Debian 13 took old names out of tzdata: a line may know its zone until the system is upgraded.
        problems.append(
            f"{path}: this machine knows no such time zone (example: America/New_York); Debian has them in tzdata, and old "
            "names such as US/Eastern in tzdata-legacy"
        )


def _shifts(part: ShiftsPart | None, hours: Hours | None, problems: list[str]) -> Shifts | None:
    if part is None or hours is None:
        return None
    zone = part.timezone or ("" if hours.always else hours.timezone)
    if not zone:
        problems.append("shifts.timezone: is needed, because the hours have none")
    elif part.timezone is not None:
        _check_zone(zone, "shifts.timezone", problems)
        if not hours.always and zone != hours.timezone:
            problems.append("shifts.timezone: is not that of the hours")
    if len({person.who for person in part.people}) < len(part.people):
        problems.append("shifts.people: one person is there twice")
    people = []
    for number, person in enumerate(part.people):
        days = [*((day, periods) for day, periods in person.week), *((str(d), p) for d, p in person.dates.items())]
        for day, periods in days:
            if any(first[1] > second[0] for first, second in pairwise(sorted(periods))):
                problems.append(f"shifts.people.{number}: two periods of {day} overlap")
        if not any(periods for _, periods in days):
            problems.append(f"shifts.people.{number}: has no shift")
        week = tuple(tuple(sorted(periods)) for _, periods in person.week)
        dates = {day: tuple(sorted(periods)) for day, periods in person.dates.items()}
        people.append(PersonShifts(who=person.who, week=week, dates=MappingProxyType(dates)))
    return Shifts(timezone=zone, people=tuple(people))


def _text(name: str, parts: Sequence[TextPart], path: str, languages: Iterable[str], problems: list[str]) -> PackText:
    merged: dict[str, WordingPart] = {}
    for part in parts:
        merged |= part.wordings
    problems += [f"{path}.wordings.{language}: no pack says it" for language in languages if language not in merged]
    wordings = {
        language: Wording(
            text=merged[language].text,
            reviewed_by=merged[language].reviewed_by if _matches_review(merged[language]) else None,
            reviewed_on=merged[language].reviewed_on if _matches_review(merged[language]) else None,
            sample=merged[language].sample,
        )
        for language in languages
        if language in merged
    }
    problems += [
        f"{path}.wordings.{language}: takes more than {MOST_SEGMENTS} segments once the time of opening stands in it"
        for language, wording in wordings.items()
        if segments(longest_as_sent(wording.text, language)).count > MOST_SEGMENTS >= segments(wording.text).count
    ]
    return PackText(
        name=name,
        legal=any(part.legal for part in parts),
        wordings=MappingProxyType(wordings),
        statute=next((part.statute for part in reversed(parts) if part.statute), ""),
    )


def _matches_review(part: WordingPart) -> bool:
    """Whether the words are the reviewed ones, if a digest of those was stored."""
    return part.reviewed_digest is None or part.reviewed_digest == text_digest(part.text)


def _keywords(files: Sequence[PackFile], languages: Sequence[str], problems: list[str]) -> Keywords:
    # They count in every language, also in one that the line does not speak: STOP is honoured, and an alert costs little.
    def all_of(family: str) -> frozenset[str]:
        return frozenset(w for file in files for merged in getattr(file.keywords, family).values() for w in merged)

    stop, start, call, help_, wish = (all_of(family) for family in ("stop", "start", "call", "help", "wish_to_stop"))
    wish = frozenset(normalize_words(phrase) for phrase in wish)
    exits = {
        word: ExitAction(way) for file in files for merged in file.keywords.exit.values() for word, way in merged.items()
    }
    language = {
        word: code
        for file in files
        for code, merged in file.keywords.language.items()
        if code in languages
        for word in merged
    }
    problems += [
        f"keywords.{family}: no pack says any" for family, merged in (("stop", stop), ("start", start)) if not merged
    ]
    families = (stop, start, language.keys(), call, exits.keys(), help_)
    if any(one & other for one, other in combinations(families, 2)):
        problems.append("keywords: one word has two meanings")
    return Keywords(
        stop=stop,
        start=start,
        language=MappingProxyType(language),
        call=call,
        exit=MappingProxyType(exits),
        help=help_,
        wish_to_stop=wish,
    )


def matchers(
    files: Sequence[Mapping[str, WordsPart]], problems: list[str]
) -> tuple[dict[str, Matcher], dict[str, AboutTexter]]:
    """Return the matchers for signs, and those for talk about a texter, each for every language in which a pack has lists.

    What cannot be read is added to `problems`.
    """
    signs: dict[str, Matcher] = {}
    about: dict[str, AboutTexter] = {}
    for language in dict.fromkeys(language for file in files for language in file):
        words = _read_lists(language, tuple(file[language].model_dump_json() for file in files if language in file))
        problems += words.problems
        if words.signs is not None:
            signs[language] = words.signs
        if words.about is not None:
            about[language] = words.about
    return signs, about


@dataclass(frozen=True, slots=True)
class _Language:
    """The result of the lists of one language."""

    signs: Matcher | None
    about: AboutTexter | None
    problems: tuple[str, ...]


@lru_cache(maxsize=32)
def _read_lists(language: str, written: tuple[str, ...]) -> _Language:
    """Read the lists of one language; `written`: each pack's, as JSON. Results are kept by the words and not by a file."""
    parts = [WordsPart.model_validate_json(each) for each in written]
    problems: list[str] = []
    words = _vocabulary(language, parts, problems)
    listed = _signs(language, parts, words, problems)
    signs = make_matcher(listed, words.spelling) if listed and not problems else None
    about = _about_texter(language, parts, words, problems)
    return _Language(signs, about, tuple(problems))


def function_words(files: Sequence[Mapping[str, WordsPart]], languages: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return the function words of the line's languages, where a pack has any."""
    by_language = {
        language: frozenset(
            plain(word) if len(word) > 1 else word
            for file in files
            if language in file
            for word in file[language].function_words
        )
        for language in languages
    }
    return {language: words for language, words in by_language.items() if words}


def _about_texter(language: str, parts: Sequence[WordsPart], words: _Vocabulary, problems: list[str]) -> AboutTexter | None:
    path, listed = f"words.{language}.about_texter", [part.about_texter for part in parts]
    lists = words.read_lists(path, "", listed, (PHRASES, STATEMENTS), problems)
    lists += words.read_lists(path, "", listed, (READER,), problems, unless=False)
    scores: dict[str, int] = {}
    for name in dict.fromkeys(name for each in listed for name in each.cues):
        cues = [each.cues[name] for each in listed if name in each.cues]
        score = _last(cue.score for cue in cues)
        if not score:
            problems.append(f"{path}.cues.{name}.score: needs a number other than nought")
            continue
        scores[name] = score
        lists += words.read_lists(path, f"cues.{name}.", cues, (PHRASES, STATEMENTS, QUESTIONS), problems)
    if not lists:
        return None
    enough = _last(each.enough for each in listed) or ENOUGH
    reader = _last(each.reader_score for each in listed)
    return AboutTexter(make_matcher(lists, words.spelling), scores, enough, -enough if reader is None else reader)


def _last(values: Iterable[int | None]) -> int | None:
    """Return the last value that is set: a later pack wins."""
    said = [value for value in values if value is not None]
    return said[-1] if said else None


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    """The groups and spellings with which the phrases of one language are read."""

    spelling: Mapping[str, tuple[str, ...]]
    groups: Mapping[str, tuple[tuple[str, ...], ...]]
    elements: dict[str, Element] = field(default_factory=dict)
    """Their elements, which many phrases have in common."""

    def read(self, path: str, listed: Iterable[str], problems: list[str]) -> tuple[Phrase, ...]:
        """Return phrases; add to `problems` what cannot be read.

        Only in `unless` may one begin or end with an optional element: there it is said how far an entry reaches.
        """
        loose_allowed = path.endswith(".unless")
        phrases: list[Phrase] = []
        for number, written in enumerate(listed):
            try:
                phrase = read_phrase(written, self.groups, self.spelling, self.elements)
            except ValueError as error:
                problems.append(f"{path}.{number}: {error}")
                continue
            if is_loose(phrase) and not loose_allowed:
                problems.append(f"{path}.{number}: begins or ends with an optional element, which is found without it")
                continue
            phrases.append(phrase)
        return tuple(phrases)

    def read_lists(
        self,
        path: str,
        within: str,
        parts: Sequence[AboutTexterPart] | Sequence[CuePart],
        kinds: Sequence[str],
        problems: list[str],
        *,
        unless: bool = True,
    ) -> list[PhraseList]:
        """Return a list for each of these keys that holds phrases; `within` precedes the key in its label."""

        def read(kind: str) -> tuple[Phrase, ...]:
            return self.read(
                f"{path}.{within}{kind}", [phrase for each in parts for phrase in getattr(each, kind)], problems
            )

        against = read("unless") if unless else ()
        lists = [(kind, read(kind)) for kind in kinds]
        return [PhraseList(f"{within}{kind}", phrases, against) for kind, phrases in lists if phrases]


def _vocabulary(language: str, parts: Sequence[WordsPart], problems: list[str]) -> _Vocabulary:
    spelling: dict[str, tuple[str, ...]] = {}
    groups: dict[str, tuple[tuple[str, ...], ...]] = {}
    for part in parts:
        try:
            spelling |= read_spelling(part.spelling)
        except ValueError as error:
            problems.append(f"words.{language}.spelling: needs {error}")
    for part in parts:
        try:
            added = read_groups(part.groups, spelling)
        except ValueError as error:
            problems.append(f"words.{language}.groups: {error}")
            continue
        groups |= {name: (*groups.get(name, ()), *rows) for name, rows in added.items()}
    return _Vocabulary(spelling, groups)


def _signs(language: str, parts: Sequence[WordsPart], words: _Vocabulary, problems: list[str]) -> list[PhraseList]:
    lists: list[PhraseList] = []
    for sign in Sign:
        path, listed = f"words.{language}.signs.{sign}", [part.signs[sign] for part in parts if sign in part.signs]
        phrases = words.read(f"{path}.phrases", [phrase for each in listed for phrase in each.phrases], problems)
        unless = words.read(f"{path}.unless", [phrase for each in listed for phrase in each.unless], problems)
        if phrases:
            lists.append(PhraseList(sign, phrases, unless))
    return lists
