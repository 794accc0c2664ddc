"""English: notices of safety."""

from __future__ import annotations

from typing import Final

NOTICES: Final[dict[str, str]] = {
    "blocking.blocked_for_nothing_leaves_and": (
        "Blocked for {duration}: nothing leaves, and what this phone sends is dropped unread. !block off ends it."
    ),
    "blocking.day": "{count} day",
    "blocking.days": "{count} days",
    "blocking.hour": "{count} hour",
    "blocking.hours": "{count} hours",
    "blocking.it_is_not_blocked": "It is not blocked.",
    "blocking.minute": "{count} minute",
    "blocking.minutes": "{count} minutes",
    "blocking.nothing_was_blocked_say_block": (
        "Nothing was blocked. Say !block, or !block and how long (12 h, 30 days; 90 days at most), or !block off."
    ),
    "blocking.seconds": "{seconds} seconds",
    "blocking.the_block_is_over_texts": "The block is over: texts are shown and may be answered again.",
    "blocking.the_blocks_time_is_over": "The block's time is over: texts are shown and may be answered again.",
    "blocking.the_phone_was_blocked": "the phone was blocked",
    "blocking.the_phone_was_blocked_2": "the phone was blocked.",
    "break_off.another_sign_came": (
        "Nothing is lifted: another sign or stop came while you said it. Find out how things stand now, then !{name}."
    ),
    "break_off.somebody_else_may_have_the": "somebody else may have the phone",
    "break_off.the_texter_may_have_asked": "the texter may have asked for no more texts just now",
    "break_off.they_may_have_to_break": "they may have to break off, or not be alone",
    "consent_flags.noted_as_told_by_you": "Noted, as told by you. Nothing was sent.",
    "consent_flags.noted_on_the_card_it": "Noted on the card.{noted} It stays for their next conversation too.",
    "consent_flags.noted_the_card_says_that": (
        "Noted: the card says that another way was agreed, and your words stay in this room as a note."
    ),
    "consent_flags.safe_to_text": " Safe to text: {times}.",
    "consent_flags.say_agreed_times_or_weekdays": (
        "Say !agreed times 9am-3pm 8pm-10pm (or weekdays 9-15 sat 20-22, or any), !agreed first yes (or no), !agreed "
        "channel {channels} (or none, or words for this room), or !agreed unsafe cover 1 (or another text, or "
        "nothing)."
    ),
    "consent_flags.say_told_limits_told_rights": (
        "Say !told limits, !told rights, or !told safe (asked whether texting is safe). It sends nothing. If it is not "
        "safe: !unsafe."
    ),
    "consent_flags.the_agencys_texts_for_this": "The agency's texts for this phone are in {language}.",
    "consent_flags.this_line_has_texts_in": ("This line has texts in {languages}. Anything else: !with @who interpreter."),
    "danger_signs.somebody_else_may_have_the": (
        "Somebody else may have the phone, or read along. !unsafe stops everything for it. !playbook abuser_on_the_line"
    ),
    "danger_signs.there_may_be_a_weapon": "There may be a weapon. !playbook danger · !urgent · !escalate",
    "danger_signs.they_may_be_in_danger": "They may be in danger right now. !playbook danger · !urgent · !escalate",
    "danger_signs.they_may_be_thinking_of": (
        "They may be thinking of dying, or have taken something. !playbook suicide · !escalate"
    ),
    "danger_signs.they_may_have_been_choked": (
        "They may have been choked: a doctor today, even without marks. !playbook medical · !escalate"
    ),
    "danger_signs.they_may_have_to_break": (
        "They may have to break off, or not be alone: another text of ours lights up that phone. Best wait until "
        "they text again."
    ),
    "danger_signs.this_may_be_somebody_else": (
        "This may be somebody else, who asks what this number is. !unsafe stops everything for it, !different "
        "steps back. !playbook abuser_on_the_line"
    ),
    "inbound_cues.before_anything_else_ask_whether": (
        "{why} Before anything else, ask whether it is still a good time: !safecheck"
    ),
    "inbound_cues.it_is_a_new_day": "It is a new day.",
    "inbound_cues.pictures_are_not_opened_or": (
        "Pictures are not opened or kept here. Where they could keep it, once it is safe to say so: !playbook "
        "evidence_offered"
    ),
    "inbound_cues.they_are_back_after": "They are back after {duration}.",
    "inbound_cues.they_are_back_after_the": (
        "They are back after {duration}: the number may have a new owner. Say nothing of what was said before."
    ),
    "inbound_cues.they_may_be_under_age": (
        "They may be under age. First read !playbook minor, and talk to a supervisor before any report: !escalate"
    ),
    "inbound_cues.they_may_have_told_of": (
        "They may have told of a child being hurt before they knew the limits. It cannot be unsaid: talk to a "
        "supervisor before any report (!escalate), tell them what would be told and to whom, and !limits before "
        "they tell more."
    ),
    "inbound_cues.they_text_outside_the_times": "They text outside the times that they called safe.",
    "inbound_cues.this_looks_like_somebody_elses": (
        "This looks like somebody else's messages, passed on. They are not kept as proof here: ask for it in the "
        "texter's own words. !playbook evidence_offered"
    ),
    "language.en": "English",
    "language.es": "Spanish",
    "language_choice.language_the_agencys_texts_for": (
        "Language: {name}. The agency's texts for this phone leave in it now; !lang changes that. For your own "
        "words: !with @who interpreter, or !transfer."
    ),
    "language_choice.this_seems_to_be_the": (
        "This seems to be {name}. The agency's texts leave in {leaves}: !lang {written} changes that."
    ),
    "opt_out.a_supervisor_may_send_one": " A supervisor may send one reply: !reply and the words.",
    "opt_out.a_word_for_help_came_and": (
        "A word for help came from this phone, and {why} Decide now, with another person: !escalate"
    ),
    "opt_out.it_is_stopped_already": "It is stopped already.",
    "opt_out.it_was_not_answered_and": "{body}: it was not answered, and nothing leaves.{how}",
    "opt_out.not_resumed_a_text_came": "Not resumed: a text came while you said it. Look at it, then !resume.",
    "opt_out.nothing_is_stopped_here": "Nothing is stopped here.",
    "opt_out.resumed_texts_may_be_answered": "Resumed: texts may be answered again.",
    "opt_out.stopped_as_they_asked_nothing": (
        "Stopped, as they asked: nothing leaves until they text START. If it was a slip, !resume takes it back."
    ),
    "opt_out.the_stop_is_over_it": "the STOP is over: it can be said by the advocate",
    "opt_out.the_texter_asked_us_to": "the texter asked us to stop",
    "opt_out.the_texter_asks_for_a": (
        "The texter asks for a call. Nothing was sent back. !escalate: a supervisor says who calls, and if it is safe."
    ),
    "opt_out.the_texter_asks_what_this": "The texter asks what this is. No person has answered it: please do.",
    "opt_out.the_texter_cannot_go_on": (
        "The texter cannot go on now. Nothing was sent back. Please write nothing until they text again."
    ),
    "opt_out.the_texter_left_with_a": (
        "The texter left with a silent word. Nothing was sent back. Please write nothing more."
    ),
    "opt_out.the_texter_left_with_a_2": "the texter left with a silent word",
    "opt_out.the_texter_said_a_word": "The texter said a word for help. No person has answered it: please do, now.",
    "opt_out.the_texter_said_start_if": (
        "The texter said START. If it is them, !resume lets texts leave again; until then nothing does."
    ),
    "opt_out.the_texter_said_start_texts": "The texter said START: texts may be answered again.",
    "opt_out.the_texter_said_stop": "the texter said STOP",
    "opt_out.the_texter_said_stop_nothing": "The texter said STOP. Nothing leaves for the phone until they text START.",
    "opt_out.the_texter_said_stop_only": "The texter said STOP. Only their START ends it.",
    "opt_out.they_may_be_asking_us": (
        "They may be asking us to stop. If they are, say !stopped: it counts as their STOP, and sends nothing. If "
        "not, go on."
    ),
    "opt_out.they_said_goodbye_and_may": (
        "They said goodbye, and may be thinking of dying: nothing closes by itself. Nothing was sent back. Decide now, "
        "with another person: !escalate · !playbook suicide. What you write is asked about first (!anyway)."
    ),
    "opt_out.this_came_after_a_stop": "This came after a STOP",
    "opt_out.this_stop_came_late_they": "This STOP came late: they have texted since, see above.{how}",
    "opt_out.this_stop_was_texted_before": (
        "This STOP was texted before their START: it changes nothing. If they want us to stop, say !stopped."
    ),
    "opt_out.this_was_texted_before_the": (
        "This was texted before the STOP that counts: it changes nothing, and nothing leaves."
    ),
    "opt_out.this_was_texted_before_their": "This was texted before their STOP and came after it",
    "opt_out.what_they_wrote_before_that": (
        "What they wrote before that was neither read nor answered, as far as can be told. Please read it now; it "
        "is closed soon after you have, or by !close."
    ),
    "silence_reminders.no_answer_for_if_it": (
        "No answer for {long}. If it is over for now, !close parks it: nothing reaches the phone. They can come back."
    ),
    "silence_reminders.no_answer_for_nothing_is": (
        "No answer for {long}. Nothing is sent by itself: they may have had to put the phone away."
    ),
    "silence_reminders.they_were_not_told_the": (
        "They were not told the limits yet, and a disclosure cannot be interrupted: !limits. If you told them in "
        "your own words: !told limits."
    ),
    "unsafe_phone.a_text_came_meanwhile": (
        "Somebody else has the phone; but a text came meanwhile, and nobody has read it, as far as can be told. Please "
        "read it now: this conversation is closed soon after you have, or by !close. Nothing on the card was agreed with "
        "whoever has the phone now."
    ),
    "unsafe_phone.it_is_marked_unsafe_already": "It is marked unsafe already: nothing leaves.",
    "unsafe_phone.it_was_not_marked_unsafe": "It was not marked unsafe.",
    "unsafe_phone.leaving_in_a_moment_because": (
        "Leaving in a moment, because they chose it for this: “{words}” Redact your command to stop it."
    ),
    "unsafe_phone.none_is_yours_say_which": "No thread is yours now. Say it in its room, or !unsafe and the designation.",
    "unsafe_phone.stopped_there": "UNSAFE, and nothing leaves any more: {designations}. !safe in the room lifts it.",
    "unsafe_phone.an_edit_does_not_step_back": (
        "Whatever had not left is stopped. An edit does not become !different: say it as a new message."
    ),
    "unsafe_phone.the_text_left_after_all": (
        "The text of !different has left after all, and whoever has the phone can read it. If it is the texter: !safe. If "
        "not: !close."
    ),
    "unsafe_phone.somebody_else_has_the_phone": "somebody else has the phone",
    "unsafe_phone.somebody_else_has_the_phone_2": (
        "Somebody else has the phone: this conversation is over, and their next text begins one of its own. "
        "Nothing here is for them, and nothing on the card was agreed with them."
    ),
    "unsafe_phone.texts_may_leave_again": "Texts may leave again.",
    "unsafe_phone.the_line_that_they_chose": (
        "The line that they chose for this is not among the agency's texts any more."
    ),
    "unsafe_phone.the_phone_is_safe": "the phone is safe again",
    "unsafe_phone.the_phone_is_unsafe": "the phone is unsafe",
    "unsafe_phone.they_chose_a_line_for": (
        "They chose a line for this: “{words}” It leaves when the advocate says !unsafe as well."
    ),
    "unsafe_phone.unsafe_nothing_but_cover_leaves": (
        "UNSAFE: nothing but !cover 1, 2, 3 leaves for the phone until its advocate or a supervisor says !safe. "
        "Nothing was sent. !different ends the conversation without a text. !playbook abuser_on_the_line says what "
        "can be done."
    ),
}
