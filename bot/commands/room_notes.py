"""Decides which messages are notes and which are meant for the phone (design.md, "Who is heard").

Rules of this module: a doubtful message is a note; what a message is does not depend on its sender. `decide` parses each
message as a command and passes the result on; only other words, such as those behind a command, are parsed here.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from bot.commands import canned_texts
from bot.commands.parser import BLANKS, ParsedCommand, is_taken, parse
from bot.model.events import Content, MessageSent, Relation
from bot.wording.notice import notice_of
from policies.confusables import skeleton

MENTION: Final = re.compile(r"(?<!\w)@\w")
"""A word that begins with @; an e-mail address does not."""
TO_THE_PHONE: Final = (*canned_texts.COMMANDS, "verify", "cover", "again", "anyway", "long")
"""Commands that say something to the phone."""
ONLY_WORDS: Final = {
    Content.FILE: notice_of("room_notes.pictures_and_files_do_not"),
    Content.EMOTE: notice_of("room_notes.what_is_said_with_me"),
    Content.OTHER: notice_of("room_notes.only_written_words_go_to"),
}
"""Why a message that is no text is a note, also from the assignee."""


def is_for_phone(event: MessageSent, command: ParsedCommand | None) -> bool:
    """Tell whether a message is meant for the phone, whether or not it may leave. `command`: `parse` of its body."""
    to_phone = command is not None and command.name in TO_THE_PHONE and is_taken(event)
    return to_phone or not is_note(event, command)


def would_be_note(event: MessageSent, body: str) -> bool:
    """Tell whether `body`, words inside a message for the phone, would be a note if it were the whole message."""
    return is_note(replace(event, relation=Relation.NONE, body=body), parse(body))


def is_note(event: MessageSent, command: ParsedCommand | None) -> bool:
    """Tell whether a message is for the room only, from any sender. `command`: `parse` of its body."""
    return (
        event.content is not Content.TEXT
        or event.relation in (Relation.THREAD, Relation.OTHER_REPLY)
        or event.mentions
        or event.body.lstrip(BLANKS).startswith(("!", "/"))
        or command is not None
        or MENTION.search(skeleton(event.body)) is not None
    )
