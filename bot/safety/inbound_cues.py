"""What the people in the room should look at in a text that arrived (practices 11, 20, 27, 39).

Rules of this module: a cue is for the room and changes nothing else; it never repeats a word of the text. A wrong cue is
better than a missing one, because a person decides.
"""

from __future__ import annotations

import re
from typing import Final

from bot.language.codeword_forms import meaning
from bot.language.time_windows import is_safe, local
from bot.model.actions import THREAD, SendMessage
from bot.model.desk import Facts, Thread
from bot.model.events import TextArrived
from bot.model.thread import ThreadState
from bot.wording.durations import describe_duration, describe_minutes
from bot.wording.notice import notice_of
from policies.keywords import Meaning
from policies.pack import Pack

ASK: Final = "ask"
TALK: Final = frozenset({Meaning.CONVERSATION, Meaning.WISH, Meaning.LANGUAGE})
STRAIGHT_QUOTES: Final = str.maketrans({"\u2019": "'"})
MAX_SEARCHED: Final = 5_000
"""Characters of a text that are searched. Phones send a text of more than some 1,500 as an MMS, with up to 5,000."""

_TEENS_EN = "six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen"
_TEENS_ES = "seis|siete|ocho|nueve|diez|once|doce|trece|catorce|quince|dieciséis|dieciseis|diecisiete"
_NO_AGE = (
    r"(?!\s*(?:%|min|hour|hr|day|week|month|mile|block|km|feet|ft|am\b|pm\b|out of|times|percent|o'?clock|:|-|/|\.\d))"
)
_AGE = r"(?:[6-9]|1[0-7])"
_PARENT = (
    "(?:step|foster )?(?:dad(?:dy)?|father|mom(?:my)?|mum|mother|parents?)"
    "|pap[aá]|papi|padre|mam[aá]|mami|madre|pap[aá]s|padres|padrastro|madrastra"
)
_HITS = "hits?|hit|beats?|beat|hurts?|touch(?:es|ed)?|slap(?:s|ped)|kicks?|punch(?:es|ed)|whips?|molest(?:s|ed)"
_HITS_ES = "pegan?|peg[oó]|golpean?|lastiman?|tocan?|toc[oó]|maltratan?|violan?|viol[oó]"
MINOR: Final = re.compile(
    rf"\b(?:i'?m|i am|i just turned|i turned|my age is)\s+(?:only\s+|just\s+|a\s+|almost\s+)*"
    rf"(?:{_AGE}\b(?!\d){_NO_AGE}|(?:{_TEENS_EN})\b{_NO_AGE})"
    rf"|\b{_AGE}\s?(?:f|m)\b(?=\s+here)"
    r"|\b(?:i'?m|i am)\s+(?:a\s+)?(?:minor|under\s?age|under 18|in (?:middle|junior high|high) school)\b"
    r"|\b(?:i'?m|i am) in (?:the )?(?:[4-9]|1[0-2])th grade\b"
    rf"|\b(?:tengo|cumpl[ií])\s+(?:s[oó]lo\s+|apenas\s+|casi\s+)?(?:{_AGE}|{_TEENS_ES})(?:\s+a[nñ](?:o|it)s?|(?=\s*(?:[.,;!?]|$|y\b)))"
    r"|\bsoy (?:una? )?menor\b"
    rf"|\b(?:my|mi) (?:own )?(?:{_PARENT})\b[^.!?]{{0,60}}?\b(?:{_HITS}) (?:on )?me\b"
    rf"|\b(?:mi|mis) (?:{_PARENT})\b[^.!?]{{0,60}}?\bme (?:{_HITS_ES})\b",
    re.IGNORECASE,
)
"""A person says that they are younger than eighteen, or that a parent hurts them, in English or Spanish."""
_CHILD = (
    r"(?:(?:my|our|his|her|the)\s+(?:\w+\s+)?(?:sons?|daughters?|kids?|child|children|baby|babies|boys?|girls?|step\w+|niece|nephew)"
    r"|little (?:brother|sister)|hij[oa]s?|hijit[oa]s?|niñ[oa]s?|nin[oa]s?|beb[eé]s?|sobrin[oa]s?)"
)
_HARM = (
    r"(?:hit|hits|hitting|beats?|beating|beaten|hurts?|hurting|abus\w+|molest\w+|touch(?:es|ed|ing)|slap\w*|chok\w+|burn(?:s|ed|ing)"
    r"|kick\w*|punch\w*|bruis\w*|moret[oó]n(?:es)?|rap(?:e|es|ed|ing)|shak(?:es|ing)|shook|whip\w*|peg(?:a|an|ó|o|aba|ando|ado)|golpe\w+|abus\w+|lastim\w+"
    r"|toc(?:a|ó|aba|ando)|viol(?:a|ó|aba|ado|ada)|maltrat\w+|quem(?:a|ó|aba|ado|ada))"
)
DISCLOSURE: Final = re.compile(
    rf"\b{_CHILD}\b[^.!?]{{0,60}}?\b{_HARM}\b|\b{_HARM}\b[^.!?]{{0,60}}?\b{_CHILD}\b", re.IGNORECASE
)
"""A child and harm in one sentence."""
_SPEAKER = re.compile(r"^\s*(?:\[?\d{1,4}[:/.-]\d{1,2}[^\]\n]{0,25}\]?\s*)?[^\W\d][\w .'-]{0,24}:\s*\S", re.MULTILINE)
_QUOTED = re.compile(r"^\s*(?:>|\[\d{1,4}[:/.-]\d{1,2})", re.MULTILINE)
FORWARDED: Final = re.compile(
    r"\A\W{0,3}(?:(?:fwd?|rv)\s*:|(?:forwarded|reenviad[oa])\b)|-{2,}\s*(?:forwarded|original|mensaje)"
    r"|\b(?:forwarded message|mensaje reenviado)\b",
    re.IGNORECASE,
)

PICTURE: Final = notice_of("inbound_cues.pictures_are_not_opened_or")
CUES: Final = {
    "minor": (notice_of("inbound_cues.they_may_be_under_age")),
    "disclosure": (notice_of("inbound_cues.they_may_have_told_of")),
    "forwarded": (notice_of("inbound_cues.this_looks_like_somebody_elses")),
    "picture": PICTURE,
}
"""Cues that the room gets once in a conversation."""


def find_cues(
    pack: Pack, facts: Facts, thread: Thread, event: TextArrived
) -> tuple[frozenset[str], tuple[SendMessage, ...]]:
    """Return the features of a text that deserve a look, and the cues that the room has not had yet."""
    if meaning(event.body, pack).meaning not in TALK:
        return frozenset(), ()
    body = event.body[:MAX_SEARCHED].translate(STRAIGHT_QUOTES)
    conditions = {
        "minor": MINOR.search(body) is not None,
        "disclosure": not thread.flags.limits and DISCLOSURE.search(body) is not None,
        "forwarded": _is_forwarded(body),
        "picture": event.media > 0,
    }
    new = [name for name, there in conditions.items() if there and name not in thread.silence.cues_shown]
    posts = tuple(SendMessage(place=THREAD, body=CUES[name]) for name in new)
    if (why := unusual_time(pack, facts, thread)) is not None:
        return frozenset({*new, ASK}), (safe_check_cue(why), *posts)
    return frozenset(new), posts


def unusual_time(pack: Pack, facts: Facts, thread: Thread) -> str | None:
    """Say what is unusual about the time of a text, so that a person asks again whether it is safe; None if nothing is."""
    silence, settings = thread.silence, pack.settings
    if not silence.spoke_at and thread.lifecycle.state is not ThreadState.OPEN:
        return None  # nobody has talked with them yet: the greeting asks
    here, there = local(pack, facts.wall_clock), local(pack, silence.heard_at + facts.clock_ahead)
    last = max(silence.heard_at, silence.spoke_at)
    away = facts.now - last
    if last and away >= settings.dormant_cue:
        return notice_of("inbound_cues.they_are_back_after_the", duration=describe_minutes(round(away / 60)))
    odd = not is_safe(thread.flags, here)
    was_odd = bool(silence.heard_at) and not is_safe(thread.flags, there)
    if odd and (not was_odd or away >= settings.return_cue):
        return notice_of("inbound_cues.they_text_outside_the_times")
    if last and away >= settings.return_cue:
        return notice_of("inbound_cues.they_are_back_after", duration=describe_duration(away))
    if silence.heard_at and here.date() != there.date():
        return notice_of("inbound_cues.it_is_a_new_day")
    return None


def safe_check_cue(why: str) -> SendMessage:
    """Return the cue to ask again whether it is safe, for a reason that is a sentence. For callers that find a change."""
    return SendMessage(place=THREAD, body=notice_of("inbound_cues.before_anything_else_ask_whether", why=why))


def _is_forwarded(body: str) -> bool:
    speakers, quoted = len(_SPEAKER.findall(body)), len(_QUOTED.findall(body))
    return FORWARDED.search(body) is not None or speakers >= 3 or quoted >= 3
