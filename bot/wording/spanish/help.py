"""Spanish: what the commands do. The English of it is in `bot.commands.spec` and `bot.commands.help_text`."""

from __future__ import annotations

from typing import Final

COMMANDS: Final[dict[str, str]] = {
    "claim": (
        "toma una conversación que espera: en su sala, esa; en la mesa, la que nombras, o aquella a cuya "
        "tarjeta respondes (o que tocas con ✋), o la primera de las que esperan: señales de peligro (⚠️), y "
        "después la que más espera"
    ),
    "board": "quién espera, y quién habla con quién",
    "on": "estás de turno: se te llama cuando alguien espera",
    "off": "estás fuera de turno; antes pasa o devuelve todas las conversaciones que tienes",
    "languages": "qué idiomas hablas además del primero de la línea, por ejemplo `es`: el tablero lo muestra",
    "trust": "confirma la identidad nueva de alguien; con una huella, solo si es esa",
    "signout": "cierra la sesión de alguien en todas partes: se perdió un dispositivo, o la persona ya no está",
    "devices": "qué dispositivos tiene alguien, y en cuáles se confía",
    "transfer": "ofrece la conversación a alguien, a quien se oye cuando acepta; `nobody` retira una oferta",
    "accept": "toma la conversación que te ofrecen (o toca ✅)",
    "decline": "no tomes la conversación que te ofrecen (o toca ❌)",
    "escalate": "llama a la sala a quienes están de turno en supervisión; el motivo se queda en la sala",
    "with": "invita a alguien: lee y escribe notas; intérprete, por dos horas",
    "take": "toma la conversación de quien atiende, hasta que la devuelvas",
    "speak": "recupera la conversación que te tomó supervisión",
    "listen": "entra en una conversación a tomar notas (en la mesa), o devuélvela y quédate (en la conversación)",
    "release": "devuelve la conversación a quien se le tomó, o a la cola; `queue`: a la cola en todo caso",
    "limits": (
        "dile los límites de lo que queda entre ustedes; edítalo a `!limits: tus palabras` para cambiarlo, "
        "bórralo para detenerlo"
    ),
    "options": "dile las otras vías para llegar a ustedes",
    "unsafe": (
        "el teléfono puede estar en otras manos: nada sale ya, y no se envía nada; el motivo se queda en la sala; en la "
        "mesa: la conversación que nombras, o todas las tuyas"
    ),
    "safe": "sabes que es seguro otra vez: los textos pueden salir",
    "say": (
        "pon un texto de la agencia en espera de salir, o detrás de dos puntos tus palabras en su lugar; "
        "edítalo para cambiarlo, bórralo para detenerlo"
    ),
    "tips": "dile quién más puede ver los textos; después, cómo borrarlos en ese teléfono",
    "rights": "dile qué puede negarse a hacer o contar",
    "clarify": "pide que lo diga con otras palabras",
    "safecheck": "pregunta si todavía es buen momento y buena vía para hablar",
    "later": "acuerda que después está bien",
    "switch": "pide otra vía que no sea por textos",
    "urgent": "dale el número de voz, y avisa a la mesa que puede llamar",
    "different": (
        "es otra persona: da un paso atrás con un texto que no nombra a nadie, y se empieza de nuevo; nunca "
        "con tus palabras"
    ),
    "lang": (
        "en qué idioma salen los textos de la agencia; `!lang me es`, en cualquier lugar y para cualquiera: en "
        "qué idioma te habla el programa, español o inglés; el teléfono no nota nada"
    ),
    "agreed": (
        "anota lo que te dijo: horas seguras (lunes a viernes 9-15 sáb 20-22), si podemos escribir primero, otra vía, "
        "una línea que se envía con !unsafe"
    ),
    "told": (
        "le dijiste los límites o sus derechos, o preguntaste si es seguro, con tus palabras: se anota como "
        "dicho por ti, y no se envía nada"
    ),
    "note": "una nota para esta sala, como con // delante: el teléfono no la recibe",
    "playbook": "qué hacer, paso a paso; solo para tus ojos",
    "quiet": "ninguna frase más cuando algo te pasa por primera vez; `no`: otra vez desde el principio",
    "drill": "en una línea de ensayo: una persona de un guion con quien practicar, y un repaso en tu oficina",
    "outage": "los textos no funcionan bien: quien escribe por primera vez lo oye, con el número de voz",
    "again": "envía una vez más lo que no se sabe si llegó o salió demasiado tarde",
    "anyway": "envía lo que quedó en pausa por sus palabras o por el momento, una vez",
    "long": "envía lo que quedó en pausa por ser largo",
    "stopped": "pidió con sus palabras que paremos: cuenta como su STOP, y no envía nada",
    "resume": (
        "deja salir textos otra vez después de su START, donde esta línea pregunta, o después de un !stopped por error"
    ),
    "reply": "la única respuesta a un texto que llegó después de un STOP",
    "block": "nada sale hacia este teléfono y lo que envía se descarta, por 7 días o el tiempo que digas",
    "tally": "cuenta de qué trató esta conversación, sin ningún vínculo con ella",
    "codeword": (
        "guarda una palabra acordada en persona o por llamada; se te pregunta en tu oficina, y nadie la vuelve a ver"
    ),
    "forget-word": "olvida la palabra acordada: los textos ya no se comparan",
    "verify": (
        "envía la pregunta, dentro de los cinco minutos de un texto; en el siguiente texto se busca la palabra acordada"
    ),
    "cover": "envía una de las líneas de cobertura acordadas, las únicas palabras que salen bajo coacción",
    "unlock": (
        "deja salir otra vez palabras libres tras la coacción o palabras fallidas, cuando hayas hablado con la "
        "persona por llamada"
    ),
    "recap": "para un dispositivo que llegó después: las claves de esta sala y lo que el equipo escribió, otra vez",
    "debrief": "una oferta de hablarlo, en tu oficina",
    "status": "esta conversación: con quién está, los últimos textos, qué espera todavía para salir",
    "text": "escribe primero a alguien que lo pidió (si esta línea lo permite)",
    "close": (
        "termina la conversación: en diez minutos se va todo lo de aquí; `now` (supervisión) enseguida y para "
        "siempre, `anyway` también cuando hay palabras que no salieron"
    ),
    "reopen": "deshaz un !close",
    "continue": (
        "eligió que sepamos quién es la próxima vez: el número y los acuerdos se guardan más tiempo, nunca lo que se dijo"
    ),
    "redact": "como respuesta: quita ese mensaje de la sala, ya",
    "time": "después de un aviso sobre el reloj de la máquina: está bien, y lo viejo se puede ir otra vez",
    "retry": "después de un aviso sobre palabras que no se pudieron mostrar: intenta una vez más",
    "hold": (
        "nada de esta conversación se borra ya, tenga la edad que tenga, hasta !unhold; queda anotado en la auditoría"
    ),
    "close-rest": (
        "después de una avalancha de personas nuevas: cierra, sin leerlas, las conversaciones de quienes escribieron una "
        "vez y no muestran señal de peligro; dice cuántas son y pregunta, `yes` las cierra cuando pasa el tiempo para "
        "deshacer, `no` lo retira"
    ),
    "unhold": "quita la retención: lo que toca irse se va como antes",
    "reveal": (
        "quien atiende, o supervisión, pide ver el número; cuando una segunda persona, de supervisión, dice "
        "que sí, está un minuto en las dos oficinas; sin supervisión de turno, como lo permita la política de "
        "la agencia"
    ),
    "subpoena": "qué hacer con un papel que pide registros",
    "audit": "qué se hizo últimamente, por hora, sin contenido",
    "help": "los comandos que más importan aquí",
    "more": "todos los comandos de este lugar",
}
"""What each command does, by its name."""
ARGUMENTS: Final[dict[str, str]] = {
    "claim": "[designación]",
    "languages": "código … | none",
    "trust": "@quién [huella]",
    "signout": "@quién",
    "devices": "[@quién]",
    "transfer": "@quién|all|nobody [quiet] [nota]",
    "escalate": "[por qué]",
    "with": "@quién [interpreter]",
    "listen": "[designación]",
    "unsafe": "[por qué]",
    "say": "nombre[: tus palabras]",
    "lang": "[idioma] | me en|es",
    "agreed": "times|first|channel|unsafe y lo que dijo",
    "note": "palabras",
    "playbook": "[nombre]",
    "reply": "palabras",
    "drill": "[nombre [en|es]|stop|count|forget]",
    "block": "[duración|off]",
    "tally": "tipo | unmet idioma",
    "reveal": "motivo|yes|no|alone motivo",
}
"""What stands behind a command, where it is not the same in Spanish."""
HEADINGS: Final[dict[str, str]] = {
    "Take somebody who waits": "Tomar a alguien que espera",
    "To the phone": "Hacia el teléfono",
    "A note for the room": "Una nota para la sala",
    "It is not safe": "No es seguro",
    "Pass it on": "Pasarla a alguien",
    "I need help": "Necesito ayuda",
    "End it": "Terminarla",
    "Look after the line": "Cuidar la línea",
    "Practise": "Practicar",
    "Practise on a rehearsal line": "Practicar en una línea de ensayo",
    "In which language": "En qué idioma",
    "All commands": "Todos los comandos",
    "See how it stands": "Ver cómo está todo",
    "Come and go": "Entrar y salir de turno",
    "A device or an identity": "Un dispositivo o una identidad",
    "Texts do not work": "Los textos no funcionan",
    "Text somebody first who asked for it": "Escribir primero a quien lo pidió",
    "Anything else": "Lo demás",
}
"""What a person wants to do, by the English of it."""
SHORT: Final[dict[str, str]] = {
    "what you write goes to the phone; !limits, !options, !tips, !rights, !say name: the agency's texts": (
        "lo que escribes llega al teléfono; !limits, !options, !tips, !rights, !say nombre: los textos de la agencia"
    ),
    "// or !note before it: the phone does not get it": "// o !note delante: el teléfono no la recibe",
    "!unsafe or a tap on 🛑 stops everything and sends nothing; !safecheck, !switch, !urgent": (
        "!unsafe o un toque en 🛑 detiene todo y no envía nada; !safecheck, !switch, !urgent"
    ),
    "!transfer @who, !with @who, !release, !off; with nobody yet: !claim": (
        "!transfer @quién, !with @quién, !release, !off; si no está con nadie: !claim"
    ),
    "!escalate asks for a supervisor; !playbook and one of: {playbooks}": (
        "!escalate pide que venga supervisión; !playbook y uno de estos: {playbooks}"
    ),
    "!close, and !reopen takes it back; they asked us to stop: !stopped": (
        "!close, y !reopen lo deshace; pidió que paremos: !stopped"
    ),
    "!status, !recap, !more; en español: !lang me es": "!status, !recap, !more; in English: !lang me en",
    "a tap on ✋, or !claim": "un toque en ✋, o !claim",
    "!board": "!board",
    "!on, !off; what you speak: !languages": "!on, !off; qué idiomas hablas: !languages",
    "!devices; supervisors: !trust, !signout": "!devices; supervisión: !trust, !signout",
    "!outage, and !outage over": "!outage, y !outage over",
    "!playbook; in a thread's room: !escalate; a paper that asks for records: !subpoena": (
        "!playbook; en la sala de una conversación: !escalate; un papel que pide registros: !subpoena"
    ),
    "!more; en español: !lang me es": "!more; in English: !lang me en",
    "!text": "!text",
    "!drill": "!drill",
}
"""What `!help` says, by the English of it."""
