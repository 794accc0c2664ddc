"""One sentence for a person who meets a situation for the first time: said once, in their office.

Rules of this module: the desk keeps what a person was told, because it belongs to the person; `!quiet` ends the sentences,
and `!quiet no` begins again from the first. A sentence is said in an office alone, rings nobody, and disappears after a
day. At a first thread the steps of a conversation come one after another, each when the one before was tapped. A tap here
only causes the next sentence.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.commands.parser import ANSWER_TIMER, ParsedCommand, answer, mark_as_note
from bot.model.actions import DESK, OFFICE, Action, DeliveryReceipt, SendMessage, ShowReceipt
from bot.model.desk import Desk, DeskMember, Facts, Thread
from bot.model.events import Event, MessageSent, ReactionAdded
from bot.model.feature import Step
from bot.model.thread_desk_events import QuietChosen, Situation, SituationMet
from bot.model.transactional_actions import SendEvent, SetTimer
from bot.wording.notice import notice_of
from policies.pack import Pack

NEXT_REACTION: Final = "▶️"
NEXT: Final = "▶"
"""The tap for the next step, as we add it and as some clients send it."""
STEP_REF: Final = "first-step:"
SHOWN_SECONDS: Final = 86_400.0
AGAIN: Final = "no"
STEPS: Final = tuple(f"first_times.step_{number}" for number in range(1, 6))
"""The steps of a first conversation, in order."""
SENTENCES: Final = {
    Situation.NOTE: notice_of("first_times.note"),
    Situation.HELD: notice_of("first_times.held"),
    Situation.CUE: notice_of("first_times.cue"),
}


def report(facts: Facts, before: Thread, thread: Thread, event: Event, actions: tuple[Action, ...]) -> tuple[Action, ...]:
    """Return the events that tell the desk which situations a person meets here for the first time."""
    met = _new_situations(before, thread, event, actions)
    return tuple(
        SendEvent(owner=DESK, event=SituationMet(user=user, situation=situation))
        for user, situation in met
        if _is_new(facts.member(user), situation)
    )


def show_sentence(pack: Pack, facts: Facts, desk: Desk, event: SituationMet) -> Step[Desk]:
    """Say the sentence of a situation in the person's office, unless it was said before."""
    member = desk.member(event.user)
    if member is None or not _is_new(member, event.situation):
        return Step(desk)
    desk = _with(desk, replace(member, met=(*member.met, event.situation)))
    if event.situation is Situation.CLAIM:
        return Step(desk, _step(pack, facts, event.user, 0))
    return Step(desk, _say(facts, event.user, f"first:{event.situation.value}", SENTENCES[event.situation]))


def next_step(pack: Pack, facts: Facts, desk: Desk, event: ReactionAdded) -> Step[Desk]:
    """Say the next step of a first conversation when the one before it was tapped, in one's own office."""
    number = event.target.removeprefix(STEP_REF)
    mine = event.place == OFFICE + event.sender and event.target.startswith(STEP_REF)
    if not mine or not event.key.startswith(NEXT) or not number.isdecimal() or int(number) + 1 >= len(STEPS):
        return Step(desk)
    return Step(desk, _step(pack, facts, event.sender, int(number) + 1))


def quiet_at_desk(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!quiet [no]` at the desk or in an office."""
    quiet = _parse_choice(command)
    if quiet is not None:
        desk = keep_quiet(pack, facts, desk, QuietChosen(user=event.sender, quiet=quiet)).aggregate
    return Step(desk, answer(facts, event, _reply(quiet=quiet)), consumed=True)


def quiet_in_thread(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!quiet [no]` in a thread's room: the desk is told."""
    quiet = _parse_choice(command)
    chosen = () if quiet is None else (SendEvent(owner=DESK, event=QuietChosen(user=event.sender, quiet=quiet)),)
    return Step(thread, (mark_as_note(event), *chosen, *answer(facts, event, _reply(quiet=quiet))), consumed=True)


def keep_quiet(pack: Pack, facts: Facts, desk: Desk, event: QuietChosen) -> Step[Desk]:
    """Store a person's choice; a person who wants the sentences again gets them from the first."""
    member = desk.member(event.user)
    return Step(desk if member is None else _with(desk, replace(member, quiet=event.quiet, met=())))


def _new_situations(
    before: Thread, thread: Thread, event: Event, actions: tuple[Action, ...]
) -> list[tuple[str, Situation]]:
    assignee = thread.assignment.assignee
    met: list[tuple[str, Situation]] = []
    if assignee is not None and assignee != before.assignment.assignee:
        met.append((assignee, Situation.CLAIM))
    marks = {action.receipt for action in actions if isinstance(action, ShowReceipt)}
    if isinstance(event, MessageSent) and DeliveryReceipt.NOTE in marks:
        met.append((event.sender, Situation.NOTE))
    known = {words.event_id for words in before.sending.held}
    met += [(words.author, Situation.HELD) for words in thread.sending.held if words.event_id not in known]
    was, now = before.silence, thread.silence
    cued = now.signs != was.signs or now.cue_count > was.cue_count or now.cues_shown > was.cues_shown
    if assignee is not None and cued:
        met.append((assignee, Situation.CUE))
    return met


def _is_new(member: DeskMember | None, situation: Situation) -> bool:
    return member is not None and not member.quiet and situation not in member.met


def _step(pack: Pack, facts: Facts, user: str, number: int) -> tuple[Action, ...]:
    words = notice_of(STEPS[number], undo=pack.settings.undo_seconds) if number == 0 else notice_of(STEPS[number])
    reactions = (NEXT_REACTION,) if number + 1 < len(STEPS) else ()
    return _say(facts, user, f"{STEP_REF}{number}", words, reactions=reactions)


def _say(facts: Facts, user: str, ref: str, words: str, *, reactions: tuple[str, ...] = ()) -> tuple[Action, ...]:
    place = OFFICE + user
    fade = SetTimer(key=f"{ANSWER_TIMER}{place}|{ref}", due=facts.now + SHOWN_SECONDS)
    return SendMessage(place=place, body=words, ref=ref, reactions=reactions), fade


def _parse_choice(command: ParsedCommand) -> bool | None:
    """Return whether the sentences should end; None when it cannot be read."""
    return {"": True, AGAIN: False}.get(command.arguments.casefold())


def _reply(*, quiet: bool | None) -> str:
    if quiet is None:
        return notice_of("first_times.how")
    return notice_of("first_times.quiet" if quiet else "first_times.again")


def _with(desk: Desk, member: DeskMember) -> Desk:
    return replace(desk, roster=tuple(member if each.user == member.user else each for each in desk.roster))
