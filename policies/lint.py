"""Finds what is wrong with the words of a pack, and says what to do about it.

Rules of this module: a pack that loads is checked as a reader who holds the phone would read it, and as a carrier's filter
would. A finding with `must` has to be corrected before the line is well; the rest is advice, and the agency knows better.
Nothing here changes a pack.

In the lists of signs and of talk it finds duplicate phrases, and phrases that no text matches: a phrase is tried on texts
made of its own words, alone and behind another word. The lists of a matcher are checked once in a process.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from policies.agency_words import find_leak
from policies.fictional import find_fictional
from policies.hours import longest_as_sent
from policies.keywords import normalize_keyword, normalize_words
from policies.pack import COVER_LINES, LANGUAGE_OFFER, Pack, PackText, TextName, Wording
from policies.phrase_matcher import Matcher, PhraseList, make_matcher
from policies.phrases import Phrase, examples
from policies.readability import grade
from policies.segments import breaks_gsm7, segments

MIN_WORDS: Final = 8
"""With fewer words a formula says nothing."""
MAX_GRADE: Final = 6.0
"""Practice 28: short, clear, not overwhelming. Six years of school, which is what health agencies ask of their leaflets."""

FILTERED: Final = tuple(
    word.strip()
    for word in """
    sex, sexual, sexy, porn, nude, nudes, escort, xxx, beer, wine, vodka, whiskey, liquor, gun, guns, firearm,
    firearms, ammo, rifle, pistol, tobacco, cigarette, cigarettes, vape, vaping, nicotine, cannabis, marijuana,
    weed, cbd, thc, kratom, cocaine, heroin, opioids, viagra, casino, gambling, betting, lottery, jackpot,
    sweepstakes, prize, winner, you won, congratulations, free money, free gift, cash bonus, payday, loan, loans,
    debt relief, credit repair, refinance, mortgage, crypto, bitcoin, investment, work from home, make money, act
    now, limited time, click here, click below, buy now, order now, discount, best price, guaranteed, risk free, no
    obligation, urgent action, verify your account, account suspended, sexo, sexual, desnuda, desnudos, cerveza,
    vino, pistola, pistolas, armas de fuego, rifle, tabaco, cigarro, cigarros, marihuana, cocaina, heroina, casino,
    apuestas, loteria, premio, ganaste, felicidades, dinero gratis, prestamo, prestamos, hipoteca, inversion, gana
    dinero, haz clic, compra ahora, descuento, garantizado
    """.replace("\n", " ").split(",")
)
"""Words for which carriers hold texts back, in the form that `normalize_words` gives: a list to be warned by.

No carrier publishes its own; these are plain words of the categories that the CTIA's Messaging Principles and the carriers'
codes of conduct name (sex, hate, alcohol, firearms, tobacco; drugs, gambling, loans, debt, prizes), and phrases of
advertisers. An advocate's own words are never held against it.
"""
NO_QUESTION_TEXTS: Final = frozenset(
    {
        *(TextName.CLOSING, TextName.AFTER_HOURS, TextName.UNAVAILABLE, TextName.OUTAGE, TextName.STOP, TextName.LATER),
        *(TextName.DIFFERENT, *COVER_LINES),
        *(TextName.VERIFIED, TextName.UNVERIFIED),
    }
)
"""Texts that end something, or that a third person reads: a question would call for an answer."""
INNOCUOUS_TEXTS: Final = frozenset(
    {
        *(TextName.DIFFERENT, *COVER_LINES),
        *(TextName.CHALLENGE, TextName.VERIFIED, TextName.UNVERIFIED),
    }
)
"""Texts that a person may read who must not learn what this number is. `settings.help_answer` is another."""
WORDS_OF_A_HELP_ANSWER: Final = frozenset(("help", "support", "ayuda", "apoyo"))
"""Words that carriers want in an answer to HELP; they tell nothing."""
REVEALING_WORDS: Final = frozenset(
    """
    safe safety danger help helpline hotline crisis shelter advocate advocates survivor survivors victim abuse abuser
    violence police court code codeword word password verify verified confirm agency counselor support
    segura seguro seguridad peligro ayuda linea crisis refugio defensora victima abuso violencia policia juzgado clave
    contrasena palabra verificar confirmar agencia consejera apoyo
    """.split()  # noqa: SIM905 - words are easier to read, and to strike out, as words
)
YES: Final = re.compile(
    r"\bYES\b|\bS[IÍ]\b"
    r"|(?i:\b(?:reply|answer|text|say|type|write|send)\W+(?:with\W+|back\W+)?(?:yes|y)\b)"
    r"|(?i:\b(?:responde|responda|contesta|conteste|escribe|escriba|di|manda|mande|env[ií]a|env[ií]e)\W+(?:con\W+)?(?:sí|yes)\b)"
)
UNFILLED: Final = re.compile(r"[\[{<]\s*\w|\bTODO\b|\bXXX+\b|_{2,}")
"""Parts of a template that the agency has to fill in."""
LINK: Final = re.compile(r"https?://|\bwww\.|\b(?:bit\.ly|tinyurl|t\.co|goo\.gl|ow\.ly)\b", re.IGNORECASE)
DIGITS: Final = re.compile(r"\d(?:[ ().-]{0,2}\d){2,}")
ANY_WORD = "x"
"""A word that is in no list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding about one wording. `path` as in the pack; `rule` names the check; `do` is one sentence."""

    path: str
    rule: str
    must: bool
    what: str
    do: str


def lint(pack: Pack) -> tuple[Finding, ...]:
    """Check every wording of a pack, its hours and what nobody reviewed. In the order of the pack."""
    findings: list[Finding] = []
    for text, language, wording in pack.wordings:
        findings += _check_wording(_Context(pack, text, language, wording, longest_as_sent(wording.text, language)))
    if pack.hours.sample:
        do = "Say your own hours in your own pack."
        findings.append(Finding(path="hours", rule="sample", must=True, what="these are an example's hours", do=do))
    if not pack.leak_words:
        what = "no word of the agency is listed, so none is kept from phones"
        do = "List the agency's name, street and surnames of staff."
        findings.append(Finding(path="leak_words", rule="names", must=False, what=what, do=do))
    findings += [Finding(path=path, rule="signs", must=True, what=what, do=do) for path, what, do in _word_list_flaws(pack)]
    return tuple(findings)


@dataclass(frozen=True, slots=True)
class _Context:
    """The input of the rules: `said` is the wording in the longest form that a phone gets."""

    pack: Pack
    text: PackText
    language: str
    wording: Wording
    words: str


_Complaint = tuple[str, str] | None


def _check_wording(it: _Context) -> Iterator[Finding]:
    path = f"{'texts' if it.text.name in it.pack.texts else 'canned'}.{it.text.name}.wordings.{it.language}"
    for rule, must, look in _RULES:
        if (complaint := look(it)) is not None:
            what, do = complaint
            yield Finding(path=path, rule=rule, must=must, what=what, do=do)


def _segments(it: _Context) -> _Complaint:
    cut = segments(it.words)
    if cut.count == 1:
        return None
    return f"{cut.count} segments ({cut.units} units as {cut.encoding})", "Say it in one segment, 160 letters."


def _encoding(it: _Context) -> _Complaint:
    letters = breaks_gsm7(it.words)
    if not letters:
        return None
    named = ", ".join(f"{letter} (U+{ord(letter):04X})" for letter in letters)
    return f"GSM-7 lacks {named}: a segment holds 70 letters, not 160", "Reword; do not drop accents."


def _grade(it: _Context) -> _Complaint:
    years = grade(it.words, it.language)
    if years is None or years <= MAX_GRADE or len(it.words.split()) < MIN_WORDS:
        return None
    return f"asks for {years:.0f} years of school, more than {MAX_GRADE:.0f}", "Shorter sentences, shorter words."


def _names(it: _Context) -> _Complaint:
    word = find_leak(it.pack, it.words)
    return None if word is None else (f"holds “{word}”, one of the leak_words", "Say it without a name.")


def _asks(it: _Context) -> _Complaint:
    if it.text.name not in NO_QUESTION_TEXTS or not re.search("[?¿]", it.words):
        return None
    return "asks a question where nothing may be asked", "Say it as a statement: somebody else may answer."


def _yes(it: _Context) -> _Complaint:
    if not YES.search(it.words):
        return None
    return "asks for YES, which carriers take for an opt-in", "Ask so that the answer is any other word."


def _innocent(it: _Context) -> _Complaint:
    is_help_answer = it.text.name == it.pack.settings.help_answer
    if it.text.name not in INNOCUOUS_TEXTS and not is_help_answer:
        return None
    revealing = REVEALING_WORDS - WORDS_OF_A_HELP_ANSWER if is_help_answer else REVEALING_WORDS
    telling = next((word for word in normalize_words(it.words).split() if word in revealing), None)
    # An answer to HELP may name where to turn to: carriers ask for that.
    if telling is None and (is_help_answer or not DIGITS.search(it.words)):
        return None
    what = f"“{telling}” tells what this number is" if telling else "holds a number"
    return what, "Say what a shop, a stranger or an acquaintance would."


def _alike(it: _Context) -> _Complaint:
    same = it.pack.texts[TextName.VERIFIED].wordings[it.language].text
    if it.text.name != TextName.UNVERIFIED or it.wording.text == same:
        return None
    what = "differs from texts.verified: whoever guesses at the agreed word sees that something was expected"
    return what, "Say the same after any answer."


def _filtered(it: _Context) -> _Complaint:
    plain = f" {normalize_words(it.words)} "
    hit = next((word for word in FILTERED if f" {word} " in plain), None)
    if hit is not None:
        return f"“{hit}” is a word for which carriers hold texts back", "Use another word."
    if LINK.search(it.words):
        return "holds a link", "Leave it out: carriers filter links, and a link stays on the phone."
    if re.search(r"[!?]{3,}|(?:\b[A-ZÁÉÍÓÚÑ]{2,}\b\W+){3}", it.words):
        return "shouts", "One mark at the end of a sentence, and small letters."
    return None


def _offer(it: _Context) -> _Complaint:
    offer = LANGUAGE_OFFER.search(it.words)
    if offer is None or normalize_keyword(offer[1]) in it.pack.keywords.language:
        return None
    return f"offers “{offer[0].strip()}”, and the line speaks no such language", "Leave it out, or add the language."


def _unfilled(it: _Context) -> _Complaint:
    return ("holds a gap that nobody filled in", "Fill it in.") if UNFILLED.search(it.words) else None


def _sample(it: _Context) -> _Complaint:
    if (example := find_fictional(it.words)) is not None:
        return f"holds “{example}”, an example that is nobody's", "Say it with your own, in your own pack."
    if not it.wording.sample:
        return None
    return "holds an example", "Say it with your own, in your own pack."


def _review(it: _Context) -> _Complaint:
    if not it.text.legal or it.wording.is_reviewed:
        return None
    with_what = f" with {it.text.statute}" if it.text.statute else ""
    return "is legal text that nobody reviewed", f"Counsel compares it{with_what}; then reviewed_by and reviewed_on."


_RULES: Final[tuple[tuple[str, bool, Callable[[_Context], _Complaint]], ...]] = (
    ("segments", False, _segments),
    ("encoding", False, _encoding),
    ("grade", False, _grade),
    ("names", True, _names),
    ("question", True, _asks),
    ("yes", True, _yes),
    ("innocent", True, _innocent),
    ("alike", True, _alike),
    ("filtered", False, _filtered),
    ("offer", True, _offer),
    ("unfilled", True, _unfilled),
    ("sample", True, _sample),
    ("review", True, _review),
)


def _word_list_flaws(pack: Pack) -> Iterator[tuple[str, str, str]]:
    """Yield path, fault and remedy for each flaw of the lists of signs and of talk."""
    for language, matcher in pack.signs.items():
        yield from _sign_flaws(language, matcher)
    for language, about in pack.about_texter.items():
        yield from _talk_flaws(language, about.matcher)


@lru_cache(maxsize=32)
def _sign_flaws(language: str, matcher: Matcher) -> tuple[tuple[str, str, str], ...]:
    complaints: list[tuple[str, str, str]] = []
    for each in matcher.lists:
        path = f"words.{language}.signs.{each.label}"
        complaints += _list_flaws(matcher, each, f"{path}.phrases", f"{path}.unless")
    return tuple(complaints)


@lru_cache(maxsize=32)
def _talk_flaws(language: str, matcher: Matcher) -> tuple[tuple[str, str, str], ...]:
    complaints: list[tuple[str, str, str]] = []
    path = f"words.{language}.about_texter"
    for each in matcher.lists:
        within = each.label.rpartition(".")[0]
        complaints += _list_flaws(matcher, each, f"{path}.{each.label}", f"{path}.{within}.unless".replace("..", "."))
    return tuple(complaints)


def _list_flaws(matcher: Matcher, listed: PhraseList, phrases: str, unless: str) -> Iterator[tuple[str, str, str]]:
    """Yield the same for one list; `phrases` and `unless` are the paths of its two parts."""
    for path, part in ((phrases, listed.phrases), (unless, listed.unless)):
        yield from ((path, f"“{written}” is there twice", "Take one out.") for written in _duplicates(part))
    both = {p.elements for p in listed.phrases} & {p.elements for p in listed.unless}
    yield from (
        (unless, f"“{phrase.source}” is a phrase as well", "Take one of them out.")
        for phrase in listed.unless
        if phrase.elements in both
    )
    yield from (
        (phrases, f"“{phrase.source}” can never match: {why}", "Change it, or what stands against it.")
        for phrase in listed.phrases
        if phrase.elements not in both and (why := _never_matches(matcher, listed, phrase))
    )


def _duplicates(phrases: tuple[Phrase, ...]) -> list[str]:
    count = Counter((p.elements, p.begins, p.ends) for p in phrases)
    first: dict[object, str] = {}
    for phrase in phrases:
        first.setdefault((phrase.elements, phrase.begins, phrase.ends), phrase.source)
    return [first[key] for key, times in count.items() if times > 1]


def _never_matches(matcher: Matcher, every: PhraseList, phrase: Phrase) -> str:
    """Say why no text that is made of a phrase matches it; empty when one does."""
    texts = [text for words in examples(phrase) for text in (words, f"{ANY_WORD} {words}")]
    if any(every.label in matcher.find(text) for text in texts):
        return ""
    alone = make_matcher([PhraseList(every.label, (phrase,))], matcher.spelling)
    if any(every.label in alone.find(text) for text in texts):
        return "an entry of `unless` stands in each text that it is made of"
    return "its words are spelled in a way that no text is taken for"
