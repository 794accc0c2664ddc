"""English: notices of lifecycle."""

from __future__ import annotations

from typing import Final

NOTICES: Final[dict[str, str]] = {
    "legal_hold.a_conversation_that_is_over": "A conversation that is over",
    "legal_hold.it_is_not_on_hold": "It is not on hold.",
    "legal_hold.it_is_on_hold_already": "It is on hold already: !unhold lifts it.",
    "legal_hold.no_checklist_is_in_the": (
        "No checklist is in the agency's packs. Give nothing, say neither that there are records nor that there "
        "are none, and call counsel now."
    ),
    "legal_hold.on_hold_nothing_of_it": "ON HOLD, nothing of it is erased.",
    "legal_hold.on_hold_nothing_of_this": (
        "ON HOLD: nothing of this thread is erased, by age or by closing, until a supervisor says !unhold. What "
        "people take out with their own clients is not held; nor is what the carrier keeps or deletes."
    ),
    "legal_hold.the_hold_is_lifted": "the hold is lifted.",
    "legal_hold.the_hold_is_lifted_what": "The hold is lifted: what has come to the end of its time goes, as before.",
    "number_reveal.a_second_advocate_on_duty": " A second advocate on duty may say !reveal yes.",
    "number_reveal.a_second_advocate_on_duty_2": (
        " A second advocate on duty may say !reveal yes; if it cannot wait: !reveal alone and why."
    ),
    "number_reveal.a_supervisor_is_on_duty": "A supervisor is on duty: !reveal and the reason asks them.",
    "number_reveal.a_supervisor_who_comes_within": (
        "{nobody}{ways} A supervisor who comes within ten minutes says !reveal yes."
    ),
    "number_reveal.another_supervisor_says_reveal_yes": "Another supervisor says !reveal yes, here or at the desk.",
    "number_reveal.asks_to_see_the_number": "{sender} asks to see the number. {how}",
    "number_reveal.asks_to_see_the_number_2": (
        "⚠️ {designation}: {asks} asks to see the number. The reason is in its room.{missing} A supervisor other "
        "than {asks} says !reveal yes, here or in its room, within ten minutes, or nothing. Where several ask: "
        "!reveal yes {designation}, or as a reply to this."
    ),
    "number_reveal.has_asked_a_supervisor_says": "{by} has asked: a supervisor says !reveal yes or no.",
    "number_reveal.here_it_is_reveal_yes": ("Here it is !reveal yes. Asking is done in the thread's room, with a reason."),
    "number_reveal.it_takes_two_here_reveal": "It takes two here: !reveal and the reason asks a second person.",
    "number_reveal.no_thread_here_has_that": "No thread here has that designation.",
    "number_reveal.nobody_asked_to_see_the": "Nobody asked to see the number.",
    "number_reveal.nobody_asks_to_see_a": (
        "Nobody asks to see a number now. Asking is done in the thread's room, with a reason."
    ),
    "number_reveal.nobody_asks_to_see_the": "Nobody asks to see the number, or it was too long ago: !reveal and why.",
    "number_reveal.only_a_supervisor_can_say": "Only a supervisor can say yes.",
    "number_reveal.only_a_supervisor_can_say_2": "Only a supervisor can say yes: one is on duty.",
    "number_reveal.only_somebody_on_duty_can": "Only somebody on duty can say yes.",
    "number_reveal.reveal_is_for_the_advocate": "!reveal is for the advocate of the thread and supervisors.",
    "number_reveal.said_yes_at_the_desk": "{user} said yes at the desk. {why}",
    "number_reveal.say_why_reveal_alone_and": "Say why: !reveal alone and the reason. It stays in this room.",
    "number_reveal.say_why_reveal_and_the": "Say why: !reveal and the reason. It stays in this room.",
    "number_reveal.several_ask_to_see_a": "Several ask to see a number: {names}. Say !reveal yes and the designation.",
    "number_reveal.somebody_else_has_to_say": "Somebody else has to say yes: it takes two.",
    "number_reveal.the_number_is_shown_for": "The number is shown for a minute in the offices of {by} and {second}.",
    "number_reveal.the_number_is_shown_for_2": (
        "The number is shown for a minute in the office of {sender}. The desk and the audit have it."
    ),
    "number_reveal.the_question_is_dropped": "The question is dropped.",
    "number_reveal.whoever_asked_is_not_the": "Whoever asked is not the advocate any more. !reveal and why asks again.",
    "retention.a_minute": "a minute",
    "retention.a_text_arrived_the_closing": "A text arrived: the closing is taken back.",
    "retention.after_the_close_number_and": (
        "After the close number and flags are kept for {duration}, sealed; what was said is not. Ask them first."
    ),
    "retention.close_now_is_for_supervisors": "!close now is for supervisors: it cannot be taken back. Say !close.",
    "retention.closing": "Closing.",
    "retention.days": "{days} days",
    "retention.hours": "{hours} hours",
    "retention.in_everything_here_goes_and": (
        "{why} In {duration} everything here goes, and this room. A text of theirs, or !reopen, takes it back."
    ),
    "retention.it_has_left_already_it": " It has left already: it stays on the phone.",
    "retention.it_is_not_being_closed": "It is not being closed.",
    "retention.it_is_stopped_if_it": " It is stopped, if it has not left yet; its receipt will say.",
    "retention.it_is_taken_out_of": "It is taken out of the room.",
    "retention.minutes": "{minutes} minutes",
    "retention.not_closed_a_text_came": "Not closed: a text came while you said it. Look at it, then !close.",
    "retention.not_closed_a_text_is": "Not closed: a text is just arriving. Look at it, then !close now.",
    "retention.not_closed_words_have_not": (
        "Not closed: words have not left for the phone yet. Take them back or wait for their ✓, then !close now; "
        "“!close now anyway” drops them."
    ),
    "retention.not_closed_words_of_theirs": (
        "Not closed: words of theirs were never shown. !retry at the desk, or “!close now anyway” drops them."
    ),
    "retention.only_supervisors_take_out_what": (
        "Only supervisors take out what others wrote. Your own message you can remove in your client."
    ),
    "retention.say_close_or_close_now": "Say !close, or !close now, and nothing behind it.",
    "retention.say_continue_or_continue_no": "Say !continue, or !continue no.",
    "retention.say_it_as_a_reply": "Say it as a reply to the message that should go.",
    "retention.seconds": "{seconds} seconds",
    "retention.that_is_this_rooms_card": ("That is this room's card: it holds no word of theirs, and goes with the room."),
    "retention.the_closing_is_taken_back": "The closing is taken back.",
    "retention.they_left_with_a_silent": "They left with a silent word.",
    "retention.this_thread_is_on_hold": (
        "This thread is on hold: nothing of it is erased before a supervisor releases it."
    ),
    "tally.counted": "Counted.",
    "tally.say_tally_and_one_of": (
        "Say !tally and one of: {kinds}; or !tally unmet and the language's two letters (vi, ht, zh)."
    ),
    "tally.that_was_counted_already": "That was counted already.",
    "tally.what_was_it_about_tap": (
        "What was it about? Tap what fits (or !tally and the word). It is counted without any link to this thread."
    ),
}
