"""Spanish: notices of display."""

from __future__ import annotations

from typing import Final

NOTICES: Final[dict[str, str]] = {
    "channel.call": "llamada",
    "channel.chat": "chat",
    "channel.email": "correo",
    "channel.in_words": "acordada con palabras, en una nota de aquella conversación",
    "channel.visit": "visita",
    "day.fri": "vie",
    "day.mon": "lun",
    "day.sat": "sáb",
    "day.sun": "dom",
    "day.thu": "jue",
    "day.tue": "mar",
    "day.wed": "mié",
    "desk_board.ago": " · {whose} hace {steps}",
    "desk_board.and_more": "… y {count} más",
    "desk_board.dropped_from_blocked_phones": "Descartados de teléfonos bloqueados: {dropped_texts}",
    "desk_board.duress": " · COACCIÓN",
    "desk_board.here": "Aquí: {people}",
    "desk_board.in_the_undo_window": "en espera de salir: {pending}",
    "desk_board.last_text_in": "último texto recibido: {last_inbound}",
    "desk_board.last_text_out": "último texto enviado: {last_outbound}",
    "desk_board.less_than_a_minute": "menos de un minuto",
    "desk_board.of_duress": "con coacción",
    "desk_board.off": " · fuera de turno",
    "desk_board.offered_to_all": " · ofrecida a cualquiera",
    "desk_board.on_duty": " · {duration} de turno",
    "desk_board.on_hold": "con retención",
    "desk_board.on_hold_2": " · RETENCIÓN LEGAL",
    "desk_board.on_hold_their_conversation_over": "Con retención legal y la conversación terminada: {over}",
    "desk_board.open": "Abiertas: {claimed}{counts}",
    "desk_board.other_hands_ago": " · ⚠️ otras manos hace {steps}",
    "desk_board.ours": "nuestro",
    "desk_board.outage_whoever_texts_is_told": "⚠️ Falla: a quien escribe se le dice que la línea no funciona",
    "desk_board.queue": "Cola: {waiting}",
    "desk_board.queued": "{designation}{marks} · en cola {duration}",
    "desk_board.supervisor": " (supervisión)",
    "desk_board.theirs": "de la persona",
    "desk_board.under_min": "menos de {step_minutes} min",
    "desk_board.with_open": "{designation}{marks} · con {assignee}{offered} · abierta {steps}{last}",
    "glance.alone": "Sin nadie: {alone} · sin señal de peligro",
    "glance.calm": "Todas con alguien · sin señal de peligro",
    "glance.danger": "⚠️ En peligro: {danger} · todas con alguien",
    "glance.danger_and_alone": "⚠️ En peligro: {danger} · sin nadie: {alone}",
    "glance.longest_alone": "Quien más espera: {designation}, {age}, sin nadie",
    "glance.longest_with": "Quien más espera: {designation}, {age}, con {assignee}",
    "queue_cards.offers_it_to_everybody": "{assignee} la ofrece a cualquiera",
    "queue_cards.other_hands_ago": " · ⚠️ otras manos hace {hands}",
    "queue_cards.tap_or_say_claim": "{tap} {name} · {how}{marks}\nToca {tap} o di !claim {name}",
    "queue_cards.with": "{designation} · con {assignee}",
    "reading_language.how": (
        "Di !lang me es (español) o !lang me en (inglés): en qué idioma te hablo. Para los teléfonos no cambia nada."
    ),
    "reading_language.noted": (
        "Desde ahora te hablo en español: en tu oficina, en las respuestas a lo que dices y en las salas de tus "
        "conversaciones. Para los teléfonos no cambia nada."
    ),
    "ringing.no_other_supervisor_and_no_call": (
        "Nadie más de supervisión está de turno, y esta línea no llama a nadie de fuera: por favor, llama a "
        "alguien por teléfono."
    ),
    "ringing.no_other_supervisor_is_on_duty": "Nadie más de supervisión está de turno.",
    "ringing.no_supervisor_and_no_call": (
        "Nadie de supervisión está de turno, y esta línea no llama a nadie de fuera: por favor, llama a alguien "
        "por teléfono."
    ),
    "ringing.no_supervisor_is_on_duty": "Nadie de supervisión está de turno.",
    "ringing.whoever_is_on_call_is": "{no_supervisor} Se está llamando a quien está de guardia.",
    "sign.danger_now": "peligro ahora",
    "sign.other_hands": "otras manos",
    "sign.strangled": "asfixia",
    "sign.suicide": "suicidio",
    "sign.weapon": "arma",
    "state.open": "abierta",
    "state.parked": "archivada",
    "state.waiting": "espera",
    "thread_card.a_short_code_or_name": "un código corto o un nombre: no se puede responder",
    "thread_card.after_the_stop_they_texted": "después del STOP escribió: !reply, una vez, por supervisión",
    "thread_card.another_way": "otra vía: {channel}",
    "thread_card.ask_again_safecheck": "; pregunta otra vez (!safecheck)",
    "thread_card.asked": "preguntado {moment}",
    "thread_card.blocked_nothing_leaves_nothing_is": "BLOQUEADO: nada sale, nada se guarda",
    "thread_card.burned_it_is_on_that": "gastada, ya está en ese teléfono: acuerden una nueva por llamada",
    "thread_card.chose_a_line_for_unsafe": "eligió una línea para !unsafe",
    "thread_card.closing_soon_everything_here_goes": "cerrando: pronto se va todo lo de aquí; !reopen lo deshace",
    "thread_card.codeword": "palabra acordada: {state}",
    "thread_card.continuing_number_and_flags_are": "continúa: el número y los acuerdos se guardan más tiempo",
    "thread_card.duress": "⚠️ COACCIÓN: {until}{came}",
    "thread_card.erases_what_is_said_here": (
        "se borra: lo dicho aquí, {hours} h después de verse; todo, después de !close"
    ),
    "thread_card.language": "idioma: {language}",
    "thread_card.last_text": "último texto: {last}",
    "thread_card.limits": "límites: {limits}{told}",
    "thread_card.limits_given": "dichos",
    "thread_card.may_we_text_first": "podemos escribir primero: {first}",
    "thread_card.none_yet": "ninguno todavía",
    "thread_card.not_asked_agreed_first": "no se preguntó (!agreed first)",
    "thread_card.not_asked_yet_safecheck": "no se preguntó todavía (!safecheck)",
    "thread_card.not_given_yet_limits": "NO SE DIJERON TODAVÍA. !limits envía: “{words}”",
    "thread_card.nothing_leaves_but_cover_until": "nada sale salvo !cover 1, 2, 3, hasta el !unlock de supervisión",
    "thread_card.offered_to": "ofrecida a {to}",
    "thread_card.on_hold_nothing_of_this": "RETENCIÓN LEGAL: nada de esto se borra",
    "thread_card.other_hands_seen_words_are": (
        "⚠️ OTRAS MANOS, visto {hands}: se pregunta antes de enviar; !safe, cuando sepas que es la persona"
    ),
    "thread_card.ours_since": "nuestro, desde {since}",
    "thread_card.rights_given": ", derechos dichos",
    "thread_card.safe_to_text": "seguro escribir: {asked}{again} · {times}",
    "thread_card.signs_of_danger": "⚠️ señales de peligro: {names}",
    "thread_card.stopped_nothing_leaves_until_they": "PARADO: nada sale hasta que envíe START",
    "thread_card.taken_from": " (tomada de {taken_from})",
    "thread_card.the_carrier_says_they_opted": "la operadora dice que se dio de baja: tiene que enviar START",
    "thread_card.the_word_came": " (la palabra llegó el {moment})",
    "thread_card.theirs_unanswered_since": "de la persona, sin respuesta desde {since}",
    "thread_card.tips_given": ", consejos dados",
    "thread_card.unsafe_nothing_leaves_until_safe": "⚠️ NO SEGURO: nada sale hasta !safe",
    "thread_card.unverified_possible_duress": "⚠️ SIN VERIFICAR, posible coacción: {until}",
    "thread_card.verified": "verificado: {moment}",
    "thread_card.with": "con {assignee}{taken}",
    "time.days": "{days} días",
    "time.minutes": "{minutes} min",
    "word.agreed": "acordada",
    "word.any_time": "a cualquier hora",
    "word.everybody": "cualquiera",
    "word.no": "no",
    "word.nobody": "nadie",
    "word.none": "ninguno",
    "word.or": " o ",
    "word.yes": "sí",
    "desk_board.asks": " · pide hablar con alguien",
    "desk_board.in_crowd": "{designation}{marks} · en cola {duration}, todavía sin tarjeta",
    "desk_board.texts": " · {texts} textos",
    "flood_card.came": "⚠️ Muchas personas nuevas escribieron a la vez",
    "flood_card.close_rest": " Supervisión: !close-rest cierra las conversaciones de quienes escribieron una vez.",
    "flood_card.come": "⚠️ Muchas personas nuevas escriben a la vez, o un mismo número una y otra vez",
    "flood_card.many": (
        "{begun}. Llegaron {came}, y {waiting} esperan sin tarjeta{marks}.\n"
        "No tienen una tarjeta cada una, y la mayoría no recibe respuesta automática; nadie se pierde. !claim toma la "
        "siguiente: primero las que tienen señales de peligro (⚠️), luego las que escribieron más de una vez, luego la que "
        "más espera. !board nombra las primeras.{rest}"
    ),
    "flood_card.over": "Ya no escriben muchas personas nuevas: llegaron {came}, y ninguna espera sin tarjeta.",
    "flood_card.stand_out": "{more} escribieron más de una vez o piden hablar con alguien",
    "flood_card.still": (
        "⚠️ Todavía {waiting} personas nuevas esperan sin tarjeta: !claim toma la siguiente, !board nombra las primeras."
    ),
}
