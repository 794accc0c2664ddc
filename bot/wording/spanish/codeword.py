"""Spanish: notices of codeword."""

from __future__ import annotations

from typing import Final

NOTICES: Final[dict[str, str]] = {
    "check.a_slip_perhaps_verify_asks": "{count} Quizá fue un descuido: !verify pregunta otra vez.",
    "check.a_word_that_stood_in": (
        "una palabra que estuvo escrita en una sala ya no sirve, porque otras personas pudieron leerla. Acuerden "
        "otra por llamada y escribe el comando sin nada detrás: se te pregunta en tu oficina."
    ),
    "check.as_the_answer_to_the": "como respuesta a la pregunta",
    "check.duress_the_duress_word_came": (
        "⚠️ COACCIÓN. Llegó la palabra de coacción. Actúa igual que antes: el teléfono ve lo mismo que tras la "
        "palabra correcta. Nada de lo que escribes sale; !cover 1, 2 y 3 sí."
    ),
    "check.its_author_was_changing_it": "quien lo escribió lo estaba cambiando",
    "check.redacted_and_not_taken": "Borrado, y no se toma: {written_in_room}",
    "check.that_held_an_agreed_word": (
        "Eso contenía una palabra acordada: se borró, y nada de eso sale. No la escribas nunca, ni aquí ni al teléfono."
    ),
    "check.that_text_is_too_long": (
        "Ese texto es demasiado largo para compararlo hasta el final. Puede haber en él una palabra acordada sin "
        "tapar: trátalo como si la hubiera."
    ),
    "check.the_answer_does_not_hold": "✗ La respuesta no contiene la palabra acordada ({failures} de {most}).",
    "check.the_burned_codeword_came_once": (
        "La palabra acordada, ya gastada, llegó otra vez. No prueba nada: acuerden una nueva por llamada."
    ),
    "check.the_challenge_was_not_answered": (
        "La pregunta no tuvo respuesta a tiempo. No cuenta como fallo; lo que llegue ahora no es respuesta."
    ),
    "check.the_codeword_came_among_many": (
        "La palabra acordada llegó entre muchas otras, como si alguien adivinara. No prueba nada; acuerden una "
        "nueva por llamada."
    ),
    "check.the_codeword_came_it_is": (
        "✓ Llegó la palabra acordada, {how}. Ya está gastada, porque está en ese teléfono: acuerden una nueva por "
        "llamada.{locked}"
    ),
    "check.the_codeword_came_late_who": (
        "La palabra acordada llegó tarde: no se sabe quién tiene el teléfono ahora. No prueba nada; acuerden una "
        "nueva por llamada."
    ),
    "check.the_desk_and_the_supervisors": "Ya se avisó a la mesa y a supervisión.",
    "check.the_desk_is_told": "Ya se avisó a la mesa. {nobody_decides}",
    "check.the_word_has_come_already": "la palabra ya llegó",
    "check.their_answer_has_not_the_word": "su último texto respondió a la pregunta sin la palabra acordada",
    "check.unverified_possible_duress": "⚠️ {count} Sin verificar, posible coacción. {locked}",
    "check.what_is_locked_stays_so": " Lo que está bloqueado sigue así hasta que supervisión diga !unlock.",
    "check.without_being_asked_for": "sin que se pidiera",
    "codeword_commands.a_codeword_is_agreed_from": (
        "Hay una palabra acordada. Desde ahora cada texto se compara con ella, y se tapa cuando llega."
    ),
    "check.whatever_follows_the_check": "lo que siga a !verify",
    "codeword_commands.first_a_supervisors_unlock_once": (
        "Primero hace falta el !unlock de supervisión, después de hablar por llamada con la persona."
    ),
    "codeword_commands.first_a_supervisors_unlock_until": (
        "Primero hace falta el !unlock de supervisión: hasta entonces se siguen buscando las palabras."
    ),
    "codeword_commands.it_is_kept_nobody_sees": (
        "Queda guardada: nadie la vuelve a ver, tampoco tú ni yo. En cuanto llega en un texto, queda gastada."
    ),
    "codeword_commands.leaving_in_a_moment_redact": "Sale en un momento: “{body}” Borra tu comando para detenerlo.",
    "codeword_commands.no_codeword_is_kept_for": "No hay palabra guardada para este teléfono.",
    "codeword_commands.no_codeword_was_kept_the": (
        "No se guardó ninguna palabra: mientras tanto la conversación terminó, cambió quien atiende o se bloqueó "
        "el teléfono. Di !codeword otra vez."
    ),
    "codeword_commands.not_now": "Ahora no: {why}",
    "codeword_commands.nothing_is_locked_here": "Aquí no hay nada bloqueado.",
    "codeword_commands.only_a_word_agreed_in": (
        "Solo vale una palabra acordada en persona o por llamada: nunca la acuerden por texto."
    ),
    "codeword_commands.the_codeword_is_burned_it": (
        "La palabra acordada está gastada: está en ese teléfono. Acuerden una nueva por llamada."
    ),
    "codeword_commands.the_codeword_is_forgotten_texts": "La palabra acordada se olvidó: los textos ya no se comparan.",
    "codeword_commands.there_is_no_codeword_to": "No hay palabra que pedir. !codeword guarda una. {never_by_text}",
    "codeword_commands.unlocked_by_a_supervisor_the": (
        "Supervisión quitó el bloqueo: las palabras de quien atiende vuelven a salir. Las palabras que están en "
        "ese teléfono siguen gastadas."
    ),
    "codeword_commands.you_are_asked_for_it": "{never_by_text} Se te pregunta en tu oficina, donde se borra enseguida.",
    "enrolment.codeword_for_only_one_that": (
        "Palabra acordada para {designation}. Solo una que la persona eligió en persona o por llamada, nunca por "
        "texto. Explícale: se reconoce solo en este teléfono, y hasta {grace} después de que termine la conversación "
        "({longer} con !continue); sola o entre otras palabras de un mismo texto; no con letras añadidas (cereza no "
        "se reconoce en cerezas), ni partida en dos textos. Escríbela aquí ahora, en los próximos cinco minutos, y "
        "nada más; la borro enseguida."
    ),
    "enrolment.five_minutes_are_over_no": (
        "Pasaron cinco minutos: no se guarda ninguna palabra para {designation}. Lo que escribas aquí en los "
        "próximos diez minutos lo borro de todos modos, porque puede ser la palabra."
    ),
    "enrolment.here_a_word_is_written": (
        "aquí la palabra se escribe sola, cuando yo la pido. !codeword en la conversación hace que la pida."
    ),
    "enrolment.redacted_and_not_taken_another": "Borrado, y no se toma. {flaw} Otra, por favor.",
    "enrolment.redacted_and_not_taken_it": (
        "Borrado, y no se toma: llegó demasiado tarde. Di !codeword en la conversación otra vez."
    ),
    "enrolment.redacted_and_taken_it_is": "Borrada y recibida. Queda guardada cuando yo lo diga aquí.",
    "enrolment.redacted_and_taken_now_the": (
        "Borrada y recibida. Ahora la palabra de coacción, la que escribiría si alguien le obliga: distinta de la "
        "primera. O escribe - si no hay."
    ),
    "enrolment.redacted_as_well_a_word": "Borrado también. Una palabra ya tomada no se cambia: di !codeword otra vez.",
    "enrolment.redacted_it_was_not_encrypted": "Borrado. No estaba cifrado: si era la palabra, acuerden otra.",
    "enrolment.redacted_nothing_is_kept_say": (
        "Borrado. {flaw} No se guarda nada. Di !codeword en la conversación otra vez."
    ),
    "enrolment.they_need_these_by_voice": (
        "También necesita oír esto, por voz. !verify pide la palabra con “{challenge}”, y responda lo que "
        "responda, el teléfono muestra después “{answer}” !cover 1, 2, 3 son {lines} Pueden llegar cuando no es "
        "seguro escribir con libertad: significan que entendimos."
    ),
    "flaw.common": (
        "Es demasiado común: saldría por casualidad. Es mejor una palabra poco usada, o dos que no se parezcan."
    ),
    "flaw.keyword": "Es una palabra clave (como STOP, START, SÍ o AYUDA) y significa otra cosa en un texto.",
    "flaw.long": "Es demasiado larga: como máximo {most_words} palabras y {longest} letras.",
    "flaw.lost": "La palabra acordada que se dijo antes ya no está aquí.",
    "flaw.near": "Se parece demasiado a la palabra acordada: un error al escribir convertiría una en la otra.",
    "flaw.no_letters": (
        "Necesita letras: los dibujos se ven distintos en cada teléfono, y los números solos se adivinan y salen "
        "por casualidad."
    ),
    "flaw.not_plain": (
        "Solo se toma un mensaje nuevo y simple: sin cambios, sin hilo, sin archivo, sin mencionar a nadie."
    ),
    "flaw.ours": "Está en uno de los textos de la agencia, que los teléfonos pueden citar.",
    "flaw.same": "Es igual que la palabra acordada.",
    "flaw.short": "Es demasiado corta o simple: al menos {shortest} letras, y no todas iguales.",
}
