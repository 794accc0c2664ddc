"""What the texter was informed of, and what was agreed with them (practices 2, 7, 26): the flags on the card.

Rules of this module: the person who asked notes an agreement; it is never guessed. A text of the agency counts as given
once the carrier took it in the agency's own words, and not any more once the carrier gave it up. Other words count when the
assignee says so with `!told`, which has an audit kind of its own. Nothing here is free text, because it outlives the
conversation: a person's free words stay in the room as their note, and the card says that there is a note.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from bot.commands import canned_texts
from bot.commands.parser import ParsedCommand, answer, answer_as_note, mark_as_note
from bot.commands.synonyms import language_code
from bot.display import reading_language
from bot.language import time_windows
from bot.model.actions import Action
from bot.model.audit_kinds import AuditKind
from bot.model.desk import Facts, Thread
from bot.model.events import MessageSent, TextOutcome
from bot.model.feature import Step
from bot.model.thread import ConsentFlags, SentText
from bot.model.transactional_actions import RecordAudit
from bot.sending.auto_replies import PICTURE_ANSWERED
from bot.sending.delivery_receipts import first_accepted, late_delivery, late_failure
from bot.wording.notice import notice_of
from policies.pack import COVER_LINES, Pack, TextName

CHANNELS: Final = ("call", "chat", "email", "visit")
IN_WORDS: Final = str(notice_of("channel.in_words"))
"""The other channel, if it is none of `CHANNELS`. The words themselves are not kept."""
DIGITS: Final = re.compile(r"\d(?:\D{0,3}\d){2}")
"""Digits that may be a number of a person: they are not for a room either."""
ANSWERS: Final = {"yes": True, "sí": True, "si": True, "no": False}
TIPS: Final = frozenset({TextName.DEVICE, TextName.TIPS_IPHONE, TextName.TIPS_ANDROID})
TELLS: Final = {
    "limits": (TextName.LIMITS, AuditKind.TOLD_LIMITS),
    "rights": (TextName.RIGHTS, AuditKind.TOLD_RIGHTS),
    "safe": (TextName.SAFE_CHECK, AuditKind.TOLD_SAFE_CHECK),
}
"""What the assignee may report as told or asked in their own words."""
FAILED: Final[dict[str, AuditKind]] = {
    TextName.LIMITS: AuditKind.FAILED_LIMITS,
    TextName.RIGHTS: AuditKind.FAILED_RIGHTS,
    TextName.SAFE_CHECK: AuditKind.FAILED_SAFE_CHECK,
}
"""The audit kind when the carrier gave up one of these texts after it had taken it."""
TOLD_IN_SPANISH: Final = {
    "límites": "limits",
    "limites": "limits",
    "derechos": "rights",
    "seguro": "safe",
    "segura": "safe",
}
KINDS: Final = {kind.value: kind for kind in AuditKind if kind.value in {*TextName, AuditKind.HELP_ANSWER.value}}
"""Audit kinds of texts, by their names. An agency's own text may have the name of any other kind."""


def note_agreement(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!agreed`: when texting is safe, whether we may text first, another channel, and the text for `!unsafe`."""
    what, _, value = command.arguments.casefold().partition(" ")
    flags = _with_agreement(pack, thread.flags, what, value.strip())
    if flags is None:
        why = notice_of("consent_flags.say_agreed_times_or_weekdays", channels=", ".join(CHANNELS))
        return answer_as_note(facts, thread, event, why)
    noted = notice_of("consent_flags.safe_to_text", times=time_windows.describe(flags)) if what == "times" else ""
    if what == "channel" and flags.channel == IN_WORDS:
        note = notice_of("consent_flags.noted_the_card_says_that")
        return Step(replace(thread, flags=flags), (mark_as_note(event), *answer(facts, event, note)), consumed=True)
    notice = answer(facts, event, notice_of("consent_flags.noted_on_the_card_it", noted=noted))
    return Step(replace(thread, flags=flags), (mark_as_note(event), *notice), consumed=True)


def note_told(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!told limits`: the assignee told it, or asked it, in words of their own.

    The words behind it stay in the room.
    """
    said = [word.strip(",.:;") for word in command.arguments.casefold().split()] or [""]
    what = TOLD_IN_SPANISH.get(said[0], said[0])
    if what not in TELLS or said[1:2] in (["no"], ["not"]):
        # What they answered is another matter: "!told safe no" would be read as noted.
        why = notice_of("consent_flags.say_told_limits_told_rights")
        return answer_as_note(facts, thread, event, why)
    name, kind = TELLS[what]
    thread = _with_told_flag(pack, facts, thread, name)
    noted_so = notice_of("consent_flags.noted_as_told_by_you")
    return Step(thread, (mark_as_note(event), RecordAudit(kind=kind), *answer(facts, event, noted_so)), consumed=True)


def set_language(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!lang es`: sets the language of the agency's texts; alone it says the present one. `!lang me es`: its sender's."""
    if reading_language.is_about_sender(command):
        return reading_language.choose_in_thread(pack, facts, thread, event, command)
    language = language_code(command.arguments)
    if language and language not in pack.languages:
        why = notice_of("consent_flags.this_line_has_texts_in", languages=", ".join(pack.languages))
        return answer_as_note(facts, thread, event, why)
    if language:
        consent = replace(thread.consent, language=language, language_chosen=True)
        thread = replace(thread, consent=consent, silence=replace(thread.silence, told_language=language))
    notice = answer(facts, event, notice_of("consent_flags.the_agencys_texts_for_this", language=thread.consent.language))
    return Step(thread, (mark_as_note(event), *notice), consumed=True)


def note_sent(pack: Pack, facts: Facts, thread: Thread, event: TextOutcome) -> Step[Thread]:
    """Note that the carrier took a text of the agency's that the assignee sent, in the agency's words.

    A text that it took and gave up later does not count as told: the flag is as it was before, and the audit says so.
    """
    if (failed := late_failure(thread, event)) is not None:
        return _without_told_flag(pack, facts, thread, failed)
    words = first_accepted(thread, event) or late_delivery(thread, event)
    if words is None or not words.name:
        return Step(thread)
    audit: tuple[Action, ...] = (RecordAudit(kind=KINDS[words.name]),) if words.name in KINDS else ()
    if words.name == TextName.PICTURE:
        shown = thread.silence.cues_shown | {PICTURE_ANSWERED}
        thread = replace(thread, silence=replace(thread.silence, cues_shown=shown))
    return Step(_with_told_flag(pack, facts, thread, words.name), audit)


def _with_told_flag(pack: Pack, facts: Facts, thread: Thread, name: str) -> Thread:
    """Return the thread with the flag that this was told or asked now."""
    flags, now = thread.flags, facts.now
    if name == TextName.LIMITS:
        flags = replace(flags, limits=now)
    elif name in TIPS:
        flags = replace(flags, tips=now)
    elif name == TextName.RIGHTS:
        flags = replace(flags, rights=now)
    elif name == TextName.SAFE_CHECK:
        flags = replace(flags, safe_check_asked=_minute(pack, facts, now))
        thread = replace(thread, silence=replace(thread.silence, recheck_safety=False))
    return replace(thread, flags=flags)


def _without_told_flag(pack: Pack, facts: Facts, thread: Thread, failed: SentText) -> Step[Thread]:
    """Return the thread without the flags of this text, unless something else told it."""
    alike = TIPS if failed.name in TIPS else {failed.name}
    before = max((s.taken_at for s in thread.sending.sent if s is not failed and s.name in alike), default=0.0)
    flags = thread.flags
    if failed.name == TextName.LIMITS and flags.limits == failed.taken_at:
        flags = replace(flags, limits=before)
    elif failed.name in TIPS and flags.tips == failed.taken_at:
        flags = replace(flags, tips=before)
    elif failed.name == TextName.RIGHTS and flags.rights == failed.taken_at:
        flags = replace(flags, rights=before)
    elif failed.name == TextName.SAFE_CHECK and flags.safe_check_asked == _minute(pack, facts, failed.taken_at):
        flags = replace(flags, safe_check_asked=_minute(pack, facts, before) if before else "")
    audit: tuple[Action, ...] = (RecordAudit(kind=FAILED[failed.name]),) if failed.name in FAILED else ()
    return Step(replace(thread, flags=flags), audit)


def _minute(pack: Pack, facts: Facts, at: float) -> str:
    """Return a moment as the card shows it, in the line's time zone."""
    return f"{time_windows.local(pack, at + facts.clock_ahead):%Y-%m-%d %H:%M}"


def _with_agreement(pack: Pack, flags: ConsentFlags, what: str, value: str) -> ConsentFlags | None:
    """Return the flags with an agreement added; None when it cannot be read."""
    if what == "times":
        any_time = replace(flags, safe_times=(), safe_days=())
        return any_time if value == "any" else time_windows.with_safe_times(flags, value)
    if what == "first" and value in ANSWERS:
        return replace(flags, text_first=ANSWERS[value])
    if what == "channel" and value in (*CHANNELS, "none"):
        return replace(flags, channel="" if value == "none" else value)
    if what == "channel" and re.search(r"[^\W\d_]", value) and not DIGITS.search(value):
        return replace(flags, channel=IN_WORDS)
    if what == "unsafe" and value == "nothing":
        return replace(flags, unsafe_line="")
    if what == "unsafe" and (name := _parse_unsafe_text(pack, value)) is not None:
        return replace(flags, unsafe_line=name)
    return None


def _parse_unsafe_text(pack: Pack, value: str) -> str | None:
    """Return the text that a texter chose for `!unsafe`: a text of the agency, or words that reveal nothing."""
    cover = next((name.value for name in COVER_LINES if name.value == "_".join(value.split())), None)
    return cover or canned_texts.name_of(pack, value)
