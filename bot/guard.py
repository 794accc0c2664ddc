"""The guard of the phone: it says whether this text may leave, now, for this thread.

Rules of this module: the guard judges every text at the end of a decision, and once more immediately before the carrier is
asked. It returns None for yes, or a sentence that tells a person why not and what to do; it never looks at who asks. A new
reason not to send, or to ask a person once more (`doubts`), is added here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from bot.commands.parser import BLANKS
from bot.commands.stray_commands import inner_command, likely_command
from bot.language import colleague_talk, time_windows
from bot.model.actions import Origin, SendSms
from bot.model.codeword_state import SendLock
from bot.model.desk import Facts, Thread
from bot.model.hold_signs import Doubt
from bot.model.text_order import is_ahead, seconds_since
from bot.model.thread import ThreadState
from bot.wording.durations import describe_minutes
from bot.wording.notice import join_notices, notice_of
from policies.agency_words import find_leak
from policies.confusables import find_name, skeleton
from policies.pack import COVER_LINES, Pack, TextName
from policies.segments import segments

STOPPED: Final = notice_of("guard.the_texter_said_stop_nothing")
UNANSWERABLE: Final = notice_of("guard.this_sender_is_a_short")
LATE: Final = notice_of("guard.it_could_not_leave_for")
UNSAFE: Final = notice_of("guard.the_phone_may_be_in")
OTHER_HANDS: Final = notice_of("guard.somebody_else_may_have_the")
BREAKING_OFF: Final = notice_of("guard.they_may_have_to_break")
STOP_IS_OVER: Final = notice_of("guard.the_stop_that_it_belongs")
BLOCKED: Final = notice_of("guard.a_supervisor_blocked_this_phone")
PARKED: Final = notice_of("guard.the_conversation_is_over")
RETRACTED: Final = notice_of("guard.it_was_taken_back_before")
LEFT_SILENTLY: Final = notice_of("guard.the_texter_left_with_a")
ASSIGNEE_CHANGED: Final = notice_of("guard.the_advocate_has_changed_since")
LOCKED: Final = {
    SendLock.DURESS: notice_of("guard.the_duress_word_came_from"),
    SendLock.UNVERIFIED: notice_of("guard.this_phone_failed_the_agreed"),
}
FROM_OTHER_NUMBER: Final = notice_of("guard.the_number_that_they_texted")
EMPTY: Final = notice_of("guard.it_is_empty")
QUOTED: Final = notice_of("guard.all_of_it_is_quoted")
NOT_ASKED: Final = notice_of("guard.a_challenge_leaves_only_by")
NOT_NOW: Final = notice_of("guard.their_last_text_is_more")
IS_RIGHT: Final = notice_of("guard.if_that_is_right_say")
MOST_SHOWN: Final = 2_000
"""Letters of what would leave that are shown to its author; a text of this length is more than any carrier takes."""
FROM_PEOPLE: Final = (Origin.ADVOCATE, Origin.REPLY_AFTER_STOP)
"""Where the words come from that a person said or chose."""
ANSWER: Final = "answer:"
TO_ANYBODY: Final = (ANSWER, "help_answer:")
"""Automatic answers to any holder of the phone: to a challenge, and the neutral line that a carrier forces."""

SERVER: Final = r"(?:[a-z0-9-]+(?:\.[a-z0-9-]+)+|[a-z][a-z0-9-]{2,}|\[[0-9a-f:.]+\])"
MATRIX_WORDS: Final = re.compile(
    rf"""
      @[^\s@:]{{1,255}}:{SERVER}   # a user; what follows an e-mail address is a colon and a space
    | [!#][^\s:]{{2,255}}:{SERVER} # a room, an alias
    | \$[^\s:]{{8,255}}:{SERVER}   # an event of old rooms, but no price
    | [!$][a-z0-9_-]{{43}}         # a room or an event whose id is a hash
    | \bmatrix[\W_]{{0,4}}(?:\.|dot)[\W_]{{0,4}}to\b
    | \bmatrix:\S
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""Matrix ids and links, however they are spaced or cased. Source: Matrix specification, appendices, "Identifier Grammar",
"matrix.to navigation" and "Matrix URI scheme"."""


NUMBER: Final = re.compile(
    r"(?<![\d$€£])(?<!\d[.,])\+?\(?\d(?:(?:[ \t.()/_\u2010-\u2015-]{0,3}|,|[ \t]{0,2}\n[ \t]{0,2})\d){6,}"
)
"""Seven digits or more, however they are grouped and whatever letters stand beside them; a price is none."""
DATES: Final = re.compile(
    r"(?<![\d./-])(?:(?:0?[1-9]|[12]\d|3[01])([./-])(?:0?[1-9]|[12]\d|3[01])\1(?:19|20)\d\d"
    r"|(?:19|20)\d\d([./-])(?:0?[1-9]|1[0-2])\2(?:0?[1-9]|[12]\d|3[01])"
    r"|(?:19|20)\d\d\s?[/\u2010-\u2015-]\s?(?:19|20)\d\d)(?![./-]?\d)"
)
"""Days with their year, and spans of years: digits enough for a phone number, and none."""
NO_NAME: Final = (
    "a|an|the|to|in|at|on|of|for|from|with|and|or|is|are|was|my|your|his|her|our|their|this|that|more|other|see|good|safe"
    "|am|pm|secs?|seconds?|mins?|minutes?|hours?|hrs?|days?|weeks?|months?|years?|times|miles?|km|blocks?|kids?|people"
)
"""Words between a number and "way", "place" or "drive" that make it no street."""
NO_NAME_SPANISH: Final = (
    "a|con|desde|hace|y|en|por|para|sin|que|porque|donde|sobre|hasta|durante|cerca|mis?|tus?|sus?|hoy|ayer"
)
"""Words after "calle" or "carrera" that make it no address."""
ADDRESS: Final = re.compile(
    rf"\b\d{{1,5}}[a-z]?\s+(?:(?!(?:{NO_NAME})\b)\w[\w'.-]*\s+){{1,4}}"
    r"(?:st|street|ave|avenue|rd|road|blvd|boulevard|ln|lane|dr|drive|ct|court|pl|place|way|hwy|highway"
    r"|ter|terrace|cir|circle|pkwy|parkway|sq|square)\b"
    r"|\b\d{1,5}[a-z]?\s+(?:[nsew]\.?\s+|(?:north|south|east|west)\s+)?broadway\b"
    r"|\bp\.?\s?o\.?\s?box\s*[#n]?\w{0,2}[.º°]?\s*\d|\bapartado\s+(?:(?:de\s+)?correos|postal)\s+\d"
    r"|(?:\b(?:calle|avenida|avda?|av|carrera|cra|paseo|plaza)\b\.?|\bc/)\s*(?!de\s+\d)"
    rf"(?:(?!(?:{NO_NAME_SPANISH})\b)\w[\w'.-]*)(?:\s+(?!(?:{NO_NAME_SPANISH})\b)\w[\w'.-]*){{0,4}}"
    r"(?:,|\s+(?:n[.º°o]{1,2}|n[uú]m(?:ero|\.)?|\#))?\s*\b\d{1,5}\b",
    re.IGNORECASE,
)
"""A number and a street in English, a street and a number in Spanish; a post office box in both."""
NOT_A_PLACE: Final = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?"
    "|dec(?:ember)?|mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday)?|thu(?:rs(?:day)?)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?"
    "|[ap]m|i|the|my|your|his|her|our|their|this|that|it|he|she|we|they|you|est|pst|cst|mst|utc|gmt"
)
PLACE: Final = re.compile(
    # A number and a name with a capital, behind a word that leads to a place: "she is at 44 Elm".
    rf"\b(?:at|to|near|off|by|from)\s+(?:1[3-9]|[2-9]\d|\d{{3,5}})[a-z]?\s+(?!(?:{NOT_A_PLACE})\b)(?-i:[A-Z])[\w'-]+"
    # Two streets that cross: "Elm & 3rd", "5th and Main".
    rf"|\b(?!(?:{NOT_A_PLACE})\b)(?-i:[A-Z])[\w'-]+\s+(?:&|and)\s+\d{{1,3}}(?:st|nd|rd|th)\b"
    rf"|\b\d{{1,3}}(?:st|nd|rd|th)\s+(?:&|and)\s+(?!(?:{NOT_A_PLACE})\b)(?-i:[A-Z])[\w'-]+"
    # A number and a name with a capital, alone: "44 Elm".
    rf"|(?:^|[.!?]\s)\W*(?:1[3-9]|[2-9]\d|\d{{3,5}})[a-z]?\s+(?!(?:{NOT_A_PLACE}|{NO_NAME})\b)(?-i:[A-Z])[a-z][\w'-]+(?=\s*(?:[.,;!?]|$))"
    r"|\b(?:apt|apartment|depto|departamento|apto)\b\.?\s*\#?\s*(?:\d{1,5}[a-z]?|[a-z]\d{1,4})\b",
    re.IGNORECASE | re.MULTILINE,
)
"""A place without the word "street" or its like. Numbers up to 12 are left out: "at 10 Tom rings" is a time."""


def may_send(pack: Pack, thread: Thread, text: SendSms, now: float, designations: Iterable[str]) -> str | None:
    """Say why this text may not leave now, or None if it may. `designations`: those of all other threads of the line.

    A person's words pass the leak firewall here once more: since they were written, another thread may have got that
    designation, or the agency may have added a word. The agency's own answers were checked when the pack was loaded, and
    must not fail because two of their words are a designation today.
    """
    if not thread.answerable:
        return UNANSWERABLE
    if thread.lifecycle.state is ThreadState.PARKED:
        return PARKED
    if thread.consent.blocked_until:
        return BLOCKED
    if thread.flags.unsafe and not (
        (thread.flags.unsafe_line_ref and text.ref == thread.flags.unsafe_line_ref)
        or (text.origin is Origin.ADVOCATE and is_cover_line(pack, text.body))
    ):
        return UNSAFE
    if text.origin is Origin.AUTO_REPLY and not text.ref.startswith(TO_ANYBODY) and thread.flags.other_hands_at:
        return OTHER_HANDS
    if text.origin is Origin.REPLY_AFTER_STOP:
        if not thread.consent.stopped or text.ref != thread.consent.reply_ref:
            return STOP_IS_OVER
        if not pack.settings.reply_after_stop:  # the pack was changed since it was said
            return STOPPED
    elif text.origin is Origin.STOP_CONFIRMATION:
        if not thread.consent.stopped or text.ref != thread.consent.confirmation_ref:
            return STOP_IS_OVER
    elif thread.consent.stopped:
        return STOPPED
    if text.origin is Origin.ADVOCATE and text.epoch != thread.assignment.epoch:
        return ASSIGNEE_CHANGED
    if any(words.retracted and text.ref == f"say:{words.event_id}" for words in thread.sending.sent):
        return RETRACTED
    if text.origin is Origin.AUTO_REPLY and text.since <= thread.silence.left_at:
        return LEFT_SILENTLY
    if text.origin is Origin.AUTO_REPLY and text.since <= thread.signs.broke_off_at:
        return BREAKING_OFF
    if text.origin not in (Origin.AUTO_REPLY, Origin.STOP_CONFIRMATION):
        if _is_one_of(pack, text.body, (TextName.CHALLENGE,)) and text.ref != f"say:{thread.codeword.challenge}":
            return NOT_ASKED
        if (
            text.ref == f"say:{thread.codeword.challenge}"
            and seconds_since(thread.codeword.last_text_at, now) > pack.settings.challenge_window
        ):
            return NOT_NOW
        if (why := lock_reason(pack, thread, text.body)) is not None:
            return why
    if text.origin in FROM_PEOPLE and (why := leak_reason(pack, text.body, designations)) is not None:
        return why
    if seconds_since(text.since, now) > pack.settings.late_after_seconds:
        return LATE
    return None


def add_other_stop(pack: Pack, thread: Thread, notice: str) -> str:
    """Return a notice that texts may leave again, with what stops them all the same, if anything does."""
    why = refusal_reason(pack, thread, ".", ())
    return notice if why is None else join_notices(" ", (notice, notice_of("guard.not_yet", why=why)))


def lock_reason(pack: Pack, thread: Thread, body: str) -> str | None:
    """Say why words of a person may not leave for a phone under duress, or unverified, or None.

    Automatic answers still leave: they would after the right word, so their absence would reveal the lock (practice 10).
    """
    lock = thread.codeword.lock
    return None if lock is SendLock.NONE or is_cover_line(pack, body) else LOCKED[lock]


def is_cover_line(pack: Pack, body: str) -> bool:
    """Tell whether words are one of the agreed cover lines, in any language."""
    return _is_one_of(pack, body, COVER_LINES)


def leak_reason(pack: Pack, body: str, designations: Iterable[str]) -> str | None:
    """Say what in an advocate's words must not reach a phone, or None (the leak firewall, design.md, "Who is heard")."""
    plain = skeleton(body)
    if MATRIX_WORDS.search(plain):
        return notice_of("guard.it_holds_a_matrix_address")
    if find_name(re.findall(r"[a-z]+", plain.casefold()), designations, plural=True) is not None:
        return notice_of("guard.it_names_another_thread_take")
    if find_leak(pack, body) is not None:
        return notice_of("guard.it_holds_a_word_that")
    return None


def refusal_reason(pack: Pack, thread: Thread, body: str, designations: Iterable[str]) -> str | None:
    """Say why an advocate's words are not even taken into the undo window, or None."""
    if not thread.answerable:
        return UNANSWERABLE
    if thread.consent.blocked_until:
        return BLOCKED
    if thread.consent.stopped:
        return STOPPED
    if (why := lock_reason(pack, thread, body)) is not None:
        return why
    if thread.flags.unsafe and not is_cover_line(pack, body):
        return UNSAFE
    if not skeleton(body).strip(BLANKS):
        return EMPTY
    if _is_one_of(pack, body, (TextName.CHALLENGE,)):
        return NOT_ASKED
    return leak_reason(pack, body, designations)


def too_long(pack: Pack, body: str) -> str | None:
    """Say that words are many texts long, or None."""
    count, most = segments(body).count, pack.settings.segments_without_long
    if count <= most:
        return None
    return notice_of("guard.it_is_texts_long_more", count=count, most=most)


def warning(body: str, *, differs: bool = False) -> str | None:
    """Say what in words could identify a person on a phone that others may hold (practice 24), or None.

    `differs`: they are what their author's client shows, and not what was typed; then it is said what would leave.
    """
    plain = skeleton(body)
    what = notice_of("guard.holds_a_phone_number") if NUMBER.search(DATES.sub("—", plain)) else None
    if what is None and (ADDRESS.search(plain) or PLACE.search(plain)):
        what = notice_of("guard.looks_like_a_street_address")
    if not differs:
        return notice_of("guard.it_if_that_may_stand", what=what) if what else None
    shown = body if len(body) <= MOST_SHOWN else notice_of("guard.it_goes_on", body=body[:MOST_SHOWN])
    also = notice_of("guard.it_too", what=what) if what else ""
    return notice_of("guard.your_app_may_show_other", shown=shown, also=also, is_right=IS_RIGHT)


NOT_ANSWERED: Final = frozenset({Doubt.LEFT, Doubt.TIMES, Doubt.PLEA, Doubt.LEAVING})
"""Doubts about a text that asks for no answer now: the question for a codeword does not follow it unasked."""
SITUATION: Final = frozenset({Doubt.LEAVING, Doubt.OTHER_HANDS, Doubt.OFFER, Doubt.OTHER_NUMBER})
"""Doubts about how things stand: a person who answers one has seen it, and is not asked again before it arises again.

Those about the moment are about one light on a phone each, and those about words are about these words."""


def doubts(pack: Pack, facts: Facts, thread: Thread, body: str, author: str, *, own: bool) -> tuple[Doubt, ...]:
    """Say why a person's words should be asked about before they leave now; nothing where the phone expects them.

    `own`: the author wrote them; they are not a text of the agency's pack, which cannot be meant for a colleague.
    """
    if not is_asked_about(pack, body):
        return ()
    settings, signs, now = pack.settings, thread.signs, facts.now
    last = last_text_at(thread)
    old = seconds_since(last, now)
    limit = settings.hold_after_silence if thread.silence.spoke_at else settings.hold_never_answered
    here, there = (time_windows.local(pack, at + facts.clock_ahead) for at in (now, last))
    # A text from outside their times shows that they can read outside them; one from within does not show it.
    unsafe_now = not time_windows.is_safe(thread.flags, here) and (
        old > settings.hold_first_no or time_windows.is_safe(thread.flags, there)
    )
    conditions = {
        Doubt.LEFT: 0 < thread.silence.left_at >= signs.texted_at,
        Doubt.TIMES: unsafe_now,
        Doubt.FIRST_NO: thread.flags.text_first is False and old > settings.hold_first_no,
        Doubt.PROMISE: signs.promised_at > thread.silence.spoke_at and old > settings.hold_after_promise,
        Doubt.SILENCE: old > limit,
        Doubt.PLEA: signs.pleaded,
        Doubt.LEAVING: signs.leaving and not signs.pleaded,
        Doubt.OTHER_HANDS: bool(thread.flags.other_hands_at),
        Doubt.OTHER_NUMBER: facts.number_gone,
    }
    if own:
        offer = thread.assignment.offer is not None or now - signs.offer_ended_at < settings.hold_after_offer
        lately = now - signs.colleague_at < settings.hold_after_colleague
        talk = lately and colleague_talk.is_about_texter(body)
        named = colleague_talk.find_colleague(body, {each.user: each.called for each in facts.roster}, author) is not None
        conditions |= {
            Doubt.OFFER: offer,
            Doubt.COLLEAGUE: talk,
            Doubt.NAME: named,
            Doubt.TEAM: not (talk or named)
            and (
                colleague_talk.is_among_colleagues(body)
                or colleague_talk.speaks_about_texter(body, pack.about_texter.values())
                or _is_named(body, thread.designation)
            ),
            Doubt.BARE_COMMAND: likely_command(body) is not None,
            Doubt.INNER_COMMAND: inner_command(body) is not None,
        }
    return tuple(doubt for doubt, there_is in conditions.items() if there_is and doubt not in signs.answered)


def is_asked_about(pack: Pack, body: str) -> bool:
    """Tell whether words may raise a doubt at all.

    Texts agreed for a phone in other hands, or that step back from it, do not; nor does a challenge, which leaves only as
    the answer to a text.
    """
    return not _is_one_of(pack, body, (*COVER_LINES, TextName.DIFFERENT, TextName.CHALLENGE))


def other_number_reason(pack: Pack, thread: Thread, text: SendSms) -> str | None:
    """Say why a text may not leave from another number than the texter texted, or None.

    A person's words may once their author was asked about it. Nothing leaves by itself: on the phone a stranger would
    answer. Exempt are what `is_asked_about` exempts, and the answer to a challenge, which left from that number too.
    """
    by_itself = text.origin not in FROM_PEOPLE and not text.ref.startswith(ANSWER)
    is_answered = Doubt.OTHER_NUMBER in thread.signs.answered
    unasked = text.origin in FROM_PEOPLE and not is_answered and is_asked_about(pack, text.body)
    return FROM_OTHER_NUMBER if by_itself or unasked else None


def _is_named(body: str, designation: str) -> bool:
    """Tell whether words hold the two words of their own thread, which are for the desk alone."""
    return find_name(re.findall(r"[a-z]+", skeleton(body).casefold()), [designation]) is not None


def last_text_at(thread: Thread) -> float:
    """Return when the newest text that a person wrote was texted; where none was, since when the thread is as it is."""
    life = thread.lifecycle
    known = thread.signs.texted_at or (life.newest_text.at if life.newest_text is not None else 0.0)
    return known or life.last_inbound or life.since


def describe_doubts(facts: Facts, thread: Thread, reasons: Iterable[Doubt], body: str, *, command: str = "anyway") -> str:
    """Say doubts in one line, and by which command the words leave all the same."""
    return notice_of("guard.if_you_are_sure", said=list_doubts(facts, thread, reasons, body), command=command)


def list_doubts(facts: Facts, thread: Thread, reasons: Iterable[Doubt], body: str = "") -> str:
    """Say doubts in one line."""
    about = {
        "times": time_windows.describe(thread.flags),
        "hands": _age(facts, thread.flags.other_hands_at),
        "command": likely_command(body) or "",
        "inner": inner_command(body) or "",
    }
    why = [notice_of(_DOUBTS[doubt], **about) for doubt in reasons if doubt is not Doubt.SILENCE]
    if any(doubt in (Doubt.SILENCE, Doubt.FIRST_NO, Doubt.PROMISE) for doubt in reasons):
        last, came = last_text_at(thread), thread.lifecycle.last_inbound
        age = _age(facts, last)
        known = notice_of("guard.their_last_text_is_old" if came else "guard.no_text_came_in_the", age=age)
        why.append(notice_of("guard.nobody_knows_how_old") if is_ahead(last, facts.now) else known)
    return join_notices("; ", why)


_DOUBTS: Final = {
    Doubt.SILENCE: "",
    Doubt.LEFT: "guard.they_left_with_a_silent",
    Doubt.TIMES: "guard.now_is_outside_the_times",
    Doubt.FIRST_NO: "guard.they_said_not_to_be",
    Doubt.PROMISE: "guard.the_line_told_them_that",
    Doubt.PLEA: "guard.their_last_text_may_have",
    Doubt.LEAVING: "guard.they_may_have_to_break",
    Doubt.OTHER_HANDS: "guard.the_phone_may_be_in_2",
    Doubt.OFFER: "guard.this_thread_is_offered_to",
    Doubt.OTHER_NUMBER: "guard.the_number_that_they_texted",
    Doubt.COLLEAGUE: "guard.a_colleague_wrote_here_just",
    Doubt.NAME: "guard.it_holds_the_name_of",
    Doubt.BARE_COMMAND: "guard.it_is_a_command_without",
    Doubt.INNER_COMMAND: "guard.a_command_or_a_note_inside",
    Doubt.TEAM: "guard.it_reads_like_talk",
}


def _age(facts: Facts, at: float) -> str:
    return describe_minutes(round((facts.now - at) / 60))


def _is_one_of(pack: Pack, body: str, names: Iterable[TextName]) -> bool:
    """Tell whether words are one of these texts of the agency, in any of its languages."""
    return any(body == wording.text for name in names for wording in pack.texts[name].wordings.values())
