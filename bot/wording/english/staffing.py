"""English: notices of staffing."""

from __future__ import annotations

from typing import Final

NOTICES: Final[dict[str, str]] = {
    "assignment.a_text_without_words_arrived": "A text without words arrived.",
    "assignment.ago": "{duration} ago",
    "assignment.is_not_the_advocate_the": (
        "{assignee} is not the advocate: the thread went back to the queue first. !claim it at the desk."
    ),
    "assignment.is_over_has_gone": "is over: {user} has gone",
    "assignment.is_the_advocate_now_the": "{assignee} is the advocate now: the phone hears them, and nobody else.",
    "assignment.nobody": "Nobody",
    "assignment.other_hands_ago_there_was": (
        "⚠️ OTHER HANDS: {age} ago there was a sign that somebody else has this phone. It may be them who texts. "
        "Your first words are held (!anyway). Once you know that it is the texter: !safe. !playbook "
        "abuser_on_the_line"
    ),
    "assignment.unsafe_still": (
        "⚠️ UNSAFE: {age} ago this phone was marked, and it may be somebody else who texts. Nothing but !cover 1, 2, 3 "
        "leaves. Once you know that it is the texter: !safe. !playbook abuser_on_the_line"
    ),
    "assignment.only_picture_s_or_file_s": (
        "A text without words arrived, with {media} picture(s) or file(s), which were not fetched."
    ),
    "assignment.picture_s_or_file_s": "{media} picture(s) or file(s) came with it and were not fetched.",
    "assignment.the_advocate_changed": "the advocate changed",
    "assignment.the_advocate_left": "the advocate left",
    "assignment.the_advocate_left_the_desk": "the advocate left the desk",
    "assignment.the_offer_is_still_heard": "The offer {how}. {assignee} is still heard.",
    "assignment.this_came_late_it_was": "⏱ This came late: it was texted {when}, before what stands above it.",
    "assignment.this_came_late_it_was_2": "⏱ This came late: it was texted {when}.",
    "assignment.this_device_is_not_verified": (
        "This device is not verified, so nothing it says is taken but !unsafe. Verify it in your client's "
        "settings. 🛑 on any message of a thread stops its phone from here, too."
    ),
    "assignment.this_message_could_not_be": (
        "This message could not be read here: its key never came. Please send it again."
    ),
    "assignment.this_message_was_not_encrypted": (
        "This message was not encrypted, so it is not taken. Please send it again, encrypted."
    ),
    "assignment.this_thread_is_in_the": "This thread is in the queue again: nobody is heard until somebody claims it.",
    "auto_assign.is_yours_accept_the_invitation": (
        "{user}: {designation} is yours. Accept the invitation, tap anything or say !board here, within "
        "{assignment_answer} min; else somebody else is asked."
    ),
    "auto_assign.the_advocate_did_not_answer": "the advocate did not answer",
    "claim_queue.back_in_the_queue_see": "{designation} · back in the queue, see below",
    "claim_queue.has_come_to_the_queue": "has come to the queue",
    "claim_queue.has_threads_open_which_is": (
        "{user} has {cap} threads open, which is the most. Somebody else should take this one."
    ),
    "claim_queue.is_off_duty_on_at": "{user} is off duty. !on at the desk changes that.",
    "claim_queue.is_offered_to_everybody": "is offered to everybody",
    "claim_queue.is_with_already": "{designation} is with {assignee} already.",
    "claim_queue.is_with_already_2": "{sender}: {designation} is with {assignee} already.",
    "claim_queue.is_yours_accept_the_invitation": "{designation} is yours, {user}: accept the invitation.",
    "claim_queue.is_yours_already": "{designation} is yours already.",
    "claim_queue.no_waiting_thread_has_that": "No waiting thread has that designation. !board shows who waits.",
    "claim_queue.nobody_is_waiting_whoever_comes": (
        "Nobody is waiting. Whoever comes within the next 30 seconds is yours."
    ),
    "claim_queue.only_supervisors_take_a_thread": "only supervisors take a thread over.",
    "claim_queue.still_waiting_min": "{tap} {designation} · still waiting, {minutes} min{marks}",
    "claim_queue.tap_or_claim": "{tap} {designation}{marks} {why}: tap {tap}, or !claim",
    "claim_queue.they_are_not_at_the": "they are not at the desk.",
    "claim_queue.verify_your_device_first_until": (
        "{sender}: verify your device first; until then you could not read {designation}."
    ),
    "claim_queue.waiting_again_its_advocate_has": "waiting again: its advocate has left",
    "claim_queue.was_quicker": "{assignee} was quicker.",
    "cold_outreach.a_room_is_being_made": (
        "A room is being made: accept the invitation and type the first words yourself; nothing is sent until you "
        "do. If no invitation comes, they have texted us meanwhile: see !board."
    ),
    "cold_outreach.nothing_was_begun": "Nothing was begun.",
    "cold_outreach.now_type_the_number_with": (
        "Now type the number, with its area code. What you type here is removed at once."
    ),
    "cold_outreach.once_more_to_be_sure": "Once more, to be sure that it is right.",
    "cold_outreach.texting_somebody_first_is_for": (
        "Texting somebody first is for those who asked for it, and told you that this phone is safe now. If so, "
        "say: she asked. Anything else begins nothing; “cancel” ends it."
    ),
    "cold_outreach.that_is_a_short_code": "That is a short code, not somebody's phone.",
    "cold_outreach.that_is_a_toll_free": "That is a toll-free or paid number, not somebody's phone.",
    "cold_outreach.that_is_an_emergency_number": "That is an emergency number. It is not texted from here: call it.",
    "cold_outreach.that_is_no_telephone_number": (
        "That is no telephone number that can be texted. Type it again, with its area code."
    ),
    "cold_outreach.that_is_this_lines_own": "That is this line's own number.",
    "cold_outreach.that_number_is_in_another": "That number is in another country. It is not texted from here.",
    "cold_outreach.that_phone_has_a_conversation": (
        "That phone has a conversation here already, or had one lately. Only a supervisor can look into it."
    ),
    "cold_outreach.that_phone_may_not_be": (
        "That phone may not be texted: it said STOP, is blocked, or nobody can tell now."
    ),
    "cold_outreach.the_two_are_not_the": "The two are not the same. Type it twice again, from the beginning.",
    "cold_outreach.this_line_texts_nobody_first": (
        "This line texts nobody first (cold_outbound in its pack). Whoever texts us is answered."
    ),
    "cold_outreach.with_who_texts_first_it": "{designation} · with {assignee}, who texts first: it was asked for",
    "duty.accept_the_invitation_to_you": (
        "Accept the invitation to {designation}: you read, and what you write is a note."
    ),
    "duty.another_supervisor_has_to_confirm": "Another supervisor has to confirm yours.",
    "duty.first_hand_over_transfer_or": "First hand over (!transfer) or !release: {names}.",
    "duty.has_a_cryptographic_identity_that": "has a cryptographic identity that nobody confirmed yet",
    "duty.has_a_new_cryptographic_identity": "has a NEW cryptographic identity",
    "duty.has_no_cryptographic_identity": (
        "{user} can read nothing yet, and is off duty: their app has made no cryptographic identity. They "
        "set up encryption in it (in Element: Settings, Encryption); then a supervisor confirms them here with !trust."
    ),
    "duty.is_being_signed_out_everywhere": "{user} is being signed out everywhere, at the word of {sender}.",
    "duty.it_receives_nothing_until_a": (
        "⚠️ {user} {new}. It receives nothing until a supervisor has asked them in person and says !trust @{user}. "
        "Fingerprint: {fingerprint}"
    ),
    "duty.nobody_of_that_name_waits": (
        "Nobody of that name waits for it. A new identity is reported here when it is first seen."
    ),
    "duty.noted_and_on_the_board": "Noted, and on the board: {spoken}.",
    "duty.s_identity_changed_while_you": (
        "{user}'s identity changed while you wrote. Nothing is confirmed. Look at the newer report first."
    ),
    "duty.s_identity_is_confirmed_by": "{user}'s identity is confirmed by {sender}.",
    "duty.s_identity_is_confirmed_by_2": (
        "{user}'s identity is confirmed by the technician, on the server (quietline trust)."
    ),
    "duty.say_languages_and_their_codes": (
        "Say !languages and their codes, such as !languages es fr; !languages {no_languages} takes them back."
    ),
    "duty.say_listen_and_a_designation": "Say !listen and a designation. !board shows them.",
    "duty.stays_on_duty_first_hand": "{user} stays on duty: first hand over (!transfer) or !release {designation}.",
    "duty.that_is_not_the_fingerprint": (
        "That is NOT the fingerprint that was reported. Nothing is confirmed. Ask {user} in person."
    ),
    "duty.whoever_has_left_the_desk": "{unknown_member} Whoever has left the desk receives nothing any more.",
    "duty.you_are_off_duty_nobody": "You are off duty: nobody calls you here until you say !on.",
    "duty.you_are_on_duty": "You are on duty.",
    "new_thread_limit.more_new_texters_than_usual": (
        "⚠️ More new texters than usual at once, or one number again and again. They queue without a card and are "
        "not answered by the machine; cards follow as fast as this line allows. !claim takes the longest waiting. "
        "!board"
    ),
    "outage.it_is_an_outage_already": "It is an outage already. !outage over ends it.",
    "outage.outage_says_whoever_texts_first": (
        "⚠️ OUTAGE, says {who}: whoever texts first hears that texts do not work well now, and the voice number. "
        "!outage over ends it."
    ),
    "outage.say_outage_or_outage_over": "Say !outage, or !outage over.",
    "outage.the_outage_is_over_says": "The outage is over, says {who}: first texts are greeted as usual.",
    "outage.there_is_no_outage": "There is no outage.",
    "roster.a_supervisor": "a supervisor",
    "roster.an_advocate": "an advocate",
    "roster.devices_are_there_again": (
        "⚠️ The homeserver has devices again that had been signed out, as after its database was put back: of {users}. "
        "They can read nothing new and command nothing, but they are signed in. A supervisor says !signout @who for each "
        "of these people; whoever used such a device themselves signs in again."
    ),
    "roster.is_removed_once_more": (
        "⚠️ {user} had left this desk, or was removed from it, and the homeserver had them here again, as after its "
        "database was put back. They get no keys, and are removed once more. Does {user} belong here? Invite them."
    ),
    "roster.somebody_changed_what_people_may": (
        "⚠️ Somebody changed what people may do in this room. It is put back; supervisors stay supervisors. To "
        "take somebody off the roster, remove them from this room."
    ),
    "roster.somebody_closed_this_room_an": (
        "⚠️ Somebody closed this room (an upgrade does that). Quietline stays here; no other room is the desk. "
        "Threads go on. Please tell the technician."
    ),
    "roster.the_technician_ended_s_account": (
        "The technician ended {user}'s account: signed out everywhere, and removed from every room."
    ),
    "roster.the_technician_made_an_account": (
        "The technician made an account for {user}, {role}, who is invited here. Nobody you know? Remove them from "
        "this room, and call the technician."
    ),
    "roster.this_is_the_line_texters": "This is the line: texters' words come under this identity.",
    "roster.this_is_your_office_only": (
        "This is your office: only you and the software are here. Numbers and codewords belong here, not at the desk."
    ),
    "roster.welcome_please_say_help_here": ("Welcome. Please say !help here once, so that your client learns to read us."),
    "thread_marks.waiting_and_what_they_texted": (
        "{tap} {designation} ⚠️ · waiting, and what they texted may be a sign of danger"
    ),
    "transfer.a_supervisor_may_all_the": "{full} A supervisor may all the same: !escalate.",
    "transfer.at_the_desk_on_its": "at the desk, ✋ on its card takes it",
    "transfer.called_they_read_everything_from": (
        "Called: {users}. Once they join they read the texter from the first word; for what colleagues wrote they may "
        "need !recap."
    ),
    "transfer.everybody_at_the_desk": "everybody at the desk",
    "transfer.first_hand_over_transfer_or": (
        "First hand over (!transfer) or !release: you have {count} open, !board at the desk says which."
    ),
    "transfer.has_run_out": "has run out",
    "transfer.has_threads_open_the_most": "{to} has {cap} threads open, the most.",
    "transfer.is_asked_in_to_read": "{user} is asked in, to read and to write notes; the phone does not hear them.",
    "transfer.is_not_the_advocate": "{user} is not the advocate: {reason}",
    "transfer.is_off_duty_say_transfer": "{to} is off duty. Say !transfer and who else, or !transfer all.",
    "transfer.is_off_duty_say_with": "{user} is off duty. Say !with and who else.",
    "transfer.is_off_duty_transfer_it": "{taken_from} is off duty: !transfer it, or !release it to the queue.",
    "transfer.is_the_advocate_already": "{to} is the advocate already.",
    "transfer.is_the_advocate_and_stays": "{user} is the advocate, and stays: nobody has to ask them in.",
    "transfer.it_is_in_the_queue": "It is in the queue.",
    "transfer.it_is_offered_to_everybody": (
        "It is offered to everybody: ✋ on its card at the desk takes it, and nobody has to decline."
    ),
    "transfer.it_is_offered_to_somebody": "It is offered to somebody else.",
    "transfer.it_is_with_ask_for": "It is with {assignee}. Ask for !transfer; supervisors: !take.",
    "transfer.it_is_with_nobody_it": "It is with nobody: it is in the queue, and anybody may claim it.",
    "transfer.no_supervisor_took_this_thread": (
        "No supervisor took this thread from you. !claim at the desk, or ask for !transfer."
    ),
    "transfer.nothing_is_offered_here_or": "Nothing is offered here, or it has run out. Ask for !transfer again.",
    "transfer.nothing_is_offered_here_so": "Nothing is offered here, so there is nothing to take back.",
    "transfer.offers_this_thread_to_until": ("{sender} offers this thread to {whom}: {how}. Until then {heard} is heard."),
    "transfer.or_accept_takes_it_or": "{yes} or !accept takes it, {no} or !decline does not",
    "transfer.put_the_thread_back_into": "{sender} put the thread back into the queue",
    "transfer.ready_for_the_phone_say": "Ready for the phone: “{handover}” Say !say handover to send it.",
    "transfer.release_queue_takes_it_from": "!release queue takes it from its advocate and lets it wait.",
    "transfer.says_why": "{sender} says why: {why}",
    "transfer.s_seat_as_interpreter_has": "{user}'s seat as interpreter has ended.",
    "transfer.some_conversations_stay_with_one": "Some conversations stay with one. {talk}",
    "transfer.the_desk_was_told": "{nobody_decides} The desk was told.",
    "transfer.the_thread_was_released": "the thread was released",
    "transfer.this_thread_is_with_you": "This thread is with you already.",
    "transfer.verify_your_device_first_then": "{sender}: verify your device first, then tap again.",
    "transfer.was_declined_by": "was declined by {user}",
    "transfer.was_replaced": "was replaced",
    "transfer.was_taken_back": "was taken back",
    "transfer.you_are_here_already_say": "You are here already. Say !with and who else.",
    "transfer.you_are_here_to_read": "You are here to read and to write notes already.",
    "transfer.you_are_off_duty_nobody": "You are off duty: nobody calls you at the desk until you say !on there.",
    "unread_texts.not_read_yet": "What they texted has not been read yet. An answer, or !status, shows that it has.",
    "wellbeing.a_supervisor_can_take_a": (
        "A supervisor can take a quiet quarter of an hour with you, now or later: just ask."
    ),
    "wellbeing.no_supervisor_is_on_duty": (
        "No supervisor is on duty now, so nobody is promised: once one is, ask for a quiet quarter of an hour. If "
        "it cannot wait, tell the desk."
    ),
    "wellbeing.what_you_have_just_carried": (
        "What you have just carried may stay with you for a while. {talk} Nobody else was told of this."
    ),
    "wellbeing.you_have_conversation_s_open": (
        "You have {count} conversation(s) open and {heavy_threads} heavy one(s) behind or before you, {hours} h on "
        "duty. It may be time to hand one over (!transfer), or for a break. Only you see this."
    ),
    "assignment.may_not_show": "{user}: what colleagues wrote before you came may not show. !recap says it again, here.",
    "close_rest.asked": (
        "{count} wait without a card who wrote once, without a sign of danger; {stay} others without a card stay. "
        "!close-rest yes closes the conversations of the {count}, unread, {after} later: nothing is sent, and who texts "
        "again begins a new one. !close-rest no leaves everything as it is."
    ),
    "close_rest.being_closed": "They are being closed already; !close-rest no takes back what is not done.",
    "close_rest.confirmed": (
        "{user} closes the conversations of {count} who wrote once, in {after}. Until then !close-rest no takes it back; "
        "who writes again, shows a sign of danger or is claimed stays."
    ),
    "close_rest.done": "{closed} conversations are closed, unread, as !close-rest said. {stay} stay.",
    "close_rest.how": "Say !close-rest, and then !close-rest yes or !close-rest no.",
    "close_rest.nobody": ("Nobody waits without a card who wrote once and does not stand out: there is nothing to close."),
    "close_rest.nothing_was_asked": "Nothing was asked or begun.",
    "close_rest.taken_back": "Taken back. Closed already: {closed}.",
    "shifts.calendar_cannot_be_used": (
        "The calendar of shifts cannot be used: {why}. {in_place} Nobody is called later for it. This is said once; "
        "tell whoever keeps the calendar or looks after the line's machine."
    ),
    "shifts.calendar_empty": "it has no shift in the coming weeks",
    "shifts.calendar_is_back": "The calendar of shifts can be used again.",
    "shifts.calendar_large": "it is larger than 1 MiB",
    "shifts.calendar_not_a_calendar": "what is there is no calendar, or only a part of one",
    "shifts.calendar_refused": "its address leads to another one, or not into the public network",
    "shifts.calendar_too_much": "it has more entries or repetitions than a calendar of shifts",
    "shifts.calendar_unreachable": "it cannot be reached",
    "shifts.calendar_was_read": (
        "Of the calendar of shifts as it is now, this counts as nobody. Entries whose title names nobody who can be at "
        "this desk: {nameless} (the first begin: {times}). Entries that cannot be read: {unread}. People who are not at "
        "the desk: {missing}."
    ),
    "shifts.nights_in_a_row": (
        "By the calendar this is your night {nights} in a row. If you would rather rest, tell whoever makes the plan; "
        "nobody is told by me, and nothing changes by itself."
    ),
    "shifts.nobody_is_on_shift": (
        "In the coming week there are times at which the line is open and nobody is on shift (from / until): {gaps}. "
        "Further gaps: {more}. People of the calendar who are not at the desk: {missing}."
    ),
    "shifts.no_copy_counts": (
        "There is no copy of it: the shifts of the pack count, or none, and everybody on duty is called."
    ),
    "shifts.the_copy_counts": "A copy counts that is {hours} hours old.",
    "shifts.your_shift_has_begun": (
        "By the calendar your shift has begun, and you are off duty. Say !on at the desk once you are there. Until then "
        "you are not called, and it is not asked again in this shift."
    ),
}
