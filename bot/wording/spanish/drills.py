"""Spanish: notices of drills, and the sentences for a person who meets a situation for the first time."""

from __future__ import annotations

from typing import Final

NOTICES: Final[dict[str, str]] = {
    "drills.and_then": "Textos nuestros que le llegaron después ({count}):",
    "drills.begins": (
        "Empieza «{title}»: en un momento alguien escribe a la línea. Responde como siempre; el repaso llega a tu oficina. "
        "!drill stop lo termina antes."
    ),
    "drills.brief": "Para el ejercicio: {words}",
    "drills.could_read": "Quien tomó el teléfono pudo leer lo que escribió la persona, y estas palabras nuestras:",
    "drills.could_read_nothing": "Quien tomó el teléfono pudo leer lo que escribió la persona, y ninguna palabra nuestra.",
    "drills.count": "Ejercicios que has hecho: {count}. !drill forget lo borra.",
    "drills.forgotten": "Está borrado: nada dice que hayas hecho alguno.",
    "drills.kept": (
        "Gracias. Esto no es una nota, y solo lo recibe quien participó. Se borra en una hora; solo se guarda cuántos "
        "ejercicios has hecho ({count}): !drill forget borra también eso. Otro: !drill"
    ),
    "drills.left": "Textos nuestros que llegaron al teléfono ({count}):",
    "drills.limits_after": "Los límites se explicaron {time} después de la revelación.",
    "drills.limits_before": "Los límites se explicaron {time} antes de la revelación.",
    "drills.limits_never": "No se explicaron los límites, y hubo una revelación.",
    "drills.minutes": "{count} minutos",
    "drills.never_stopped": "Tomaron el teléfono, y no se detuvo nada.",
    "drills.no_such": "No hay tal ejercicio. Hay: {names}. Detrás del nombre: en o es. !drill stop termina el tuyo.",
    "drills.none_runs": "No tienes ningún ejercicio en curso.",
    "drills.not_counted": "Un ejercicio no se cuenta: el informe trata de las personas que escriben.",
    "drills.not_on_this_line": (
        "Esta línea está en servicio, y quienes le escriben son personas. Los ejercicios son para una línea de ensayo: "
        "./quietline up hace una."
    ),
    "drills.nothing_left": "Ningún texto nuestro llegó al teléfono.",
    "drills.one_runs": "Ya tienes un ejercicio en curso. !drill stop lo termina, con su repaso.",
    "drills.over": "El ejercicio «{title}» ha terminado. Así fue.",
    "drills.point_next_time": "→ {words} (práctica {practice})",
    "drills.point_well": "✓ {words} (práctica {practice})",
    "drills.seconds": "{count} s",
    "drills.stopped": "El ejercicio ha terminado. Su repaso está en tu oficina.",
    "drills.stopped_after": "Todo se detuvo {time} después de que tomaran el teléfono.",
    "drills.text": "{time} «{words}»",
    "drills.the_drill_is_over": "El ejercicio ha terminado.",
    "drills.there_are": "Personas con quienes practicar; con es detrás del nombre escriben en español:",
    "first_times.again": "Vuelves a recibir una frase cuando algo te pasa por primera vez.",
    "first_times.cue": (
        "Tu primer aviso: una línea en la sala te pide mirar algo. Detrás de ⚠️ es una suposición según listas de frases. "
        "No hace nada por sí misma; decides tú. !playbook tiene los pasos. (!quiet termina estas frases.)"
    ),
    "first_times.held": (
        "Tus primeras palabras en pausa: ✋ significa que nada ha salido. La línea de arriba dice por qué, y con qué "
        "comando salen; sin decir nada se quedan aquí. (!quiet termina estas frases.)"
    ),
    "first_times.how": "!quiet termina las frases de la primera vez; !quiet no las empieza de nuevo.",
    "first_times.note": (
        "Tu primer 📝: el teléfono no recibe ese mensaje. Los comandos y lo que empieza con // son notas; todo lo que "
        "escribes en una conversación tuya va al teléfono. (!quiet termina estas frases.)"
    ),
    "first_times.quiet": "No habrá más frases de la primera vez. !quiet no las trae de vuelta.",
    "first_times.step_1": (
        "Tu primera conversación, paso a paso (toca ▶️ para el siguiente; !quiet lo termina). 1 de 5: acepta la invitación "
        "y lee. Lo que escribes en esa sala va al teléfono, palabra por palabra, tras {undo} segundos en que puedes "
        "cambiarlo o quitarlo."
    ),
    "first_times.step_2": (
        "2 de 5: primero una frase corta, para que sepa que hay una persona. Lo que empieza con // se queda en la sala."
    ),
    "first_times.step_3": (
        "3 de 5: pronto, antes de algo difícil, !limits; después !safecheck, que pregunta si ahora es seguro."
    ),
    "first_times.step_4": (
        "4 de 5: si algo parece mal, 🛑 en cualquier mensaje, o !unsafe. Solo detiene, y se puede levantar. !escalate "
        "pide que venga supervisión, !playbook tiene los pasos."
    ),
    "first_times.step_5": (
        "5 de 5: al final !say closing, después !close. Para pasarla: !transfer y un nombre. !help tiene lo demás."
    ),
}
