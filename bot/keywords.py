"""STOP and START: honoured exactly, as the whole message (practices.md, rules beside the practices).

Rule of this module: a keyword is always shown to the people in the room as well; nothing but the one confirmation leaves.
"""

from __future__ import annotations

from dataclasses import replace

from bot.actions import DESK, THREAD, Origin, Post, Tell, Text
from bot.events import TextArrived
from bot.model import Facts, Thread
from bot.relay import drop_pending
from bot.step import Step
from bot.told import Alarm, AlarmRaised
from policies.keywords import Meaning, reading
from policies.pack import Pack, TextName


def obey(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> Step[Thread]:
    """Stop at STOP, resume at START, and be loud about any other text after a STOP."""
    meaning = reading(event.body, pack).meaning
    was = thread.consent.stopped
    if meaning is Meaning.STOP:
        thread, dropped = drop_pending(thread, "the texter said STOP")
        ref = thread.consent.confirmation if was else f"stop:{event.id}"
        thread = replace(thread, consent=replace(thread.consent, stopped=True, confirmation=ref))
        answer = Text(
            ref=ref,
            body=pack.say(TextName.STOP, thread.consent.language),
            origin=Origin.STOP_ANSWER,
            epoch=thread.voice.epoch,
            since=event.at,
        )
        told = Post(place=THREAD, body="The texter said STOP. Nothing leaves for the phone until they text START.")
        actions = (*dropped, told, _alarm(thread, Alarm.STOPPED))
        return Step(thread, (answer, *actions) if not was else actions, consumed=True)
    if not was:
        return Step(thread)
    if meaning is Meaning.START:
        thread = replace(thread, consent=replace(thread.consent, stopped=False, confirmation=""))
        told = Post(place=THREAD, body="The texter said START: texts may be answered again.")
        return Step(thread, (told, _alarm(thread, Alarm.RESUMED)), consumed=True)
    return Step(thread, (_alarm(thread, Alarm.TEXT_AFTER_STOP),), consumed=True)


def _alarm(thread: Thread, alarm: Alarm) -> Tell:
    return Tell(owner=DESK, event=AlarmRaised(designation=thread.designation, alarm=alarm))
