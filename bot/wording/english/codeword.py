"""English: notices of codeword."""

from __future__ import annotations

from typing import Final

NOTICES: Final[dict[str, str]] = {
    "check.a_slip_perhaps_verify_asks": "{count} A slip, perhaps: !verify asks again.",
    "check.a_word_that_stood_in": (
        "a word that stood in a room is none any more, for others may have read it. Choose another one by phone "
        "call, and say the command with nothing behind it: you are asked in your office."
    ),
    "check.as_the_answer_to_the": "as the answer to the challenge",
    "check.duress_the_duress_word_came": (
        "⚠️ DURESS. The duress word came. Act as before: the phone sees what it would after the right word. "
        "Nothing you write leaves; !cover 1, 2 and 3 do."
    ),
    "check.its_author_was_changing_it": "its author was changing it",
    "check.redacted_and_not_taken": "Redacted, and not taken: {written_in_room}",
    "check.that_held_an_agreed_word": (
        "That held an agreed word: it was redacted, and nothing of it leaves. Never write it, here or to the phone."
    ),
    "check.that_text_is_too_long": (
        "That text is too long to be compared to the end. A word in it may have been missed, and stands there "
        "then: treat it as if it might be there."
    ),
    "check.the_answer_does_not_hold": "✗ The answer does not hold the codeword ({failures} of {most}).",
    "check.the_burned_codeword_came_once": (
        "The burned codeword came once more. It proves nothing: agree on a new one by phone call."
    ),
    "check.the_challenge_was_not_answered": (
        "The challenge was not answered in time. Nothing is counted; what comes now is no answer."
    ),
    "check.the_codeword_came_among_many": (
        "The codeword came among many words, as if guessed. It verifies nothing; agree on a new one by phone call."
    ),
    "check.the_codeword_came_it_is": (
        "✓ The codeword came, {how}. It is burned now, for it is on that phone: agree on a new one by phone call.{locked}"
    ),
    "check.the_codeword_came_late_who": (
        "The codeword came late: who has the phone now nobody knows. It verifies nothing; agree on a new one by phone call."
    ),
    "check.the_desk_and_the_supervisors": "The desk and the supervisors are told.",
    "check.the_desk_is_told": "The desk is told. {nobody_decides}",
    "check.the_word_has_come_already": "the word has come already",
    "check.their_answer_has_not_the_word": "their last text answered the challenge without the codeword",
    "check.unverified_possible_duress": "⚠️ {count} Unverified, possible duress. {locked}",
    "check.what_is_locked_stays_so": " What is locked stays so until a supervisor's !unlock.",
    "check.without_being_asked_for": "without being asked for",
    "codeword_commands.a_codeword_is_agreed_from": (
        "A codeword is agreed. From now every text is compared with it, and it is masked when it comes."
    ),
    "check.whatever_follows_the_check": "whatever follows !verify",
    "codeword_commands.first_a_supervisors_unlock_once": (
        "First a supervisor's !unlock, once they have spoken with her by phone."
    ),
    "codeword_commands.first_a_supervisors_unlock_until": (
        "First a supervisor's !unlock: until then the words are still listened for."
    ),
    "codeword_commands.it_is_kept_nobody_sees": (
        "It is kept: nobody sees it again, you and I included. Once it comes in a text it is used up."
    ),
    "codeword_commands.leaving_in_a_moment_redact": "Leaving in a moment: “{body}” Redact your command to stop it.",
    "codeword_commands.no_codeword_is_kept_for": "No codeword is kept for this phone.",
    "codeword_commands.no_codeword_was_kept_the": (
        "No codeword was kept: the conversation was over, its advocate changed, or the phone was locked, in "
        "between. Say !codeword again."
    ),
    "codeword_commands.not_now": "Not now: {why}",
    "codeword_commands.nothing_is_locked_here": "Nothing is locked here.",
    "codeword_commands.only_a_word_agreed_in": (
        "Only a word agreed in person or by phone call is one: never agree on it by text."
    ),
    "codeword_commands.the_codeword_is_burned_it": (
        "The codeword is burned: it stands on that phone. Agree on a new one by phone call."
    ),
    "codeword_commands.the_codeword_is_forgotten_texts": "The codeword is forgotten: texts are not compared any more.",
    "codeword_commands.there_is_no_codeword_to": ("There is no codeword to ask for. !codeword keeps one. {never_by_text}"),
    "codeword_commands.unlocked_by_a_supervisor_the": (
        "Unlocked by a supervisor: the advocate's words leave again. Words on that phone stay burned."
    ),
    "codeword_commands.you_are_asked_for_it": (
        "{never_by_text} You are asked for it in your office, where it is redacted at once."
    ),
    "enrolment.codeword_for_only_one_that": (
        "Codeword for {designation}. Only one that they chose in person or by phone call, never by text. Tell "
        "them: it is heard on this phone only, and until {grace} after the conversation is over ({longer} with "
        "!continue); alone or between other words of one text; not with letters added (cherry is not heard in "
        "cherries), nor parted over two texts. Write it here now, within five minutes, and nothing else; I redact "
        "it at once."
    ),
    "enrolment.five_minutes_are_over_no": (
        "Five minutes are over: no codeword is kept for {designation}. What you write here in the next ten minutes "
        "I redact all the same, for it may be the word."
    ),
    "enrolment.here_a_word_is_written": (
        "here a word is written alone, when I ask for it. !codeword in the thread makes me ask."
    ),
    "enrolment.redacted_and_not_taken_another": "Redacted, and not taken. {flaw} Another one, please.",
    "enrolment.redacted_and_not_taken_it": (
        "Redacted, and not taken: it came too late. Say !codeword in the thread again."
    ),
    "enrolment.redacted_and_taken_it_is": "Redacted and taken. It is kept once I say so here.",
    "enrolment.redacted_and_taken_now_the": (
        "Redacted and taken. Now the duress word, which they would text when somebody makes them: unlike the "
        "first. Or say - if there is none."
    ),
    "enrolment.redacted_as_well_a_word": "Redacted as well. A word that is taken is not changed: say !codeword again.",
    "enrolment.redacted_it_was_not_encrypted": (
        "Redacted. It was not encrypted: if that was the word, agree on another one."
    ),
    "enrolment.redacted_nothing_is_kept_say": "Redacted. {flaw} Nothing is kept. Say !codeword in the thread again.",
    "enrolment.they_need_these_by_voice": (
        "They need these, by voice as well. !verify asks for the word by “{challenge}”, and whatever they answer, "
        "the phone then shows “{answer}” !cover 1, 2, 3 are {lines} These may come when writing freely is not "
        "safe: they mean that we have understood."
    ),
    "flaw.common": ("It is too common: it would come up by chance. An unusual word, or two unlike each other, is better."),
    "flaw.keyword": "It is a keyword (like STOP, START, YES or HELP) and means something else in a text.",
    "flaw.long": "It is too long: at most {most_words} words and {longest} letters.",
    "flaw.lost": "The codeword said before is not here any more.",
    "flaw.near": "It is too near to the codeword: a slip of the thumb would turn one into the other.",
    "flaw.no_letters": (
        "It needs letters: pictures look different on every phone, and digits alone are guessed and come up by chance."
    ),
    "flaw.not_plain": "Only a new, plain message is taken: no edit, no thread, no file, nobody mentioned.",
    "flaw.ours": "It stands in one of the agency's own texts, which phones may quote back.",
    "flaw.same": "It is the same as the codeword.",
    "flaw.short": "It is too short or too simple: at least {shortest} letters, not all of them alike.",
}
