"""Spanish: notices of sending."""

from __future__ import annotations

from typing import Final

NOTICES: Final[dict[str, str]] = {
    "delivery_receipts.code": " (código {code})",
    "delivery_receipts.held_it_could_not_leave": (
        "En pausa: no pudo salir durante más de cinco minutos. !again si todavía conviene."
    ),
    "delivery_receipts.not_delivered_the_carrier_gave": (
        "No se entregó: la operadora dejó de intentarlo{code}. El teléfono puede estar apagado; puedes decirlo otra vez."
    ),
    "delivery_receipts.not_sent_the_carrier_refused": (
        "No se envió: la operadora lo rechazó{code}. Prueba otras palabras, u otra vía para llegar a la persona."
    ),
    "delivery_receipts.not_sent_the_carrier_says": (
        "No se envió: la operadora dice que este teléfono se dio de baja. Primero tiene que enviar START."
    ),
    "delivery_receipts.not_sent_when_it_was": (
        "No se envió: cuando iba a salir, ya no debía. Mira la tarjeta, y sus palabras."
    ),
    "delivery_receipts.the_automatic_answer": "La respuesta automática. {words}",
    "delivery_receipts.the_automatic_answer_did_not": ("La respuesta automática no salió en cinco minutos, y ya no sale."),
    "delivery_receipts.unknown_it_may_or_may": (
        "No se sabe: puede estar o no en el teléfono. No se envía otra vez solo; puedes decirlo otra vez."
    ),
    "hasty_stop.was_said": "aquí se dijo !{word}",
    "release_held.held_while_you_said_it": (
        "No se envía nada: quedó en pausa, o se preguntó por ello, mientras lo decías. Mira por qué, y entonces !{name}."
    ),
    "release_held.leaving_in_a_moment": "Sale en un momento: “{body}” {changes}{own}",
    "release_held.not_sent_own_words_that": (
        "No se envió: palabras propias que son una nota, o que llaman a alguien del equipo, no son para el teléfono."
    ),
    "release_held.nothing_leaves_the_conversation_is": (
        "Nada sale: {locked} De todos modos la conversación termina en un momento; borra tu comando para impedirlo."
    ),
    "release_held.nothing_of_yours_is_held": "No hay nada tuyo en pausa que !{name} enviaría.",
    "release_held.nothing_was_sent": "No se envió nada: {why}",
    "release_held.own_words_are_not_noted": (
        " Tus propias palabras no se anotan como los límites: si lo son, !told limits."
    ),
    "release_held.own_words_are_not_noted_2": (
        " Tus propias palabras no se anotan como los derechos: si lo son, !told rights."
    ),
    "release_held.own_words_are_not_noted_3": (
        " Tus propias palabras no se anotan como la pregunta: si lo son, !told safe."
    ),
    "release_held.to_change_it_edit_your": (
        "Para cambiarlo, edita tu comando a !say {name}: y tus palabras; bórralo para detenerlo."
    ),
    "reply_after_stop.it_could_not_leave_for": (
        "no pudo salir durante más de cinco minutos. !reply otra vez si todavía conviene."
    ),
    "reply_after_stop.it_was_taken_out_of": "se quitó de la sala.",
    "reply_after_stop.leaving_in_a_moment_as": (
        "Sale en un momento, como la única respuesta a este texto. Edita tu comando para cambiarlo, bórralo para detenerlo."
    ),
    "reply_after_stop.not_sent_here_reply_and": "No se envió: {why} Aquí: !reply {doubt} y las palabras.",
    "reply_after_stop.not_sent_it_is_not": "No se envió: ya no es un !reply.",
    "reply_after_stop.not_sent_words_that_are": (
        "No se envió: palabras que son una nota, o que llaman a alguien del equipo, no son para el teléfono."
    ),
    "reply_after_stop.nothing_is_stopped_here_the": "Aquí no hay nada parado: quien atiende puede responder.",
    "reply_after_stop.say_reply_and_the_words": "Di !reply y las palabras.",
    "reply_after_stop.the_carrier_keeps_this_opt": (
        "la operadora maneja esta baja por su cuenta y lo rechazaría. La persona que escribe tiene que enviar START."
    ),
    "reply_after_stop.there_is_no_text_after": (
        "No hay ningún texto después de un STOP que espere respuesta: una por cada texto, y solo después de él."
    ),
    "reply_after_stop.this_line_sends_no_replies": "Esta línea no envía respuestas después de un STOP.",
    "reply_after_stop.whoever_said_it_does_not": "quien lo dijo ya no es de supervisión.",
    "retraction.that_text_has_left_already": "Ese texto ya salió: se queda en el teléfono.",
    "retraction.unknown_it_may_have_left": (
        "No se sabe: puede haber salido antes de que se retirara. No se envía otra vez."
    ),
    "sending.answered_by_itself": "Respuesta automática ({name}): {body}",
    "sending.held": "En pausa: {why}",
    "sending.not_sent": "No se envió: {why}",
    "sending.redact_to_stop": "Borra tu comando para detenerlo.",
    "undo_window.a_word_here_may_mean_unsafe": "un mensaje de aquí puede querer decir !unsafe",
    "undo_window.it_may_mean_unsafe_say_it": (
        "puede querer decir !unsafe: dilo así, y no sale nada hacia este teléfono. Lo que es para la persona necesita "
        "otras palabras."
    ),
    "undo_window.a_command_for_a_check": (
        "un comando para una verificación o una línea de cobertura no se cambia. Dilo otra vez."
    ),
    "undo_window.and": "{warning} Y {asked}",
    "undo_window.held_if_you_are_sure": "En pausa: {why}. Si estás segura o seguro: !anyway",
    "undo_window.leaving_in_a_moment": "Sale en un momento: “{body}”",
    "undo_window.not_sent_it_has_become": "No se envió: se convirtió en una nota.",
    "undo_window.not_sent_message_s_still": (
        "No se envió: {count} mensaje(s) que esperaban salir o estaban en pausa, porque {why}."
    ),
    "undo_window.not_sent_say_it_again": "No se envió: {why}. Dilo otra vez si todavía es correcto",
    "undo_window.not_sent_a_supervisor_took": (
        "No se envió: supervisión lo quitó de la sala. Si debe salir, dilo otra vez."
    ),
    "undo_window.not_sent_the_edit_was": "No se envió: se deshizo el cambio. Dilo otra vez.",
    "undo_window.nothing_was_sent_and_what": (
        "No se envió nada, y lo que esperaba se detuvo: {no} Dilo como mensaje nuevo."
    ),
    "undo_window.that_text_has_left_the": "Ese texto ya no está en espera: el cambio no modifica nada en el teléfono.",
    "undo_window.this_edit_sends_nothing": "Este cambio no envía nada al teléfono: dilo en un mensaje nuevo.",
    "undo_window.what_is_quoted_in_it": "Lo que se cita en él no llega al teléfono; lo demás sí, cuando sale.",
    "sign_out.an_author_was_signed_out": (
        "⚠️ A una persona que escribió aquí se le cerró la sesión en todas partes: otra pudo escribir con su dispositivo."
    ),
    "sign_out.what_left_stays": (
        "Lo que tiene ✓ o ❓ está en el teléfono, o puede estarlo, y no se puede retirar: miren si lo escribió ella."
    ),
    "sign_out.what_waits_is_stopped": (
        "Lo que iba camino de la operadora se detiene, si no había salido: su marca lo muestra en un momento."
    ),
    "undo_window.they_were_signed_out": (
        "después de decirlo, se cerró la sesión de quien lo dijo en todas partes; si fue esa persona, que lo diga otra vez."
    ),
    "undo_window.whoever_said_it_is_not": "quien lo dijo ya no está en la mesa.",
    "mark.delivered": "✓✓ entregado",
    "mark.held": "✋ en pausa",
    "mark.leaving": "⏳ saliendo",
    "mark.not_sent": "✗ no enviado",
    "mark.note": "📝",
    "mark.retracted": "✗ retirado",
    "mark.sent": "✓ enviado",
    "mark.unknown": "❓ no se sabe",
}
