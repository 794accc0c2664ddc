"""English: notices of drills, and the sentences for a person who meets a situation for the first time."""

from __future__ import annotations

from typing import Final

NOTICES: Final[dict[str, str]] = {
    "drills.and_then": "Texts of ours that reached it after that ({count}):",
    "drills.begins": (
        "“{title}” begins: in a moment somebody texts the line. Answer as you always do; the debrief comes in your office. "
        "!drill stop ends it early."
    ),
    "drills.brief": "For the drill: {words}",
    "drills.could_read": "Whoever took the phone could read what the texter wrote, and these words of ours:",
    "drills.could_read_nothing": "Whoever took the phone could read what the texter wrote, and no word of ours.",
    "drills.count": "Drills that you have played: {count}. !drill forget deletes that.",
    "drills.forgotten": "It is deleted: nothing says that you have played any.",
    "drills.kept": (
        "Thank you. This is nobody's mark, and only those who took part get it. It goes in an hour; what is kept is how "
        "many drills you have played ({count}): !drill forget deletes that, too. Another one: !drill"
    ),
    "drills.left": "Texts of ours that reached the phone ({count}):",
    "drills.limits_after": "The limits were told {time} after the disclosure.",
    "drills.limits_before": "The limits were told {time} before the disclosure.",
    "drills.limits_never": "The limits were not told, and there was a disclosure.",
    "drills.minutes": "{count} minutes",
    "drills.never_stopped": "The phone was taken, and nothing was stopped.",
    "drills.no_such": "There is no such drill. There are: {names}. Behind the name: en or es. !drill stop ends yours.",
    "drills.none_runs": "No drill of yours runs.",
    "drills.not_counted": "A drill is not counted: the report is about texters.",
    "drills.not_on_this_line": (
        "This line is in service, and its texters are people. Drills are for a rehearsal line: ./quietline up makes one."
    ),
    "drills.nothing_left": "No text of ours reached the phone.",
    "drills.one_runs": "A drill of yours runs already. !drill stop ends it, with its debrief.",
    "drills.over": "The drill “{title}” is over. Here is how it went.",
    "drills.point_next_time": "→ {words} (practice {practice})",
    "drills.point_well": "✓ {words} (practice {practice})",
    "drills.seconds": "{count} s",
    "drills.stopped": "The drill is ended. Its debrief is in your office.",
    "drills.stopped_after": "Everything was stopped {time} after the phone was taken.",
    "drills.text": "{time} “{words}”",
    "drills.the_drill_is_over": "The drill is over.",
    "drills.there_are": "Texters to practise with; with es behind the name they write Spanish:",
    "first_times.again": "You hear a sentence again when you meet something for the first time.",
    "first_times.cue": (
        "Your first cue: a line in the room asks you to look at something. Behind ⚠️ it is a guess by lists of phrases. It "
        "does nothing by itself; you decide. !playbook has steps. (!quiet ends these.)"
    ),
    "first_times.held": (
        "Your first held words: ✋ means that nothing has left. The line above says why, and by which command they leave; "
        "saying nothing leaves them here. (!quiet ends these.)"
    ),
    "first_times.how": "!quiet ends the sentences about first times; !quiet no begins them again.",
    "first_times.note": (
        "Your first 📝: the phone does not get that message. Commands and what begins with // are notes; everything else "
        "that you write in a thread of yours goes to the phone. (!quiet ends these.)"
    ),
    "first_times.quiet": "No more sentences about first times. !quiet no brings them back.",
    "first_times.step_1": (
        "Your first thread, step by step (tap ▶️ for the next; !quiet ends this). 1 of 5: accept the invitation and read. "
        "What you write in that room goes to the phone, word for word, after {undo} seconds in which you can change or "
        "remove it."
    ),
    "first_times.step_2": (
        "2 of 5: a short sentence first, so that they know that a person is there. What begins with // stays in the room."
    ),
    "first_times.step_3": (
        "3 of 5: early, before anything hard is said, !limits; then !safecheck, which asks whether texting is safe now."
    ),
    "first_times.step_4": (
        "4 of 5: if anything seems wrong, 🛑 on any message, or !unsafe. It only stops, and it can be lifted. !escalate "
        "asks for a supervisor, !playbook has steps."
    ),
    "first_times.step_5": (
        "5 of 5: at the end !say closing, then !close. To pass it on: !transfer and a name. !help in the room has the rest."
    ),
}
