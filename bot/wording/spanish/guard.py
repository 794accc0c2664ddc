"""Spanish: notices of guard."""

from __future__ import annotations

from typing import Final

NOTICES: Final[dict[str, str]] = {
    "guard.a_challenge_leaves_only_by": (
        "la pregunta por la palabra sale solo con !verify, y solo mientras espera su respuesta."
    ),
    "guard.a_colleague_wrote_here_just": (
        "alguien del equipo acaba de escribir aquí, y esto habla de la persona que escribe"
    ),
    "guard.a_command_or_a_note_inside": ("dentro hay {inner}, que ahí no hace nada: se dice en un mensaje aparte"),
    "guard.a_supervisor_blocked_this_phone": "supervisión bloqueó este teléfono. !block off lo termina.",
    "guard.all_of_it_is_quoted": (
        "todo es cita, y lo citado no llega al teléfono. Deja una línea vacía después de la cita."
    ),
    "guard.holds_a_phone_number": "contiene un número de teléfono",
    "guard.if_that_is_right_say": "Si está bien, di !anyway; si no, edita tu mensaje.",
    "guard.if_you_are_sure": "{said}. Si estás segura o seguro: !{command}",
    "guard.it_could_not_leave_for": "no pudo salir durante más de cinco minutos. !again si todavía conviene.",
    "guard.it_goes_on": "{body}… (sigue)",
    "guard.it_holds_a_matrix_address": "contiene una dirección o un enlace de Matrix. Quítalo y dilo otra vez.",
    "guard.it_holds_a_word_that": (
        "contiene una palabra que la agencia no deja llegar a los teléfonos. Quítala y dilo otra vez."
    ),
    "guard.it_holds_the_name_of": "contiene el nombre de alguien del equipo",
    "guard.it_if_that_may_stand": "{what}. Si eso puede quedar en este teléfono, di !anyway.",
    "guard.it_reads_like_talk": "parece dicho a alguien del equipo",
    "guard.it_is_a_command_without": "es un comando sin su signo (!{command}, si querías eso)",
    "guard.it_is_empty": "está vacío.",
    "guard.it_is_texts_long_more": (
        "son {count} textos, más de {most}. Dilo en mensajes más cortos, o !long para enviarlo así."
    ),
    "guard.it_names_another_thread_take": "nombra otra conversación. Quítalo y dilo otra vez.",
    "guard.it_too": " Además, {what}.",
    "guard.it_was_taken_back_before": "se retiró antes de salir.",
    "guard.looks_like_a_street_address": "parece una dirección",
    "guard.nobody_knows_how_old": "nadie sabe de cuándo es su último texto, porque se cambió el reloj de la máquina",
    "guard.no_text_came_in_the": "no llegó ningún texto en los {age} desde entonces",
    "guard.not_yet": "Pero todavía no: {why}",
    "guard.now_is_outside_the_times": "ahora es fuera de las horas que dijo que eran seguras ({times})",
    "guard.somebody_else_may_have_the": "otra persona puede tener el teléfono: solo responden personas, hasta !safe.",
    "guard.the_advocate_has_changed_since": "desde que se dijo cambió quien atiende.",
    "guard.the_conversation_is_over": "la conversación terminó.",
    "guard.the_duress_word_came_from": (
        "la palabra de coacción llegó de este teléfono. Solo salen !cover 1, 2 y 3, hasta el !unlock de "
        "supervisión. Lo que queda en pausa sale después solo con !again."
    ),
    "guard.the_line_told_them_that": "la línea le dijo que no escribimos primero",
    "guard.the_number_that_they_texted": (
        "el número al que escribieron ya no es de esta línea; esto llegaría desde otro, como de alguien desconocido"
    ),
    "guard.the_phone_may_be_in": (
        "el teléfono puede estar en otras manos. Solo salen !cover 1, 2 y 3 hasta que quien atiende o supervisión "
        "diga !safe; !different termina la conversación sin enviar un texto."
    ),
    "guard.the_phone_may_be_in_2": (
        "el teléfono puede estar en otras manos, como se vio hace {hands} (!safe, cuando sepas que no)"
    ),
    "guard.the_stop_that_it_belongs": "el STOP al que responde ya terminó.",
    "guard.the_texter_left_with_a": (
        "la persona que escribe se fue después con una palabra silenciosa: no se le envía nada."
    ),
    "guard.nobody_knows_now_whether_this": (
        "nadie sabe ahora si este teléfono dijo STOP antes: solo le contestan personas."
    ),
    "guard.the_texter_said_stop_nothing": "la persona que escribe dijo STOP. Nada sale hasta que envíe START.",
    "guard.their_last_text_is_more": (
        "su último texto tiene más de cinco minutos, y el teléfono puede estar en otras manos. Espera a que llegue "
        "un texto."
    ),
    "guard.their_last_text_is_old": "su último texto es de hace {age}",
    "guard.their_last_text_may_have": "su último texto puede pedir que no escribamos más",
    "guard.they_may_have_to_break": "su último texto dice que quizás tenga que cortar o que no está a solas",
    "guard.they_left_with_a_silent": "se fue con una palabra silenciosa y no ha escrito desde entonces",
    "guard.they_said_not_to_be": "pidió que no le escribamos primero",
    "guard.this_phone_failed_the_agreed": (
        "este teléfono falló la palabra acordada. Solo salen !cover 1, 2 y 3, hasta el !unlock de supervisión. Lo "
        "que queda en pausa sale después solo con !again."
    ),
    "guard.this_sender_is_a_short": "este remitente es un código corto o un nombre; no se le puede responder.",
    "guard.this_thread_is_offered_to": (
        "esta conversación se ofrece o se da a alguien, o así fue hace un momento, así que esto puede ser para el equipo"
    ),
    "guard.wait_for_a_text": "{said}. Espera a que llegue un texto.",
    "guard.your_app_may_show_other": (
        "tu aplicación puede mostrar palabras o números distintos de los que escribiste. Saldría esto: "
        "“{shown}”{also} {is_right}"
    ),
}
