"""Words that may be meant for a colleague and not for the texter.

Rules of this module: no state, no event. A wrong match is better than a missed one, because one more word of the author
lets the words leave. But a name that is a word as well ("Will", "Rose", "Sol") would hold every other sentence: it counts
only where it is written or set apart as a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final

from bot.language.common_words import COMMON
from policies.confusables import skeleton
from policies.pack import PHRASES, QUESTIONS, READER, STATEMENTS, AboutTexter
from policies.phrases import typed_sentences

NAMES_THAT_ARE_WORDS: Final = frozenset(
    """
    abril alba alma angel angela april art august autumn aurora barb basil bell belle bill bin blanca bob brook brooke bud
    candy carol chance charity chase chip chuck clara clay cliff colt constance constanza coral crystal cruz daisy dawn
    dean del dolores don dot drew dulce earl easter ed eden ella elle esperanza esther ever faith fe felicity fern flor
    flora frank gail gene gloria grace gracia grant guy hale harmony harry haven hazel heath heather heaven helena herb
    holly honor honour hope hunter iris ivy jack jade jasmine jay jazz jesus jewel jo joy joya june junior justice lance
    lane laurel lee leo les liberty lily linda lola love luz mar mark marina mars mason matt max may melody mercedes mercy
    miles mina miracle misty monte nick nieves noel norm oliver olive opal otto pat patience paz pearl penny peg phoenix
    piper pilar pierce poppy prudence rain ray reed remedios rex rich rio river rob robin rocio rod roman rosa rosario
    rose ruby rusty sage sally sandy santa santos sara scarlet sean serenity shade sky skip sky sol soledad sonny spring
    star sterling stone sue summer sunny tad ted temperance tony trinity trip unity van vera verity victor victoria viola
    violet virginia vivian von ward wade will willow wren zen
    """.split()  # noqa: SIM905 - words are easier to read, and to strike out, as words
)
"""Names of people that are English or Spanish words as well."""
ROLES: Final = frozenset(
    """
    admin advocate advocates agent chat counselor counsellor crisis desk duty helper hotline intern lead line manager night
    oncall operator shift staff supervisor supervisors support team tech test text volunteer volunteers worker
    abogada asesora consejera defensora equipo supervisora turno voluntaria
    """.split()  # noqa: SIM905 - as above
)
"""Names of accounts that are no person's name."""
NO_NAMES: Final = ROLES | frozenset(
    """
    doctor dr dra ing lcda lcdo lic licda miss mr mrs ms msc mx phd prof profesora rev sr sra srta
    he her hers him his it its she their theirs them they el ellas ellos
    and da de der du la las los
    afternoon am available away back busy days early evening holiday late leave morning off office on out pm sick until
    vacation weekend weekends dia manana mediodia noche noches tarde tardes vacaciones
    at con covering cubriendo for from hello hey hi hola in is me my no not of ok para please por si the to with yes you
    your
    """.split()  # noqa: SIM905 - as above
)
"""Words in display names that are no names: titles, pronouns, parts of surnames, working times."""
MOST_NAMES: Final = 8
LONGEST_NAME: Final = 32
"""Letters; a longer word of a display name is no name."""
_DOMAIN: Final = re.compile(r"(?<=\w)[:@][\w-]+(?:\.[\w-]+)+\S*")
"""The domain of an e-mail address or a Matrix id: it is the same for everybody."""
ABOUT_THE_TEXTER: Final = re.compile(
    r"\b(?:she|she's|shes|her|hers|herself|the texter|this texter|the survivor|the caller|the client|ella|la clienta)\b",
    re.IGNORECASE,
)
"""How colleagues speak of a texter."""
AMONG_COLLEAGUES: Final = re.compile(
    r"\b(?:the|this|that|our) (?:prank )?(?:texter|survivor|caller)\b|\bwrong (?:room|thread|chat|window|tab)\b"
    r"|\b(?:code ?word|duress|palabra (?:acordada|clave|de coaccion))\b|\bprank (?:texter|caller|call|text)\b"
    r"|\b(?:can|could|would|will) (?:you|u|any ?one|any ?body|some ?one|some ?body)(?: please| pls| plz)? "
    r"(?:take (?:over|this (?:one|thread|chat|room)|my thread)|cover (?:for me|my|this)"
    r"|look at this (?:one|thread|chat))\b"
    r"|\b(?:fyi|hey|hi|hello|hola),? (?:team|everyone|everybody|guys|all|equipo|colegas)\b"
    r"|\b(?:can|could|would|will) (?:any ?one|any ?body|some ?one|some ?body)(?: please| pls| plz)? "
    r"(?:take|cover) (?:this|it|over)(?= (?:please|pls|plz|for me)\b|\W*\Z)"
    r"|\b(?:gn|(?:good ?)?(?:night|morning)|bye|thanks|thx|gracias|buenas noches),? "
    r"(?:all|team|everyone|everybody|guys|folks|a todos|a todas|equipo)\b(?! (?:this|that|the|of|your|my|i)\b)"
    r"|\bdo we (?:still )?have (?:any |a )?(?:beds?|rooms?|space)\b|\b(?:going|go|am|im|i'm) on (?:a |my )?break\b"
    r"|\bhow (?:do|can) i (?:transfer|claim|close|release)\b"
    r"|\b(?:its|it's|it is|this is) (?:him|her|he) (?:texting|writing)\b"
    r"|\bany(?:one|body) free\b|\b(?:handing|passing) (?:this|her) (?:off|over)\b"
    r"|\b(?:la|esta|una) (?:usuaria|clienta)\b|\b(?:sala|chat|conversacion) equivocad[ao]\b"
    r"|\b(?:alguien|puedes|podrias) (?:puede )?(?:tomar|atender|agarrar|cubrir) (?:a )?(?:est[ae]|mi) "
    r"(?:conversacion|chat|turno|hilo)\b",
    re.IGNORECASE,
)
"""What colleagues say to each other about work at the desk; to a texter nobody says it so."""
GREETINGS: Final = "hey|hi|hello|dear|yo|hola|oye"
ASKED: Final = (
    "can|could|would|please|pls|are|is|do|did|look|take|come|need|puede|puedes|podrias|por favor|mira|ven|necesito|esta"
    "|estas"
)
"""Words after a name that make it a question or a request: "hey will can you"; not "you" or "i", because of "hey will you".
"""
CAN_YOU: Final = "(?:can|could|would|will) (?:you|u|ya)|puedes|podrias|me ayudas"
"""Words after a name alone: no sentence begins with the word "will" or "rose" before them."""
ASKED_OF_ONE: Final = rf"{CAN_YOU}|please|pls|(?:look|come|take) (?:at|over|this|here)|por favor|mira|ven"
"""Words after a name by which that person is asked for something, and not said to be or do something: not "Ana is here"."""
SHORTEST_NAME: Final = 3
"""Letters; a shorter name is treated as one that is a word as well."""
_ADDRESS: Final = re.compile(r"\S*[@/]\S*|\S+\.\S+\.\S+")
"""An e-mail or a web address: words in it are nobody's name."""
_QUESTION: Final = re.compile(
    r"[^.!?\u2026;:\n\u00a1\u00bf,]*(?:,\s*(?:right|no|yes|ok|huh|correct|verdad|s[i\u00ed]|cierto)\s*)?\?", re.IGNORECASE
)
"""What asks, to its mark. Before a comma something else is said, unless only "right?" is behind it."""
_INTRODUCES: Final = re.compile(
    r"(?:\b(?:this is|it['\u2019]?s|it is|i['\u2019]?m|i am|my name(?:['\u2019]?s| is)|call me"
    r"|you(?:['\u2019]?re| are) (?:texting|talking|chatting|speaking|writing) (?:with|to)"
    r"|(?<!\bno )soy|me llamo|mi nombre es|(?:te|le|les) (?:habla|escribe|atiende|saluda)"
    r"|(?:hablas|habla usted|estas hablando) con)"
    r"(?:\s+(?:still|just|also|de nuevo|otra vez|(?:me|yo),?))?|(?:\A|[.!?,;:\n])\W*aqui)\s+\Z",
    re.IGNORECASE,
)
"""Words before a name by which people say who they are."""
_HERE: Final = re.compile(
    r"\s+(?:(?:here|speaking|aqui)\b(?!\W*(?:is|are|s)\b|\s*\?)"
    r"|(?:is|esta) (?:here|aqui) (?:(?:for|with|para) (?:you|u|ti)|contigo)\b)",
    re.IGNORECASE,
)
"""What stands behind one at the beginning of a sentence; "Jane here is the file" and "Jane here?" are no such words."""
_SENTENCE_BEGINS: Final = re.compile(r"(?:\A|[.!?\u2026:\n])[^\w.!?,;:]*\Z")


def names_of(user: str) -> frozenset[str]:
    """Return the names in a Matrix id: the parts of its localpart that are letters."""
    return frozenset(re.findall(r"[^\W\d_]{2,}", skeleton(user.removeprefix("@").partition(":")[0]).casefold()))


def names_in(display_name: str) -> tuple[str, ...]:
    """Return the words of a display name, of letters in lower case; at most `MOST_NAMES`, in their order.

    A display name is free text of its person, so it is split and never shown. A single letter ("J.") is no name.
    """
    words = re.findall(r"[^\W\d_]{2,}", _DOMAIN.sub(" ", skeleton(display_name)).casefold())
    names = dict.fromkeys(word for word in words if len(word) <= LONGEST_NAME and word not in NO_NAMES)
    return tuple(names)[:MOST_NAMES]


def is_about_texter(body: str) -> bool:
    """Tell whether words speak of the texter as colleagues do."""
    return ABOUT_THE_TEXTER.search(skeleton(body)) is not None


def speaks_about_texter(body: str, lists: Iterable[AboutTexter]) -> bool:
    """Tell whether words speak of the texter as colleagues do, by the lists of the pack.

    Each language is added up on its own, because a word of one may be another word of the other; an addressee in either
    counts.
    """
    plain = skeleton(body)
    every = typed_sentences(plain)
    statements = typed_sentences(_QUESTION.sub(". ", plain)) if "?" in plain else every
    matches = [(each, _find_labels(each, every, statements)) for each in lists]
    address = min((each.reader for each, labels in matches if READER in labels), default=0)
    return any(PHRASES in labels or _score(each, labels) + address >= each.enough for each, labels in matches)


def _find_labels(lists: AboutTexter, every: list[list[str]], statements: list[list[str]]) -> frozenset[str]:
    """Return the labels of the phrases in words that count there: anywhere, only in statements, or only in questions."""
    anywhere = lists.matcher.find_typed(every)
    said = anywhere if statements is every else lists.matcher.find_typed(statements)
    counted = {STATEMENTS: said, QUESTIONS: anywhere - said}
    return frozenset(label for label in anywhere | said if label in counted.get(label.rpartition(".")[2], anywhere))


def _score(lists: AboutTexter, labels: frozenset[str]) -> int:
    cues = {name for label in labels if (name := label.removeprefix("cues.").rpartition(".")[0])}
    return sum(lists.scores[name] for name in cues) + (lists.enough if STATEMENTS in labels else 0)


def is_among_colleagues(body: str) -> bool:
    """Tell whether words read like talk among colleagues, whether or not one has just written."""
    return AMONG_COLLEAGUES.search(skeleton(body)) is not None


def find_colleague(body: str, called: Mapping[str, Sequence[str]], author: str) -> str | None:
    """Return the name of a colleague that is in words, or None.

    `called`: by Matrix id the other names of each member of the desk (`names_in`); the author may be among them. A name of
    the author's account counts as a colleague's only when a person of that name is asked for something: people say who they
    are, and ask nothing of themselves. A word of the author's display name, which is free text ("for Ben", "Rose"), counts
    as the author's only when they introduce themselves with it ("this is Ana Ruiz").
    """
    whole = called.get(author, ())
    others = (names_of(user).union(words) for user, words in called.items() if user != author)
    names = frozenset[str]().union(*others)
    plain = _ADDRESS.sub(" ", skeleton(body))
    words = [(match[0], match.start(), match.end()) for match in re.finditer(r"[^\W\d_]+", plain)]
    shouted = sum(word.isupper() for word, *_ in words) * 2 > len(words)
    for at, (word, start, end) in enumerate(words):
        if (name := word.casefold()) not in names:
            continue
        if name in names_of(author) or (name in whole and _is_introduced(plain, words, at, whole, shouted=shouted)):
            if _is_asked(plain, start, end):
                return name
        elif not _is_word(name) or _is_called(plain, start, end) or (not shouted and _is_capital(plain, word, start)):
            return name
    return None


def _is_introduced(
    plain: str, words: Sequence[tuple[str, int, int]], at: int, whole: Sequence[str], *, shouted: bool
) -> bool:
    """Tell whether authors introduce themselves with a word of their display name: "this is Ana Ruiz", "soy Ana".

    What precedes the word in the display name must precede it there too, with capitals: a person shown as "covering Ben"
    may say "I am covering Ben" and has not said who they are.
    """
    place = whole.index(words[at][0].casefold())
    first, last = at - place, at
    while last + 1 < len(words) and words[last + 1][0].casefold() in whole[whole.index(words[last][0].casefold()) + 1 :]:
        last += 1
    said = words[max(first, 0) : at + 1]
    if [word.casefold() for word, *_ in said] != list(whole[: place + 1]):
        return False
    if place and (shouted or not all(word[0].isupper() for word, *_ in said)):
        return False
    between = (plain[one[2] : two[1]] for one, two in pairwise(words[first : last + 1]))
    if any(gap.strip(" \t-\u2010\u2011") for gap in between):
        return False
    before, after = plain[: words[first][1]], plain[words[last][2] :]
    if re.match(r"['\u2019]\w", after):
        return False
    signed = re.search(r"(?:\A|[\s.!?,\u2026])[-\u2010-\u2015~]\s*\Z", before) and re.match(r"\W*\Z", after)
    here = re.search(rf"(?:\A|[.!?,;:\n])\W*(?:(?:{GREETINGS})\W+)?\Z", before, re.IGNORECASE) and _HERE.match(after)
    return bool(_INTRODUCES.search(before) or signed or here)


def _is_asked(plain: str, start: int, end: int) -> bool:
    """Tell whether a name begins a sentence that asks that person for something: "hey ana can you take this"."""
    begins = re.search(rf"(?:\A|[.!?,;:\n])\W*(?:(?:{GREETINGS})\W+)?\Z", plain[:start], re.IGNORECASE)
    return begins is not None and re.match(rf"\W+(?:{ASKED_OF_ONE})\b", plain[end:], re.IGNORECASE) is not None


def _is_word(name: str) -> bool:
    return len(name) < SHORTEST_NAME or name in COMMON or name in NAMES_THAT_ARE_WORDS or name in ROLES


def _is_capital(plain: str, word: str, start: int) -> bool:
    """Tell whether a word has a capital that is not due to the beginning of a sentence."""
    return word[0].isupper() and _SENTENCE_BEGINS.search(plain[:start]) is None


def _is_called(plain: str, start: int, end: int) -> bool:
    """Tell whether a word is set apart as an addressee: "hey will", "Rose, look", "can you come, will"."""
    before, after = plain[:start], plain[end:]
    greeted = (
        re.search(rf"(?:\A|[.!?,;:\n])\W*(?:{GREETINGS})\W+\Z", before, re.IGNORECASE) is not None
        and re.match(rf"\W*\Z|\s*[^\w\s']|\s+(?:{ASKED})\b", after, re.IGNORECASE) is not None
    )
    alone = _SENTENCE_BEGINS.search(before) is not None and re.match(r"\s*[,:;\u2014-]|[\s!?.…]*\Z", after) is not None
    last = re.search(r",\s*\Z", before) is not None and re.match(r"\s*(?:[,;.!?…\u2014-]|\Z)", after) is not None
    begins = _SENTENCE_BEGINS.search(before) is not None
    spoken_to = begins and re.match(rf"\W+(?:{CAN_YOU})\b", after, re.IGNORECASE) is not None
    return greeted or alone or last or spoken_to
