"""Outage: the desk says that texts do not work well, and every first text gets that as its answer (practice 41).

Rule of this module: a person begins it and a person ends it; it changes the automatic replies and nothing else.
"""

from __future__ import annotations

from dataclasses import replace

from bot.commands.parser import ParsedCommand, answer
from bot.display.ringing import on_duty
from bot.display.thread_card import localpart
from bot.model.actions import DESK, SendMessage
from bot.model.audit_kinds import AuditKind
from bot.model.desk import Desk, Facts
from bot.model.events import MessageSent
from bot.model.feature import Step
from bot.model.transactional_actions import RecordAudit
from bot.wording.notice import notice_of
from policies.pack import Pack


def outage(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!outage` begins it, `!outage over` ends it."""
    word = command.arguments.casefold()
    if word not in ("", "on", "over", "off"):
        return Step(desk, answer(facts, event, notice_of("outage.say_outage_or_outage_over")), consumed=True)
    on = word in ("", "on")
    if on == desk.outage:
        notice = notice_of("outage.it_is_an_outage_already") if on else notice_of("outage.there_is_no_outage")
        return Step(desk, answer(facts, event, notice), consumed=True)
    who = localpart(event.sender)
    body = (
        notice_of("outage.outage_says_whoever_texts_first", who=who)
        if on
        else notice_of("outage.the_outage_is_over_says", who=who)
    )
    kind = AuditKind.OUTAGE_BEGAN if on else AuditKind.OUTAGE_OVER
    return Step(
        replace(desk, outage=on),
        (SendMessage(place=DESK, body=body, mentions=on_duty(desk.roster)), RecordAudit(kind=kind)),
        consumed=True,
    )
