"""Spanish: notices of lifecycle."""

from __future__ import annotations

from typing import Final

NOTICES: Final[dict[str, str]] = {
    "legal_hold.a_conversation_that_is_over": "Una conversación que terminó",
    "legal_hold.it_is_not_on_hold": "No está con retención legal.",
    "legal_hold.it_is_on_hold_already": "Ya está con retención legal: !unhold la quita.",
    "legal_hold.no_checklist_is_in_the": (
        "Los paquetes de la agencia no tienen una lista de pasos. No entregues nada, no digas ni que hay registros "
        "ni que no los hay, y llama ahora a la asesoría legal."
    ),
    "legal_hold.on_hold_nothing_of_it": "RETENCIÓN LEGAL, nada de ella se borra.",
    "legal_hold.on_hold_nothing_of_this": (
        "RETENCIÓN LEGAL: nada de esta conversación se borra, ni por tiempo ni al cerrar, hasta que supervisión "
        "diga !unhold. Lo que las personas quitan con su propia aplicación no se retiene; tampoco lo que la "
        "operadora guarda o borra."
    ),
    "legal_hold.the_hold_is_lifted": "se quitó la retención legal.",
    "legal_hold.the_hold_is_lifted_what": (
        "Se quitó la retención legal: lo que llegó al final de su tiempo se va, como antes."
    ),
    "number_reveal.a_second_advocate_on_duty": " Otra persona de turno que atiende puede decir !reveal yes.",
    "number_reveal.a_second_advocate_on_duty_2": (
        " Otra persona de turno que atiende puede decir !reveal yes; si no puede esperar: !reveal alone y por qué."
    ),
    "number_reveal.a_supervisor_is_on_duty": "Hay alguien de supervisión de turno: !reveal y el motivo le pregunta.",
    "number_reveal.a_supervisor_who_comes_within": (
        "{nobody}{ways} Quien llegue de supervisión en los próximos diez minutos dice !reveal yes."
    ),
    "number_reveal.another_supervisor_says_reveal_yes": (
        "Otra persona de supervisión dice !reveal yes, aquí o en la mesa."
    ),
    "number_reveal.asks_to_see_the_number": "{sender} pide ver el número. {how}",
    "number_reveal.asks_to_see_the_number_2": (
        "⚠️ {designation}: {asks} pide ver el número. El motivo está en su sala.{missing} Alguien de supervisión "
        "que no sea {asks} dice !reveal yes, aquí o en su sala, en diez minutos, o nada. Si piden varias personas: "
        "!reveal yes {designation}, o como respuesta a esto."
    ),
    "number_reveal.has_asked_a_supervisor_says": "{by} lo pidió: alguien de supervisión dice !reveal yes o no.",
    "number_reveal.here_it_is_reveal_yes": "Aquí es !reveal yes. Se pide en la sala de la conversación, con un motivo.",
    "number_reveal.it_takes_two_here_reveal": ("Aquí hacen falta dos personas: !reveal y el motivo pregunta a la segunda."),
    "number_reveal.no_thread_here_has_that": "Ninguna conversación de aquí tiene esa designación.",
    "number_reveal.nobody_asked_to_see_the": "Nadie pidió ver el número.",
    "number_reveal.nobody_asks_to_see_a": (
        "Nadie pide ver un número ahora. Se pide en la sala de la conversación, con un motivo."
    ),
    "number_reveal.nobody_asks_to_see_the": "Nadie pide ver el número, o fue hace demasiado tiempo: !reveal y por qué.",
    "number_reveal.only_a_supervisor_can_say": "Solo alguien de supervisión puede decir que sí.",
    "number_reveal.only_a_supervisor_can_say_2": (
        "Solo alguien de supervisión puede decir que sí: hay una persona de turno."
    ),
    "number_reveal.only_somebody_on_duty_can": "Solo alguien de turno puede decir que sí.",
    "number_reveal.reveal_is_for_the_advocate": "!reveal es para quien atiende la conversación y para supervisión.",
    "number_reveal.said_yes_at_the_desk": "{user} dijo que sí en la mesa. {why}",
    "number_reveal.say_why_reveal_alone_and": "Di por qué: !reveal alone y el motivo. Se queda en esta sala.",
    "number_reveal.say_why_reveal_and_the": "Di por qué: !reveal y el motivo. Se queda en esta sala.",
    "number_reveal.several_ask_to_see_a": (
        "Varias personas piden ver un número: {names}. Di !reveal yes y la designación."
    ),
    "number_reveal.somebody_else_has_to_say": "Otra persona tiene que decir que sí: hacen falta dos.",
    "number_reveal.the_number_is_shown_for": "El número se muestra un minuto en las oficinas de {by} y {second}.",
    "number_reveal.the_number_is_shown_for_2": (
        "El número se muestra un minuto en la oficina de {sender}. Quedan avisadas la mesa y la auditoría."
    ),
    "number_reveal.the_question_is_dropped": "La pregunta se retira.",
    "number_reveal.whoever_asked_is_not_the": "Quien lo pidió ya no atiende. !reveal y por qué pregunta otra vez.",
    "retention.a_minute": "un minuto",
    "retention.a_text_arrived_the_closing": "Llegó un texto: se deshace el cierre.",
    "retention.after_the_close_number_and": (
        "Tras el cierre, el número y los acuerdos se guardan {duration}, sellados; lo que se dijo, no. Pregúntale primero."
    ),
    "retention.close_now_is_for_supervisors": "!close now es para supervisión: no se puede deshacer. Di !close.",
    "retention.closing": "Cerrando.",
    "retention.days": "{days} días",
    "retention.hours": "{hours} horas",
    "retention.in_everything_here_goes_and": (
        "{why} En {duration} se va todo lo de aquí, y esta sala. Un texto de la persona, o !reopen, lo deshace."
    ),
    "retention.it_has_left_already_it": " Ya salió: se queda en el teléfono.",
    "retention.it_is_not_being_closed": "No se está cerrando.",
    "retention.it_is_stopped_if_it": " Se detiene, si no salió todavía; su marca lo dirá.",
    "retention.it_is_taken_out_of": "Se quitó de la sala.",
    "retention.minutes": "{minutes} minutos",
    "retention.not_closed_a_text_came": "No se cerró: llegó un texto mientras lo decías. Míralo, y entonces !close.",
    "retention.not_closed_a_text_is": "No se cerró: está llegando un texto. Míralo, y entonces !close now.",
    "retention.not_closed_words_have_not": (
        "No se cerró: hay palabras que no salieron todavía hacia el teléfono. Retíralas o espera su ✓, y entonces "
        "!close now; “!close now anyway” las descarta."
    ),
    "retention.not_closed_words_of_theirs": (
        "No se cerró: hay palabras de la persona que nunca se mostraron. !retry en la mesa, o “!close now anyway” "
        "las descarta."
    ),
    "retention.only_supervisors_take_out_what": (
        "Solo supervisión quita lo que otras personas escribieron. Tu propio mensaje lo puedes borrar en tu aplicación."
    ),
    "retention.say_close_or_close_now": "Di !close, o !close now, y nada detrás.",
    "retention.say_continue_or_continue_no": "Di !continue, o !continue no.",
    "retention.say_it_as_a_reply": "Dilo como respuesta al mensaje que debe irse.",
    "retention.seconds": "{seconds} segundos",
    "retention.that_is_this_rooms_card": (
        "Esa es la tarjeta de esta sala: no contiene palabras de la persona, y se va con la sala."
    ),
    "retention.the_closing_is_taken_back": "Se deshace el cierre.",
    "retention.they_left_with_a_silent": "Se fue con una palabra silenciosa.",
    "retention.this_thread_is_on_hold": (
        "Esta conversación está con retención legal: nada de ella se borra antes de que supervisión la libere."
    ),
    "tally.counted": "Contado.",
    "tally.say_tally_and_one_of": (
        "Di !tally y uno de estos: {kinds}; o !tally unmet y las dos letras del idioma (vi, ht, zh)."
    ),
    "tally.that_was_counted_already": "Eso ya se contó.",
    "tally.what_was_it_about_tap": (
        "¿De qué se trató? Toca lo que corresponda (o !tally y la palabra). Se cuenta sin ningún vínculo con esta "
        "conversación."
    ),
}
