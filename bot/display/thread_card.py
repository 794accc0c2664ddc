"""A thread's card: what whoever opens the room must know, in short lines.

Rules of this module: no content, nothing that changes by itself; a feature whose state matters to the assignee adds its
line here and nowhere else. Clients show the first line of a pinned message, or the first few: what stops or endangers the
phone comes first. Times are those of the line's clock on the wall.
"""

from __future__ import annotations

from typing import Final

from bot.commands.spec import COMMANDS
from bot.language import time_windows
from bot.model.actions import THREAD, EditMessage
from bot.model.codeword_state import SendLock
from bot.model.desk import Thread
from policies.pack import Pack
from policies.signs import DANGERS

COMMANDS_LINE: Final = " · ".join([f"!{command.name}" for command in COMMANDS if command.card] + ["!more"])
"""The last line of every card, from the table."""


def card(pack: Pack, thread: Thread) -> str:
    """Return the thread's card: short lines, no content, nothing that changes by itself."""
    life, consent = thread.lifecycle, thread.consent
    assignee = localpart(thread.assignment.assignee) if thread.assignment.assignee else "nobody"
    taken = f" (taken from {localpart(thread.assignment.taken_from)})" if thread.assignment.taken_from else ""
    offer = thread.assignment.offer
    lines = [
        *_alarms(pack, thread),
        f"{thread.designation} · {life.state.value}",
        f"with {assignee}{taken}",
        *([f"offered to {localpart(offer.to) if offer.to else 'everybody'}"] if offer else []),
        f"last text: {_last(thread)}",
        *(["closing: soon everything here goes; !reopen takes it back"] if life.closes_at else []),
        *(["ON HOLD: nothing of this is erased"] if thread.on_legal_hold else []),
        *(["continuing: number and flags are kept longer"] if life.continuing else []),
        f"language: {consent.language}",
        *_signs(thread),
        *_codeword(pack, thread),
        *_flags(thread),
        *(
            ["after the STOP they texted: !reply, once, by a supervisor"]
            if consent.stopped and consent.text_after_stop
            else []
        ),
        *(["the carrier says they opted out: they have to text START"] if consent.carrier_block else []),
        *(["a short code or name: it cannot be answered"] if not thread.answerable else []),
        COMMANDS_LINE,
    ]
    return "\n".join(lines)


def pinned(pack: Pack, thread: Thread) -> str:
    """Return the card as it stands in the room: with what holds for every thread of the line, before the commands."""
    hours = pack.settings.message_ttl // 3600
    erases = f"erases: what is said here, {hours} h after it was seen; all of it after !close"
    state, _, commands = card(pack, thread).rpartition("\n")
    return f"{state}\n{erases}\n{commands}"


def edited(pack: Pack, thread: Thread) -> EditMessage:
    """Bring the card up to date in the room."""
    return EditMessage(place=THREAD, ref="card", body=pinned(pack, thread), formatted=True)


def _alarms(pack: Pack, thread: Thread) -> list[str]:
    """Return what stops the phone or endangers it, a line each: before everything else on the card."""
    flags, consent, codeword = thread.flags, thread.consent, thread.codeword
    hands = flags.other_hands_seen
    came = f" (the word came {_moment(pack, codeword.duress_at)})" if codeword.duress_at else ""
    until = "nothing leaves but !cover 1, 2, 3, until a supervisor's !unlock"
    return [
        *(["⚠️ UNSAFE: nothing leaves until !safe"] if flags.unsafe else []),
        *([f"⚠️ DURESS: {until}{came}"] if codeword.lock is SendLock.DURESS else []),
        *([f"⚠️ UNVERIFIED, possible duress: {until}"] if codeword.lock is SendLock.UNVERIFIED else []),
        *(["STOPPED: nothing leaves until they text START"] if consent.stopped else []),
        *(["BLOCKED: nothing leaves, nothing is kept"] if consent.blocked_until else []),
        *([f"⚠️ OTHER HANDS, seen {hands}: words are asked about; !safe, once it is the texter"] if hands else []),
    ]


def _moment(pack: Pack, at: float) -> str:
    return f"{time_windows.local(pack, at):%Y-%m-%d %H:%M}"


def _last(thread: Thread) -> str:
    """Say whose the last text was, and since when: what the line answers by itself is no answer."""
    silence = thread.silence
    if not (silence.heard_at or silence.spoke_at):
        return "none yet"
    return (
        f"theirs, unanswered since {silence.turn_since}"
        if silence.heard_at > silence.spoke_at
        else f"ours, since {silence.turn_since}"
    )


def _signs(thread: Thread) -> list[str]:
    """Name the signs of danger of this conversation, without a word of it."""
    names = [name.replace("_", " ") for name, _ in thread.silence.signs if name in DANGERS]
    return [f"⚠️ signs of danger: {', '.join(names)}"] if names else []


def _codeword(pack: Pack, thread: Thread) -> list[str]:
    codeword = thread.codeword
    lines = []
    if codeword.digests is not None:
        state = "burned, it is on that phone now: agree on a new one by phone call" if codeword.spent else "agreed"
        lines.append(f"codeword: {state}")
    if codeword.verified_at and codeword.lock is SendLock.NONE:
        lines.append(f"verified: {_moment(pack, codeword.verified_at)}")
    return lines


def _flags(thread: Thread) -> list[str]:
    """Return what was told and agreed, and what is still to be asked (practices 2, 11, 26)."""
    flags = thread.flags
    asked = f"asked {flags.safe_check_asked}" if flags.safe_check_asked else "not asked yet (!safecheck)"
    first = {True: "yes", False: "no", None: "not asked (!agreed first)"}[flags.text_first]
    notice = [name for name, at in (("tips", flags.tips), ("rights", flags.rights)) if at]
    return [
        f"limits: {'given' if flags.limits else 'NOT GIVEN YET (!limits)'}{''.join(f', {name} given' for name in notice)}",
        (
            f"safe to text: {asked}{'; ask again (!safecheck)' if thread.silence.recheck_safety else ''} · "
            f"{time_windows.describe(flags)}"
        ),
        f"may we text first: {first}",
        *([f"another way: {flags.channel}"] if flags.channel else []),
        *(["chose a line for !unsafe"] if flags.unsafe_line else []),
    ]


def localpart(user: str) -> str:
    """Return the local part of a Matrix id, as people say it."""
    return user.removeprefix("@").partition(":")[0]
