"""Pages made from the tables that drive the product: every command by place, and the advocate's page, in two languages.

Rule of this module: facts of the code are not written a second time; a page contains only facts of its table, the base pack
or the receipts, and a test compares it with the file. `python -m deploy.docs.generate` writes the pages.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

from bot.commands.help_text import by_heading, usage
from bot.commands.parser import ANSWER_TTL, COMMANDS_BY_NAME
from bot.commands.spec import CARD, Command, Who, help_of
from bot.display.queue_cards import CLAIM_REACTION
from bot.model.actions import DESK, OFFICE, THREAD, DeliveryReceipt
from bot.safety.unsafe_phone import STOP_REACTION
from bot.staffing.claim_queue import NEXT_SECONDS
from bot.staffing.transfer import NO, YES
from bot.wording.notice import words_of
from deploy.docs import spanish_page
from deploy.docs.key_reference import key_page
from deploy.docs.pages.card import card_page
from deploy.docs.pages.counsel import counsel_page
from deploy.docs.pages.first_evening import first_evening_page
from deploy.docs.pages.markdown import GENERATED_NOTICE, cell, page, table
from deploy.docs.pages.supervisor import supervisor_page
from deploy.docs.pages.survivor import survivor_page
from policies.load import load

DOCS: Final = Path(__file__).parent
PLACES: Final = (
    (DESK, "At the desk", "where everybody of the line is: who waits, who talks with whom, what is wrong"),
    (THREAD, "In a thread's room", "where one conversation is"),
    (OFFICE, "In your office", "where only you and the software are"),
)
WHO: Final = {
    Who.ANYBODY: "everybody",
    Who.ASSIGNEE: "the advocate",
    Who.ASSIGNEE_OR_SUPERVISOR: "the advocate, supervisors",
    Who.SUPERVISOR: "supervisors",
}
MARK_MEANINGS: Final = {
    DeliveryReceipt.NOTE: "a note: the phone does not get it",
    DeliveryReceipt.LEAVING: "in the undo window, or on its way",
    DeliveryReceipt.SENT: "the carrier took it",
    DeliveryReceipt.DELIVERED: "it is on the phone",
    DeliveryReceipt.NOT_SENT: "the phone does not get it; the answer below says why",
    DeliveryReceipt.UNKNOWN: "it may or may not be on the phone; `!again` sends it once more",
    DeliveryReceipt.HELD: "it waits for one more word of yours; the answer below says which",
    DeliveryReceipt.RETRACTED: "it was taken back, or stopped, in time",
}
REACTIONS: Final = (
    (CLAIM_REACTION, "on a waiting card at the desk, or on a reminder of it: the thread is yours"),
    (YES, "on an offer in a room: you take the thread"),
    (NO, "on an offer in a room: you do not take it"),
    (STOP_REACTION, "on any message in a room: `!unsafe`, from any device of a member, verified or not"),
)


def commands_page() -> str:
    """Return the page of all commands, by place."""
    parts = [
        GENERATED_NOTICE,
        "# Commands",
        (
            "A command is a message that begins with `!`. It is never sent to a phone. What stands behind it is a reason,"
            " and stays in the room; it is the text only behind `!say name:` and `!reply`. Case, spaces, the width of"
            " letters and punctuation behind it do not matter; what is like `!unsafe` stops the phone, any other near miss"
            " is only suggested;"
            " what is in square brackets may be left out; `@who` is a mention, a full Matrix id, or a name, with or without"
            " `@`, that only one person has."
            f" Answers in an office disappear after {format_duration(ANSWER_TTL)}. Commands are called the same in both"
            " languages ([this page in Spanish](commands.es.md))."
        ),
    ]
    for place, title, what in PLACES:
        parts += [f"## {title}", f"{what[0].upper()}{what[1:]}."]
        for heading, commands in by_heading(place):
            rows = [
                f"| `{cell(usage(c))}` | {WHO[COMMANDS_BY_NAME[c].who]} |"
                f" {help_of(c)}{' **·** on every card' if c in CARD else ''} |"
                for c in commands
            ]
            parts += [f"### {words_of(heading, '')}", table(("command", "who", "what it does"), rows)]
    return page(parts)


def advocate_page() -> str:
    """Return the advocate's page, one sheet to print."""
    pack = load(["base"])
    s = pack.settings
    card = [f"| `{cell(usage(c))}` | {_places(COMMANDS_BY_NAME[c])} | {help_of(c)} |" for c in CARD]
    parts = [
        GENERATED_NOTICE,
        "# Your page",
        (
            "Anything you write in a thread's room as its *advocate* goes to the phone, word for word. You are "
            "its advocate when"
            " you have claimed the thread, or taken it over. Everybody else there reads and writes notes."
        ),
        "## The commands on every card",
        table(("command", "where", "what it does"), card),
        (
            f"`!claim` with nobody waiting: whoever comes within {int(NEXT_SECONDS)} seconds is yours. `!more` "
            "lists all commands, `!help` what one mostly wants, with the playbooks."
            " A command is a message of its own, or a reply; by an edit, or in a thread, it does nothing and says so;"
            " only `!unsafe` is taken in every form."
        ),
        "## What a tap does",
        table(("tap", "where, and what happens"), [f"| {key} | {what} |" for key, what in REACTIONS]),
        (
            "A tap never sends anything to a phone and never changes whom we trust."
            f" An offer stands for {format_duration(s.offer_stands)}. What rings is a message that names you, and"
            " only people on duty are named (`!off`); cards, answers and the board ring nobody. Set the desk to mentions"
            " only in your app, so that calls to others stay silent. Alone at night: with no supervisor on duty the room"
            " says so, and `!escalate`, `!reveal`, failed words and a duress word page whoever is on call. `!reveal"
            " yes` is said in the"
            " room, at the desk, or as a reply to the alert there; whether another advocate may say it then is the"
            " agency's choice (`break_glass`)."
        ),
        "## What the marks on your messages say",
        table(("mark", "what it means"), [f"| {mark.value} | {MARK_MEANINGS[mark]} |" for mark in DeliveryReceipt]),
        "One mark at a time, the newest. No mark yet: it has not been read here.",
        "## Taking words back",
        (
            f"A message waits {s.undo_seconds} seconds before it leaves; {s.undo_after_switch_seconds} when your last one"
            f" was in another room; {s.undo_after_join_seconds} in the "
            f"{format_duration(s.undo_after_join_window)} after anybody"
            " joined. Until then: delete it and it does not leave, edit it and the new words leave. After that neither"
            " changes anything on the phone."
            f" Words that could not leave for {format_duration(s.late_after_seconds)} are held, and you are asked."
        ),
        "## What is never sent",
        (
            "Begin with `//` or `!note` to write a note. Notes as well: replies to anybody but the texter, anything in a"
            " Matrix thread, anything that mentions a colleague, pictures and files, anything said with `/me`. What you"
            " quote is left out: leave an empty line after the quote. Held until you say so: phone numbers, street"
            " addresses, words that your app shows otherwise than you typed them (`!anyway`), more than"
            f" {s.segments_without_long} texts at"
            " once (`!long`). Say such a word as a reply to your message, or to the answer that asks for it; alone, it is"
            " about your last one.\n\n"
            "Held as well, also the agency's texts, when the phone does not expect them: their last text is older than"
            f" {format_duration(s.hold_after_silence)} ({format_duration(s.hold_never_answered)} while nobody answered), or"
            f" {format_duration(s.hold_first_no)} where they said not to be texted first, or outside their safe times; they"
            " left with a silent word; they may have asked for no more texts, or may have to break off, which also stops"
            " what waits; the line told them that we do not text first. And when they may not be for the phone: a"
            " colleague's name, of their account or the one they show at the desk,"
            ' what reads like words for a colleague, as "she\'s lying" does, a command without its'
            " `!`, a command or a line with"
            f" `//` inside a message, words beside a `!transfer` or {format_duration(s.hold_after_offer)} after it ended or"
            " was refused,"
            f' words about "her" within {format_duration(s.hold_after_colleague)} of a colleague\'s note. The answer below'
            " says why. If you are sure, `!anyway`: for that message, once.\n\n"
            "A reason behind a command stays in the room: `!escalate he is outside`. A command that texts takes none: with"
            " words behind it, nothing is sent. In words of your own: `!say limits: your words`, or edit the command, while"
            " it waits, to the words that should leave. `!different` takes none at all. Own words are not noted as the"
            " limits: once you have told them, `!told limits`."
        ),
        "## When somebody else may have the phone",
        (
            "`!unsafe` stops everything but `!cover 1`, `2` and `3`. `!different` steps back with a text that names nobody,"
            " and after `!unsafe` without one; the next text of that phone comes up as a thread of its own. Its card, the"
            ' card at the desk and the board say ⚠️ other hands and since when, also after a text like "who is this":'
            " nothing is answered by itself then, and your first words are held (`!anyway`). Once you know that it is the"
            " texter, `!safe`."
        ),
        "## Signs and languages",
        (
            "Some texts bring a line into the room: danger now, talk of dying, choking, a weapon, somebody else at the"
            " phone, somebody who has to go. It is a guess by lists of phrases; it names the playbook. Words of yours that"
            " wait to leave stop at the last two (`!anyway`)."
            " At the desk, ⚠️ on a card or the board is such a sign, and the thread stands first. No sign is no all-clear."
            " [How often it is right](signs.md)."
            " Who writes Spanish first is greeted in Spanish. `es` on a card: the agency's texts leave in Spanish for that"
            " phone. `!lang` changes it; what you write yourself nobody translates."
            " At the desk, `!languages es` says what you speak, and the board shows it. `!lang me es` is about you: in"
            " which language the software speaks to you ([this page in Spanish](advocate.es.md))."
        ),
        "## An agreed word",
        (
            "For a survivor who fears that somebody takes the phone. Agree on a word in person or by phone call, "
            "never by text,"
            " and on a second one, the duress word, for when somebody makes them write. `!codeword`, with nothing behind"
            " it: you are asked in your office, where both are redacted. A word is heard alone or between others, not with"
            " letters added, nor parted over two texts; on that phone only, and for as long as its number is kept"
            f" ({format_duration(s.grace)} after the end, {format_duration(s.continuing)} with `!continue`): tell them."
            " Nobody sees it again; once it was texted it is used up. The office"
            " also shows by which sentence `!verify` asks, and the cover lines: they need to hear those from you.\n\n"
            f"`!verify`, within {format_duration(s.challenge_window)} of a text, asks for it with a harmless "
            "question. After the"
            " duress word the phone sees what it would after the right one, and you act as before: what you write is held"
            " here, `!cover 1`, `2` and `3` leave, the supervisors on duty and the person on call are told."
            " Only a supervisor's `!unlock` ends that, after"
            " speaking with them by phone; then `!again` sends what was held, if it still fits."
        ),
        "## Before you start, once",
        (
            "- An app lock on this device, and notifications without their content.\n"
            "- Your device verified; a supervisor has confirmed your identity (`!trust`).\n"
            "- A new device: what it cannot read after a minute, it reads once the app was closed and started again, or"
            " after `!recap`.\n"
            "- A lost device: tell a supervisor at once (`!signout`). Practise on a rehearsal line: `!drill` brings a"
            " scripted texter ([drills](drills.md)). First times are explained in your office (`!quiet`)."
        ),
    ]
    return page(parts)


PEOPLE: Final[Mapping[str, Callable[[str], str]]] = MappingProxyType(
    {
        "supervisor": supervisor_page,
        "counsel": counsel_page,
        "survivor": survivor_page,
        "card": card_page,
        "first-evening": first_evening_page,
    }
)
"""Pages in every language of the pages: the English file has no language code in its name."""
PAGES: Final[Mapping[str, Callable[[], str]]] = MappingProxyType(
    {
        "commands.md": commands_page,
        "commands.es.md": spanish_page.commands_page,
        "advocate.md": advocate_page,
        "advocate.es.md": spanish_page.advocate_page,
        "keys.md": key_page,
        **{
            f"{name}{'' if language == 'en' else f'.{language}'}.md": partial(make_page, language)
            for name, make_page in PEOPLE.items()
            for language in ("en", "es")
        },
    }
)


def main() -> int:
    """Write every page."""
    DOCS.mkdir(exist_ok=True)
    for name, make_page in PAGES.items():
        (DOCS / name).write_text(make_page(), encoding="utf-8")
    return 0


def format_duration(seconds: float) -> str:
    """Return a duration in words: in whole minutes, or in seconds below one minute."""
    if seconds < 60:
        return f"{int(seconds)} seconds"
    return "one minute" if seconds < 120 else f"{int(seconds // 60)} minutes"


def _places(command: Command) -> str:
    return ", ".join({DESK: "desk", THREAD: "room", OFFICE: "office"}[place] for place in command.places)


if __name__ == "__main__":
    sys.exit(main())
