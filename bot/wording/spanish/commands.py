"""Spanish: notices of commands."""

from __future__ import annotations

from typing import Final

NOTICES: Final[dict[str, str]] = {
    "canned_texts.different_takes_no_words_say": (
        "!different no lleva palabras. Dilo solo; lo que sabes puede quedar aquí como nota (//)."
    ),
    "canned_texts.no_text_has_that_name": "ningún texto se llama así. Di !say y uno de estos: {known_names}.",
    "canned_texts.no_words_are_taken_behind": (
        "detrás de !{name} no se toman palabras. Dilo solo o, con tus palabras: !say {name}: palabras."
    ),
    "canned_texts.no_words_stand_behind_the": "no hay palabras detrás de los dos puntos.",
    "canned_texts.say_takes_words_of_your": (
        "!say {loose} toma tus palabras solo detrás de dos puntos: !say {loose}: palabras."
    ),
    "canned_texts.the_line_is_open_now": (
        "la línea está abierta ahora, y ese texto dice cuándo abre otra vez. Di !say unavailable o, con tus "
        "palabras: !say after-hours: palabras."
    ),
    "dispatch.a_note_begins_with_or": "Una nota empieza con // o !note; el teléfono no la recibe.",
    "dispatch.a_question_does_nothing": "Una pregunta no hace nada. Si eso quieres: !{name} sin el signo de pregunta.",
    "dispatch.a_note_is_note_and": "Una nota es !note y palabras, o // y palabras.",
    "dispatch.at_the_desk": "en la mesa",
    "dispatch.board_at_the_desk_shows": "!board en la mesa muestra quién espera y quién habla con quién.",
    "dispatch.board_shows_who_that_is": "!board muestra quiénes son",
    "dispatch.by_changing_a_message": "cambiando un mensaje",
    "dispatch.close_ends_the_conversation_if": "!close termina la conversación. Si pidieron que paremos: !stopped",
    "dispatch.did_nothing_no_command_is": ("!{name} no hizo nada: ningún comando se toma {way}. Dilo como mensaje nuevo."),
    "dispatch.did_you_mean_say_it": "¿Querías decir !{near}? Dilo como mensaje nuevo.",
    "dispatch.escalate_calls_a_supervisor_playbook": "!escalate pide que venga supervisión. !playbook muestra qué hacer.",
    "dispatch.escalate_calls_the_supervisors_on": "!escalate llama a supervisión de turno.",
    "dispatch.escalate_calls_those_on_duty": "!escalate llama a quienes están de turno",
    "dispatch.help_lists_what_there_is": "!help muestra lo que hay.",
    "dispatch.in_a_thread_of_the": "en un hilo de la sala",
    "dispatch.in_the_threads_own_room": "en la sala de la conversación",
    "dispatch.in_your_office": "en tu oficina",
    "dispatch.is_for": "!{name} es para {who}. {what}.",
    "dispatch.is_said_here_it_does": "!{name} se dice {where}; aquí no hace nada.",
    "dispatch.lang_en_the_agencys_texts": (
        "!lang en: los textos de la agencia salen en inglés. !lang me en: te hablo en inglés."
    ),
    "dispatch.lang_es_the_agencys_texts": (
        "!lang es: los textos de la agencia salen en español. !with @who interpreter. !lang me es: te hablo en español."
    ),
    "dispatch.playbook_minor_says_what_to": (
        "!playbook minor dice qué hacer; antes de cualquier reporte habla con supervisión: !escalate"
    ),
    "dispatch.playbook_suicide_says_what_to": "!playbook suicide dice qué hacer. !escalate pide que venga supervisión.",
    "dispatch.status_says_who_that_is": "!status dice quién es",
    "dispatch.there_is_no_such_command": "Ese comando no existe, y no se envió nada. {hint}",
    "dispatch.to_take_words_back_delete": "Para retirar palabras, borra tu mensaje mientras espera (⏳).",
    "dispatch.transfer_who_offers_the_thread": "!transfer @who ofrece la conversación a alguien.",
    "dispatch.urgent_gives_them_the_voice": "!urgent les da el número de voz; !escalate pide que venga supervisión.",
    "parser.that_is_nobody_at_the": (
        "No hay nadie en la mesa con ese nombre. Di el comando con un nombre que solo tenga una persona, con un id "
        "completo de Matrix, o mencionando a la persona, no como respuesta."
    ),
    "playbooks.say_playbook_and_one_of": "Di !playbook y uno de estos: ",
    "playbooks.steps_that_name_a_supervisor": "{steps}",
    "room_notes.only_written_words_go_to": (
        "solo llegan al teléfono palabras escritas; no stickers, encuestas ni lugares."
    ),
    "room_notes.pictures_and_files_do_not": (
        "las fotos, las grabaciones y los archivos no llegan al teléfono, "
        "ni las palabras que los acompañan. Escríbelas de nuevo en un mensaje."
    ),
    "room_notes.what_is_said_with_me": "lo que se dice con /me no llega al teléfono. Dilo otra vez sin /me.",
    "synonyms.claim": "!claim toma una conversación que espera.",
    "synonyms.codeword": "!codeword, sin nada detrás, guarda una palabra acordada: se te pregunta en tu oficina.",
    "synonyms.duty": "!on y !off en la mesa: estás de turno, o no.",
    "synonyms.help": "!help muestra lo que hay. !escalate llama a supervisión de turno.",
    "synonyms.lang": "!lang es: los textos de la agencia salen en español. !lang me es: te hablo en español.",
    "synonyms.playbook": "!playbook muestra qué hacer, paso a paso.",
    "synonyms.release": "!release devuelve la conversación a quien la tenía, o a la cola.",
    "synonyms.safe": "!safe deja salir textos otra vez, cuando sepas que es seguro. !safecheck pregunta.",
    "synonyms.texts": "!limits, !options, !tips y !rights son textos de la agencia; !say y un nombre, los demás.",
    "who.anybody": "todas las personas de la mesa",
    "who.assignee": "quien atiende la conversación",
    "who.assignee_or_supervisor": "quien atiende la conversación y supervisión",
    "who.supervisor": "supervisión",
}
