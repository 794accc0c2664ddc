"""Spanish: notices of the line itself: devices, retries, recaps, what is not erased yet, rooms, calls outside."""

from __future__ import annotations

from typing import Final

NOTICES: Final[dict[str, str]] = {
    "audit.nothing": "No hay nada anotado.",
    "devices.is_trusted": "de confianza",
    "devices.none": "No se conoce ningún dispositivo.",
    "devices.not_trusted": "SIN confianza: no recibe nada y no manda nada",
    "devices.stale": " · SIN USO: aquí no ha dicho nada desde hace {days} días; !signout lo termina",
    "page.needed": "Te necesitan en la mesa.",
    "page.second": (
        "Se inició una segunda copia del programa y fue rechazada. Lo que ya funcionaba no se tocó: si la mesa responde, "
        "esto puede esperar hasta el día. Por favor, avisa a soporte técnico."
    ),
    "page.test": "PRUEBA: no se necesita a nadie. Por favor, di que esto te llegó.",
    "recap.file": "(un archivo)",
    "recap.goes_in": "Esto se va en {minutes} minutos, o cuando alguien quite un mensaje.",
    "recap.going": "Faltan {going} que se irán en unos minutos.",
    "recap.heading": (
        "Lo que escribieron tus colegas aquí, para dispositivos que llegaron después. Entre corchetes: qué pasó con "
        "eso para el teléfono."
    ),
    "recap.it_goes_on": "{words} … (sigue)",
    "recap.keys_sent": "Las claves de esta sala van en camino a tus dispositivos.",
    "recap.lookup_refused": (
        "No se pudo buscar lo que escribieron tus colegas: el servidor lo rechaza. Por favor, avisa a soporte técnico."
    ),
    "recap.nobody": "Nadie de la mesa ha escrito nada aquí todavía.",
    "recap.nothing": "De lo que escribieron tus colegas aquí no se puede repetir nada.",
    "recap.older": "Faltan los más antiguos.",
    "recap.on_hold": "Esto se va cuando se levante la retención legal.",
    "recap.too_late": "No se repitió lo que escribieron tus colegas: tardó demasiado. Di !recap otra vez.",
    "recap.unread": "Faltan {unread} que no se pudieron leer o venían de un dispositivo sin verificar.",
    "remains.because": "{what} ({why})",
    "remains.being_purged": "el servidor todavía la está eliminando",
    "remains.copies": "copias de textos en la operadora",
    "remains.copy": "una copia de un texto en la operadora",
    "remains.database_damaged": "nuestra base de datos está dañada",
    "remains.database_in_use": "la base de datos está en uso",
    "remains.due": "lo que toca borrar",
    "remains.event_readable": "un evento todavía se puede obtener",
    "remains.homeserver_silent": "el servidor no responde",
    "remains.leftovers": "el servidor todavía tiene algo de ella",
    "remains.log_in_use": "el registro de la base de datos está en uso",
    "remains.message": "un mensaje cuyo plazo terminó",
    "remains.message_readable": "se borró un mensaje y todavía se puede leer",
    "remains.not_redacted": "el servidor se niega a borrarlo",
    "remains.program_failed": "el programa falla al hacerlo",
    "remains.room": "una sala",
    "remains.rows": "filas de nuestra base de datos",
    "remains.step_refused": "el servidor rechaza un paso del borrado",
    "remains.still_readable": "se borró y todavía se puede leer",
    "remains.texter": "lo que se guardó de una persona que escribió",
    "remains.upload": "un archivo subido todavía está ahí",
    "retry.not_retryable": "Eso no es algo que se pueda intentar otra vez. Se guarda para soporte técnico.",
    "retry.not_stored": (
        "Sus palabras no se guardaron: podía haber en ellas una palabra acordada. Pide a la persona que lo diga otra vez."
    ),
    "retry.retrying": "Se intenta una vez más. Si falla otra vez, habrá otro aviso.",
    "retry.unknown": "No hay nada guardado con ese código: ya se intentó otra vez, o su conversación terminó.",
    "reveal.shown": "{designation}: {number}\nEsto se retira en un minuto. Quedó anotado que lo viste.",
    "room.invited": "Di !help cuando entres: así tu dispositivo puede leer todo aquí.",
    "room.invited_to_thread": (
        "Lo que escribe aquí quien atiende llega a un teléfono. Lo que tu dispositivo no puede leer, !recap lo dice "
        "otra vez."
    ),
    "room.nothing_readable": "¿Aquí no se puede leer nada?",
    "room.unreadable": (
        "Este dispositivo no está verificado, o nadie ha confirmado todavía de quién es. Verifícalo en los ajustes "
        "de tu cliente; quien es nuevo pide ayuda a supervisión, y la primera persona de supervisión, a quien "
        "administra el servidor."
    ),
    "sign_out.everywhere": (
        "{user} ya no tiene ninguna sesión abierta ({devices} dispositivo(s)). Con lo que entre la próxima vez hay "
        "que verificarse otra vez."
    ),
    "sign_out.here_only": (
        "{user} perdió {devices} dispositivo(s) aquí. NO se cerraron sus sesiones en el servicio de acceso: pueden "
        "traerlos de vuelta. Quien lo administra tiene que terminarlas ahí. Avisa a soporte técnico."
    ),
    "sign_out.no_answer": "NO se pudieron cerrar las sesiones de {user}: el servidor no responde. Avisa a soporte técnico.",
    "sign_out.no_module": (
        "NO se pudieron cerrar las sesiones de {user}: el servidor no tiene nuestro módulo. Avisa a soporte técnico."
    ),
    "sign_out.nobody": (
        "NO se pudieron cerrar las sesiones de {user}: el servidor no conoce a nadie con ese nombre en la mesa. "
        "Avisa a soporte técnico."
    ),
}
