"""Spanish: notices of safety."""

from __future__ import annotations

from typing import Final

NOTICES: Final[dict[str, str]] = {
    "blocking.blocked_for_nothing_leaves_and": (
        "Bloqueado por {duration}: nada sale, y lo que envía este teléfono se descarta sin leer. !block off lo termina."
    ),
    "blocking.day": "{count} día",
    "blocking.days": "{count} días",
    "blocking.hour": "{count} hora",
    "blocking.hours": "{count} horas",
    "blocking.it_is_not_blocked": "No está bloqueado.",
    "blocking.minute": "{count} minuto",
    "blocking.minutes": "{count} minutos",
    "blocking.nothing_was_blocked_say_block": (
        "No se bloqueó nada. Di !block, o !block y cuánto tiempo (12 h, 30 days; 90 days como máximo), o !block off."
    ),
    "blocking.seconds": "{seconds} segundos",
    "blocking.the_block_is_over_texts": "Terminó el bloqueo: los textos se muestran y se pueden responder otra vez.",
    "blocking.the_blocks_time_is_over": (
        "Se acabó el tiempo del bloqueo: los textos se muestran y se pueden responder otra vez."
    ),
    "blocking.the_phone_was_blocked": "el teléfono se bloqueó",
    "blocking.the_phone_was_blocked_2": "el teléfono se bloqueó.",
    "break_off.another_sign_came": (
        "No se quita nada: llegó otra señal, u otro alto, mientras lo decías. Averigua cómo están las cosas ahora, y "
        "entonces !{name}."
    ),
    "break_off.somebody_else_may_have_the": "otra persona puede tener el teléfono",
    "break_off.the_texter_may_have_asked": (
        "la persona que escribe puede haber pedido ahora mismo que no enviemos más textos"
    ),
    "break_off.they_may_have_to_break": "puede que tenga que cortar, o que no esté a solas",
    "consent_flags.noted_as_told_by_you": "Anotado como dicho por ti. No se envió nada.",
    "consent_flags.noted_on_the_card_it": "Anotado en la tarjeta.{noted} Queda también para su próxima conversación.",
    "consent_flags.noted_the_card_says_that": (
        "Anotado: la tarjeta dice que se acordó otra vía, y tus palabras quedan en esta sala como nota."
    ),
    "consent_flags.safe_to_text": " Seguro escribir: {times}.",
    "consent_flags.say_agreed_times_or_weekdays": (
        "Di !agreed times 9am-3pm 8pm-10pm (o lunes a viernes 9-15 sáb 20-22, o any), !agreed first yes (o no), !agreed "
        "channel {channels} (o none, o palabras para esta sala), o !agreed unsafe cover 1 (u otro texto, o "
        "nothing)."
    ),
    "consent_flags.say_told_limits_told_rights": (
        "Di !told limits, !told rights o !told safe (preguntaste si es seguro escribir). No envía nada. Si no es seguro: "
        "!unsafe."
    ),
    "consent_flags.the_agencys_texts_for_this": "Los textos de la agencia para este teléfono están en {language}.",
    "consent_flags.this_line_has_texts_in": (
        "Esta línea tiene textos en {languages}. Para otro idioma: !with @who interpreter."
    ),
    "danger_signs.somebody_else_may_have_the": (
        "Otra persona puede tener el teléfono, o estar leyendo. !unsafe detiene todo lo que va hacia él. !playbook "
        "abuser_on_the_line"
    ),
    "danger_signs.there_may_be_a_weapon": "Puede haber un arma. !playbook danger · !urgent · !escalate",
    "danger_signs.they_may_be_in_danger": "Puede estar en peligro ahora mismo. !playbook danger · !urgent · !escalate",
    "danger_signs.they_may_be_thinking_of": (
        "Puede estar pensando en morir, o haber tomado algo. !playbook suicide · !escalate"
    ),
    "danger_signs.they_may_have_been_choked": (
        "Puede que le hayan apretado el cuello: atención médica hoy, aunque no haya marcas. !playbook medical · !escalate"
    ),
    "danger_signs.they_may_have_to_break": (
        "Puede que tenga que cortar, o que no esté a solas: otro texto nuestro enciende ese teléfono. Es mejor "
        "esperar a que escriba otra vez."
    ),
    "danger_signs.this_may_be_somebody_else": (
        "Puede ser otra persona, que pregunta qué número es este. !unsafe detiene todo lo que va hacia él, "
        "!different da un paso atrás. !playbook abuser_on_the_line"
    ),
    "inbound_cues.before_anything_else_ask_whether": (
        "{why} Antes de nada, pregunta si todavía es buen momento: !safecheck"
    ),
    "inbound_cues.it_is_a_new_day": "Es un día nuevo.",
    "inbound_cues.pictures_are_not_opened_or": (
        "Las fotos no se abren ni se guardan aquí. Dónde podría guardarlas, cuando sea seguro decirlo: !playbook "
        "evidence_offered"
    ),
    "inbound_cues.they_are_back_after": "Vuelve después de {duration}.",
    "inbound_cues.they_are_back_after_the": (
        "Vuelve después de {duration}: el número puede tener otra dueña o dueño. No digas nada de lo que se habló antes."
    ),
    "inbound_cues.they_may_be_under_age": (
        "Puede ser menor de edad. Primero lee !playbook minor, y habla con supervisión antes de cualquier reporte: "
        "!escalate"
    ),
    "inbound_cues.they_may_have_told_of": (
        "Puede haber contado que alguien lastima a una niña o un niño antes de conocer los límites. Lo dicho no se "
        "puede deshacer: habla con supervisión antes de cualquier reporte (!escalate), dile qué se contaría y a "
        "quién, y !limits antes de que cuente más."
    ),
    "inbound_cues.they_text_outside_the_times": "Escribe fuera de las horas que dijo que eran seguras.",
    "inbound_cues.this_looks_like_somebody_elses": (
        "Parecen mensajes de otra persona, reenviados. Aquí no se guardan como prueba: pide que lo cuente con sus "
        "propias palabras. !playbook evidence_offered"
    ),
    "language.en": "inglés",
    "language.es": "español",
    "language_choice.language_the_agencys_texts_for": (
        "Idioma: {name}. Los textos de la agencia para este teléfono salen ahora en ese idioma; !lang lo cambia. "
        "Para tus propias palabras: !with @who interpreter, o !transfer."
    ),
    "language_choice.this_seems_to_be_the": (
        "Esto parece {name}. Los textos de la agencia salen en {leaves}: !lang {written} lo cambia."
    ),
    "opt_out.a_supervisor_may_send_one": (" Supervisión puede enviar una respuesta: !reply y las palabras."),
    "opt_out.a_word_for_help_came_and": (
        "De este teléfono llegó una palabra para pedir ayuda, y {why} Decide ahora, con otra persona: !escalate"
    ),
    "opt_out.it_is_stopped_already": "Ya está parado.",
    "opt_out.it_was_not_answered_and": "{body}: no se respondió, y nada sale.{how}",
    "opt_out.not_resumed_a_text_came": "No se reanudó: llegó un texto mientras lo decías. Míralo, y entonces !resume.",
    "opt_out.nothing_is_stopped_here": "Aquí no hay nada parado.",
    "opt_out.resumed_texts_may_be_answered": "Reanudado: los textos se pueden responder otra vez.",
    "opt_out.stopped_as_they_asked_nothing": (
        "Parado, como pidió: nada sale hasta que envíe START. Si fue un error, !resume lo deshace."
    ),
    "opt_out.the_stop_is_over_it": "el STOP terminó: lo puede decir quien atiende",
    "opt_out.the_texter_asked_us_to": "la persona que escribe pidió que paremos",
    "opt_out.the_texter_asks_for_a": (
        "La persona que escribe pide una llamada. No se le envió nada. !escalate: supervisión dice quién llama, y "
        "si es seguro."
    ),
    "opt_out.the_texter_asks_what_this": (
        "La persona que escribe pregunta qué es esto. Nadie le ha respondido: por favor, hazlo."
    ),
    "opt_out.the_texter_cannot_go_on": (
        "La persona que escribe no puede seguir ahora. No se le envió nada. Por favor, no escribas nada hasta que "
        "escriba otra vez."
    ),
    "opt_out.the_texter_left_with_a": (
        "La persona que escribe se fue con una palabra silenciosa. No se le envió nada. Por favor, no escribas nada más."
    ),
    "opt_out.the_texter_left_with_a_2": "la persona que escribe se fue con una palabra silenciosa",
    "opt_out.the_texter_said_a_word": (
        "La persona que escribe dijo una palabra para pedir ayuda. Ninguna persona le ha respondido: por favor, "
        "hazlo ahora."
    ),
    "opt_out.the_texter_said_start_if": (
        "La persona que escribe dijo START. Si es ella, !resume deja salir textos otra vez; hasta entonces no sale nada."
    ),
    "opt_out.the_texter_said_start_texts": ("La persona que escribe dijo START: los textos se pueden responder otra vez."),
    "opt_out.the_texter_said_stop": "la persona que escribe dijo STOP",
    "opt_out.the_texter_said_stop_nothing": (
        "La persona que escribe dijo STOP. Nada sale hacia el teléfono hasta que envíe START."
    ),
    "opt_out.the_texter_said_stop_only": "La persona que escribe dijo STOP. Solo su START lo termina.",
    "opt_out.they_may_be_asking_us": (
        "Puede estar pidiendo que paremos. Si es así, di !stopped: cuenta como su STOP, y no envía nada. Si no, sigue."
    ),
    "opt_out.they_said_goodbye_and_may": (
        "Se despidió, y puede estar pensando en morir: nada se cierra por sí solo. No se le envió nada. Decide ahora, con "
        "otra persona: !escalate · !playbook suicide. Lo que escribas se pregunta antes (!anyway)."
    ),
    "opt_out.this_came_after_a_stop": "Esto llegó después de un STOP",
    "opt_out.this_stop_came_late_they": "Este STOP llegó tarde: desde entonces ha escrito, mira arriba.{how}",
    "opt_out.this_stop_was_texted_before": (
        "Este STOP se escribió antes de su START: no cambia nada. Si quiere que paremos, di !stopped."
    ),
    "opt_out.this_was_texted_before_the": "Esto se escribió antes del STOP que cuenta: no cambia nada, y nada sale.",
    "opt_out.this_was_texted_before_their": "Esto se escribió antes de su STOP y llegó después",
    "opt_out.what_they_wrote_before_that": (
        "Lo que escribió antes no se leyó ni se respondió, por lo que se puede saber. Por favor, léelo ahora; se "
        "cierra poco después de que lo leas, o con !close."
    ),
    "silence_reminders.no_answer_for_if_it": (
        "Sin respuesta desde hace {long}. Si por ahora terminó, !close la archiva: nada llega al teléfono. Puede volver."
    ),
    "silence_reminders.no_answer_for_nothing_is": (
        "Sin respuesta desde hace {long}. Nada se envía solo: puede que haya tenido que guardar el teléfono."
    ),
    "silence_reminders.they_were_not_told_the": (
        "No se le dijeron los límites todavía, y no se puede interrumpir a quien se desahoga: !limits. Si se los "
        "dijiste con tus palabras: !told limits."
    ),
    "unsafe_phone.a_text_came_meanwhile": (
        "Otra persona tiene el teléfono; pero entretanto llegó un texto, y nadie lo leyó, por lo que se puede saber. Por "
        "favor, léelo ahora: esta conversación se cierra poco después de que lo leas, o con !close. Nada de la tarjeta se "
        "acordó con quien tiene ahora el teléfono."
    ),
    "unsafe_phone.it_is_marked_unsafe_already": "Ya está marcado como no seguro: nada sale.",
    "unsafe_phone.it_was_not_marked_unsafe": "No estaba marcado como no seguro.",
    "unsafe_phone.leaving_in_a_moment_because": (
        "Sale en un momento, porque lo eligió para esto: “{words}” Borra tu comando para detenerlo."
    ),
    "unsafe_phone.none_is_yours_say_which": (
        "Ahora no atiendes ninguna conversación. Dilo en su sala, o !unsafe y la designación."
    ),
    "unsafe_phone.stopped_there": "NO SEGURO, y no sale nada más: {designations}. !safe en la sala lo quita.",
    "unsafe_phone.an_edit_does_not_step_back": (
        "Lo que no había salido está detenido. Un cambio no se convierte en !different: dilo en un mensaje nuevo."
    ),
    "unsafe_phone.the_text_left_after_all": (
        "El texto de !different sí salió, y quien tiene el teléfono puede leerlo. Si es la persona: !safe. Si no: !close."
    ),
    "unsafe_phone.somebody_else_has_the_phone": "otra persona tiene el teléfono",
    "unsafe_phone.somebody_else_has_the_phone_2": (
        "Otra persona tiene el teléfono: esta conversación terminó, y su próximo texto empieza otra. Nada de aquí "
        "es para esa persona, y nada de la tarjeta se acordó con ella."
    ),
    "unsafe_phone.texts_may_leave_again": "Los textos pueden salir otra vez.",
    "unsafe_phone.the_line_that_they_chose": "La línea que eligió para esto ya no está entre los textos de la agencia.",
    "unsafe_phone.the_phone_is_safe": "el teléfono vuelve a ser seguro",
    "unsafe_phone.the_phone_is_unsafe": "el teléfono no es seguro",
    "unsafe_phone.they_chose_a_line_for": (
        "Eligió una línea para esto: “{words}” Sale cuando quien atiende también diga !unsafe."
    ),
    "unsafe_phone.unsafe_nothing_but_cover_leaves": (
        "NO SEGURO: nada sale hacia el teléfono salvo !cover 1, 2, 3 hasta que quien atiende o supervisión diga "
        "!safe. No se envió nada. !different termina la conversación sin enviar un texto. !playbook "
        "abuser_on_the_line dice qué se puede hacer."
    ),
}
