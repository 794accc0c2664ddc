"""Plays the script of a drill: each text, fact and time moves it on to the next step that has to wait.

Rules of this module: the texter's words leave as an action, and come back the way every text comes. A script has no loops,
so moving on always ends. Timers and state are stored with the desk's, so a drill continues after a restart; a drill whose
script does not exist any more is over.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.commands.parser import ANSWER_TIMER
from bot.drills import debrief
from bot.model.actions import OFFICE, Action, SendMessage, TextFromHandset
from bot.model.desk import Desk, Facts
from bot.model.drill import SECOND, DrillRun, PhoneText, drill_id
from bot.model.events import TimerDue
from bot.model.feature import Step
from bot.model.thread_desk_events import DrillEnded, DrillReported
from bot.model.transactional_actions import CancelTimer, SendEvent, SetTimer
from bot.wording.notice import notice_of, pack_notice
from policies.drills.script import FIRST_SCENE, Branch, Brief, DrillFact, DrillScript, Go, Mark, Pause, Text, Wait, in_words
from policies.drills.script import Step as ScriptStep
from policies.pack import Pack

TIMER: Final = "drill:"
BRIEF_TTL: Final = 3600.0
"""Seconds after which the briefing of a drill in an office, and its debrief, disappear."""
READING: Final = 2.0
"""Seconds after a text in which nobody can have read it and written an answer."""
MOST: Final = 200
"""Facts and texts that a drill keeps; a person who says more than that has shown what they do."""


def begin(facts: Facts, desk: Desk, run_id: str, script: DrillScript, *, user: str, language: str) -> Step[Desk]:
    """Begin a drill for a person."""
    run = DrillRun(
        id=run_id, name=script.name, language=language, user=user, users=(user,), began=facts.now, scene=FIRST_SCENE
    )
    return _play_steps(facts, replace(desk, drills=(*desk.drills, run)), script, run, move=False)


def note_report(pack: Pack, facts: Facts, desk: Desk, event: DrillReported) -> Step[Desk]:
    """Record a thread's report about a drill, and move on if the script waits for it."""
    run = next((run for run in desk.drills if run.id == drill_id(event.tag)), None)
    if run is None:
        # A text that was on its way when its drill ended has taken the closing back, or made a thread: that ends now.
        return Step(desk, (SendEvent(owner=event.thread, event=DrillEnded(tag=event.tag)),) if event.came else ())
    ref, reached = event.outcome
    # A ref is unique within its thread; a drill may have two.
    name = f"{event.thread} {ref}"
    new_texts = [PhoneText(ref=f"{event.thread} {each}", body=body, at=facts.now) for each, body in event.sent]
    phone = [replace(text, reached=True) if text.ref == name and reached else text for text in (*run.phone, *new_texts)]
    if event.came:
        run = replace(run, on_its_way=False, came=event.came, said=())
    run = _with_facts(run, event.facts, name, facts.now)
    # Words written before the texter's last text could be read are no answer to it.
    is_read = not run.on_its_way and event.said_at >= run.came + READING
    run = replace(
        run,
        users=tuple(dict.fromkeys((*run.users, *((event.user,) if event.user else ())))),
        threads=tuple(dict.fromkeys((*run.threads, f"{event.thread} {event.tag}"))),
        said=(*run.said, *(f"{event.thread} {each}" for each in event.said if is_read))[-MOST:],
        phone=tuple(text for text in phone if not ref or reached or text.reached or text.ref != name)[:MOST],
    )
    desk = _with(desk, run)
    script = facts.drills.get(run.name)
    step = _step(script, run)
    if script is None or not isinstance(step, Wait) or not _is_wait_over(run, step):
        return Step(desk)
    return _play_steps(facts, desk, script, run, move=True)


def timer_due(pack: Pack, facts: Facts, desk: Desk, event: TimerDue) -> Step[Desk]:
    """Move on after a pause, or when a wait is over."""
    if not event.key.startswith(TIMER):
        return Step(desk)
    run = next((run for run in desk.drills if run.id == event.key.removeprefix(TIMER)), None)
    if run is None:
        return Step(desk, consumed=True)
    if run.until > facts.now:
        return Step(desk, (SetTimer(key=event.key, due=run.until),), consumed=True)
    script = facts.drills.get(run.name)
    if script is None:
        return replace(end(facts, desk, run), consumed=True)
    step = _step(script, run)
    if isinstance(step, Wait) and step.otherwise:
        next_run = replace(run, scene=step.otherwise, step=0)
        return replace(_play_steps(facts, desk, script, next_run, move=False), consumed=True)
    return replace(_play_steps(facts, desk, script, run, move=True), consumed=True)


def end(facts: Facts, desk: Desk, run: DrillRun) -> Step[Desk]:
    """End a drill: everybody who took part gets the debrief in their office, the threads close, and nothing is kept."""
    desk = replace(desk, drills=tuple(each for each in desk.drills if each.id != run.id))
    debriefs: list[Action] = []
    for user in run.users:
        member = desk.member(user)
        if member is None:
            continue
        member = replace(member, drills=member.drills + 1)
        desk = replace(desk, roster=tuple(member if each.user == user else each for each in desk.roster))
        words = debrief.debrief(run, facts.drills.get(run.name), now=facts.now, count=member.drills)
        debriefs += _office_message(facts, user, f"debrief:{run.id}", words)
    closing = []
    for each in run.threads:
        thread, _, tag = each.partition(" ")
        closing.append(SendEvent(owner=thread, event=DrillEnded(tag=tag)))
    return Step(desk, (CancelTimer(key=TIMER + run.id), *closing, *debriefs))


def _play_steps(facts: Facts, desk: Desk, script: DrillScript, run: DrillRun, *, move: bool) -> Step[Desk]:
    """Play steps until one has to wait. `move`: the current step is done."""
    actions: list[Action] = []
    run = replace(run, step=run.step + 1, until=0.0) if move else replace(run, until=0.0)
    while (step := _step(script, run)) is not None:
        match step:
            case Text():
                actions.append(_text(run, step))
                run = replace(run, texts=run.texts + 1, facts_at_text=len(run.facts), on_its_way=True, said=())
            case Brief(words=words):
                body = notice_of("drills.brief", words=pack_notice(in_words(words, "en"), words))
                actions += _office_message(facts, run.user, f"brief:{run.id}:{run.scene}:{run.step}", body)
            case Mark(name=name):
                run = replace(run, marks=(*run.marks, (name, facts.now)))
            case Go(scene=scene):
                run = replace(run, scene=scene, step=-1)
            case Branch(facts=fact_names, then=then, otherwise=otherwise):
                run = replace(run, scene=then if run.times_of(_values(fact_names)) else otherwise, step=-1)
            case Pause(seconds=seconds):
                return _wait(facts, desk, run, seconds, actions)
            case Wait(seconds=seconds) if not _is_wait_over(run, step):
                return _wait(facts, desk, run, seconds, actions)
            case Wait():
                pass
            case _:
                break
        run = replace(run, step=run.step + 1)
    over = end(facts, _with(desk, run), run)
    return Step(over.aggregate, (*actions, *over.actions))


def _wait(facts: Facts, desk: Desk, run: DrillRun, seconds: int, actions: list[Action]) -> Step[Desk]:
    run = replace(run, until=facts.now + seconds)
    return Step(_with(desk, run), (*actions, SetTimer(key=TIMER + run.id, due=run.until)))


def _text(run: DrillRun, step: Text) -> TextFromHandset:
    tag = f"{run.id}{SECOND}" if step.second else run.id
    words = in_words(step.words, run.language)
    return TextFromHandset(ref=f"drill:{run.id}:{run.texts}", tag=tag, body=words, picture=step.picture)


def _step(script: DrillScript | None, run: DrillRun) -> ScriptStep | None:
    steps = () if script is None else script.steps(run.scene)
    return steps[run.step] if run.step < len(steps) else None


def _with_facts(run: DrillRun, drill_facts: tuple[DrillFact, ...], name: str, now: float) -> DrillRun:
    """Record facts. `name`: thread and ref of the text that they are about.

    Words that were said before the texter's last text could be read are no answer to it. The facts that they make true are
    recorded as of before that text; otherwise the script would move on, and end, while its person still reads.
    """
    crossed = frozenset({DrillFact.ANSWERED}) if name not in run.said else frozenset()
    before = [*run.facts[: run.facts_at_text], *((fact.value, now) for fact in drill_facts if fact in crossed)]
    since = [*run.facts[run.facts_at_text :], *((fact.value, now) for fact in drill_facts if fact not in crossed)]
    return replace(run, facts=tuple([*before, *since][:MOST]), facts_at_text=len(before))


def _is_wait_over(run: DrillRun, step: Wait) -> bool:
    """Whether the facts of a wait came true since the texter's last text."""
    return any(fact in _values(step.facts) for fact, _ in run.facts[run.facts_at_text :])


def _values(fact_names: frozenset[str]) -> frozenset[str]:
    return frozenset(str(fact) for fact in fact_names)


def _office_message(facts: Facts, user: str, ref: str, body: str) -> list[Action]:
    place = OFFICE + user
    fade = SetTimer(key=f"{ANSWER_TIMER}{place}|{ref}", due=facts.now + BRIEF_TTL)
    return [SendMessage(place=place, body=body, ref=ref), fade]


def _with(desk: Desk, run: DrillRun) -> Desk:
    return replace(desk, drills=tuple(run if each.id == run.id else each for each in desk.drills))
