"""English: notices of commands."""

from __future__ import annotations

from typing import Final

NOTICES: Final[dict[str, str]] = {
    "canned_texts.different_takes_no_words_say": (
        "!different takes no words. Say it alone; what you know can stand here as a note (//)."
    ),
    "canned_texts.no_text_has_that_name": "no text has that name. Say !say and one of: {known_names}.",
    "canned_texts.no_words_are_taken_behind": (
        "no words are taken behind !{name}. Say it alone, or in words of your own: !say {name}: words."
    ),
    "canned_texts.no_words_stand_behind_the": "no words stand behind the colon.",
    "canned_texts.say_takes_words_of_your": (
        "!say {loose} takes words of your own only behind a colon: !say {loose}: words."
    ),
    "canned_texts.the_line_is_open_now": (
        "the line is open now, and that text says when it opens again. Say !say unavailable, or in words of your "
        "own: !say after-hours: words."
    ),
    "dispatch.a_note_begins_with_or": "A note begins with // or !note; the phone does not get it.",
    "dispatch.a_question_does_nothing": "A question does nothing. If you mean it: !{name} without the question mark.",
    "dispatch.a_note_is_note_and": "A note is !note and words, or // and words.",
    "dispatch.at_the_desk": "at the desk",
    "dispatch.board_at_the_desk_shows": "!board at the desk shows who waits, and who talks with whom.",
    "dispatch.board_shows_who_that_is": "!board shows who that is",
    "dispatch.by_changing_a_message": "by changing a message",
    "dispatch.close_ends_the_conversation_if": "!close ends the conversation. If they asked us to stop: !stopped",
    "dispatch.did_nothing_no_command_is": "!{name} did nothing: no command is taken {way}. Say it as a new message.",
    "dispatch.did_you_mean_say_it": "Did you mean !{near}? Say it as a new message.",
    "dispatch.escalate_calls_a_supervisor_playbook": "!escalate asks for a supervisor. !playbook lists what to do.",
    "dispatch.escalate_calls_the_supervisors_on": "!escalate calls the supervisors on duty.",
    "dispatch.escalate_calls_those_on_duty": "!escalate calls those on duty",
    "dispatch.help_lists_what_there_is": "!help lists what there is.",
    "dispatch.in_a_thread_of_the": "in a thread of the room",
    "dispatch.in_the_threads_own_room": "in the thread's own room",
    "dispatch.in_your_office": "in your office",
    "dispatch.is_for": "!{name} is for {who}. {what}.",
    "dispatch.is_said_here_it_does": "!{name} is said {where}; here it does nothing.",
    "dispatch.lang_en_the_agencys_texts": (
        "!lang en: the agency's texts leave in English. !lang me en: I speak English to you."
    ),
    "dispatch.lang_es_the_agencys_texts": (
        "!lang es: the agency's texts leave in Spanish. !with @who interpreter. !lang me es: I speak Spanish to you."
    ),
    "dispatch.playbook_minor_says_what_to": (
        "!playbook minor says what to do, and talk to a supervisor before any report: !escalate"
    ),
    "dispatch.playbook_suicide_says_what_to": "!playbook suicide says what to do. !escalate asks for a supervisor.",
    "dispatch.status_says_who_that_is": "!status says who that is",
    "dispatch.there_is_no_such_command": "There is no such command, and nothing was sent. {hint}",
    "dispatch.to_take_words_back_delete": "To take words back, delete your message while it waits (⏳).",
    "dispatch.transfer_who_offers_the_thread": "!transfer @who offers the thread to somebody.",
    "dispatch.urgent_gives_them_the_voice": "!urgent gives them the voice number; !escalate asks for a supervisor.",
    "parser.that_is_nobody_at_the": (
        "That is nobody at the desk. Say the command with a name that one person has, with a full Matrix id, or "
        "mention them in it, not as a reply."
    ),
    "playbooks.say_playbook_and_one_of": "Say !playbook and one of: ",
    "playbooks.steps_that_name_a_supervisor": "{steps}",
    "room_notes.only_written_words_go_to": "only written words go to the phone, no stickers, polls or places.",
    "room_notes.pictures_and_files_do_not": (
        "pictures, recordings and files do not go to the phone, nor do the words with them. Say them again as a message."
    ),
    "room_notes.what_is_said_with_me": "what is said with /me does not go to the phone. Say it again without /me.",
    "synonyms.claim": "!claim takes a waiting thread.",
    "synonyms.codeword": "!codeword, with nothing behind it, keeps an agreed word: you are asked in your office.",
    "synonyms.duty": "!on and !off at the desk: you are on duty, or not.",
    "synonyms.help": "!help lists what there is. !escalate calls the supervisors on duty.",
    "synonyms.lang": "!lang es: the agency's texts leave in Spanish. !lang me es: I speak Spanish to you.",
    "synonyms.playbook": "!playbook lists what to do, step by step.",
    "synonyms.release": "!release gives the thread back, or to the queue.",
    "synonyms.safe": "!safe lets texts leave again, once you know that it is safe. !safecheck asks.",
    "synonyms.texts": "!limits, !options, !tips and !rights are the agency's texts; !say and a name, the others.",
    "who.anybody": "everybody at the desk",
    "who.assignee": "the advocate of the thread",
    "who.assignee_or_supervisor": "the advocate of the thread and supervisors",
    "who.supervisor": "supervisors",
}
