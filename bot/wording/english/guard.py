"""English: notices of guard."""

from __future__ import annotations

from typing import Final

NOTICES: Final[dict[str, str]] = {
    "guard.a_challenge_leaves_only_by": "a challenge leaves only by !verify, and only while it waits for its answer.",
    "guard.a_colleague_wrote_here_just": "a colleague wrote here just now, and this talks about the texter",
    "guard.a_command_or_a_note_inside": "{inner} inside it does nothing there: it is said in a message of its own",
    "guard.a_supervisor_blocked_this_phone": "a supervisor blocked this phone. !block off ends that.",
    "guard.all_of_it_is_quoted": (
        "all of it is quoted, and what is quoted does not go to the phone. Leave an empty line after the quote."
    ),
    "guard.holds_a_phone_number": "holds a phone number",
    "guard.if_that_is_right_say": "If that is right, say !anyway; if not, edit your message.",
    "guard.if_you_are_sure": "{said}. If you are sure: !{command}",
    "guard.it_could_not_leave_for": "it could not leave for more than five minutes. !again if it still fits.",
    "guard.it_goes_on": "{body}… (it goes on)",
    "guard.it_holds_a_matrix_address": "it holds a Matrix address or link. Take that out and say it again.",
    "guard.it_holds_a_word_that": "it holds a word that the agency keeps from phones. Take that out and say it again.",
    "guard.it_holds_the_name_of": "it holds the name of a colleague",
    "guard.it_if_that_may_stand": "it {what}. If that may stand on this phone, say !anyway.",
    "guard.it_reads_like_talk": "it reads like words for a colleague",
    "guard.it_is_a_command_without": "it is a command without its mark (!{command}, if you meant that)",
    "guard.it_is_empty": "it is empty.",
    "guard.it_is_texts_long_more": (
        "it is {count} texts long, more than {most}. Say it in shorter messages, or !long to send it as it is."
    ),
    "guard.it_names_another_thread_take": "it names another thread. Take that out and say it again.",
    "guard.it_too": " It {what}, too.",
    "guard.it_was_taken_back_before": "it was taken back before it left.",
    "guard.looks_like_a_street_address": "looks like a street address",
    "guard.nobody_knows_how_old": "nobody knows how old their last text is, for the machine's clock was set",
    "guard.no_text_came_in_the": "no text came in the {age} since",
    "guard.not_yet": "Not yet, though: {why}",
    "guard.now_is_outside_the_times": "now is outside the times that they called safe ({times})",
    "guard.somebody_else_may_have_the": "somebody else may have the phone: only people answer it, until !safe.",
    "guard.the_advocate_has_changed_since": "the advocate has changed since it was said.",
    "guard.the_conversation_is_over": "the conversation is over.",
    "guard.the_duress_word_came_from": (
        "the duress word came from this phone. Only !cover 1, 2 and 3 leave, until a supervisor's !unlock. What is "
        "held then leaves by !again alone."
    ),
    "guard.the_line_told_them_that": "the line told them that we do not text first",
    "guard.the_number_that_they_texted": (
        "the number that they texted is not this line's any more; this would come from another one, as from a stranger"
    ),
    "guard.the_phone_may_be_in": (
        "the phone may be in other hands. Only !cover 1, 2 and 3 leave until its advocate or a supervisor says "
        "!safe; !different ends the conversation without a text."
    ),
    "guard.the_phone_may_be_in_2": (
        "the phone may be in other hands, as was seen {hands} ago (!safe, once you know that it is not)"
    ),
    "guard.the_stop_that_it_belongs": "the STOP that it belongs to is over.",
    "guard.the_texter_left_with_a": "the texter left with a silent word since: nothing is sent back.",
    "guard.nobody_knows_now_whether_this": "nobody knows now whether this phone said STOP before: only people answer it.",
    "guard.the_texter_said_stop_nothing": "the texter said STOP. Nothing leaves until they text START.",
    "guard.their_last_text_is_more": (
        "their last text is more than five minutes old, and the phone may be in other hands. Wait for a text."
    ),
    "guard.their_last_text_is_old": "their last text is {age} old",
    "guard.their_last_text_may_have": "their last text may have asked for no more texts",
    "guard.they_may_have_to_break": "their last text says that they may have to break off, or are not alone",
    "guard.they_left_with_a_silent": "they left with a silent word and have not texted since",
    "guard.they_said_not_to_be": "they said not to be texted first",
    "guard.this_phone_failed_the_agreed": (
        "this phone failed the agreed word. Only !cover 1, 2 and 3 leave, until a supervisor's !unlock. What is "
        "held then leaves by !again alone."
    ),
    "guard.this_sender_is_a_short": "this sender is a short code or a name; it cannot be answered.",
    "guard.this_thread_is_offered_to": (
        "this thread is offered or given to somebody, or was just now, so this may be for a colleague"
    ),
    "guard.wait_for_a_text": "{said}. Wait for a text.",
    "guard.your_app_may_show_other": (
        "your app may show other words or numbers than you typed. This would leave: “{shown}”{also} {is_right}"
    ),
}
