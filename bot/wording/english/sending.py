"""English: notices of sending."""

from __future__ import annotations

from typing import Final

NOTICES: Final[dict[str, str]] = {
    "delivery_receipts.code": " (code {code})",
    "delivery_receipts.held_it_could_not_leave": (
        "Held: it could not leave for more than five minutes. !again if it still fits."
    ),
    "delivery_receipts.not_delivered_the_carrier_gave": (
        "Not delivered: the carrier gave up{code}. The phone may be off; you can say it again."
    ),
    "delivery_receipts.not_sent_the_carrier_refused": (
        "Not sent: the carrier refused it{code}. Try other words, or another way to reach them."
    ),
    "delivery_receipts.not_sent_the_carrier_says": (
        "Not sent: the carrier says this phone opted out. It has to text START first."
    ),
    "delivery_receipts.not_sent_when_it_was": (
        "Not sent: when it was about to leave, it might not any more. Look at the card, and at its words."
    ),
    "delivery_receipts.the_automatic_answer": "The automatic answer. {words}",
    "delivery_receipts.the_automatic_answer_did_not": (
        "The automatic answer did not leave within five minutes, and does not leave any more."
    ),
    "delivery_receipts.unknown_it_may_or_may": (
        "Unknown: it may or may not be on the phone. It is not sent again by itself; you can say it again."
    ),
    "hasty_stop.was_said": "!{word} was said here",
    "release_held.held_while_you_said_it": (
        "Nothing is sent: it was held, or asked about, while you said it. Look at why, then !{name}."
    ),
    "release_held.leaving_in_a_moment": "Leaving in a moment: “{body}” {changes}{own}",
    "release_held.not_sent_own_words_that": (
        "Not sent: own words that are a note, or that call a colleague, are not for the phone."
    ),
    "release_held.nothing_leaves_the_conversation_is": (
        "Nothing leaves: {locked} The conversation is over in a moment all the same; redact your command to stop that."
    ),
    "release_held.nothing_of_yours_is_held": "Nothing of yours is held that !{name} would send.",
    "release_held.nothing_was_sent": "Nothing was sent: {why}",
    "release_held.own_words_are_not_noted": " Own words are not noted as the limits: if they are, !told limits.",
    "release_held.own_words_are_not_noted_2": " Own words are not noted as the rights: if they are, !told rights.",
    "release_held.own_words_are_not_noted_3": " Own words are not noted as the question: if they are, !told safe.",
    "release_held.to_change_it_edit_your": (
        "To change it, edit your command to !say {name}: and your words; redact it to stop it."
    ),
    "reply_after_stop.it_could_not_leave_for": (
        "it could not leave for more than five minutes. !reply once more if it still fits."
    ),
    "reply_after_stop.it_was_taken_out_of": "it was taken out of the room.",
    "reply_after_stop.leaving_in_a_moment_as": (
        "Leaving in a moment, as the one reply to this text. Edit your command to change it, redact it to stop it."
    ),
    "reply_after_stop.not_sent_here_reply_and": "Not sent: {why} Here: !reply {doubt} and the words.",
    "reply_after_stop.not_sent_it_is_not": "Not sent: it is not a !reply any more.",
    "reply_after_stop.not_sent_words_that_are": (
        "Not sent: words that are a note, or that call a colleague, are not for the phone."
    ),
    "reply_after_stop.nothing_is_stopped_here_the": "Nothing is stopped here: the advocate can answer.",
    "reply_after_stop.say_reply_and_the_words": "Say !reply and the words.",
    "reply_after_stop.the_carrier_keeps_this_opt": (
        "the carrier keeps this opt-out itself and would refuse it. The texter has to text START."
    ),
    "reply_after_stop.there_is_no_text_after": (
        "There is no text after a STOP that waits for a reply: one for each, and only after it."
    ),
    "reply_after_stop.this_line_sends_no_replies": "This line sends no replies after a STOP.",
    "reply_after_stop.whoever_said_it_does_not": "whoever said it does not supervise any more.",
    "retraction.that_text_has_left_already": "That text has left already: it stays on the phone.",
    "retraction.unknown_it_may_have_left": "Unknown: it may have left before it was taken back. It is not sent again.",
    "sending.answered_by_itself": "Answered by itself ({name}): {body}",
    "sending.held": "Held: {why}",
    "sending.not_sent": "Not sent: {why}",
    "sending.redact_to_stop": "Redact your command to stop it.",
    "undo_window.a_word_here_may_mean_unsafe": "a message here may mean !unsafe",
    "undo_window.it_may_mean_unsafe_say_it": (
        "it may mean !unsafe: say that, and nothing leaves for this phone. What is meant for the texter needs other words."
    ),
    "undo_window.a_command_for_a_check": "a command for a check or a cover line is not changed. Say it once more.",
    "undo_window.and": "{warning} And {asked}",
    "undo_window.held_if_you_are_sure": "Held: {why}. If you are sure: !anyway",
    "undo_window.leaving_in_a_moment": "Leaving in a moment: “{body}”",
    "undo_window.not_sent_it_has_become": "Not sent: it has become a note.",
    "undo_window.not_sent_message_s_still": (
        "Not sent: {count} message(s) still in the undo window or held, because {why}."
    ),
    "undo_window.not_sent_say_it_again": "Not sent: {why}. Say it again if it is still right",
    "undo_window.not_sent_a_supervisor_took": (
        "Not sent: a supervisor took it out of the room. If it should leave, say it again."
    ),
    "undo_window.not_sent_the_edit_was": "Not sent: the edit was taken back. Say it again.",
    "undo_window.nothing_was_sent_and_what": (
        "Nothing was sent, and what waited is stopped: {no} Say it as a new message."
    ),
    "undo_window.that_text_has_left_the": "That text has left the undo window: the edit changes nothing on the phone.",
    "undo_window.this_edit_sends_nothing": "This edit sends nothing to the phone: say it as a new message.",
    "undo_window.what_is_quoted_in_it": "What is quoted in it does not go to the phone; the rest does, once it leaves.",
    "sign_out.an_author_was_signed_out": (
        "⚠️ A person whose words are here was signed out everywhere: another may have written with their device."
    ),
    "sign_out.what_left_stays": (
        "What has ✓ or ❓ is on the phone, or may be, and cannot be called back: look whether it is theirs."
    ),
    "sign_out.what_waits_is_stopped": (
        "What was on its way to the carrier is stopped, if it had not left: its mark shows that in a moment."
    ),
    "undo_window.they_were_signed_out": (
        "their author was signed out everywhere after saying it; they say it again if it was them."
    ),
    "undo_window.whoever_said_it_is_not": "whoever said it is not at the desk any more.",
    "mark.delivered": "✓✓ delivered",
    "mark.held": "✋ held",
    "mark.leaving": "⏳ leaving",
    "mark.not_sent": "✗ not sent",
    "mark.note": "📝",
    "mark.retracted": "✗ unsent",
    "mark.sent": "✓ sent",
    "mark.unknown": "❓ unknown",
}
