"""Spanish: notices of alerts."""

from __future__ import annotations

from typing import Final

NOTICES: Final[dict[str, str]] = {
    "alerts.a_conversation": "Una conversación",
    "alerts.a_person_could_not_be_removed": (
        "El servidor no deja que esta línea quite de una sala a una persona que debe estar fuera: de {where}. No recibe "
        "claves de esta línea, pero las aplicaciones de quienes escriban allí pueden darle las suyas: por favor, no "
        "escriban nada allí. Por favor, avisen a soporte técnico ahora."
    ),
    "alerts.a_room_was_changed": (
        "Alguien cerró la sala de {where}, sacó a esta línea de ella o cambió lo que se puede hacer allí: solo puede quien "
        "administra el servidor. Las aplicaciones pueden negarse a escribir allí, y puede que un texto no se muestre. Por "
        "favor, pregunten a quien la atiende si todavía puede responder, y avisen a soporte técnico ahora."
    ),
    "alerts.a_text_may_or_may": "un texto puede haber llegado o no al teléfono. No se envía otra vez solo.",
    "alerts.asked_us_to_stop_in": "pidió con sus palabras que paremos. Nada sale hasta que envíe START.",
    "alerts.asks_for_a_call_nothing": "pide una llamada. No se envió nada.",
    "alerts.asks_what_this_is": "pregunta qué es esto. Responde una persona.",
    "alerts.back": "atrasó",
    "alerts.break_glass_its_number_is": (
        "ACCESO DE EMERGENCIA. Su número se muestra sin el sí de supervisión, como lo permite la política de la "
        "agencia. El motivo está en su sala. Por favor, miren."
    ),
    "alerts.cannot_go_on_now_nothing": (
        "no puede seguir ahora. No se envió nada; no escriban nada hasta que escriba otra vez."
    ),
    "alerts.conversations_have": "{count} conversaciones de esta línea no tienen",
    "alerts.could_not_be_invited_to": (
        "⚠️ No se pudo invitar a {user} a {where}. ¿Existe la cuenta, y acepta invitaciones? La línea sigue sin esa persona."
    ),
    "alerts.could_not_be_shown_nobody": (
        "⚠️ {whose} no se pudieron mostrar, nadie las ha leído: {short_id}. Supervisión puede intentarlo una vez "
        "más con !retry {short_id}. Por favor, avisen a soporte técnico."
    ),
    "alerts.duress_the_duress_word_came": (
        "COACCIÓN. Llegó la palabra de coacción. Nada sale salvo !cover 1, 2 y 3. Supervisión: !listen, y después decidan."
    ),
    "alerts.for_h": " desde hace {hours} h",
    "alerts.for_minutes_or_more_the": (
        "⚠️ Desde hace {minutes} minutos o más la línea no oye lo que se dice en sus salas: nada de lo que "
        "escriban llega a un teléfono hasta que lo oiga. Por favor, avisen a soporte técnico."
    ),
    "alerts.forward": "adelantó",
    "alerts.is_blocked_by_a_supervisor": "está bloqueado por supervisión: nada sale, y lo que envía se descarta.",
    "alerts.is_not_blocked_any_more": "ya no está bloqueado.",
    "alerts.is_not_tried_any_more": "Ya no se intenta más",
    "alerts.is_tried_for_a_quarter": "Se intenta durante un cuarto de hora",
    "alerts.it_is_urgent_its_advocate": (
        "es urgente: quien atiende le pide que llame. Debe saberlo quien responde las llamadas."
    ),
    "alerts.texts_to_another_number_come": (
        "⚠️ La operadora trae aquí textos enviados a otro número que no es de esta línea. Se muestran como los demás, y se "
        "pregunta antes de enviar las respuestas, porque llegarían desde el número de esta línea. Avisen a la parte "
        "técnica: el ajuste de ese número en la operadora está mal, o falta el número en la configuración. Se dice como "
        "máximo una vez al día."
    ),
    "alerts.it_was_not_kept_and": (
        "⚠️ {strays} No se guardó y no se puede responder aquí. Esto se dice como máximo una vez por hora."
    ),
    "alerts.its_advocate_asks_for_a": "quien atiende pide a supervisión.",
    "alerts.its_advocate_has_not_read": "quien atiende no ha leído lo que escribió. Con !listen supervisión puede mirar.",
    "alerts.its_advocate_has_still_not": (
        "quien atiende sigue sin leer lo que escribió. Supervisión puede mirar con !listen, y tomarla con !take."
    ),
    "alerts.its_carrier_cannot_be_asked": (
        "A su operadora no se le puede preguntar qué llegó mientras tanto, y puede haber abandonado algunos. "
        "{check_portal}, si los hay."
    ),
    "alerts.its_key_is_not_on": (
        "⚠️ {designation}: su clave no está en la máquina, como ocurre cuando se restaura un keys.db antiguo. Nada "
        "de lo que se escribe allí llega a un teléfono, y no se pueden mostrar las palabras de la persona. Por "
        "favor, avisen a soporte técnico: {short_id}. La línea sigue."
    ),
    "alerts.left_with_a_silent_word": "se fue con una palabra silenciosa. No se envió nada; no escriban nada más.",
    "alerts.look_at_the_machines_clock": "Mira el reloj de la máquina; si está bien, di !time ok.",
    "alerts.no_key_on_this_machine": (
        "⚠️ {conversations} clave en esta máquina, como ocurre cuando se restaura un keys.db antiguo. Lo que se escribió "
        "allí no se puede leer, nada de lo que se escribe allí llega a un teléfono, y cada mensaje nuevo de ese teléfono "
        "se rechaza. Las demás siguen. Por favor, avisen ya a soporte técnico: que detenga la línea, ponga en su lugar el "
        "keys.db más reciente y la inicie una vez con --take-over. Si ese archivo se perdió, también se perdieron estas, "
        "porque ninguna copia de seguridad trae de vuelta una conversación: quietline accept-facts keys, con la línea "
        "detenida, las termina, y sus teléfonos pueden escribir otra vez."
    ),
    "alerts.not_erased_yet_it_is": (
        "⚠️ No se ha borrado todavía{since}: {what}. Se intenta otra vez automáticamente. Por favor, avisen a "
        "soporte técnico."
    ),
    "alerts.on_the_way_to_phones": (
        " {texts} en camino hacia teléfonos en ese momento: no se sabe si llegaron, y no se envían otra vez."
    ),
    "alerts.one_conversation_has": "Una conversación de esta línea no tiene",
    "alerts.people_were_not_called": (
        "⚠️ {whose}: puede que algo no se haya avisado, o que unas palabras no hayan salido: {short_id}. Por favor, miren "
        "allí, y quién espera. Por favor, avisen a soporte técnico."
    ),
    "alerts.please_look_in_the_carriers": (
        "Por favor, busquen en el portal de la operadora textos que no estén aquí, y avisen a soporte técnico"
    ),
    "alerts.reports_of_what_became_of": (
        "Se rechazaron o no se pudieron leer informes sobre lo que pasó con nuestros textos. Si hay textos que "
        "llegaron y siguen sin ✓✓, la clave de la operadora o la dirección para sus informes está mal puesta: por "
        "favor, miren en el portal de la operadora y avisen a soporte técnico (quietline carrier check). Si no, "
        "fue alguien ajeno, y no hay nada que hacer."
    ),
    "alerts.requests_to_the_carriers_address": (
        "Se rechazaron peticiones a la dirección de la operadora, porque no llevan la firma de la operadora, o no "
        "con la hora de esta máquina. Si faltan textos, su clave, su dirección o el reloj de esta máquina están mal "
        "puestos. {check_portal} (quietline carrier check). Si no falta ninguno, fue alguien ajeno, y no hay nada que "
        "hacer."
    ),
    "alerts.requests_to_the_carriers_address_2": (
        "Se rechazaron peticiones a la dirección de la operadora, porque son más grandes que cualquier texto. Si "
        "faltan textos, pueden haber venido con fotos. {check_portal}. Si no falta ninguno, fue alguien ajeno, y "
        "no hay nada que hacer."
    ),
    "alerts.rooms_from_before_the_restore": (
        "En el servidor quedan salas de conversaciones de antes de restaurar esta línea, con lo que aún no se había "
        "borrado. Esta línea no puede leerlas y no borra nada en ellas, porque ya no se sabe de una retención legal de "
        "entonces. Por favor, pregunten a la asesoría legal. Si ninguna las afecta, soporte técnico detiene la línea y "
        "dice quietline accept-facts rooms: el siguiente inicio las borra."
    ),
    "alerts.said_a_word_for_help": "dijo una palabra para pedir ayuda. Tiene que responder una persona.",
    "alerts.said_goodbye_and_may_be": (
        "se despidió, y puede estar pensando en morir. No se envió nada, y nada se cierra por sí solo. Por favor, miren "
        "ahora."
    ),
    "alerts.said_start_a_person_decides": "dijo START. Decide una persona: !resume en la conversación.",
    "alerts.said_start_texts_may_be": "dijo START: su STOP terminó.",
    "alerts.said_stop_in_the_middle": (
        "dijo STOP en medio de una conversación. Se respeta. ¿Sigue siendo la misma persona? Por favor, miren."
    ),
    "alerts.said_stop_nothing_leaves_until": "dijo STOP. Nada sale hasta que envíe START.",
    "alerts.say_retry_and_the_id": "Di !retry y el id que dio el aviso.",
    "alerts.somebody_deleted_a_device_of": (
        "Alguien borró un dispositivo de esta línea en el servidor, como ocurre al cerrar sesión en todas partes. "
        "La línea crea otro, y entonces se muestra lo que espera. Si no fue nadie de la agencia, por favor "
        "llamen a soporte técnico."
    ),
    "alerts.somebody_else_may_have_the": (
        "otra persona puede tener el teléfono. No se envió nada; lo que esperaba está en pausa. Por favor, miren."
    ),
    "alerts.somebody_wrote_over_another_channel": "Alguien escribió por otro canal que no son textos, como WhatsApp o RCS.",
    "alerts.somebody_wrote_to_this_line": "Alguien escribió a esta línea en un mensaje de grupo.",
    "alerts.something_could_not_be_handled": (
        "⚠️ Algo no se pudo procesar y se guarda para soporte técnico: {short_id}. La línea sigue."
    ),
    "alerts.text_was": "1 texto estaba",
    "alerts.texted_after_a_stop_it": "escribió después de un STOP. No se respondió. Por favor, miren.",
    "alerts.texting_is_safe_again_its": "es seguro escribir otra vez, dicen quienes le atienden.",
    "alerts.texts_were": "{unfinished} textos estaban",
    "alerts.the_carrier_brought_something_that": (
        "La operadora trajo algo que no se pudo leer: puede faltar un texto. {check_portal}."
    ),
    "alerts.the_carrier_does_not_say": (
        "La operadora no dice qué textos llegaron mientras la línea no estaba. Se le pregunta otra vez "
        "automáticamente. {check_portal} (quietline carrier check)."
    ),
    "alerts.the_carrier_says_this_phone": "la operadora dice que este teléfono se dio de baja.",
    "alerts.the_clock_counts_after": (
        "El reloj se da por bueno. La línea empieza de nuevo en unos segundos para guiarse por él; después lo que llegó al "
        "final de su tiempo se va otra vez."
    ),
    "alerts.the_clock_is_taken_as": "El reloj se da por bueno: lo que llegó al final de su tiempo se va otra vez.",
    "alerts.the_desk": "la mesa",
    "alerts.the_desk_or_in_an": "la mesa o una oficina",
    "alerts.the_database_was_promoted": (
        "La base de datos de esta línea es ahora otra copia, como ocurre cuando un servidor releva a otro, y pueden "
        "faltarle los últimos momentos de la anterior. Los textos que llegaron entonces pueden no estar aquí. "
        "{check_portal}. Las palabras que entonces pueden haber salido hacia un teléfono se marcan como desconocidas y no "
        "salen otra vez por sí solas. Una conversación que empezó entonces puede haberse perdido; su teléfono puede "
        "textear otra vez. También puede faltar una retención legal puesta entonces: por favor, pregunten a la asesoría "
        "legal."
    ),
    "alerts.the_homeserver_does_not_have": (
        "El servidor perdió algo de esta línea, como ocurre cuando se restaura su base de datos. Lo que se escribió desde "
        "entonces se perdió allí, también las palabras de quienes textean: por favor, miren en cada conversación abierta. "
        "Las salas perdidas se crean otra vez, y se invita a quien estaba en ellas; quien había salido de "
        "una desde entonces se quita otra vez, y lo que había terminado o se había borrado se borra otra vez. Por favor, "
        "avisen a soporte técnico."
    ),
    "alerts.the_homeserver_holds_us": (
        "El servidor no acepta nada de una cuenta de esta línea: quien lo administra la bloqueó o la suspendió, o el "
        "servidor llegó a un límite. Lo que escriben las personas se guarda, y quizá no se muestre hasta que eso se "
        "levante. Por favor, avisen a soporte técnico ahora."
    ),
    "alerts.the_machines_clock_went_on": (
        "⚠️ El reloj de la máquina avanzó unos {seconds} segundos: alguien lo cambió, o la máquina estuvo detenida ese "
        "tiempo. Por favor, avisen a soporte técnico. Lo que estaba por salir queda en pausa, y se le pregunta a quien lo "
        "escribió. Nada se borra por su edad hasta que supervisión diga !time ok aquí."
    ),
    "alerts.the_machines_clock_was_set": (
        "⚠️ El reloj de la máquina se {way} unos {seconds} segundos. Por favor, avisen a soporte técnico. El "
        "horario sigue enseguida la hora nueva; las respuestas salen como antes. Nada se borra por su edad hasta "
        "que supervisión diga !time ok aquí."
    ),
    "alerts.the_phone_may_be_in": (
        "el teléfono puede estar en otras manos. Nada sale hacia él hasta que alguien de esa sala diga !safe."
    ),
    "alerts.their_office_where_numbers_and": "su oficina, donde se piden números y palabras acordadas",
    "alerts.this_is_said_once_an": "⚠️ {since}{gaps} Esto se dice como máximo una vez por hora.",
    "alerts.this_line_was_away_for": "Esta línea no estuvo disponible durante unos {duration}. ",
    "alerts.this_line_was_restored_from": (
        "⚠️ Esta línea se restauró de una copia hecha hace unas {hours} h. Ninguna conversación volvió: quien "
        "escribe empieza de nuevo.{unfinished} Los textos que llegaron en medio no están aquí, ni ningún STOP o bloqueo de "
        "ese tiempo: no escriban primero a nadie sin saber que lo quiere."
    ),
    "alerts.times": "{body} ({times} veces)",
    "alerts.unverified_possible_duress_nothing_leaves": (
        "sin verificar, posible coacción. Nada sale salvo !cover 1, 2 y 3, hasta el !unlock de supervisión."
    ),
    "alerts.what_they_texted_around_a": (
        "lo que escribió alrededor de un STOP llegó tarde y en desorden. Nada salió por ello. Por favor, miren."
    ),
    "alerts.what_they_wrote_before_the": (
        "lo que escribió antes de la palabra silenciosa no se ha visto todavía. Quien atiende, o supervisión: por "
        "favor, miren."
    ),
    "alerts.the_module_cannot_vouch": (
        "El módulo del servidor dice que no puede hacer todo lo que le toca: puede que allí se guarde algo que aquí se da "
        "por borrado, o que vuelva un dispositivo con la sesión cerrada. Los mensajes siguen. Por favor, avisen a soporte "
        "técnico: `quietline doctor`, fila `homeserver module`, dice qué y qué hacer."
    ),
    "alerts.while_the_line_did_not": (
        "Mientras la línea no oía sus salas, se escribió en {where} más de lo que puede recuperar. Lo más antiguo "
        "no se tomó: no tiene marca, y no llegó a ningún teléfono. Por favor, busquen allí palabras sin marca."
    ),
    "alerts.whoever_is_on_call_could": (
        "⚠️ No se pudo avisar a quien está de guardia. {tried}. Por favor, llamen por teléfono a esa persona, y "
        "avisen a soporte técnico."
    ),
    "alerts.words_of_somebody_new": "Hay palabras de alguien nuevo que",
    "alerts.words_of_the_texter": "{designation}: hay palabras de la persona que",
    "alerts.canary_account": "su cuenta no pudo entrar en el servidor",
    "alerts.canary_text": "no pudo enviarse a la línea",
    "alerts.canary_room": "no llegó a ninguna sala",
    "alerts.canary_keys": "llegó a una sala y allí no pudo leerse",
    "alerts.canary_answer": "se leyó, y la respuesta no volvió",
    "alerts.canary_slow": "llegó, y tardó mucho más de lo debido",
    "alerts.canary_erasure": "llegó, y lo que dejó no está borrado",
    "alerts.canary_silent": "no se sabe nada de ella desde hace un rato",
    "alerts.canary_failed": (
        "⚠️ Esta línea se escribe a sí misma para ver que funciona. La última prueba falló: {step}. Los mensajes de la "
        "gente pueden estar detenidos en el mismo lugar. Por favor, avisen a soporte técnico. Aquí se dice cuando "
        "una prueba vuelve a salir bien."
    ),
    "alerts.canary_recovered": "Las pruebas propias de la línea vuelven a llegar.",
    "alerts.line_is_well": "La revisión periódica de esta línea encuentra que todo está bien otra vez.",
    "alerts.line_is_not_well": (
        "⚠️ La revisión periódica de esta línea encontró algo que no está bien: {rows}. Se llama a la persona de guardia. "
        "Por favor, avisen a soporte técnico: `quietline doctor` dice qué significa cada cosa y qué hacer; de una "
        "unidad `quietline-…` que falló, su diario dice por qué."
    ),
    "alerts.alarm_test": (
        "🔔 PRUEBA de las alarmas por soporte técnico. No se necesita a nadie. Si tu teléfono no sonó con esto, por favor, "
        "avísales."
    ),
    "alerts.behind_aggregates": (
        "La línea sigue con lo que hay ahí; cada STOP y cada bloqueo valen igual. Por favor, revisen quién está en el "
        "equipo, y antes de responder en una conversación lean lo último que pasó en ella."
    ),
    "alerts.behind_confirmed": (
        "No hay nadie con identidad confirmada: ningún dispositivo recibe claves y ningún comando cuenta. Después hay que "
        "confirmar otra vez a cada persona: a alguien de supervisión con quietline trust, a los demás con !trust."
    ),
    "alerts.behind_locks": (
        "Todas las conversaciones de antes están bloqueadas: solo salen !cover 1, 2 y 3, hasta que supervisión diga "
        "!unlock en cada una. Toda palabra acordada de antes cuenta como gastada: acuerden una nueva por llamada."
    ),
    "alerts.behind_suppression": (
        "Ahora no se sabe qué teléfonos enviaron STOP en una conversación anterior: a nadie se le puede escribir primero, "
        "y a quien escribe por primera vez no se le responde automáticamente. Las personas sí pueden responder."
    ),
    "alerts.facts_accepted": (
        "⚠️ {facts}: keys.db es más antiguo que la base de datos, como cuando se restaura una copia de ese archivo. Vale "
        "la base de datos. Si nadie hizo eso, por favor, avisen a soporte técnico."
    ),
    "alerts.facts_aggregates": "El equipo y el estado de las conversaciones",
    "alerts.facts_behind": (
        "⚠️ {facts}: la base de datos es más antigua de lo que era, o se cambió fuera de este programa. {until_then} Por "
        "favor, avisen ahora a soporte técnico: ¿alguien restauró una base de datos antigua? Entonces, y solo entonces: "
        "detener la línea, y quietline accept-facts {kind}. Si no, alguien puede haber escrito ahí: quietline restore "
        "desde una copia de seguridad."
    ),
    "alerts.facts_confirmed": "Quién tiene la identidad confirmada",
    "alerts.facts_locks": "Qué teléfonos están detenidos o bloqueados",
    "alerts.facts_of_a_phone": (
        "⚠️ {designation}: se quitó de la base de datos, fuera de este programa, un STOP o un bloqueo de este teléfono. "
        "Vale otra vez. Por favor, avisen a soporte técnico: alguien puede haber escrito ahí."
    ),
    "alerts.facts_suppression": "Quién envió STOP o tiene un bloqueo",
}
