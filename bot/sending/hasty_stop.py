"""Words for "not that!": behind a mark, though they are no command (`!stop`, `!undo`, `!espera`), or plain ("shit unsafe").

Rules of this module: it holds the words that wait, and does nothing else; `dispatch`, which knows no such command, tells
the person what they may have meant. Any member may say it, in any way: it only stops.
"""

from __future__ import annotations

import re
from typing import Final

from bot.commands.parser import ParsedCommand
from bot.commands.stray_commands import may_mean_stop
from bot.model.desk import Facts, Thread
from bot.model.events import Content, MessageSent
from bot.model.feature import Step
from bot.sending.undo_window import MAY_MEAN_STOP, hold_pending
from bot.wording.notice import notice_of
from policies.pack import Pack

HASTY: Final = frozenset(
    """
    stop undo unsend recall delete cancel abort wait no nope dont don't oops nevermind
    parar para alto basta detener espera espere deshacer borrar retirar eliminar cancelar cancela
    """.split()  # noqa: SIM905 - words are easier to read, and to add to, as words
)
"""None of them is a command. A person who says one may not know how to take words back, and has eight seconds."""


def hold_on_stop_word(
    pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand | None
) -> Step[Thread]:
    """Hold the words that have not left when a member says a word of `HASTY` as a command, or plain words for `!unsafe`.

    An edit counts too: a person in haste changes what stands there.
    """
    why = MAY_MEAN_STOP if command is None and may_mean_stop(event.body) else None
    if command is not None and command.command is None and event.content is Content.TEXT:
        word = re.sub(r"[^\w]+\Z", "", command.word.casefold().replace("\u2019", "'"))
        why = notice_of("hasty_stop.was_said", word=word) if word in HASTY else None
    return Step(thread) if why is None else Step(*hold_pending(facts, thread, why))
