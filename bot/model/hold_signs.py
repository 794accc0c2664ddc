"""What the guard needs to ask about a person's words before they leave: a slice of the thread of `bot.model.desk`.

Rule of this module: times and marks, nobody's words; nothing of it outlives a conversation.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique


@unique
class Doubt(Enum):
    """Why a person's words are asked about before they leave (design.md, "Rules of the phone").

    The first six are about the moment, the next four about the situation, the last five about the words.
    """

    SILENCE = "silence"
    LEFT = "left"
    TIMES = "times"
    FIRST_NO = "first_no"
    PROMISE = "promise"
    PLEA = "plea"
    LEAVING = "leaving"
    OTHER_HANDS = "other_hands"
    OFFER = "offer"
    OTHER_NUMBER = "other_number"
    COLLEAGUE = "colleague"
    NAME = "name"
    BARE_COMMAND = "bare_command"
    INNER_COMMAND = "inner_command"
    TEAM = "team"


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldSigns:
    """Events that make a person's words unexpected on the phone. Times in seconds since the epoch; 0: never.

    `texted_at`: when the newest text that a person wrote was texted. `pleaded`: that text may have asked for no more texts.
    `leaving`: it has a sign that they have to break off. `broke_off_at`: when the newest text of either kind was texted; it
    and older texts get no automatic reply any more. `promised_at`: when an automatic reply last promised that the line
    texts nobody first. `offer_ended_at`: when an offer of this thread last ended, or was refused. `colleague_at`: when
    another person than the assignee last wrote here. `answered`: doubts about the situation that the assignee has answered
    with `!anyway` (or LEAVING by `!verify` once more) since they arose. `verify_refused`: whose `!verify` was refused since
    the newest text because of LEAVING, and when.
    """

    texted_at: float = 0.0
    pleaded: bool = False
    leaving: bool = False
    broke_off_at: float = 0.0
    promised_at: float = 0.0
    offer_ended_at: float = 0.0
    colleague_at: float = 0.0
    answered: frozenset[Doubt] = frozenset()
    verify_refused: tuple[tuple[str, float], ...] = ()
