"""Spanish: notices of staffing."""

from __future__ import annotations

from typing import Final

NOTICES: Final[dict[str, str]] = {
    "assignment.a_text_without_words_arrived": "Llegó un texto sin palabras.",
    "assignment.ago": "hace {duration}",
    "assignment.is_not_the_advocate_the": (
        "{assignee} no atiende: la conversación volvió antes a la cola. !claim en la mesa."
    ),
    "assignment.is_over_has_gone": "terminó: {user} se fue",
    "assignment.is_the_advocate_now_the": "{assignee} atiende ahora: el teléfono oye a esa persona, y a nadie más.",
    "assignment.nobody": "nadie",
    "assignment.other_hands_ago_there_was": (
        "⚠️ OTRAS MANOS: hace {age} hubo una señal de que otra persona tiene este teléfono. Puede ser quien "
        "escribe. Tus primeras palabras quedan en pausa (!anyway). Cuando sepas que es la persona: !safe. "
        "!playbook abuser_on_the_line"
    ),
    "assignment.unsafe_still": (
        "⚠️ NO ES SEGURO: hace {age} se marcó este teléfono, y puede que escriba otra persona. Solo sale !cover 1, 2, 3. "
        "Cuando sepas que es quien pidió ayuda: !safe. !playbook abuser_on_the_line"
    ),
    "assignment.only_picture_s_or_file_s": (
        "Llegó un texto sin palabras, con {media} foto(s) o archivo(s), que no se descargaron."
    ),
    "assignment.picture_s_or_file_s": "{media} foto(s) o archivo(s) venían con él y no se descargaron.",
    "assignment.the_advocate_changed": "cambió quien atiende",
    "assignment.the_advocate_left": "se fue quien atendía",
    "assignment.the_advocate_left_the_desk": "quien atendía dejó la mesa",
    "assignment.the_offer_is_still_heard": "La oferta {how}. Se sigue oyendo a {assignee}.",
    "assignment.this_came_late_it_was": "⏱ Esto llegó tarde: se escribió {when}, antes de lo que está arriba.",
    "assignment.this_came_late_it_was_2": "⏱ Esto llegó tarde: se escribió {when}.",
    "assignment.this_device_is_not_verified": (
        "Este dispositivo no está verificado, así que nada de lo que dice se toma, salvo !unsafe. Verifícalo en "
        "los ajustes de tu aplicación. 🛑 en cualquier mensaje de una conversación detiene su teléfono también "
        "desde aquí."
    ),
    "assignment.this_message_could_not_be": (
        "Este mensaje no se pudo leer aquí: su clave nunca llegó. Por favor, envíalo otra vez."
    ),
    "assignment.this_message_was_not_encrypted": (
        "Este mensaje no estaba cifrado, así que no se toma. Por favor, envíalo otra vez, cifrado."
    ),
    "assignment.this_thread_is_in_the": (
        "Esta conversación está otra vez en la cola: no se oye a nadie hasta que alguien la tome."
    ),
    "auto_assign.is_yours_accept_the_invitation": (
        "{user}: {designation} es tuya. Acepta la invitación, toca algo o di !board aquí, en {assignment_answer} "
        "min; si no, se pregunta a otra persona."
    ),
    "auto_assign.the_advocate_did_not_answer": "quien atiende no respondió",
    "claim_queue.back_in_the_queue_see": "{designation} · otra vez en la cola, mira abajo",
    "claim_queue.has_come_to_the_queue": "ha entrado en la cola",
    "claim_queue.has_threads_open_which_is": (
        "{user} tiene {cap} conversaciones abiertas, que es lo máximo. Debería tomarla otra persona."
    ),
    "claim_queue.is_off_duty_on_at": "{user} está fuera de turno. !on en la mesa lo cambia.",
    "claim_queue.is_offered_to_everybody": "se ofrece a cualquiera",
    "claim_queue.is_with_already": "{designation} ya está con {assignee}.",
    "claim_queue.is_with_already_2": "{sender}: {designation} ya está con {assignee}.",
    "claim_queue.is_yours_accept_the_invitation": "{designation} es tuya, {user}: acepta la invitación.",
    "claim_queue.is_yours_already": "{designation} ya es tuya.",
    "claim_queue.no_waiting_thread_has_that": (
        "Ninguna conversación que espera tiene esa designación. !board muestra quién espera."
    ),
    "claim_queue.nobody_is_waiting_whoever_comes": "Nadie espera. Quien llegue en los próximos 30 segundos es tuyo.",
    "claim_queue.only_supervisors_take_a_thread": "solo supervisión toma una conversación de alguien.",
    "claim_queue.still_waiting_min": "{tap} {designation} · sigue esperando, {minutes} min{marks}",
    "claim_queue.tap_or_claim": "{tap} {designation}{marks} {why}: toca {tap}, o !claim",
    "claim_queue.they_are_not_at_the": "no está en la mesa.",
    "claim_queue.verify_your_device_first_until": (
        "{sender}: verifica primero tu dispositivo; hasta entonces no podrías leer {designation}."
    ),
    "claim_queue.waiting_again_its_advocate_has": "espera otra vez: se fue quien atendía",
    "claim_queue.was_quicker": "{assignee} llegó antes.",
    "cold_outreach.a_room_is_being_made": (
        "Se está haciendo una sala: acepta la invitación y escribe tú las primeras palabras; nada se envía hasta "
        "entonces. Si no llega una invitación, es que la persona nos escribió mientras tanto: mira !board."
    ),
    "cold_outreach.nothing_was_begun": "No se empezó nada.",
    "cold_outreach.now_type_the_number_with": (
        "Ahora escribe el número, con su código de área. Lo que escribes aquí se borra enseguida."
    ),
    "cold_outreach.once_more_to_be_sure": "Una vez más, para asegurar que es correcto.",
    "cold_outreach.texting_somebody_first_is_for": (
        "Escribir primero es solo para quien lo pidió, y te dijo que este teléfono es seguro ahora. Si es así, di: "
        "she asked. Cualquier otra cosa no empieza nada; “cancel” lo termina."
    ),
    "cold_outreach.that_is_a_short_code": "Ese es un código corto, no el teléfono de alguien.",
    "cold_outreach.that_is_a_toll_free": "Ese es un número gratuito o de pago, no el teléfono de alguien.",
    "cold_outreach.that_is_an_emergency_number": "Ese es un número de emergencia. Desde aquí no se le escribe: llama.",
    "cold_outreach.that_is_no_telephone_number": (
        "Ese no es un número al que se pueda escribir. Escríbelo otra vez, con su código de área."
    ),
    "cold_outreach.that_is_this_lines_own": "Ese es el número de esta línea.",
    "cold_outreach.that_number_is_in_another": "Ese número es de otro país. Desde aquí no se le escribe.",
    "cold_outreach.that_phone_has_a_conversation": (
        "Ese teléfono ya tiene una conversación aquí, o la tuvo hace poco. Solo supervisión puede revisarla."
    ),
    "cold_outreach.that_phone_may_not_be": (
        "A ese teléfono no se le puede escribir: dijo STOP, está bloqueado, o ahora no se puede saber."
    ),
    "cold_outreach.the_two_are_not_the": "Los dos no son iguales. Escríbelo dos veces más, desde el principio.",
    "cold_outreach.this_line_texts_nobody_first": (
        "Esta línea no escribe primero a nadie (cold_outbound en su paquete). Se responde a quien nos escribe."
    ),
    "cold_outreach.with_who_texts_first_it": "{designation} · con {assignee}, que escribe primero: así se pidió",
    "duty.accept_the_invitation_to_you": ("Acepta la invitación a {designation}: tú lees, y lo que escribes es una nota."),
    "duty.another_supervisor_has_to_confirm": "La tuya la tiene que confirmar otra persona de supervisión.",
    "duty.first_hand_over_transfer_or": "Primero pasa (!transfer) o devuelve (!release): {names}.",
    "duty.has_a_cryptographic_identity_that": "tiene una identidad criptográfica que nadie ha confirmado todavía",
    "duty.has_a_new_cryptographic_identity": "tiene una identidad criptográfica NUEVA",
    "duty.has_no_cryptographic_identity": (
        "{user} todavía no puede leer nada, y está fuera de turno: su aplicación no ha creado una identidad "
        "criptográfica. Que configure en ella el cifrado (en Element: Ajustes, Cifrado); después alguien de supervisión le "
        "confirma aquí con !trust."
    ),
    "duty.is_being_signed_out_everywhere": ("Se está cerrando la sesión de {user} en todas partes, como pidió {sender}."),
    "duty.it_receives_nothing_until_a": (
        "⚠️ {user} {new}. No recibe nada hasta que alguien de supervisión le pregunte en persona y diga !trust "
        "@{user}. Huella: {fingerprint}"
    ),
    "duty.nobody_of_that_name_waits": (
        "Nadie con ese nombre lo espera. Una identidad nueva se informa aquí cuando se ve por primera vez."
    ),
    "duty.noted_and_on_the_board": "Anotado, y está en el tablero: {spoken}.",
    "duty.s_identity_changed_while_you": (
        "La identidad de {user} cambió mientras escribías. No se confirma nada. Mira primero el informe más reciente."
    ),
    "duty.s_identity_is_confirmed_by": "La identidad de {user} queda confirmada por {sender}.",
    "duty.s_identity_is_confirmed_by_2": (
        "La identidad de {user} queda confirmada por soporte técnico, en el servidor (quietline trust)."
    ),
    "duty.say_languages_and_their_codes": (
        "Di !languages y sus códigos, por ejemplo !languages es fr; !languages {no_languages} los quita."
    ),
    "duty.say_listen_and_a_designation": "Di !listen y una designación. !board las muestra.",
    "duty.stays_on_duty_first_hand": (
        "{user} sigue de turno: primero pasar (!transfer) o devolver (!release) {designation}."
    ),
    "duty.that_is_not_the_fingerprint": (
        "Esa NO es la huella que se informó. No se confirma nada. Pregunta a {user} en persona."
    ),
    "duty.whoever_has_left_the_desk": "{unknown_member} Quien dejó la mesa ya no recibe nada.",
    "duty.you_are_off_duty_nobody": "Estás fuera de turno: nadie te llama aquí hasta que digas !on.",
    "duty.you_are_on_duty": "Estás de turno.",
    "new_thread_limit.more_new_texters_than_usual": (
        "⚠️ Llegan más personas nuevas de lo habitual a la vez, o un mismo número una y otra vez. Esperan sin "
        "tarjeta y la máquina no les responde; las tarjetas llegan tan rápido como lo permite esta línea. !claim "
        "toma a quien más espera. !board"
    ),
    "outage.it_is_an_outage_already": "Ya hay una falla declarada. !outage over la termina.",
    "outage.outage_says_whoever_texts_first": (
        "⚠️ FALLA, dice {who}: a quien escribe por primera vez se le dice que los textos no funcionan bien ahora, "
        "y el número de voz. !outage over la termina."
    ),
    "outage.say_outage_or_outage_over": "Di !outage, o !outage over.",
    "outage.the_outage_is_over_says": "La falla terminó, dice {who}: los primeros textos se saludan como siempre.",
    "outage.there_is_no_outage": "No hay ninguna falla declarada.",
    "roster.a_supervisor": "supervisión",
    "roster.an_advocate": "atención",
    "roster.devices_are_there_again": (
        "⚠️ El servidor tiene otra vez dispositivos cuya sesión se había cerrado, como ocurre cuando se restaura su base "
        "de datos: de {users}. No pueden leer nada nuevo ni dar órdenes, pero tienen la sesión abierta. Supervisión dice "
        "!signout @quien por cada una de estas personas; quien usaba un dispositivo así inicia sesión otra vez."
    ),
    "roster.is_removed_once_more": (
        "⚠️ {user} había salido de esta sala, o se le quitó de ella, y el servidor le tenía aquí otra vez, como ocurre "
        "cuando se restaura su base de datos. No recibe claves, y se le quita de nuevo. ¿{user} debe estar aquí? Invítenle."
    ),
    "roster.somebody_changed_what_people_may": (
        "⚠️ Alguien cambió lo que las personas pueden hacer en esta sala. Se vuelve a poner como estaba; "
        "supervisión sigue siendo supervisión. Para quitar a alguien de la lista, quítenle de esta sala."
    ),
    "roster.somebody_closed_this_room_an": (
        "⚠️ Alguien cerró esta sala (una actualización de sala hace eso). Quietline se queda aquí; ninguna otra "
        "sala es la mesa. Las conversaciones siguen. Por favor, avisen a soporte técnico."
    ),
    "roster.the_technician_ended_s_account": (
        "Soporte técnico cerró la cuenta de {user}: sesión cerrada en todas partes, y fuera de todas las salas."
    ),
    "roster.the_technician_made_an_account": (
        "Soporte técnico creó una cuenta para {user} ({role}), a quien se invita aquí. ¿No es alguien que "
        "conozcan? Quítenle de esta sala, y llamen a soporte técnico."
    ),
    "roster.this_is_the_line_texters": "Esta es la línea: las palabras de quienes escriben llegan con esta identidad.",
    "roster.this_is_your_office_only": (
        "Esta es tu oficina: aquí solo están tú y el programa. Los números y las palabras acordadas van aquí, no "
        "en la mesa."
    ),
    "roster.welcome_please_say_help_here": (
        "Te damos la bienvenida. Por favor, di !help aquí una vez, para que tu aplicación aprenda a leernos."
    ),
    "thread_marks.waiting_and_what_they_texted": (
        "{tap} {designation} ⚠️ · espera, y lo que escribió puede ser una señal de peligro"
    ),
    "transfer.a_supervisor_may_all_the": "{full} Supervisión puede de todos modos: !escalate.",
    "transfer.at_the_desk_on_its": "en la mesa, ✋ en su tarjeta la toma",
    "transfer.called_they_read_everything_from": (
        "Se llama a: {users}. Cuando entran leen a la persona que escribe desde la primera palabra; para lo que "
        "escribieron sus colegas pueden necesitar !recap."
    ),
    "transfer.everybody_at_the_desk": "cualquiera en la mesa",
    "transfer.first_hand_over_transfer_or": (
        "Primero pasa (!transfer) o devuelve (!release): tienes {count} abiertas, !board en la mesa dice cuáles."
    ),
    "transfer.has_run_out": "se agotó",
    "transfer.has_threads_open_the_most": "{to} tiene {cap} conversaciones abiertas, lo máximo.",
    "transfer.is_asked_in_to_read": "Se invita a {user} a leer y a escribir notas; el teléfono no le oye.",
    "transfer.is_not_the_advocate": "{user} no atiende: {reason}",
    "transfer.is_off_duty_say_transfer": "{to} está fuera de turno. Di !transfer y quién más, o !transfer all.",
    "transfer.is_off_duty_say_with": "{user} está fuera de turno. Di !with y quién más.",
    "transfer.is_off_duty_transfer_it": (
        "{taken_from} está fuera de turno: pásala (!transfer), o devuélvela a la cola (!release)."
    ),
    "transfer.is_the_advocate_already": "{to} ya atiende.",
    "transfer.is_the_advocate_and_stays": "{user} atiende, y se queda: nadie tiene que invitarle.",
    "transfer.it_is_in_the_queue": "Está en la cola.",
    "transfer.it_is_offered_to_everybody": (
        "Se ofrece a cualquiera: ✋ en su tarjeta de la mesa la toma, y nadie tiene que rechazarla."
    ),
    "transfer.it_is_offered_to_somebody": "Se ofrece a otra persona.",
    "transfer.it_is_with_ask_for": "Está con {assignee}. Pide !transfer; supervisión: !take.",
    "transfer.it_is_with_nobody_it": "No está con nadie: está en la cola, y cualquiera puede tomarla.",
    "transfer.no_supervisor_took_this_thread": (
        "Nadie de supervisión te quitó esta conversación. !claim en la mesa, o pide !transfer."
    ),
    "transfer.nothing_is_offered_here_or": "Aquí no hay nada ofrecido, o se agotó. Pide !transfer otra vez.",
    "transfer.nothing_is_offered_here_so": "Aquí no hay nada ofrecido, así que no hay nada que retirar.",
    "transfer.offers_this_thread_to_until": (
        "{sender} ofrece esta conversación a {whom}: {how}. Hasta entonces se oye a {heard}."
    ),
    "transfer.or_accept_takes_it_or": "{yes} o !accept la toma, {no} o !decline no",
    "transfer.put_the_thread_back_into": "{sender} devolvió la conversación a la cola",
    "transfer.ready_for_the_phone_say": "Listo para el teléfono: “{handover}” Di !say handover para enviarlo.",
    "transfer.release_queue_takes_it_from": "!release queue se la quita a quien atiende y la deja esperar.",
    "transfer.says_why": "{sender} dice por qué: {why}",
    "transfer.s_seat_as_interpreter_has": "Terminó el tiempo de {user} como intérprete.",
    "transfer.some_conversations_stay_with_one": "Algunas conversaciones se quedan con una. {talk}",
    "transfer.the_desk_was_told": "{nobody_decides} Se avisó a la mesa.",
    "transfer.the_thread_was_released": "se devolvió la conversación",
    "transfer.this_thread_is_with_you": "Esta conversación ya está contigo.",
    "transfer.verify_your_device_first_then": "{sender}: verifica primero tu dispositivo, y toca otra vez.",
    "transfer.was_declined_by": "la rechazó {user}",
    "transfer.was_replaced": "se reemplazó",
    "transfer.was_taken_back": "se retiró",
    "transfer.you_are_here_already_say": "Ya estás aquí. Di !with y quién más.",
    "transfer.you_are_here_to_read": "Ya estás aquí para leer y escribir notas.",
    "transfer.you_are_off_duty_nobody": "Estás fuera de turno: nadie te llama en la mesa hasta que digas !on allí.",
    "unread_texts.not_read_yet": "Lo que escribió no se ha leído todavía. Una respuesta, o !status, muestra que sí.",
    "wellbeing.a_supervisor_can_take_a": (
        "Alguien de supervisión puede tomarse un cuarto de hora tranquilo contigo, ahora o después: solo pídelo."
    ),
    "wellbeing.no_supervisor_is_on_duty": (
        "Nadie de supervisión está de turno ahora, así que no se promete a nadie: cuando haya alguien, pide un "
        "cuarto de hora tranquilo. Si no puede esperar, dilo en la mesa."
    ),
    "wellbeing.what_you_have_just_carried": (
        "Lo que acabas de llevar puede quedarse contigo un tiempo. {talk} No se le dijo a nadie más."
    ),
    "wellbeing.you_have_conversation_s_open": (
        "Tienes {count} conversación(es) abierta(s) y {heavy_threads} difícil(es) recientes, {hours} h de turno. "
        "Puede ser hora de pasar una (!transfer), o de una pausa. Solo tú ves esto."
    ),
    "assignment.may_not_show": (
        "{user}: puede que no se vea lo que escribieron tus colegas antes de que llegaras. !recap lo dice otra vez, aquí."
    ),
    "close_rest.asked": (
        "{count} esperan sin tarjeta, escribieron una vez y no tienen señales de peligro; las otras {stay} sin tarjeta "
        "quedan. !close-rest yes cierra las conversaciones de esas {count}, sin leerlas, {after} después: no se envía "
        "nada, y quien escriba otra vez empieza una nueva. Con !close-rest no, todo queda como está."
    ),
    "close_rest.being_closed": "Ya se están cerrando; con !close-rest no, las que faltan quedan.",
    "close_rest.confirmed": (
        "{user} cierra las conversaciones de {count} que escribieron una vez, en {after}. Hasta entonces se "
        "deshace con !close-rest no; quien escriba otra vez, muestre una señal de peligro o ya esté con alguien queda."
    ),
    "close_rest.done": "{closed} conversaciones están cerradas, sin leer, como dijo !close-rest. Quedan {stay}.",
    "close_rest.how": "Di !close-rest, y después !close-rest yes o !close-rest no.",
    "close_rest.nobody": ("Sin tarjeta no espera nadie que escribiera una vez y no destaque: no hay nada que cerrar."),
    "close_rest.nothing_was_asked": "No se había pedido ni empezado nada.",
    "close_rest.taken_back": "Deshecho. Ya cerradas: {closed}.",
    "shifts.calendar_cannot_be_used": (
        "El calendario de turnos no se puede usar: {why}. {in_place} Por eso no se llama a nadie más tarde. Esto se dice "
        "una vez; avisa a quien lleva el calendario o cuida la máquina de la línea."
    ),
    "shifts.calendar_empty": "no tiene ningún turno en las próximas semanas",
    "shifts.calendar_is_back": "El calendario de turnos se puede usar otra vez.",
    "shifts.calendar_large": "pasa de 1 MiB",
    "shifts.calendar_not_a_calendar": "lo que hay allí no es un calendario, o es solo una parte",
    "shifts.calendar_refused": "su dirección lleva a otra, o no a la red pública",
    "shifts.calendar_too_much": "tiene más entradas o repeticiones que un calendario de turnos",
    "shifts.calendar_unreachable": "no se llega a él",
    "shifts.calendar_was_read": (
        "Del calendario de turnos, como está ahora, esto no cuenta para nadie. Entradas cuyo título no nombra a nadie que "
        "pueda estar en esta mesa: {nameless} (las primeras empiezan: {times}). Entradas que no se pueden leer: {unread}. "
        "Personas que no están en la mesa: {missing}."
    ),
    "shifts.nights_in_a_row": (
        "Según el calendario esta es tu noche {nights} seguida. Si prefieres descansar, díselo a quien hace el plan; yo no "
        "se lo digo a nadie, y nada cambia solo."
    ),
    "shifts.nobody_is_on_shift": (
        "En la semana que viene hay horas en que la línea está abierta y nadie tiene turno (desde / hasta): {gaps}. "
        "Más huecos: {more}. Personas del calendario que no están en la mesa: {missing}."
    ),
    "shifts.no_copy_counts": (
        "No hay copia: cuentan los turnos del paquete, o ninguno, y se llama a todas las personas de turno."
    ),
    "shifts.the_copy_counts": "Cuenta una copia de hace {hours} horas.",
    "shifts.your_shift_has_begun": (
        "Según el calendario ha empezado tu turno, y aquí no consta que estés. Di !on en la mesa cuando estés. Hasta "
        "entonces no se te llama, y en este turno no se pregunta otra vez."
    ),
}
