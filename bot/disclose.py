"""What the agency says by itself: only the immediate answer to a text that has just arrived (DESIGN section 0).

Rules of this module: the greeting promises a person only while somebody is on duty (practice 29), goes out once per twelve
hours and language, and never to tapbacks or automatic replies; every automatic text is shown in the room.
"""

from __future__ import annotations

from dataclasses import replace

from bot import guard
from bot.actions import THREAD, Origin, Post, Text
from bot.events import TextArrived
from bot.model import Facts, State, Thread
from bot.step import Step
from policies.keywords import reading
from policies.pack import Pack, TextName


def greet(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> Step[Thread]:
    """Greet a texter nobody talks with yet, in the language they asked for by its word."""
    read = reading(event.body, pack)
    asked = read.language or None
    if asked is not None and asked != thread.consent.language:
        thread = replace(thread, consent=replace(thread.consent, language=asked))
    if thread.life.state is not State.WAITING or not thread.answerable:
        return Step(thread)
    if not read.from_a_person:
        return Step(thread)
    greeted = dict(thread.consent.greeted)
    if any(_recent(pack, facts, greeted.get(language)) for language in ((asked,) if asked else greeted)):
        return Step(thread)
    language = thread.consent.language
    name = TextName.GREETING if facts.staffed else TextName.UNAVAILABLE
    body = pack.say(name, language)
    answer = Text(ref=f"answer:{event.id}", body=body, origin=Origin.ANSWER, epoch=thread.voice.epoch, since=event.at)
    if guard.may_send(pack, thread, answer, facts.now) is not None:
        return Step(thread)
    greeted[language] = facts.now
    thread = replace(thread, consent=replace(thread.consent, greeted=tuple(sorted(greeted.items()))))
    return Step(thread, (answer, Post(place=THREAD, body=f"Answered by itself ({name}): {body}")))


def _recent(pack: Pack, facts: Facts, at: float | None) -> bool:
    return at is not None and facts.now - at < pack.settings.greeting_every_hours * 3600
