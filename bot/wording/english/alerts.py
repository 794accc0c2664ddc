"""English: notices of alerts."""

from __future__ import annotations

from typing import Final

NOTICES: Final[dict[str, str]] = {
    "alerts.a_conversation": "A conversation",
    "alerts.a_person_could_not_be_removed": (
        "The homeserver does not let this line remove a person from a room who is to be out of it: of {where}. They get "
        "no keys of this line, but the clients of whoever writes there may give them theirs: please write nothing there. "
        "Please tell the technician now."
    ),
    "alerts.a_room_was_changed": (
        "Somebody closed the room of {where}, took this line out of it, or changed what people may do there: only an "
        "administrator of the homeserver can. Apps may refuse to write there, and a text may not be shown. Please ask "
        "whoever has it whether they can still answer, and tell the technician now."
    ),
    "alerts.a_text_may_or_may": "a text may or may not have reached the phone. It is not sent again by itself.",
    "alerts.asked_us_to_stop_in": "asked us to stop in their own words. Nothing leaves until they text START.",
    "alerts.asks_for_a_call_nothing": "asks for a call. Nothing was sent.",
    "alerts.asks_what_this_is": "asks what this is. A person answers.",
    "alerts.back": "back",
    "alerts.break_glass_its_number_is": (
        "BREAK-GLASS. Its number is shown without a supervisor's yes, as the agency's policy allows. The reason is "
        "in its room. Please look."
    ),
    "alerts.cannot_go_on_now_nothing": "cannot go on now. Nothing was sent; write nothing until they text again.",
    "alerts.conversations_have": "{count} conversations of this line have",
    "alerts.could_not_be_invited_to": (
        "⚠️ {user} could not be invited to {where}. Is the account there, and does it take invitations? The line "
        "goes on without."
    ),
    "alerts.could_not_be_shown_nobody": (
        "⚠️ {whose} could not be shown, nobody has read them: {short_id}. A supervisor can try once more with "
        "!retry {short_id}. Please tell the technician."
    ),
    "alerts.duress_the_duress_word_came": (
        "DURESS. The duress word came. Nothing leaves but !cover 1, 2 and 3. Supervisors: !listen, then decide."
    ),
    "alerts.for_h": " for {hours} h",
    "alerts.for_minutes_or_more_the": (
        "⚠️ For {minutes} minutes or more the line has not heard what is said in its rooms: nothing that you write "
        "reaches a phone until it does. Please tell the technician."
    ),
    "alerts.forward": "forward",
    "alerts.is_blocked_by_a_supervisor": "is blocked by a supervisor: nothing leaves, and what it sends is dropped.",
    "alerts.is_not_blocked_any_more": "is not blocked any more.",
    "alerts.is_not_tried_any_more": "is not tried any more",
    "alerts.is_tried_for_a_quarter": "is tried for a quarter of an hour",
    "alerts.it_is_urgent_its_advocate": (
        "it is urgent: its advocate asks them to call. Whoever answers calls should know."
    ),
    "alerts.texts_to_another_number_come": (
        "⚠️ The carrier brings texts here that were sent to another number than this line's. They are shown like all "
        "others, and your answers are asked about, because they would come from this line's number. Please tell the "
        "technician: that number's setting at the carrier is wrong, or it is missing in the configuration. Said once a day "
        "at most."
    ),
    "alerts.it_was_not_kept_and": (
        "⚠️ {strays} It was not kept and cannot be answered here. This is said once an hour at most."
    ),
    "alerts.its_advocate_asks_for_a": "its advocate asks for a supervisor.",
    "alerts.its_advocate_has_not_read": "its advocate has not read what they texted. !listen lets a supervisor look.",
    "alerts.its_advocate_has_still_not": (
        "its advocate has still not read what they texted. A supervisor can look by !listen, and take it by !take."
    ),
    "alerts.its_carrier_cannot_be_asked": (
        "Its carrier cannot be asked what came meanwhile, and may have given up on some. {check_portal}, if any are."
    ),
    "alerts.its_key_is_not_on": (
        "⚠️ {designation}: its key is not on the machine, as after an older keys.db was put back. Nothing that is "
        "written there reaches a phone, and its texter's words cannot be shown. Please tell the technician: "
        "{short_id}. The line goes on."
    ),
    "alerts.left_with_a_silent_word": "left with a silent word. Nothing was sent; write nothing more.",
    "alerts.look_at_the_machines_clock": "Look at the machine's clock; if it is right, say !time ok.",
    "alerts.no_key_on_this_machine": (
        "⚠️ {conversations} no key on this machine, as after an older keys.db was put back. What was written there "
        "cannot be read, nothing that is written there reaches a phone, and each further text of that phone is refused. "
        "All others go on. Please tell the technician now: stop the line, put the newest keys.db in its place and start "
        "once with --take-over. If that file is lost, so are these, for a backup brings no conversation back: quietline "
        "accept-facts keys, with the line stopped, ends them, and their phones can text again."
    ),
    "alerts.not_erased_yet_it_is": (
        "⚠️ Not erased yet{since}: {what}. It is tried again by itself. Please tell the technician."
    ),
    "alerts.on_the_way_to_phones": (
        " {texts} on the way to phones then: whether they arrived is unknown, and they are not sent again."
    ),
    "alerts.one_conversation_has": "One conversation of this line has",
    "alerts.people_were_not_called": (
        "⚠️ {whose}: people may not have been told of something, or words may not have left: {short_id}. Please look "
        "there, and at who waits. Please tell the technician."
    ),
    "alerts.please_look_in_the_carriers": (
        "Please look in the carrier's portal for texts that are not here, and tell the technician"
    ),
    "alerts.reports_of_what_became_of": (
        "Reports of what became of our texts were refused or could not be read. If texts stay without ✓✓ that "
        "arrived, the carrier's key or the address for its reports is set wrong: please look in the carrier's "
        "portal, and tell the technician (quietline carrier check). If none do, it was a stranger, and there is "
        "nothing to do."
    ),
    "alerts.requests_to_the_carriers_address": (
        "Requests to the carrier's address were refused, because they are not signed by the carrier, or not at the "
        "time of this machine. If texts are missing, its key, its address or this machine's clock is set wrong. "
        "{check_portal} (quietline carrier check). If none are, it was a stranger, and there is nothing to do."
    ),
    "alerts.requests_to_the_carriers_address_2": (
        "Requests to the carrier's address were refused, because they are larger than any text. If texts are "
        "missing, they may have come with pictures. {check_portal}. If none are, it was a stranger, and there is "
        "nothing to do."
    ),
    "alerts.rooms_from_before_the_restore": (
        "Rooms of conversations from before this line was restored are still on the homeserver, with what was not erased "
        "yet. This line cannot read them, and erases nothing there, because a legal hold of then is not known any more. "
        "Please ask counsel. When none concerns them, the technician stops the line and says quietline accept-facts rooms: "
        "the next start erases them."
    ),
    "alerts.said_a_word_for_help": "said a word for help. A person has to answer.",
    "alerts.said_goodbye_and_may_be": (
        "said goodbye, and may be thinking of dying. Nothing was sent, and nothing closes by itself. Please look now."
    ),
    "alerts.said_start_a_person_decides": "said START. A person decides: !resume in the thread.",
    "alerts.said_start_texts_may_be": "said START: their STOP is over.",
    "alerts.said_stop_in_the_middle": (
        "said STOP in the middle of a conversation. It is honoured. Is it still them? Please look."
    ),
    "alerts.said_stop_nothing_leaves_until": "said STOP. Nothing leaves until they text START.",
    "alerts.say_retry_and_the_id": "Say !retry and the id that the alert gave.",
    "alerts.somebody_deleted_a_device_of": (
        "Somebody deleted a device of this line at the homeserver, as signing it out everywhere does. It makes "
        "itself another, and what waits is shown then. If nobody of the agency did it, please call the technician."
    ),
    "alerts.somebody_else_may_have_the": (
        "somebody else may have the phone. Nothing was sent; what waited is held. Please look."
    ),
    "alerts.somebody_wrote_over_another_channel": (
        "Somebody wrote over another channel than text messages, such as WhatsApp or RCS."
    ),
    "alerts.somebody_wrote_to_this_line": "Somebody wrote to this line in a group message.",
    "alerts.something_could_not_be_handled": (
        "⚠️ Something could not be handled and is kept for the technician: {short_id}. The line goes on."
    ),
    "alerts.text_was": "1 text was",
    "alerts.texted_after_a_stop_it": "texted after a STOP. It was not answered. Please look.",
    "alerts.texting_is_safe_again_its": "texting is safe again, its people say.",
    "alerts.texts_were": "{unfinished} texts were",
    "alerts.the_carrier_brought_something_that": (
        "The carrier brought something that could not be read: a text may be missing. {check_portal}."
    ),
    "alerts.the_carrier_does_not_say": (
        "The carrier does not say which texts came while the line was away. It is asked again by itself. "
        "{check_portal} (quietline carrier check)."
    ),
    "alerts.the_carrier_says_this_phone": "the carrier says this phone opted out.",
    "alerts.the_clock_counts_after": (
        "The clock is taken as right. The line begins again within some seconds, to go by it; then what has come to "
        "the end of its time goes again."
    ),
    "alerts.the_clock_is_taken_as": "The clock is taken as right: what has come to the end of its time goes again.",
    "alerts.the_desk": "the desk",
    "alerts.the_desk_or_in_an": "the desk or in an office",
    "alerts.the_database_was_promoted": (
        "This line's database is another copy now, as after a failover, and may lack the last moments of the one before. "
        "Texts that came then may not be here. {check_portal}. Words that may have left for a phone then are marked as "
        "unknown and do not leave again by themselves. A conversation that began then may be gone; that phone can text "
        "again. A legal hold that was set then may be gone too: please ask counsel."
    ),
    "alerts.the_homeserver_does_not_have": (
        "The homeserver has lost something of this line, as after its database was put back. What was written since then "
        "is gone there, texters' words too: please look into each open conversation. Rooms that are lost are made again, "
        "and whoever was in one is invited; whoever had left one since is removed from it again, and what had ended or was "
        "erased since is erased again. Please tell the technician."
    ),
    "alerts.the_homeserver_holds_us": (
        "The homeserver takes nothing from an account of this line: its administrator has locked or suspended it, or the "
        "homeserver has reached a limit. What texters write is kept, and may not be shown until that is lifted. Please "
        "tell the technician now."
    ),
    "alerts.the_machines_clock_went_on": (
        "⚠️ The machine's clock went forward by about {seconds} seconds: it was set, or the machine stood still for so "
        "long. Please tell the technician. Words that were about to leave are held, and their authors are asked. Nothing "
        "is erased by its age until a supervisor says !time ok here."
    ),
    "alerts.the_machines_clock_was_set": (
        "⚠️ The machine's clock was set {way} by about {seconds} seconds. Please tell the technician. Opening "
        "hours go by its new time at once; answers leave as before. Nothing is erased by its age until a "
        "supervisor says !time ok here."
    ),
    "alerts.the_phone_may_be_in": (
        "the phone may be in other hands. Nothing leaves for it until somebody there says !safe."
    ),
    "alerts.their_office_where_numbers_and": "their office, where numbers and codewords are asked for",
    "alerts.this_is_said_once_an": "⚠️ {since}{gaps} This is said once an hour at most.",
    "alerts.this_line_was_away_for": "This line was away for about {duration}. ",
    "alerts.this_line_was_restored_from": (
        "⚠️ This line was restored from a backup made about {hours} h ago. No conversation came back: whoever "
        "texts begins anew.{unfinished} Texts that came in between are not here, nor is any STOP or block of that time: "
        "text nobody first before you know that they want it."
    ),
    "alerts.times": "{body} ({times} times)",
    "alerts.unverified_possible_duress_nothing_leaves": (
        "unverified, possible duress. Nothing leaves but !cover 1, 2 and 3, until a supervisor's !unlock."
    ),
    "alerts.what_they_texted_around_a": (
        "what they texted around a STOP came late and out of its order. Nothing left for it. Please look."
    ),
    "alerts.what_they_wrote_before_the": (
        "what they wrote before the silent word was not seen yet. Its advocate, or a supervisor: please look."
    ),
    "alerts.the_module_cannot_vouch": (
        "The homeserver's module says that it cannot do all that it is for: something may be kept there that is called "
        "gone here, or a signed-out device may come back. Texts go on. Please tell the technician: `quietline doctor`, row "
        "`homeserver module`, says what and what to do."
    ),
    "alerts.while_the_line_did_not": (
        "While the line did not hear its rooms, more was written in {where} than it can fetch. The oldest of it "
        "was not taken: it has no mark, and reached no phone. Please look there for words without a mark."
    ),
    "alerts.whoever_is_on_call_could": (
        "⚠️ Whoever is on call could not be reached. It {tried}. Please phone them, and tell the technician."
    ),
    "alerts.words_of_somebody_new": "Words of somebody new",
    "alerts.words_of_the_texter": "{designation}: words of the texter",
    "alerts.canary_account": "its account could not sign in at the homeserver",
    "alerts.canary_text": "it could not be sent to the line",
    "alerts.canary_room": "it came to no room",
    "alerts.canary_keys": "it came to a room, and could not be read there",
    "alerts.canary_answer": "it was read, and the answer to it did not come back",
    "alerts.canary_slow": "it came through, and took much longer than it should",
    "alerts.canary_erasure": "it came through, and what it left is not erased",
    "alerts.canary_silent": "nothing was heard of it for a while",
    "alerts.canary_failed": (
        "⚠️ This line texts itself to see that it works. The last test failed: {step}. Texts of people may be stuck in the "
        "same place. Please tell the technician. It is said here when a test is well again."
    ),
    "alerts.canary_recovered": "The line's own test texts come through again.",
    "alerts.line_is_well": "The regular look at this line finds all well again.",
    "alerts.line_is_not_well": (
        "⚠️ The regular look at this line found something that is not well: {rows}. The person on call is called. Please "
        "tell the technician: `quietline doctor` says what each means and what to do; of a `quietline-…` unit that failed "
        "its journal says why."
    ),
    "alerts.alarm_test": (
        "🔔 TEST of the alarms by the technician. Nobody is needed. If your phone did not ring for this, please tell them."
    ),
    "alerts.behind_aggregates": (
        "The line goes on with what stands there; every STOP and lock holds all the same. Please look at who is on "
        "the roster, and read what happened last before you answer in a conversation."
    ),
    "alerts.behind_confirmed": (
        "Nobody is confirmed: no device gets keys and no command counts. Afterwards each is confirmed once more: a "
        "supervisor with quietline trust, the others with !trust."
    ),
    "alerts.behind_locks": (
        "Every conversation of before is locked: only !cover 1, 2 and 3 leave, until a supervisor says !unlock in it. Each "
        "codeword of before counts as burned: agree on a new one by phone call."
    ),
    "alerts.behind_suppression": (
        "Nobody knows now which phones said STOP in an earlier conversation: nobody can be texted first, and a new texter "
        "is not answered by itself. People can answer."
    ),
    "alerts.facts_accepted": (
        "⚠️ {facts}: keys.db is older than the database, as after a backup of it was put back. The database counts. If "
        "nobody did that, please tell the technician."
    ),
    "alerts.facts_aggregates": "The roster and the state of conversations",
    "alerts.facts_behind": (
        "⚠️ {facts}: the database is older than it was, or was changed beside this program. {until_then} Please tell the "
        "technician now: did somebody put an old database back? Then, and only then: stop the line, and quietline "
        "accept-facts {kind}. Else somebody may have written there: quietline restore from a backup."
    ),
    "alerts.facts_confirmed": "Whose identity is confirmed",
    "alerts.facts_locks": "Which phones are stopped or locked",
    "alerts.facts_of_a_phone": (
        "⚠️ {designation}: a STOP, a lock or a block of this phone was taken out of the database beside this program. It "
        "holds again. Please tell the technician: somebody may have written there."
    ),
    "alerts.facts_suppression": "Who said STOP or is blocked",
}
